"""``fastrnn anomaly``: from a CSV to a model, and from a model and a CSV to scores, stretches, figures."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli
from fastrnn.samples.series import daily

TRAIN = "--column 전력 --kind dense --window 48 --epochs 60 --quantile 0.999".split()


def write(path: Path, x: np.ndarray, truth: np.ndarray) -> None:
    rows = ["시각,전력,anomaly"]
    for k, (value, label) in enumerate(zip(x, truth, strict=True)):
        rows.append(f"2024-03-{1 + k // 48:02d} {k % 48 // 2:02d}:{k % 2 * 30:02d},{value:.3f},{label:d}")
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """normal.csv, new.csv, and m.fastrnn that learnt the first."""
    folder = tmp_path_factory.mktemp("anomaly")
    x, truth = daily(40, normal=25)
    write(folder / "normal.csv", x[:1200], truth[:1200])
    write(folder / "new.csv", x[1200:], truth[1200:])
    arguments = ["train", folder / "normal.csv", "--model", folder / "m.fastrnn", *TRAIN, "--json"]
    assert cli.main(["anomaly", *map(str, arguments)]) == 0
    return folder


def run(capsys: pytest.CaptureFixture[str], *arguments: Any) -> str:
    assert cli.main(["anomaly", *map(str, arguments)]) == 0
    return capsys.readouterr().out


def test_train_says_what_it_learnt(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = (files / "normal.csv", files / "normal.csv")
    arguments = ("train", *twice, "--model", files / "two.fastrnn", "--first", 300)
    out = json.loads(run(capsys, *arguments, *TRAIN, "--epochs", 2, "--json"))
    assert out["columns"] == ["전력"] and (out["steps"], out["epochs"]) == (600, 2)
    assert out["threshold"] > 0 and out["val_loss"] > 0
    text = run(capsys, *arguments, "--kind", "gru", "--epochs", 1)
    assert "val_loss" in text and "['전력', 'anomaly']" in text and "threshold" in text


def test_predict_is_what_python_says(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detector = fr.load(files / "m.fastrnn")
    assert detector.columns == ("전력",)
    predict = ("predict", files / "new.csv", "--model", files / "m.fastrnn")
    found = list(csv.DictReader(io.StringIO(run(capsys, *predict))))
    x = np.array([float(row["전력"]) for row in found])
    assert list(found[0]) == ["시각", "전력", "score", "anomaly"] and len(found) == 720
    assert found[0]["시각"] == "2024-03-01 00:00"
    np.testing.assert_allclose([float(row["score"]) for row in found], detector.score(x), rtol=1e-5)
    assert [row["anomaly"] == "1" for row in found] == detector.predict(x).tolist()

    records = [json.loads(line) for line in run(capsys, *predict, "--json").splitlines()]
    assert [record["score"] for record in records] == detector.score(x).tolist()
    assert records[5] == {
        "step": 5, "time": "2024-03-01 02:30", "score": detector.score(x)[5], "anomaly": False,
        "values": {"전력": x[5]},
    }  # fmt: skip

    runs = (*predict, "--stretches", "--gap", 23)
    records = [json.loads(line) for line in run(capsys, *runs, "--json").splitlines()]
    assert [(record["start"], record["stop"]) for record in records] == detector.intervals(x, gap=23)
    first = records[0]
    assert first["score"] == detector.score(x)[first["start"] : first["stop"]].max()
    when = f"{first['first_time']} to {first['last_time']}  (steps {first['start']} to "
    assert run(capsys, *runs).startswith(when)
    assert run(capsys, *predict, "--threshold", 1e9, "--stretches") == ""


def test_evaluate(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", files / "new.csv", "--model", files / "m.fastrnn", "--label-column", "anomaly")
    found = json.loads(run(capsys, *arguments, "--json"))
    assert found["auroc"] > 0.9 and found["stretches"] == found["stretches_found"] == 3
    assert found["total"] == 720 and found["threshold"] == fr.load(files / "m.fastrnn").threshold
    assert "average precision" in run(capsys, *arguments)
    found = json.loads(run(capsys, *arguments, "--json", "--threshold", 1e9))
    assert found["recall"] == 0 and found["precision"] is None and found["threshold"] == 1e9


def test_a_plot(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    if not fr.plot.hangul_font():
        pytest.skip("the column's name needs a font with Hangul")
    arguments = ("predict", files / "new.csv", "--model", files / "m.fastrnn", "--stretches")
    run(capsys, *arguments, "--plot", files / "a.png")
    assert (files / "a.png").read_bytes().startswith(b"\x89PNG")
    odd = "시각,전력\n" + "".join(f"day {k},{90 + k % 20}\n" for k in range(100))
    (files / "odd.csv").write_text(odd, encoding="utf-8")  # with times that only their owner reads
    run(capsys, "predict", files / "odd.csv", "--model", files / "m.fastrnn", "--plot", files / "b.svg")
    assert b"<svg" in (files / "b.svg").read_bytes()


def test_processes_from_training_to_figures(files: Path, tmp_path: Path) -> None:
    def process(*arguments: Any, source: str | None = None) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "fastrnn", "anomaly", *map(str, arguments)], input=source,
            capture_output=True, encoding="utf-8", cwd=tmp_path, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    process("train", files / "normal.csv", "--model", "m.fastrnn", *TRAIN, "--json")
    source = (files / "new.csv").read_text(encoding="utf-8")
    from_stdin = process("predict", "--model", "m.fastrnn", source=source)
    assert from_stdin == process("predict", files / "new.csv", "--model", "m.fastrnn")
    assert from_stdin == process("predict", "-", "--model", files / "m.fastrnn", source=source)
    arguments = ("evaluate", files / "new.csv", "--model", "m.fastrnn", "--label-column", "anomaly", "--json")
    assert json.loads(process(*arguments))["auroc"] > 0.9


def test_standard_input_is_scored_as_it_comes(files: Path) -> None:
    lines = (files / "new.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    child = subprocess.Popen(
        [sys.executable, "-m", "fastrnn", "anomaly", "predict", "--model", files / "m.fastrnn"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8",
    )  # fmt: skip
    assert child.stdin is not None and child.stdout is not None
    child.stdin.writelines(lines[:60])
    child.stdin.flush()
    assert child.stdout.readline() == "시각,전력,score,anomaly\n"
    assert child.stdout.readline().startswith("2024-03-01 00:00,")  # the input has not ended yet
    child.stdin.writelines(lines[60:])
    child.stdin.close()
    assert len(child.stdout.readlines()) == 719 and child.wait() == 0
    child.stdout.close()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "{f}/normal.csv", "--model", "{f}/no/m.fastrnn"], 1, "is no folder"),
        (["train", "{f}/none.csv", "--model", "{f}/x.fastrnn"], 1, "none.csv"),
        (["train", "{f}/normal.csv", "--model", "{f}/x.fastrnn", "--column", "전기"], 1,
         "must be one of 시각, 전력, anomaly, got '전기'."),
        (["train", "{f}/normal.csv", "--model", "{f}/x.fastrnn", "--first", "50"], 1,
         "at least two windows, 128 steps, got 50 steps."),
        (["train", "{f}/normal.csv", "--model", "{f}/x.fastrnn", "--quantile", "3"], 1, "quantile must be"),
        (["train", "{f}/normal.csv", "--model", "{f}/x.fastrnn", "--kind", "lsmt"], 2, "invalid choice"),
        (["train", "{f}/normal.csv"], 2, "--model"),
        (["predict", "{f}/hole.csv", "--model", "{f}/m.fastrnn"], 1,
         "hole.csv, line 3: column '전력' must be a finite number, got ''."),
        (["predict", "{f}/hole.csv", "--model", "{f}/ae.fastrnn"], 1,
         "holds a Autoencoder, this verb needs a AnomalyDetector."),
        (["predict", "{f}/new.csv", "--model", "{f}/m.fastrnn", "--threshold", "-1"], 1, "threshold must be"),
        (["predict", "{f}/new.csv", "--model", "{f}/m.fastrnn", "--gap", "-1"], 2, "--gap"),
        (["predict", "{f}/new.csv", "--model", "{f}/m.fastrnn", "--plot", "{f}/a.bmp"], 1,
         "--plot must end in .png, .svg, .pdf, got"),
        (["predict", "{f}/new.csv", "--model", "{f}/m.fastrnn", "--plot", "{f}/no/a.png"], 1, "is no folder"),
        (["evaluate", "{f}/new.csv", "--model", "{f}/m.fastrnn"], 2, "--label-column"),
        (["evaluate", "{f}/new.csv", "--model", "{f}/m.fastrnn", "--label-column", "전력"], 1, "0 or 1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    arguments: list[str], code: int, message: str, files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (files / "hole.csv").write_text("시각,전력\n1,2\n2,\n", encoding="utf-8")
    plain = fr.Autoencoder(2, seed=0)
    plain.fit(np.ones((4, 3), "float32"), epochs=1, verbose=0)
    plain.save(files / "ae.fastrnn")
    assert cli.main(["anomaly", *(one.format(f=files) for one in arguments)]) == code
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err
