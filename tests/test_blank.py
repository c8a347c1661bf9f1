"""Fill in the blank: a word far away decides; the trace holds the network's states; the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import cli, serialization
from fastrnn.samples import stories
from fastrnn.samples.stories import PEOPLE
from fastrnn.tasks import BlankFiller
from fastrnn.text import WordsAndEndings, words

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))  # at the end: it must not hide an installed fastrnn

from bench.accuracy import blank as bench  # noqa: E402

SMALL: dict[str, Any] = {"units": 12, "embedding": 12, "memory": 40, "learning_rate": 0.01, "seed": 0}
CANDIDATES = {"en": ("he", "she"), "ko": ("그는", "그녀는")}


def fitted(language: str = "en", **options: Any) -> BlankFiller:
    filler = BlankFiller(CANDIDATES[language], **{**SMALL, **options})
    filler.fit(*stories(600, (0, 30), language=language), epochs=5, verbose=0)
    return filler


@pytest.fixture(scope="module")
def english() -> BlankFiller:
    return fitted()


@pytest.fixture(scope="module")
def korean() -> BlankFiller:
    return fitted("ko")


@pytest.fixture
def by_language(english: Any, korean: Any) -> dict[str, Any]:
    return {"en": english, "ko": korean}


# ---------------------------------------------------------------------- the made stories


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("distractors", [0, 2])
def test_stories_are_as_long_as_asked_and_balanced(language: str, distractors: int) -> None:
    texts, answers = stories(40, 25, language=language, distractors=distractors, seed=1)
    assert [answers.count(word) for word in CANDIDATES[language]] == [20, 20]
    people = [set(group) for group in PEOPLE[language]]
    everyone = people[0] | people[1]
    for text, answer in zip(texts, answers, strict=True):
        opening, *middle, closing = text.replace(" ...", " ....").split(". ")
        assert sum(len(words(part.replace(".", ""))) for part in middle) == 25
        assert closing.count("___") == 1 and "___" not in "".join([opening, *middle])
        named = [w for w in words(text) if any(w.startswith(name) for name in everyone)]
        assert len(named) == 1 + distractors
        gender = CANDIDATES[language].index(answer)
        assert any(named[0].startswith(name) for name in people[gender])


def test_stories_follow_from_the_seed_and_test_stories_have_other_sentences() -> None:
    texts, answers = stories(200, (20, 60), seed=3)
    assert (texts, answers) == stories(200, (20, 60), seed=3)
    assert texts != stories(200, (20, 60), seed=4)[0]
    held, _ = stories(200, (20, 60), seed=3, split="test")

    def filler(several: list[str]) -> set[str]:
        return {part for text in several for part in text.split(". ")[1:-1] if not part.endswith("..")}

    assert len(filler(held)) > 500 and not filler(held) & filler(texts)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": -1}, r"stories: count must be a whole number of at least 0, got -1\."),
        ({"distance": (5, 2)}, r"stories: distance must be a number of words .*, got \(5, 2\)"),
        ({"distance": 2.5}, r"stories: distance must be .*, got 2\.5"),
        ({"language": "kr"}, r"stories: language must be one of en, ko, got 'kr'"),
        ({"split": "dev"}, r"stories: split must be one of train, test, got 'dev'"),
        ({"distractors": -1}, r"stories: distractors must be a whole number of at least 0, got -1"),
    ],
)
def test_stories_say_what_is_wrong(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stories(**{"count": 2, "distance": 5, **arguments})
    assert stories(0, 5) == ([], [])


# ---------------------------------------------------------------------- rare words by their endings


def test_rare_words_are_known_by_their_endings() -> None:
    text = "그는 철수에게 그는 영희에게 민수에게 수진에게 1984 12일"
    known = WordsAndEndings.of(words(text))
    assert known.tokens == ["그는", "^word", "~word", "~number", "~에게", "~게"]
    assert known.encode(["그는", "지훈에게", "가게", "2024년", "집", "Zoe"]).tolist() == [1, 5, 6, 4, 3, 2]
    assert known.size == 7
    assert WordsAndEndings.of(words(text), least=1).size == 11
    with pytest.raises(ValueError, match=r"WordsAndEndings: tokens must hold .*; there is no ~word\."):
        WordsAndEndings(["a", "^word"])


# ---------------------------------------------------------------------- what it learns


@pytest.mark.parametrize("language", ["en", "ko"])
def test_who_came_in_is_remembered(by_language: Any, language: str) -> None:
    filler = by_language[language]
    texts, answers = stories(100, (0, 30), language=language, seed=5, split="test")
    figures = filler.evaluate(texts, answers)
    assert figures["accuracy"] == 1 and figures["majority"] == 0.5 and figures["examples"] == 100
    p = [filler.probabilities(text) for text in texts[:10]]
    assert all(list(one) == list(CANDIDATES[language]) for one in p)
    assert all(sum(one.values()) == pytest.approx(1, abs=1e-5) for one in p)
    for text, one in zip(texts, p, strict=False):
        assert filler.fill(text) == text.replace("___", max(one, key=one.__getitem__))


@pytest.mark.parametrize("cell", ["gru", "rnn"])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_every_cell_learns_what_is_near(cell: str, bidirectional: bool) -> None:
    filler = BlankFiller(**{**SMALL, "cell": cell, "bidirectional": bidirectional, "dtype": "float64"})
    filler.fit(*stories(600, (0, 3)), epochs=6, verbose=0)
    assert filler.evaluate(*stories(100, (0, 3), seed=5, split="test"))["accuracy"] > 0.95
    assert filler.memory_trace("Mary came in. ___ sat down.").h.dtype == np.float64


def test_a_second_direction_reads_what_stands_behind_the_blank() -> None:
    texts = [f"Today ___ {verb} {what}." for what in ("herself", "himself") for verb in ("saw", "met")] * 30
    answers = ["she", "she", "he", "he"] * 30
    both, left = (BlankFiller(**{**SMALL, "bidirectional": way}) for way in (True, False))
    for filler in (both, left):
        filler.fit(texts, answers, epochs=15, verbose=0)
    assert both.evaluate(texts, answers)["accuracy"] == 1
    assert left.evaluate(texts, answers)["accuracy"] == 0.5
    # Nothing behind the blank reaches a network that reads from the left alone.
    assert left.probabilities("Today ___ saw herself.") == left.probabilities("Today ___ met himself, twice")
    assert both.fill("___ met himself.") == "He met himself."


def test_running_text_is_its_own_teacher() -> None:
    forms = [["he", "him", "his"], ["she", "her"]]
    texts = ["Tom lost his hat. He saw him.", "Mary lost her hat. She sat here."] * 40
    filler = BlankFiller(forms, **SMALL)
    history = filler.fit(texts, epochs=15, verbose=0)
    assert filler.candidates == ("he", "she") and history.history["accuracy"][-1] == 1
    figures = filler.evaluate(texts)
    # Three in the first text and two in the second, for "here" is another word than "her".
    assert figures["examples"] == 200 and figures["majority"] == 0.6 and figures["accuracy"] == 1
    assert filler.evaluate(["Tom lost ___ hat. He saw him."], ["His"])["accuracy"] == 1
    assert filler.fill("Mary lost ___ hat. She sat there.") == "Mary lost she hat. She sat there."


def test_the_longest_candidate_is_taken() -> None:
    filler = BlankFiller(("New York", "New"), **SMALL)
    figures = filler.fit(["in New York now", "a New car"] * 10, epochs=1, verbose=0)
    assert len(figures.history["loss"]) == 1
    assert filler.evaluate(["in New York now", "a New car"])["majority"] == 0.5


def test_hangul_is_the_same_however_it_is_coded() -> None:
    texts = [unicodedata.normalize("NFD", "철수가 왔다. 그는 앉았다."), "영희가 왔다. 그녀는 앉았다."]
    filler = BlankFiller(("그는", unicodedata.normalize("NFD", "그녀는")), **SMALL)
    filler.fit(texts, epochs=1, verbose=0)
    assert filler.evaluate(texts)["examples"] == 2
    plain, other = "철수가 왔다. ___ 앉았다.", unicodedata.normalize("NFD", "철수가 왔다. ___ 앉았다.")
    assert filler.probabilities(plain) == filler.probabilities(other)
    assert filler.evaluate([plain], [unicodedata.normalize("NFD", "그는")])["examples"] == 1
    # A dotless or dotted I is not an i, whatever regular expressions think.
    english = BlankFiller(("i", "we"), **SMALL)
    english.fit(["I am, İ am not, ı am not, we are"], epochs=1, verbose=0)
    assert english.evaluate(["I am, İ am not, ı am not, we are"])["examples"] == 2


def test_context_is_what_is_read() -> None:
    filler = BlankFiller(**{**SMALL, "context": 2})
    filler.fit(["Mary a b ___ c d e", "Tom a b ___ c d e"], ["she", "he"], epochs=1, verbose=0)
    trace = filler.memory_trace("Mary a b ___ c d e")
    assert trace.tokens == ("a", "b", "___", "c", "d")
    assert filler.probabilities("Tom a b ___ c d") == trace.probabilities


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("___ came in.", "She came in."),
        ("It rained. ___ came in.", "It rained. She came in."),
        ('"Stop!" ___ said', '"Stop!" She said'),
        ("then ___, too", "then she, too"),
    ],
)
def test_a_sentence_begins_with_a_capital(text: str, filled: str) -> None:
    assert BlankFiller.filled(text, "she") == filled
    assert BlankFiller.filled("___ 왔다.", "그녀는") == "그녀는 왔다."


def test_training_goes_on_and_is_validated() -> None:
    texts, answers = stories(64, 5)
    whole, parts = BlankFiller(**SMALL), BlankFiller(**SMALL)
    history = whole.fit(texts, answers, epochs=2, verbose=0, validation_data=stories(10, 5, seed=1))
    assert set(history.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for _ in range(2):
        parts.fit(np.array(texts), tuple(answers), epochs=1, verbose=0)
    assert parts.probabilities(texts[0]) == whole.probabilities(texts[0])


def test_memory_opens_the_gates() -> None:
    texts, answers = stories(8, 5)
    kept, plain = (BlankFiller(**{**SMALL, "memory": n, "bidirectional": False}) for n in (40, None))
    for filler in (kept, plain):
        filler.fit(texts, answers, epochs=0, verbose=0)
    forget, usual = (filler.model.layers[3].params["b"][12:24] for filler in (kept, plain))
    assert (usual == 1).all()
    assert 0 <= forget.min() and forget.max() <= np.log(39) and forget.mean() > 1.5


# ---------------------------------------------------------------------- the trace


def cells_of(filler: BlankFiller, text: str) -> Any:
    """(h, c) of the layer that reads from the left, from the functional door; an independent way."""
    before = ["\x1c", *words(text.split("___")[0])]
    embedding, _, _, lstm, _, _ = filler.model.layers
    x = embedding.params["W"][filler.vocabulary.encode(before)]
    h, c, state = [], [], None
    for t in range(len(x)):
        y, state, _ = fr.functional.lstm_forward(x[None, t : t + 1], lstm.params, state)
        h.append(y[0, 0])
        c.append(state[1][0])
    return np.stack(h), np.stack(c)


def test_the_trace_holds_the_states_of_the_lstm() -> None:
    filler = fitted(bidirectional=False)
    text = stories(1, 12, seed=9)[0][0]
    trace = filler.memory_trace(text)
    h, c = cells_of(filler, text)
    n = trace.blank
    assert trace.tokens == (*words(text.split("___")[0]), "___") and n == len(trace.tokens) - 1
    assert trace.h.shape == trace.c.shape == (n + 1, 12)  # type: ignore[union-attr]
    # Row t is the state behind word t; that of the blank is the last one.
    np.testing.assert_array_equal(trace.h, np.concatenate([h[1:], h[-1:]]))
    np.testing.assert_array_equal(trace.c, np.concatenate([c[1:], c[-1:]]))


@pytest.mark.parametrize(("cell", "bidirectional"), [("lstm", True), ("gru", True), ("rnn", False)])
def test_the_row_of_the_blank_decides(cell: str, bidirectional: bool) -> None:
    filler = BlankFiller(**{**SMALL, "cell": cell, "bidirectional": bidirectional})
    filler.fit(*stories(100, 5), epochs=2, verbose=0)
    text = "Mary came in. Then ___ went home at once."
    trace = filler.memory_trace(text)
    width = 24 if bidirectional else 12
    assert trace.h.shape == (len(trace.tokens), width) and (trace.c is None) == (cell != "lstm")
    assert trace.tokens[trace.blank] == "___"
    assert trace.tokens[trace.blank + 1 :] == (("went", "home", "at", "once", ".") if bidirectional else ())
    W, b = (filler.model.layers[-1].params[name] for name in ("W", "b"))
    logits = W @ trace.h[trace.blank] + b
    p = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(p, list(trace.probabilities.values()), rtol=1e-5)
    assert trace.probabilities == filler.probabilities(text)
    assert {trace.answer, trace.rival} == {"he", "she"}
    # The contributions add up to the difference of the logits, and are in order.
    one, other = (0, 1) if trace.answer == "he" else (1, 0)
    total = trace.contributions.sum() + b[one] - b[other]
    assert total == pytest.approx(logits[one] - logits[other], abs=1e-5)
    assert (np.diff(trace.contributions[list(trace.units)]) <= 0).all()
    # Behind the blank the states of the second direction are those before its last ones.
    if bidirectional:
        states = trace.h[:, 12:] if trace.c is None else trace.c[:, 12:]
        np.testing.assert_array_equal(states[trace.blank], states[trace.blank + 1])
        index, values = trace.carried(12)
        assert index.tolist() == list(range(trace.blank, len(trace.tokens)))
        np.testing.assert_array_equal(values, states[trace.blank :, 0])


def test_the_carrying_cell_tells_the_subject_over_all_words() -> None:
    """With the subject exchanged, the same words leave the cell with the other sign or far away."""
    filler = fitted(bidirectional=False)
    rest = " came into the room. " + stories(1, 20, seed=4)[0][0].split(". ", 1)[1]
    man, woman = (filler.memory_trace(name + rest) for name in ("Tom", "Mary"))
    assert (man.answer, woman.answer) == ("he", "she")
    unit = man.units[0]
    _, he = man.carried(unit)
    _, she = woman.carried(unit)
    assert np.abs(he - she)[5:].min() > 0.1 and np.abs(he - she)[-1] > 0.5


def test_the_trace_in_words(english: Any, korean: Any) -> None:
    text = str(english.memory_trace("Mary came into the room. Then ___ went home."))
    head, about, *rows = text.split("\n")
    assert head.startswith("___ = she  (he 0.0") and "cell state of unit" in about
    assert any(row.split()[0] == "Mary" for row in rows) or any(row.split()[0] == "went" for row in rows)
    rows = str(korean.memory_trace("철수가 방에 들어왔다. 그리고 ___ 집으로 갔다.")).split("\n")[2:]
    # Hangul is two columns wide: all numbers end in the same column of a terminal.
    ends = {sum(2 if c >= "\u1100" else 1 for c in row.split("|")[0]) for row in rows}
    assert len(ends) == 1


def test_a_blank_alone_and_nothing_around_it(english: Any) -> None:
    trace = english.memory_trace("___")
    assert trace.tokens == ("___",) and trace.h.shape == (1, 24)
    assert trace.probabilities == english.probabilities(" ___ ")
    assert english.fill("___") in ("He", "She")


# ---------------------------------------------------------------------- pictures


def test_the_trace_is_drawn(english: Any, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    text = "Mary came into the room. Then ___ went home."
    trace = english.memory_trace(text)
    ax = Figure().add_subplot()
    assert trace.plot(ax, units=24) is ax
    drawn = {line.get_label(): line for line in ax.lines if line.get_label().startswith("unit")}
    assert len(drawn) == 24
    for unit in (trace.units[0], trace.units[-1]):
        index, values = trace.carried(unit)
        line = drawn[f"unit {unit}: {trace.contributions[unit]:+.1f}"]
        np.testing.assert_array_equal(line.get_xdata(), index)
        np.testing.assert_array_equal(line.get_ydata(), values)
        # The other side, which it read before, is dashed.
        dashed = ax.lines[list(ax.lines).index(line) + 1]
        before = sorted(set(range(len(trace.tokens))) - set(index.tolist()))
        assert dashed.get_xdata().tolist() == before and dashed.get_linestyle() == "--"
        np.testing.assert_array_equal(dashed.get_ydata(), trace.memory[before, unit])
    assert [t.get_text() for t in ax.get_xticklabels()] == list(trace.tokens)
    assert ax.get_title().startswith("___ = she, p = ") and ax.get_ylabel() == "cell state c"
    long = fr.plot.memory_trace(english.memory_trace(stories(1, 90)[0][0]))
    labels = [t.get_text() for t in long.get_xticklabels()]
    assert 10 < len(labels) <= 40 and "___" in labels
    long.figure.savefig(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"memory_trace: units must be a whole number .*, got 0\."):
        trace.plot(units=0)


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_saved_one_is_the_same(by_language: Any, language: str, tmp_path: Path) -> None:
    filler = by_language[language]
    text = stories(1, 10, language=language, seed=8)[0][0]
    filler.save(tmp_path / "m")
    for back in (BlankFiller.load(tmp_path / "m"), fr.load(tmp_path / "m")):
        assert back.candidates == CANDIDATES[language] and back.arguments == filler.arguments
        assert back.probabilities(text) == filler.probabilities(text)
        np.testing.assert_array_equal(back.memory_trace(text).c, filler.memory_trace(text).c)


def test_a_wrong_or_edited_file_is_refused(english: Any, tmp_path: Path, monkeypatch: Any) -> None:
    net = fr.Sequential([fr.Input((None, 2)), fr.GRU(3)], seed=0)
    net.save(tmp_path / "plain")
    with pytest.raises(fr.ModelFormatError, match=r"BlankFiller\.load: .*plain holds a Sequential"):
        BlankFiller.load(tmp_path / "plain")
    tokens = english.vocabulary.tokens
    edgeless = [*(token for token in tokens if token != "\x1c"), "b"]
    for learnt in ({}, *({"vocabulary": wrong} for wrong in (3, ["a"], tokens[:-1], edgeless))):
        extra = {"arguments": english.arguments, "learnt": learnt}
        serialization.save(tmp_path / "m", english.model, "BlankFiller", extra)
        with pytest.raises(fr.ModelFormatError, match="does not describe a BlankFiller"):
            fr.load(tmp_path / "m")
    extra = {"arguments": {**english.arguments, "units": 13}, "learnt": english.learnt()}
    serialization.save(tmp_path / "m", english.model, "BlankFiller", extra)
    with pytest.raises(fr.ModelFormatError, match="the layers are not those of the arguments"):
        fr.load(tmp_path / "m")


# ---------------------------------------------------------------------- what is wrong is said


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"candidates": "he"}, TypeError, r"BlankFiller: candidates must be two different words.*'he'"),
        ({"candidates": ["he", 3]}, TypeError, "candidates must be"),
        ({"candidates": {"he": ["him"], "she": ["her"]}}, TypeError, "candidates must be"),
        ({"candidates": ["he", ["she", None]]}, TypeError, "candidates must be"),
        ({"candidates": ["he", []]}, ValueError, "candidates must be"),
        ({"candidates": ["he"]}, ValueError, "candidates must be"),
        ({"candidates": ["he", "He"]}, ValueError, "candidates must be"),
        ({"candidates": ["he", "he"]}, ValueError, "candidates must be"),
        ({"candidates": ["he", " "]}, ValueError, "candidates must be"),
        ({"candidates": ["he", "___"]}, ValueError, "candidates must be"),
        ({"candidates": [["he", "x"], ["X"]]}, ValueError, "candidates must be"),
        ({"cell": "ltsm"}, ValueError, r"cell must be one of .*, got 'ltsm'. Did you mean 'lstm'\?"),
        ({"units": 0}, ValueError, "units must be a whole number of at least 1, got 0"),
        ({"embedding": 1.5}, ValueError, "embedding must be a whole number"),
        ({"memory": 1}, ValueError, "memory must be a whole number of at least 2, got 1"),
        ({"context": 0}, ValueError, "context must be a whole number of at least 1, got 0"),
        ({"least": 0}, ValueError, "least must be a whole number of at least 1, got 0"),
        ({"dropout": 1}, ValueError, r"dropout must be a number in \[0, 1\), got 1"),
        ({"token_dropout": -0.1}, ValueError, r"token_dropout must be a number in \[0, 1\), got -0.1"),
        ({"learning_rate": 0}, ValueError, "learning_rate must be a number in"),
        ({"dtype": "int8"}, fr.DtypeError, "dtype must be float32 or float64"),
    ],
)  # fmt: skip
def test_wrong_arguments(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        BlankFiller(**arguments)


@pytest.mark.parametrize(
    ("texts", "answers", "kind", "message"),
    [
        ("Tom ___", ["he"], TypeError, r"BlankFiller\.fit: texts must be a list of strings, got Tom ___\."),
        (["Tom ___"], "he", TypeError, r"answers must be a list of strings, got he\."),
        (["Tom ___", None], ["he", "he"], TypeError, r"texts\[1\] must be a string, got None"),
        (["Tom ___"], [np.nan], TypeError, r"answers\[0\] must be a string, got nan"),
        (["Tom ___"], ["he", "she"], ValueError, r"answers must be one a text, 1 words, got 2\."),
        (["Tom ___", "Tom"], ["he", "he"], ValueError,
         r"texts\[1\] must be a string with one ___, got 'Tom'\. Mark the place with three underscores"),
        (["___ or ___"], ["he"], ValueError, r"texts\[0\] must be a string with one ___"),
        (["what ____ is"], ["he"], ValueError, r"texts\[0\] must be a string with one ___"),
        (["Tom ___"], ["they"], ValueError, r"answers\[0\] must be one of he, she, got 'they'\."),
        ([], [], ValueError, r"BlankFiller\.fit: none of he, she stands in texts\. Give texts in which"),
        (["Nobody here"], None, ValueError, r"BlankFiller\.fit: none of he, she stands in texts"),
        (["he saw ___"], None, ValueError, r"texts\[0\] must be without ___ where answers is None"),
    ],
)  # fmt: skip
def test_wrong_examples(texts: Any, answers: Any, kind: type[Exception], message: str) -> None:
    filler = BlankFiller()
    with pytest.raises(kind, match=message):
        filler.fit(texts, answers, verbose=0)
    assert not filler.fitted


def test_wrong_use(english: Any) -> None:
    unfitted = BlankFiller()
    for call in (unfitted.fill, unfitted.probabilities, unfitted.memory_trace):
        with pytest.raises(RuntimeError, match="BlankFiller: call fit first, or load a saved one"):
            call("Tom ___")
        with pytest.raises(ValueError, match=r"text must be a string with one ___, got 'Tom'"):
            call("Tom")
        with pytest.raises(TypeError, match=r"text must be a string with one ___, got \['Tom ___'\]"):
            call(["Tom ___"])
    with pytest.raises(ValueError, match=r"BlankFiller\.evaluate: there is no blank in texts"):
        english.evaluate([], [])
    with pytest.raises(ValueError, match=r"BlankFiller\.fit: validation_data must be \(texts, answers\)"):
        english.fit(["Tom ___"], ["he"], validation_data=["Tom ___"], verbose=0)


# ---------------------------------------------------------------------- paragraphs of others


@pytest.mark.parametrize(
    ("text", "gender"),
    [
        ("He met ___ and her", "x"),  # as near on both sides
        ("He met ___, herself", "she"),
        ("his ___ or herself", "he"),
        ("Then ___ came", "x"),
        ("His dog, the one of HERS, saw ___", "she"),
    ],
)
def test_the_nearest_pronoun(text: str, gender: str) -> None:
    assert bench.nearest(text, "x") == gender


@pytest.mark.data("gap")
def test_paragraphs_of_wikipedia(data_set: Path) -> None:
    figures = bench.gap(data_set.parent, seed=0)
    assert figures["paragraphs"] == 454 and figures["majority"] == 0.5
    assert 0.68 < figures["nearest_pronoun"] < 0.71
    assert figures["accuracy"] > figures["nearest_pronoun"] + 0.02


# ---------------------------------------------------------------------- the command line


def write(path: Path, texts: list[str], answers: list[str]) -> str:
    lines = [f"{text}\t{answer}" for text, answer in zip(texts, answers, strict=True)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_the_command_line_in_real_processes(tmp_path: Path) -> None:
    train = write(tmp_path / "train.tsv", *stories(300, (0, 8), language="ko"))
    test = write(tmp_path / "test.tsv", *stories(40, (0, 8), language="ko", seed=1, split="test"))
    home = Path(fr.__file__).resolve().parents[1]
    environment = {
        **os.environ, "PYTHONPATH": str(home), "FASTRNN_NUM_THREADS": "1", "PYTHONIOENCODING": "utf-8",
    }  # fmt: skip

    def run(*arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fastrnn", "blank", *arguments], cwd=tmp_path, env=environment, input=said,
            capture_output=True, encoding="utf-8", timeout=120,
        )  # fmt: skip

    done = run("train", train, "--model", "m", "--candidates", "그는", "그녀는", "--units", "12",
               "--memory", "20", "--epochs", "15", "--json")  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["texts"] == 300 and figures["epochs"] == 15
    assert figures["candidates"] == "그는, 그녀는"
    text = "영희가 방에 들어왔다. 그리고 ___ 집으로 갔다."
    done = run("predict", "--model", "m", said=f"{text}\n\n{text}\n")
    assert done.returncode == 0, done.stderr
    filled = text.replace("___", "그녀는")
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == [filled, filled]
    done = run("predict", "--model", "m", "--json", "--trace", said=text)
    found = json.loads(done.stdout)
    assert (found["text"], found["answer"]) == (filled, "그녀는")
    assert list(found["probabilities"]) == ["그는", "그녀는"]
    assert len(found["trace"]["tokens"]) == len(found["trace"]["state"]) and "___" in found["trace"]["tokens"]
    done = run("evaluate", "--model", "m", test, "--json")
    assert json.loads(done.stdout)["accuracy"] == 1
    assert fr.load(tmp_path / "m").fill(text) == filled  # what the command wrote is read by the class


def test_the_command_line_on_running_text(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "t.txt").write_text("Tom lost his hat. He saw him.\n\nMary lost her hat. She sat.\n" * 150)
    model = str(tmp_path / "m")
    arguments = ["blank", "train", str(tmp_path / "t.txt"), "--model", model, "--epochs", "15",
                 "--cell", "gru", "--left-only", "--candidates", "he,him,his", "she,her"]  # fmt: skip
    assert cli.main(arguments) == 0
    said = capsys.readouterr().out
    assert "texts" in said and "he, she" in said and "\naccuracy" in said
    (tmp_path / "p.txt").write_text("Mary lost ___ hat.\n")
    assert cli.main(["blank", "predict", "--model", model, "--trace", str(tmp_path / "p.txt")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("Mary lost she hat.\the 0.") and "output of unit" in said
    assert cli.main(["blank", "evaluate", "--model", model, str(tmp_path / "t.txt")]) == 0
    assert "examples  750" in capsys.readouterr().out
    assert isinstance(fr.load(model), BlankFiller)


def test_the_command_line_says_what_is_wrong(tmp_path: Path, english: Any, capsys: Any) -> None:
    english.save(tmp_path / "m")
    model = str(tmp_path / "m")
    bad = tmp_path / "bad.tsv"
    bad.write_text("Tom ___ no tab\n")
    (tmp_path / "none.txt").write_text("Nobody.\n")

    def said(code: int, *arguments: str) -> str:
        assert cli.main(["blank", *arguments]) == code
        out, error = capsys.readouterr()
        assert out == ""
        return str(error)

    train = ["--model", str(tmp_path / "new"), "--candidates", "he", "she"]
    assert "line 1: expected a text, a tab and its label" in said(1, "train", str(bad), *train)
    assert "none of he, she stands in texts" in said(1, "train", str(tmp_path / "none.txt"), *train)
    assert "candidates must be two different words" in said(1, "train", str(bad), *train, "he")
    assert "candidates must be two different words" in said(1, "train", str(bad), *train[:4])
    assert not (tmp_path / "new").exists()
    (tmp_path / "p.txt").write_text("no blank here\n")
    assert "must be a string with one ___" in said(1, "predict", "--model", model, str(tmp_path / "p.txt"))
    assert "usage" in said(2, "train", str(bad), "--model", "m")
    net = fr.Sequential([fr.Input((None, 2)), fr.GRU(3)], seed=0)
    net.save(tmp_path / "plain")
    assert "this verb needs a BlankFiller" in said(1, "predict", "--model", str(tmp_path / "plain"))
