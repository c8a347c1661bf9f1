"""Sentiment: words whose order decides, in Korean and English; the running probability; the command line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli, serialization
from fastrnn.samples import reviews
from fastrnn.tasks import sentiment
from fastrnn.tasks.running import RunningProbability
from fastrnn.text import read_text

SMALL: dict[str, Any] = {
    "units": 16, "embedding": 16, "dropout": 0.2, "token_dropout": 0.0, "learning_rate": 0.01, "seed": 0,
}  # fmt: skip
TURNED = {  # the same words but one, and what the whole is
    "en": [("The plot was not bad at all.", "positive"), ("The plot was not good at all.", "negative"),
           ("Although the cast was silly, the story was great.", "positive"),
           ("Although the cast was great, the story was silly.", "negative")],
    "ko": [("영화가 재미있다.", "긍정"), ("영화가 재미있지 않다.", "부정"),
           ("영화가 재미있을 줄 알았는데 지루하다.", "부정"),
           ("영화가 지루할 줄 알았는데 재미있다.", "긍정")],
}  # fmt: skip


def fitted(language: str, **options: Any) -> fr.tasks.SentimentClassifier:
    classifier = fr.tasks.SentimentClassifier(**{**SMALL, **options})
    classifier.fit(*reviews(400, language), epochs=20, verbose=0)
    return classifier


@pytest.fixture(scope="module")
def english() -> fr.tasks.SentimentClassifier:
    return fitted("en")


@pytest.fixture(scope="module")
def korean() -> fr.tasks.SentimentClassifier:
    return fitted("ko")


@pytest.fixture
def by_language(english: Any, korean: Any) -> dict[str, Any]:
    return {"en": english, "ko": korean}


# ---------------------------------------------------------------------- the made reviews


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_words_alone_do_not_tell(language: str) -> None:
    texts, labels = reviews(2000, language, seed=1)
    assert (texts, labels) == reviews(2000, language, seed=1) != reviews(2000, language, seed=2)
    assert 0.45 < labels.count(labels[0]) / 2000 < 0.55 and len(set(labels)) == 2
    # Naive Bayes on words or syllables knows little, although it has seen these very texts.
    split = [set(re.findall(r"\w+", text.lower()) if language == "en" else text) for text in texts]
    words = sorted(set().union(*split))
    held = np.array([[word in one for word in words] for one in split])
    sign = np.array(labels) == labels[0]
    ratio = np.log((held[sign].mean(axis=0) + 1e-3) / (held[~sign].mean(axis=0) + 1e-3))
    assert (((held @ ratio) > 0) == sign).mean() < 0.7


def test_reviews_say_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"reviews: n must be a whole number of at least 0, got -1\."):
        reviews(-1)
    with pytest.raises(ValueError, match=r"reviews: language must be one of en, ko, got 'kr'\."):
        reviews(1, "kr")
    assert reviews(0) == ([], [])


# ---------------------------------------------------------------------- what it learns


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_order_of_words_is_learnt(by_language: Any, language: str) -> None:
    classifier = by_language[language]
    texts, labels = (list(each) for each in zip(*TURNED[language], strict=True))
    assert classifier.predict(texts) == labels
    assert classifier.evaluate(*reviews(200, language, seed=1))["accuracy"] > 0.95


@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", False), ("gru", True), ("rnn", True)])
def test_every_cell_and_direction(cell: str, bidirectional: bool) -> None:
    classifier = fitted("ko", cell=cell, bidirectional=bidirectional)
    assert classifier.evaluate(*reviews(200, "ko", seed=1))["accuracy"] > 0.9
    layer = classifier.model.layers[3]
    assert isinstance(layer, fr.Bidirectional) is bidirectional


def test_probabilities_belong_to_the_classes(english: Any) -> None:
    texts, _ = reviews(30, "en", seed=5)
    found = english.predict_proba(texts)
    assert english.classes == ["negative", "positive"] and found.shape == (30, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    assert english.predict(texts) == [english.classes[k] for k in found.argmax(axis=1)]
    assert english.predict_proba([]).shape == (0, 2) and english.predict([]) == []


def test_more_than_two_whole_numbers_as_labels(tmp_path: Path) -> None:
    words = {1: "awful", 3: "so so", 5: "wonderful"}
    labels = np.tile([5, 1, 3], 40)
    texts = np.array([f"It was {words[stars]}, said number {k % 7}." for k, stars in enumerate(labels)])
    classifier = fr.tasks.SentimentClassifier(**SMALL)
    classifier.fit(texts, labels, epochs=10, verbose=0)
    assert classifier.classes == [1, 3, 5] and all(type(label) is int for label in classifier.classes)
    assert classifier.predict(["It was wonderful", "It was awful", "so so"]) == [5, 1, 3]
    assert classifier.explain("It was so so").probabilities.shape == (4, 3)
    # A file cannot say that its labels are numbers.
    (tmp_path / "t.tsv").write_text("wonderful\t5\nso so\t3\nawful\t1\n")
    assert classifier.evaluate(tmp_path / "t.tsv")["accuracy"] == 1
    classifier.save(tmp_path / "m")
    assert fr.load(tmp_path / "m").predict(["wonderful"]) == [5]


def test_figures_are_those_of_the_predictions(korean: Any) -> None:
    texts = [text for text, _ in TURNED["ko"]]
    labels = ["긍정", "부정", "긍정", "긍정"]  # the third is told otherwise
    figures = korean.evaluate(texts, labels)
    p = korean.predict_proba(texts).astype("float64")
    right = p[np.arange(4), [korean.classes.index(label) for label in labels]]
    assert figures["accuracy"] == 0.75 and figures["examples"] == 4
    assert figures["log_loss"] == pytest.approx(-np.log(right).mean())
    assert figures["classes"] == ["긍정", "부정"] and figures["confusion"] == [[2, 1], [0, 1]]
    assert figures["per_class"]["긍정"] == {
        "precision": 1.0, "recall": pytest.approx(2 / 3), "f1": pytest.approx(0.8), "examples": 3,
    }  # fmt: skip
    assert figures["per_class"]["부정"]["precision"] == 0.5
    json.dumps(figures)


# ---------------------------------------------------------------------- tokens and training


def test_what_a_token_is(english: Any, korean: Any) -> None:
    assert (english.level, korean.level) == ("word", "char")
    assert english.explain("Isn't BAD  at all!").tokens == ["isn't", "bad", "at", "all", "!"]
    assert korean.explain(" 안 \n좋다. OK").tokens == list("안 좋다. ok")
    decomposed = "\u110c\u1169\u1110\u1161"  # 좋다, as some systems write it
    assert korean.explain(decomposed.replace("\u1110", "\u1103")).tokens == ["조", "다"]
    forced = fr.tasks.SentimentClassifier(level="word", **SMALL)
    forced.fit(*reviews(100, "ko"), epochs=1, verbose=0)
    assert forced.explain("영화가 좋다").tokens == ["영화가", "좋다"]


def test_rare_tokens_are_unknown() -> None:
    classifier = fr.tasks.SentimentClassifier(least=2, **SMALL)
    classifier.fit(["good fine", "good", "bad poor", "bad"], [1, 1, 0, 0], epochs=1, verbose=0)
    assert classifier.vocabulary.tokens == ["good", "bad"]
    same = classifier.predict_proba(["fine", "never seen"[:5], "poor"])
    assert np.array_equal(same[0], same[1]) and np.array_equal(same[0], same[2])


def test_the_best_epoch_on_texts_held_out_is_kept() -> None:
    texts, labels = reviews(400, "ko")
    classifier = fr.tasks.SentimentClassifier(**SMALL)
    history = classifier.fit(texts, labels, epochs=60, patience=2, verbose=0).history
    epochs = len(history["val_loss"])
    best = int(np.argmin(history["val_loss"]))
    assert epochs == best + 3 < 60
    # The texts that were held out, found by what the history says of them, do not depend on their order.
    again = fr.tasks.SentimentClassifier(**SMALL)
    shuffled = np.random.default_rng(0).permutation(400)
    other = again.fit(
        [texts[k] for k in shuffled], [labels[k] for k in shuffled], epochs=1, verbose=0
    ).history
    assert "val_loss" in other
    # Few texts are all needed, and so are those of a caller who brings his own, or wants none held out.
    alone = fr.tasks.SentimentClassifier(**SMALL)
    assert "val_loss" not in alone.fit(texts[:100], labels[:100], epochs=1, verbose=0).history
    assert "val_loss" not in alone.fit(texts, labels, epochs=1, held_out=0, verbose=0).history
    assert "val_loss" not in alone.fit(texts, labels, epochs=1, patience=None, verbose=0).history
    own = alone.fit(texts[:100], labels[:100], validation_data=(texts[100:110], labels[100:110]),
                    epochs=9, patience=None, verbose=0).history  # fmt: skip
    assert len(own["val_loss"]) == 9


def test_validation_data_say_which_epoch_was_best() -> None:
    texts, labels = reviews(300, "ko")
    check = reviews(60, "ko", seed=9)
    classifier = fr.tasks.SentimentClassifier(**SMALL)
    history = classifier.fit(texts, labels, validation_data=check, epochs=40, patience=2, verbose=0).history
    figures = classifier.evaluate(*check)
    assert figures["log_loss"] == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_fit_again_goes_on(tmp_path: Path) -> None:
    texts, labels = reviews(60, "en")
    once, twice = (fr.tasks.SentimentClassifier(**SMALL) for _ in range(2))
    once.fit(texts, labels, epochs=4, verbose=0)
    twice.fit(texts, labels, epochs=2, verbose=0)
    tokens = list(twice.vocabulary)
    twice.save(tmp_path / "m")
    twice = fr.load(tmp_path / "m")
    twice.fit(texts, labels, epochs=2, verbose=0)
    assert list(twice.vocabulary) == tokens
    assert np.array_equal(once.predict_proba(texts), twice.predict_proba(texts))
    with pytest.raises(
        ValueError, match=r"labels\[1\] must be one of 'negative', 'positive', got 'neutral'\."
    ):
        twice.fit(["a", "b"], ["positive", "neutral"])


def test_the_same_seed_gives_the_same_bits() -> None:
    texts, labels = reviews(60, "en")
    found = []
    for seed, threads in ((3, 1), (3, 2), (4, 1)):
        with fr.threads(threads):
            classifier = fr.tasks.SentimentClassifier(**{**SMALL, "seed": seed, "token_dropout": 0.3})
            classifier.fit(texts, labels, epochs=2, verbose=0)
            found.append(classifier.predict_proba(texts))
    assert np.array_equal(found[0], found[1]) and not np.array_equal(found[0], found[2])


# ---------------------------------------------------------------------- explain


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_running_probability_is_that_of_every_beginning(by_language: Any, language: str) -> None:
    classifier = by_language[language]
    text = TURNED[language][2][0]
    told = classifier.explain(text)
    joined = "" if language == "ko" else " "
    ends = [k for k, token in enumerate(told.tokens, 1) if token != " "]  # a text does not end with a space
    beginnings = [joined.join(told.tokens[:k]) for k in ends]
    found = classifier.predict_proba(beginnings)
    assert np.array_equal(told.probabilities[np.array(ends) - 1], found)
    assert np.array_equal(told.probabilities[-1], classifier.predict_proba([text])[0])
    assert told.label == classifier.predict([text])[0]
    assert np.array_equal(told.of(told.classes[0]), told.probabilities[:, 0])


def test_one_direction_is_the_state_read_at_every_step() -> None:
    classifier = fr.tasks.SentimentClassifier(bidirectional=False, **SMALL)
    classifier.fit(*reviews(60, "en"), epochs=2, verbose=0)
    text = "The plot was not bad at all."
    told = classifier.explain(text)
    stream = classifier.model.stream()
    ids = classifier.vocabulary.encode(told.tokens)
    steps = [stream.step(ids[k : k + 1]) for k in range(len(ids))]
    assert np.array_equal(told.probabilities, np.concatenate(steps))


def test_the_last_words_turn_it_round(by_language: Any) -> None:
    for language, text in (
        ("ko", "영화가 재미있지 않다."),
        ("en", "The story was great, but the cast was dull."),
    ):
        told = by_language[language].explain(text)
        assert told.of(told.label).min() < 0.3 and told.of(told.label)[-1] > 0.8


def test_it_prints_in_columns() -> None:
    p = np.array([[0.9, 0.1], [0.75, 0.25], [0.001, 0.999]])
    told = RunningProbability(["영", " ", "a" * 40], ["부정", "긍정"], p)
    lines = str(told).split("\n")
    cut = "a" * 21 + "..."
    assert lines[0] == "token" + " " * 21 + "긍정"
    assert lines[1] == "영" + " " * 24 + "0.10  ##"  # two columns wide
    assert lines[2] == "_" + " " * 25 + "0.25  #####"
    assert lines[3] == cut + "  1.00  " + "#" * 20
    with pytest.raises(ValueError, match=r"RunningProbability\.of: label must be one of 부정, 긍정, got 'x'"):
        told.of("x")


def test_it_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    p = np.array([[0.9, 0.1], [0.2, 0.8]])
    told = RunningProbability(["not", "bad"], ["neg", "pos"], p)
    ax = told.plot()
    line, even = ax.lines
    assert line.get_ydata().tolist() == [0.1, 0.8] and set(even.get_ydata()) == {0.5}
    assert [t.get_text() for t in ax.get_xticklabels()] == ["not", "bad"] and ax.get_ylabel() == "p(pos)"
    assert told.plot(label="neg").lines[0].get_ydata().tolist() == [0.9, 0.2]
    assert fr.plot.running_probability(told, ax) is ax
    ax.figure.savefig(tmp_path / "a.png")
    three = RunningProbability(["film", "was"] * 20, [1, 2, 3], np.full((40, 3), 1 / 3))
    ax = three.plot()
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["1", "2", "3"]
    assert ax.get_xticklabels()[0].get_rotation() == 60
    monkeypatch.setattr(fr.plot.figure, "hangul_font", lambda: None)
    with pytest.warns(UserWarning, match="no font with Hangul"):
        ax = RunningProbability(["영화", "ok"], ["neg", "pos"], p).plot()
    assert [t.get_text() for t in ax.get_xticklabels()] == ["#0", "ok"]


# ---------------------------------------------------------------------- files


def test_a_file_brings_everything_back(english: Any, korean: Any, tmp_path: Path) -> None:
    for classifier, language in ((english, "en"), (korean, "ko")):
        texts, _ = reviews(20, language, seed=7)
        classifier.save(tmp_path / "m")
        for back in (fr.load(tmp_path / "m"), fr.tasks.SentimentClassifier.load(tmp_path / "m")):
            assert np.array_equal(back.predict_proba(texts), classifier.predict_proba(texts))
            assert back.arguments == classifier.arguments and back.classes == classifier.classes
            assert back.level == classifier.level


@pytest.mark.parametrize(
    "change",
    [
        lambda extra: extra["learnt"].update(level="syllable"),
        lambda extra: extra["learnt"].update(classes=["positive", "negative"]),
        lambda extra: extra["learnt"].update(classes=["positive"]),
        lambda extra: extra["learnt"].update(classes="np"),
        lambda extra: extra["learnt"]["tokens"].pop(),
        lambda extra: extra["learnt"].pop("tokens"),
        lambda extra: extra["arguments"].update(level="char"),
        lambda extra: extra["arguments"].update(units=17),
        lambda extra: extra["arguments"].update(what=1),
    ],
)
def test_an_edited_file_is_refused(english: Any, tmp_path: Path, change: Any) -> None:
    extra = json.loads(json.dumps({"arguments": english.arguments, "learnt": english.learnt()}))
    change(extra)
    serialization.save(tmp_path / "m", english.model, "SentimentClassifier", extra)
    with pytest.raises(fr.ModelFormatError, match="does not describe a SentimentClassifier"):
        fr.load(tmp_path / "m")


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    model = fr.Sequential([fr.Input((3,)), fr.Dense(2)], seed=0)
    model.save(tmp_path / "m")
    with pytest.raises(fr.ModelFormatError, match=r"SentimentClassifier\.load: .* holds a Sequential"):
        fr.tasks.SentimentClassifier.load(tmp_path / "m")


# ---------------------------------------------------------------------- what is wrong

NEW = fr.tasks.SentimentClassifier
FIT = "SentimentClassifier.fit: "


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: NEW(level="wrod"), ValueError, "level must be one of auto, word, char, got 'wrod'. Did you"),
        (lambda: NEW(cell="lsmt"), ValueError, "SentimentClassifier: cell must be one of lstm, gru, rnn"),
        (lambda: NEW(units=0), ValueError, "units must be a whole number of at least 1, got 0."),
        (lambda: NEW(embedding=1.5), ValueError, "embedding must be a whole number of at least 1, got 1.5."),
        (lambda: NEW(least=0), ValueError, "least must be a whole number of at least 1, got 0."),
        (lambda: NEW(dropout=1), ValueError, "dropout must be a number in [0, 1), got 1."),
        (lambda: NEW(token_dropout=-1), ValueError, "token_dropout must be a number in [0, 1), got -1."),
        (lambda: NEW(learning_rate=0), ValueError, "SentimentClassifier: learning_rate must be"),
        (lambda: NEW(weight_decay=-1), ValueError, "SentimentClassifier: weight_decay must be"),
        (lambda: NEW().fit("good", ["a"]), TypeError, FIT + "texts must be a list of strings, got 'good'."),
        (lambda: NEW().fit(["good", "bad"]), TypeError, FIT + "labels must be one a text, or None beside"),
        (lambda: NEW().fit([], []), ValueError, FIT + "texts must be one text or more, got none."),
        (lambda: NEW().fit(["a", 5], [0, 1]), TypeError, FIT + "texts[1] must be a string, got 5."),
        (lambda: NEW().fit(["a", " \n"], [0, 1]), ValueError,
         FIT + "texts[1] must be a text that is not empty, got ' \\n'."),
        (lambda: NEW().fit(["a", "b"], [0]), ValueError, FIT + "labels must be 2, as many as texts, got 1."),
        (lambda: NEW().fit(["a", "b"], "ab"), TypeError, FIT + "labels must be a list of strings or of"),
        (lambda: NEW().fit(["a", "b"], [0, 1.0]), TypeError,
         FIT + "labels[1] must be a string or a whole number, got 1.0."),
        (lambda: NEW().fit(["a", "b"], [True, False]), TypeError, FIT + "labels[0] must be a string or a"),
        (lambda: NEW().fit(["a", "b"], [0, "1"]), TypeError,
         FIT + "labels must be all strings or all whole numbers, got both."),
        (lambda: NEW().fit(["a", "b"], [1, 1]), ValueError,
         FIT + "labels must be of two kinds or more, got [1]."),
        (lambda: NEW().fit(["a", "b"], [0, 1]), ValueError,
         FIT + "texts must be with a word that occurs 2 times, got none. Give more texts, or a smaller"),
        (lambda: NEW().fit(["a"] * 2, [0, 1], validation_data=["a"]), TypeError,
         FIT + "validation_data must be (texts, labels) or the path of a file, got ['a']."),
        (lambda: NEW().fit(["a"] * 2, [0, 1], validation_data=(["a"], [2])), ValueError,
         FIT + "labels[0] must be one of 0, 1, got 2."),
        (lambda: NEW().fit(["a"] * 2, [0, 1], held_out=1.5), ValueError, FIT + "held_out must be"),
        (lambda: NEW().fit(["a"] * 2, [0, 1], patience=0), ValueError, FIT + "patience must be"),
        (lambda: NEW().predict(["a"]), RuntimeError,
         "SentimentClassifier: call fit first, or load a saved one."),
        (lambda: NEW().explain("a"), RuntimeError, "call fit first"),
        (lambda: NEW().evaluate(["a"], ["b"]), RuntimeError, "call fit first"),
        (lambda: NEW().save("m"), RuntimeError, "call fit first"),
    ],
)  # fmt: skip
def test_messages(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value) and type(caught.value) is error


def test_messages_of_a_fitted_one(english: Any, tmp_path: Path) -> None:
    for call in (english.predict, english.predict_proba):
        with pytest.raises(TypeError, match=r"texts must be a list of strings, got 'good'\."):
            call("good")
    with pytest.raises(TypeError, match=r"explain: text must be a string, got \['a'\]\."):
        english.explain(["a"])
    with pytest.raises(ValueError, match=r"explain: texts\[0\] must be a text that is not empty"):
        english.explain(" ")
    with pytest.raises(
        ValueError, match=r"evaluate: labels\[0\] must be one of 'negative', 'positive', got 'x'"
    ):
        english.evaluate(["good"], ["x"])
    (tmp_path / "t.tsv").write_text("no tab here\n")
    with pytest.raises(ValueError, match=r"t\.tsv, line 1: expected a text, a tab and its label"):
        english.evaluate(tmp_path / "t.tsv")
    with pytest.raises(FileNotFoundError):
        english.fit(tmp_path / "none.tsv")


# ---------------------------------------------------------------------- Dropout(noise_shape=)


def test_dropout_of_whole_steps_and_of_the_same_features() -> None:
    x = [np.ones((n, 50)) for n in (3, 40, 0, 7)]
    for noise_shape, same in (((None, None, 1), 1), ((None, 1, None), 0), ([None, 1, 1], (0, 1))):
        model = fr.Sequential([fr.Dropout(0.4, noise_shape=noise_shape)], seed=0, dtype="float64")
        inputs = model.inputs("test", x)
        packed = inputs.batch(np.arange(4))
        y, mask = model.layers[0].forward(packed, fr.layers.Noise.of(1, 2))
        assert set(np.unique(y.rows)) <= {0.0, 1 / 0.6} and mask is not None
        b, t = packed.layout.caller
        longest = y.rows[b == 1][np.argsort(t[b == 1])]
        for axis in np.atleast_1d(same):
            assert (longest == longest.take([0], axis=axis)).all()
        if not isinstance(same, tuple):
            assert 0.2 < (longest == 0).mean() < 0.6
        dx = model.layers[0].backward(mask, np.ones_like(y.rows))
        assert np.array_equal(dx, y.rows)
        assert fr.Dropout.from_config(model.layers[0].config()).config() == model.layers[0].config()


@pytest.mark.parametrize("wrong", [(None, 1), (1, None, 1), (None, 2, None), "abc", (None, None, True, 1)])
def test_dropout_says_what_noise_shapes_there_are(wrong: Any) -> None:
    with pytest.raises(
        ValueError, match=r"Dropout: noise_shape must be None, or \(None, T, F\) with None or 1"
    ):
        fr.Dropout(0.5, noise_shape=wrong)


def test_dropout_of_steps_needs_steps() -> None:
    model = fr.Sequential([fr.Dropout(0.5, noise_shape=(None, None, 1))], seed=0)
    with pytest.raises(fr.ShapeError, match=r"input must be sequences \[B, T, F\], as noise_shape says, got"):
        model.predict(np.ones((2, 3), "float32"))


# ---------------------------------------------------------------------- the command line


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name, language, n, seed in (("en", "en", 400, 0), ("en_test", "en", 50, 1), ("ko", "ko", 400, 0)):
        lines = (f"{text}\t{label}\n" for text, label in zip(*reviews(n, language, seed=seed), strict=True))
        (tmp_path / f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
    return tmp_path


def test_a_whole_use_in_real_processes(files: Path) -> None:
    environment = {**os.environ, "FASTRNN_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8"}

    def fastrnn(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fastrnn", "sentiment", *arguments], cwd=files, env=environment,
            input=given, capture_output=True, encoding="utf-8", timeout=120,
        )  # fmt: skip

    done = fastrnn(
        "train", "ko.tsv", "--model", "m", "--units", "16", "--epochs", "6", "--json", "--seed", "1"
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["classes"] == ["긍정", "부정"] and figures["level"] == "char" and figures["texts"] == 400
    assert {"best_epoch", "accuracy_held_out"} <= set(figures) and figures["epochs"] <= 6
    loaded = fr.load(files / "m")
    assert loaded.arguments["seed"] == 1 and loaded.arguments["units"] == 16

    text = "영화가 재미있지 않다."
    done = fastrnn("predict", "--model", "m", "--json", "--explain", given=f"{text}\n\n좋다\n")
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    assert first["text"] == text and second["text"] == "좋다" and first["label"] in loaded.classes
    assert first["probabilities"] == dict(
        zip(loaded.classes, map(float, loaded.predict_proba([text])[0]), strict=True)
    )
    assert first["tokens"] == list(text)
    assert first["running"]["긍정"][-1] == first["probabilities"]["긍정"]

    done = fastrnn("evaluate", "--model", "m", "ko.tsv")
    assert done.returncode == 0 and re.search(r"accuracy +[01]\.?\d*\n", done.stdout), done.stderr
    assert "label 긍정" in done.stdout
    assert fastrnn("predict", "--model", "none").returncode == 1
    assert fastrnn("train").returncode == 2


def test_two_files_one_a_class(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    texts, labels = reviews(300, "en")
    for label in ("positive", "negative"):
        chosen = [text for text, its in zip(texts, labels, strict=True) if its == label]
        Path(f"{label}.txt").write_text("\n".join(chosen), encoding="utf-8")
    train = ["sentiment", "train", "--positive", "positive.txt", "--negative", "negative.txt", "--model", "m"]
    assert cli.main([*train, "--epochs", "2", "--units", "8", "--level", "char"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"^texts +300$", printed, re.M) and re.search(r"^level +char$", printed, re.M)
    assert fr.load("m").classes == ["negative", "positive"]

    Path("a.txt").write_text("Good.\nBad.\n")
    assert cli.main(["sentiment", "predict", "--model", "m", "a.txt", "a.txt", "--explain"]) == 0
    printed = capsys.readouterr().out
    assert printed.count("\tGood.\n") == 2 and printed.count("token  ") == 4
    assert cli.main(["sentiment", "evaluate", "--model", "m", "en_test.tsv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(fr.load("m").evaluate("en_test.tsv")))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--model", "m"], "give a FILE, or both --positive FILE and --negative FILE."),
        (["train", "en.tsv", "--positive", "en.tsv", "--model", "m"], "give a FILE, or both"),
        (["train", "--positive", "en.tsv", "--model", "m"], "give a FILE, or both"),
        (["train", "none.tsv", "--model", "m"], "none.tsv"),
        (
            ["train", "bad.tsv", "--model", "m"],
            "sentiment train: bad.tsv, line 1: expected a text, a tab and",
        ),
        (["evaluate", "--model", "other", "en.tsv"], "other holds a Sequential, this verb needs a Sentiment"),
    ],
)
def test_the_command_line_says_what_is_wrong(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str],
    message: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(files)
    Path("bad.tsv").write_text("no label\n")
    model = fr.Sequential([fr.Input((3,)), fr.Dense(2)], seed=0)
    model.save("other")
    assert cli.main(["sentiment", *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not Path("m").exists()


# ---------------------------------------------------------------------- real reviews


@pytest.mark.data("rt_polarity")
def test_real_reviews(data_set: Path) -> None:
    """A fifth of the data and one short training: far from docs/results.md, far from chance."""
    texts: list[str] = []
    labels: list[str] = []
    for label in ("pos", "neg"):
        lines = read_text(data_set / f"rt-polarity.{label}").split("\n")[:1300]
        texts, labels = texts + lines, labels + [label] * len(lines)
    held = np.arange(len(texts)) % 1300 >= 1000
    train, test = (
        [(t, y) for t, y, h in zip(texts, labels, held, strict=True) if h == part] for part in (0, 1)
    )
    classifier = fr.tasks.SentimentClassifier(units=32, embedding=50, learning_rate=0.003, seed=0)
    classifier.fit(*map(list, zip(*train, strict=True)), epochs=6, verbose=0)
    assert classifier.evaluate(*map(list, zip(*test, strict=True)))["accuracy"] > 0.62


def test_what_is_held_out_is_not_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def fit(self: Any, x: Any, y: Any, **options: Any) -> None:
        seen.update(train=x, held=options["validation_data"][0])

    monkeypatch.setattr(fr.Sequential, "fit", fit)
    texts, labels = reviews(400, "en", seed=5)
    fr.tasks.SentimentClassifier(units=4, seed=0).fit(texts, labels)
    train, held = ({tuple(ids.tolist()) for ids in seen[name]} for name in ("train", "held"))
    assert len(held) >= 10 and not train & held
    assert len(seen["train"]) + len(seen["held"]) == 400


def test_the_side_of_a_text_is_that_of_its_words() -> None:
    shares = {sentiment._share(text) for text in ("A fine film", " a  FINE film ", "a fine\tfilm")}
    assert len(shares) == 1 and 0 <= shares.pop() < 1
    assert sentiment._share("A fine film") != sentiment._share("A fine film!")


def test_whole_tokens_are_left_out() -> None:
    texts, labels = reviews(60, "en")
    classifier = fr.tasks.SentimentClassifier(units=4, seed=0)
    classifier.fit(texts, labels, epochs=1, verbose=0)
    layer = next(one for one in classifier.model.layers if one.name == "token_dropout")
    assert layer.noise_shape == (None, None, 1)


@pytest.mark.parametrize(
    ("text", "level"),
    [("좋은 영화", "char"), ("a lovely film 좋은 영화다", "char"), ("a film from 서울", "word")],
)
def test_a_fifth_of_hangul_makes_it_korean(text: str, level: str) -> None:
    assert sentiment._level([text]) == level
