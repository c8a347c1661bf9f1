"""What all verbs of the tasks share: standard input, folders, and a fit that fails leaves no trace."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli
from fastrnn.samples import reviews, tagged


class Stdin(io.TextIOWrapper):
    """Standard input with these bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="utf-8")


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = cli.main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def labelled() -> str:
    texts, labels = reviews(40, "ko")
    return "".join(f"{text}\t{label}\n" for text, label in zip(texts, labels, strict=True))


def test_train_and_evaluate_read_standard_input(
    labelled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = str(tmp_path / "m.fastrnn")
    content = b"\xef\xbb\xbf" + labelled.encode()  # with the mark that some editors put in front
    monkeypatch.setattr("sys.stdin", Stdin(content))
    code, out, err = told(["sentiment", "train", "-", "--model", model, "--epochs", "1", "--json"], capsys)
    assert code == 0, err
    monkeypatch.setattr("sys.stdin", Stdin(content))
    code, out, err = told(["sentiment", "evaluate", "-", "--model", model, "--json"], capsys)
    assert code == 0 and json.loads(out)["examples"] == 40
    assert not any("\ufeff" in token for token in fr.load(model).vocabulary)


def test_standard_input_that_is_not_utf8(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Stdin("좋다\t긍정\n".encode("cp949")))
    arguments = ["sentiment", "train", "-", "--model", str(tmp_path / "m.fastrnn")]
    code, _, err = told(arguments, capsys)
    assert code == 1 and "standard input is not UTF-8" in err and "iconv -f CP949" in err


def test_a_model_that_is_a_folder_is_refused_before_the_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.txt").write_text("나는 간다. " * 9, encoding="utf-8")
    arguments = ["complete", "train", str(tmp_path / "a.txt"), "--model", str(tmp_path)]
    code, out, err = told(arguments, capsys)
    assert (code, out) == (1, "") and "is a folder. Name a file in it." in err


WRONG: dict[str, Any] = {
    "anomaly": (fr.tasks.AnomalyDetector("dense", window=16), (np.sin(np.arange(400.0)),), {"batch_size": 0}),
    "sentiment": (fr.tasks.SentimentClassifier(units=4), reviews(40, "en"), {"epochs": "q"}),
    "blank": (fr.tasks.BlankFiller(units=4), (["He sat. She sat."] * 4,), {"epochs": "q"}),
    "completion": (fr.tasks.SentenceCompleter(units=4), ("one two " * 40,), {"callbacks": [3]}),
    "tagging": (fr.tasks.PosTagger(units=4), (tagged(9, "ko"),), {"callbacks": [3]}),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_a_fit_that_fails_before_its_first_step_leaves_the_task_as_it_was(name: str) -> None:
    task, data, wrong = WRONG[name]
    before = dict(task.__dict__)
    with pytest.raises((TypeError, ValueError)):
        task.fit(*data, verbose=0, **wrong)
    assert not task.fitted and task.__dict__.keys() == before.keys()
    assert all(task.__dict__[key] is value for key, value in before.items())


def test_a_fit_that_fails_keeps_what_was_learnt_before(tmp_path: Path) -> None:
    tagger = fr.tasks.PosTagger(units=4, character_units=4)
    tagger.fit(tagged(9, "ko"), epochs=1, verbose=0)
    answer, tags = tagger.probabilities(["나는", "간다"]), tagger.tags
    with pytest.raises(TypeError):
        tagger.fit([[("a", "X")]], epochs=1, callbacks=[3], verbose=0)
    assert tagger.tags == tags
    np.testing.assert_array_equal(tagger.probabilities(["나는", "간다"]), answer)


def test_ctrl_c_keeps_what_was_learnt_so_far() -> None:
    class Stop(fr.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            raise KeyboardInterrupt

    tagger = fr.tasks.PosTagger(units=4, character_units=4)
    with pytest.raises(KeyboardInterrupt):
        tagger.fit(tagged(9, "ko"), epochs=1, callbacks=[Stop()], verbose=0)
    assert tagger.fitted and tagger.model.steps_done == 1
