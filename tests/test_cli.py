"""The command line: exit codes, what goes where, and no traceback for what may be expected."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli, demo

HOME = Path(fr.__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HOME), "FASTRNN_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A real process."""
    return subprocess.run(
        [sys.executable, "-m", "fastrnn", *arguments], cwd=cwd, env=ENVIRONMENT, capture_output=True,
        encoding="utf-8", timeout=120,
    )  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small trained and saved classifier."""
    net = fr.Sequential([fr.LSTM(4), fr.Dense(2, activation="softmax")], seed=0)
    net.compile(fr.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    x = np.zeros((6, 5, 3), np.float32)
    net.fit(x, np.zeros(6, np.int64), epochs=3, batch_size=2, verbose=0)
    net.save(tmp_path / "model.fastrnn")
    return tmp_path / "model.fastrnn"


def test_version_and_help_in_a_real_process(tmp_path: Path) -> None:
    done = command("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"fastrnn {fr.__version__}\n")
    done = command("--help", cwd=tmp_path)
    assert done.returncode == 0
    for verb in ("demo", "info", "bench", "inspect"):
        assert verb in done.stdout


@pytest.mark.parametrize("verb", ["demo", "info", "bench", "inspect"])
def test_every_verb_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([verb, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"example:  fastrnn {verb}" in said


@pytest.mark.parametrize(
    "arguments",
    [[], ["fly"], ["demo", "--seed", "-1"], ["demo", "--seed", "x"], ["inspect"], ["info", "--yaml"]],
)
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == "" and "usage: fastrnn" in said.err


def test_a_seed_that_is_none_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["demo", "--seed", "-1"])
    assert "must be a whole number of at least 0, got '-1'" in capsys.readouterr().err


def test_info_for_people_and_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    assert f"fastrnn: {fr.__version__}" in capsys.readouterr().out
    assert cli.main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["fastrnn"] == fr.__version__ and found["numpy"] == np.__version__
    assert found["backends"]["reference"] == "ready"


def test_inspect_describes_a_model(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(model)]) == 0
    said = capsys.readouterr().out
    for text in ("Sequential, float32", "W_ih [16, 3]", "138 parameters", "3 epochs, 9 steps"):
        assert text in said
    assert "learning_rate 0.01" in said
    assert cli.main(["inspect", "--json", str(model)]) == 0
    found = json.loads(capsys.readouterr().out)
    # LSTM: 16 x 3 + 16 x 4 + 16 = 128; Dense: 2 x 4 + 2 = 10
    assert [layer["parameters"] for layer in found["layers"]] == [128, 10]
    assert found["layers"][1]["shapes"] == {"W": [2, 4], "b": [2]}
    assert (found["epochs_done"], found["steps_done"], found["parameters"]) == (3, 9, 138)
    assert found["bytes"] == model.stat().st_size
    assert found["optimizer"]["learning_rate"] == 0.01


def test_inspect_describes_an_autoencoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    auto = fr.SequenceAutoencoder(4, seed=0)
    auto.fit(np.zeros((4, 3, 2), np.float32), epochs=1, verbose=0)
    auto.save(tmp_path / "auto")
    assert cli.main(["inspect", str(tmp_path / "auto")]) == 0
    said = capsys.readouterr().out
    assert "SequenceAutoencoder" in said and "encoder" in said and "decoder" in said


def test_inspect_describes_a_model_that_was_not_compiled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    net = fr.Sequential([fr.Input((None, 2)), fr.GRU(3)], seed=0)
    net.save(tmp_path / "plain")
    assert cli.main(["inspect", str(tmp_path / "plain")]) == 0
    assert "optimizer: none, the model was not compiled" in capsys.readouterr().out


def test_inspect_of_a_damaged_file_is_one_line(model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(model.read_bytes()[:-7])
    done = command("inspect", str(broken), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1 and "is not a whole fastrnn model" in done.stderr


def test_inspect_of_a_missing_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["inspect", str(tmp_path / "none")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("fastrnn: ") and said.err.count("\n") == 1


def test_bench_outside_a_clone_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["bench", "list"]) == 1
    assert "Clone the repository and run this in its folder." in capsys.readouterr().err


def test_bench_hands_its_arguments_and_its_code_on(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "fastrnn" / "cells").mkdir(parents=True)
    (tmp_path / "bench" / "__init__.py").write_text("")
    (tmp_path / "bench" / "__main__.py").write_text("import sys; print(sys.argv[1:]); sys.exit(7)")
    done = command("bench", "run", "--quick", cwd=tmp_path)
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == "['run', '--quick']"


def test_demo_without_its_packages_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["demo", "--out", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    expected = "fastrnn: demo: this needs matplotlib and scikit-learn. Run: pip install 'fastrnn[demo]'\n"
    assert (said.out, said.err) == ("", expected)
    assert not (tmp_path / "out").exists()


def test_demo_into_a_file_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    (tmp_path / "out").write_text("")
    assert cli.main(["demo", "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "error", [fr.BackendError("no GPU"), fr.ModelFormatError("bad file"), PermissionError("no way")]
)
def test_expected_errors_are_1(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(arguments: Any) -> int:
        raise error

    monkeypatch.setattr(cli, "_info", fail)
    assert cli.main(["info"]) == 1
    assert capsys.readouterr().err == f"fastrnn: {error}\n"


def test_our_own_mistakes_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(arguments: Any) -> int:
        raise AssertionError("a bug")

    monkeypatch.setattr(cli, "_info", fail)
    with pytest.raises(AssertionError, match="a bug"):
        cli.main(["info"])


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_ctrl_c_is_one_line_and_130(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    # A parent that ignores SIGINT hands that down; a terminal does not.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from fastrnn.cli import main\nsys.exit(main(['demo']))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("1/4")
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip() == "fastrnn: interrupted."


@pytest.mark.skipif(sys.platform == "win32", reason="pipes are those of POSIX")
def test_a_reader_that_leaves_ends_it_quietly(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "fastrnn", "info"], cwd=tmp_path, env=ENVIRONMENT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        error = process.stderr.read()
    assert (process.returncode, error) == (141, "")
