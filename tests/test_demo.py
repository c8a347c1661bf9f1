"""The demo: its parts against calculations by hand, and the short form as a real process."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from fractions import Fraction as F
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.demo import anomalies, completion, digits, gradients
from fastrnn.text import NGram

HOME = Path(fr.__file__).resolve().parents[1]
PICTURES = (
    "completion", "digits-accuracy", "digits-wrong", "digits-confusion", "anomalies", "gradients-fresh",
    "gradients-trained",
)  # fmt: skip


def test_the_3_gram_model_by_hand() -> None:
    """abac: a twice, b and c once; after a come b and c; after ba comes c.  Four characters there are."""
    model = NGram("abac", order=3, size=4)
    p_b = (1 + 3 * F(1, 4)) / (4 + 3)  # no context: N = 4, K = 3
    p_b_after_a = (1 + 2 * p_b) / (2 + 2)  # N = 2, K = 2; the same for c
    p_c_after_ba = (1 + 1 * p_b_after_a) / (1 + 1)
    p_b_after_ba = (0 + 1 * p_b_after_a) / (1 + 1)
    assert p_c_after_ba == F(11, 16)
    assert model.probability("", "b") == pytest.approx(float(p_b), rel=1e-15)
    assert model.probability("a", "b") == pytest.approx(float(p_b_after_a), rel=1e-15)
    assert model.probability("xba", "c") == pytest.approx(float(p_c_after_ba), rel=1e-15)
    assert model.probability("ba", "b") == pytest.approx(float(p_b_after_ba), rel=1e-15)
    assert model.probability("zz", "b") == pytest.approx(float(p_b), rel=1e-15)  # unseen contexts say nothing
    assert model.probability("", "z") == pytest.approx(3 / 4 / 7, rel=1e-15)  # the unknown character
    # b after a, a after ab (N = K = 1, and after b: N = K = 1, p(a) = 11/28), c after ba
    p_a_after_ab = (1 + (1 + F(11, 28)) / 2) / 2
    logs = [np.log(float(p)) for p in (p_b_after_a, p_a_after_ab, p_c_after_ba)]
    assert model.loss("abac") == pytest.approx(-np.mean(logs), rel=1e-15)


@pytest.mark.parametrize("context", ["", "t", "th", "qq", "the"])
def test_the_3_gram_model_is_a_distribution(context: str) -> None:
    text = "the then that this there"
    model = NGram(text, order=3, size=len(set(text)) + 1)
    total = sum(model.probability(context, c) for c in {*text, "?"})
    assert total == pytest.approx(1, abs=1e-12)


def test_the_manual_has_each_paragraph_once() -> None:
    text = completion.manual()
    paragraphs = text.split("\n\n")
    assert len(paragraphs) == len(set(paragraphs)) and len(text) > 200_000


def test_held_out_text_is_the_last_tenth_and_unseen() -> None:
    data = completion.corpus(completion.FULL)
    assert len(data.held_out) / len(data.train + data.held_out) == pytest.approx(0.1, abs=1e-4)
    assert not {p for p in data.held_out.split("\n\n")[1:] if p.strip()} & set(data.train.split("\n\n"))


def test_a_completer_without_epochs_has_read_nothing() -> None:
    plan = completion.Plan(units=4, epochs=0)
    fresh, history = completion.train("rnn", "banana", "ban", plan, seed=0, verbose=0)
    assert history.epoch == [] and fresh.vocabulary.tokens == list("ban")
    recurrence = fresh.model.layers[1]
    H = recurrence.params["W_hh"]
    np.testing.assert_allclose(H @ H.T, np.eye(4), atol=1e-6)  # orthogonal, as it began


def test_auroc_counts_pairs() -> None:
    score, anomalous = np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True])
    assert anomalies.auroc(score, anomalous) == (1 + 0.5 + 1 + 1) / 4


def test_confusion_counts_true_rows_and_told_columns() -> None:
    found = digits.confusion(np.array([0, 0, 1, 2]), np.array([0, 2, 1, 2]), 3)
    assert found.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 1]]


def test_the_split_of_the_digits_is_fixed_and_fair() -> None:
    pytest.importorskip("sklearn")
    one, two = digits.load(), digits.load()
    np.testing.assert_array_equal(one.x_held, two.x_held)
    assert one.x.shape == (1347, 8, 8) and one.x.dtype == np.float32 and one.x.max() == 1
    counts = np.bincount(one.y_held)
    assert counts.sum() == 450 and counts.min() >= 43 and counts.max() <= 46
    both = {a.tobytes() for a in one.x} & {a.tobytes() for a in one.x_held}
    assert not both


def test_the_pace_of_a_gradient_in_words() -> None:
    def pace(arriving: list[float], half_life: float) -> Any:
        report: Any = SimpleNamespace(arriving=np.array(arriving), half_life=half_life)
        return gradients.pace_of(report)

    halving = pace([1.0, 0.5, 0.25], 1.0)
    assert (halving.per_step, halving.english) == (0.5, "halves every 1.0 steps")
    assert pace([1.0, 2.0, 4.0, 4.0], np.inf).english == "doubles every 1.5 steps"
    assert pace([1.0, 2.0, 1.0], np.inf).english == "stays as it is"
    assert pace([0.0, 0.0], 0.0).per_step == 0  # gone altogether


def test_large_weights_make_the_gradient_grow() -> None:
    ids = np.random.default_rng(1).integers(0, 5, (4, 61))
    layers = [fr.OneHot(5), fr.RNN(16, return_sequences=True), fr.Dense(5, activation="softmax")]
    model = fr.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert gradients.read(model, ids).verdict == "vanishing"
    assert gradients.read(gradients.enlarged(model), ids).verdict == "exploding"


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """`fastrnn demo --quick` in an empty folder, as a real process."""
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("demo")
    environment = {**os.environ, "PYTHONPATH": str(HOME), "FASTRNN_NUM_THREADS": "1"}
    environment["PYTHONIOENCODING"] = "utf-8"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastrnn", "demo", "--quick", "--seed", "3"], cwd=folder,
        env=environment, capture_output=True, encoding="utf-8", timeout=240,
    )  # fmt: skip
    return done, folder / "fastrnn-demo"


def test_the_short_demo_reports(short: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    done, out = short
    assert done.returncode == 0, done.stderr
    assert done.stderr == "" and "\x1b" not in done.stdout and "\r" not in done.stdout
    for text in ("1/4", "2/4", "3/4", "4/4", "3-gram", "Held-out digits", "AUROC", "halves every", "Took "):
        assert text in done.stdout
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert found["seed"] == 3 and found["quick"] is True
    assert f"{found['completion']['lstm_nats_per_character']:.3f}" in done.stdout
    assert found["anomalies"]["dense_auroc"] > 0.95
    assert found["digits"]["lstm_accuracy"] > 0.5
    assert found["gradients"]["fresh_factor_per_step"]["RNN"] < 1
    assert found["gradients"]["fresh_factor_per_step"]["RNN, recurrent weights x 2"] > 1


def test_the_page_stands_alone(short: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    _, out = short
    assert {p.stem for p in out.glob("*.png")} == set(PICTURES)
    page = (out / "index.html").read_text(encoding="utf-8")
    embedded = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([^\"]+)", page)]
    assert embedded == [(out / f"{name}.png").read_bytes() for name in PICTURES]
    assert all(picture.startswith(b"\x89PNG") for picture in embedded)
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", page) and "@import" not in page
    assert "<script" not in page and 'name="viewport"' in page and 'charset="utf-8"' in page
    assert page.count('lang="ko"') >= 1 + 4 + 4 + len(PICTURES)
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert f"{found['completion']['trigram_nats_per_character']:.3f}" in page
    assert f"AUROC {found['anomalies']['recurrent_auroc']:.4f}" in page
