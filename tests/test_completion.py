"""Sentence completion: streams of one text, pieces, decoding, the task, the command line."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastrnn as fr
from fastrnn import cli, serialization
from fastrnn.samples import sentences
from fastrnn.tasks import SentenceCompleter
from fastrnn.tasks.decoding import Sampling, beam_search, known
from fastrnn.text import NGram, Vocabulary, read_text
from fastrnn.text.batching import stream_windows
from fastrnn.text.pieces import Joiner, joined, pieces

LANGUAGES = ("ko", "en")
PROMPT = {"ko": "나는 아침마다 도서관에서", "en": "In the library Tom"}
ENDING = {"ko": " 편지를 쓴다.", "en": " writes letters"}


def text_in(language: str, n: int = 300, seed: int = 0) -> str:
    return "\n".join(sentences(n, language, seed))


@pytest.fixture(scope="module")
def trained() -> dict[tuple[str, str], SentenceCompleter]:
    """(language, level) -> a completer of the made sentences."""
    found = {}
    for language, level in itertools.product(LANGUAGES, ("char", "word")):
        completer = SentenceCompleter(level, units=48, seed=0)
        completer.fit(text_in(language), epochs=12, learning_rate=0.01, verbose=0)
        found[language, level] = completer
    return found


@pytest.fixture(scope="module")
def small() -> SentenceCompleter:
    """One that has hardly read: every token is possible."""
    completer = SentenceCompleter(units=6, seed=3)
    completer.fit("abcab", epochs=1, verbose=0)
    return completer


# ---------------------------------------------------------------------- one text as streams


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 200), st.integers(1, 9), st.integers(1, 20))
def test_every_id_is_predicted_once_and_streams_go_on(n: int, batch: int, steps: int) -> None:
    ids = np.arange(1, n + 1)
    x, y, lengths, B = stream_windows(ids, batch, steps)
    assert x.shape == y.shape and x.shape[1] <= steps and len(x) == len(lengths) and len(x) % B == 0
    assert 1 <= B <= batch
    inside = np.arange(x.shape[1]) < lengths[:, None]
    np.testing.assert_array_equal(np.sort(y[inside]), ids[1:])
    np.testing.assert_array_equal(y[inside], x[inside] + 1)
    assert not x[~inside].any() and not y[~inside].any()
    for b in range(B):  # what a row of the batches reads, one after the other, is a stretch of the text
        rows = slice(b, None, B)
        read = x[rows][inside[rows]]
        np.testing.assert_array_equal(read, read[0] + np.arange(len(read)))
    assert inside[:-B].all()  # only the last batch is not full


def test_a_short_text_has_fewer_streams() -> None:
    assert stream_windows(np.arange(101), 32, 20)[3] == 5
    assert stream_windows(np.arange(11), 32, 20)[3] == 1


def test_windows_need_two_ids() -> None:
    with pytest.raises(fr.ShapeError, match=r"ids must be \[n\] with n >= 2, got \[1\] int64"):
        stream_windows(np.arange(1), 1, 1)


# ---------------------------------------------------------------------- words and signs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("나는 학교에 간다.", ["나는", "학교에", "간다", "."]),
        ("3·1운동, 정치·경제", ["3", "·", "1운동", ",", "정치", "·", "경제"]),
        ("It's (really) so!", ["It's", "(", "really", ")", "so", "!"]),
        ("a = b", ["a", "=", "b"]),
        ("a=b", ["a", "", "=", "", "b"]),
        ("end .\n\n  Next", ["end", " ", ".", "\n\n  ", "Next"]),
        (" x ", [" ", "x", " "]),
        ("", []),
    ],
)
def test_pieces_are_words_signs_and_unexpected_space(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected and joined(expected) == text


@settings(deadline=None)
@given(st.text("가나ab1 \n\t.,!?()\"'’·-/_…“”\u3000", max_size=30) | st.text(max_size=20))
def test_pieces_give_the_text_back(text: str) -> None:
    assert joined(pieces(text)) == text


def test_pieces_go_on_behind_a_prompt() -> None:
    assert Joiner(["나는"]).add("간다") == " 간다"
    assert Joiner(["나는"], spaced=True).add("간다") == "간다"
    assert Joiner(["나는"]).add(".") == "."
    assert Joiner(["나는", "\n"]).add("간다") == "간다"


# ---------------------------------------------------------------------- drawing and searching


def test_nobody_writes_the_unknown() -> None:
    p = known(np.array([[0.9, 0.02, 0.08], [1.0, 0.0, 0.0]], np.float32))
    np.testing.assert_allclose(p, [[0, 0.2, 0.8], [0, 0.5, 0.5]], rtol=1e-6)


@pytest.mark.parametrize(
    ("temperature", "top_k", "share"),
    # p is 0.2, 0.3, 0.5.  At temperature 1/2 it is 4 : 9 : 25, at 2 it is 0.447 : 0.548 : 0.707.
    [(1, None, [0.2, 0.3, 0.5]), (0.5, None, [4 / 38, 9 / 38, 25 / 38]), (2, None, [0.263, 0.322, 0.415]),
     (1, 2, [0, 3 / 8, 5 / 8]), (1, 1, [0, 0, 1]), (0, None, [0, 0, 1]), (1e-300, None, [0, 0, 1]),
     (1, 9, [0.2, 0.3, 0.5])],
)  # fmt: skip
def test_draws_follow_the_probabilities(temperature: float, top_k: int | None, share: list[float]) -> None:
    sampling = Sampling("test", temperature, top_k, 0, None)
    drawn = [sampling.draw(np.array([0, 0.2, 0.3, 0.5])) for _ in range(4000)]
    found = np.bincount(drawn, minlength=4) / len(drawn)
    np.testing.assert_allclose(found, [0, *share], atol=0.025)


@pytest.mark.parametrize("stop", [None, "c", "bc"])
def test_a_wide_beam_finds_the_likeliest_of_all(small: SentenceCompleter, stop: str | None) -> None:
    """Against the probability of every continuation of three characters, or fewer where it stops."""
    chance: dict[str, float] = {}

    def grow(text: str, log: float) -> None:
        for token, p in small.next_probabilities("ab" + text).items():
            more, total = text + token, log + math.log(p)
            if len(more) == 3 or (stop is not None and stop in more):
                chance[more] = total
            else:
                grow(more, total)

    grow("", 0.0)
    best = max(chance, key=chance.__getitem__)
    assert math.fsum(map(math.exp, chance.values())) == pytest.approx(1, abs=1e-5)
    assert small.complete("ab", 3, beam=27, stop=stop) == best
    narrow = small.complete("ab", 3, beam=1, stop=stop)
    assert narrow == small.complete("ab", 3, temperature=0, stop=stop)
    assert chance[narrow] <= chance[best]


def test_a_beam_can_have_more_rows_than_there_are_beginnings(small: SentenceCompleter) -> None:
    stream = small.model.stream(9)  # three characters can be written
    p = known(np.array([0.0, 0.2, 0.5, 0.3]))
    assert beam_search(stream, p, 1, lambda ids: False, np.asarray) == [2]
    assert beam_search(stream, p, 0, lambda ids: False, np.asarray) == []
    assert len(small.complete("a", 5, beam=9)) == 5


# ---------------------------------------------------------------------- training


@pytest.mark.parametrize("level", ["char", "word"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_learns_what_follows(trained: Any, language: str, level: str) -> None:
    completer, held_out = trained[language, level], text_in(language, 60, seed=1)
    prompt, ending = PROMPT[language], ENDING[language]
    found = completer.complete(prompt, 20, beam=4, stop="." if language == "ko" else "letters")
    assert found == ending
    if level == "char":
        peer = NGram(text_in(language), 3, completer.vocabulary.size).loss(held_out)
        assert completer.nats(held_out) < peer
    first = ending.strip().split()[0]
    expected = first if level == "word" else " "
    assert next(iter(completer.next_probabilities(prompt))) == expected


@pytest.mark.parametrize("cell", ["rnn", "gru"])
@pytest.mark.parametrize("embedding", [None, 8])
def test_every_cell_learns_with_and_without_embedding(cell: str, embedding: int | None) -> None:
    completer = SentenceCompleter(
        cell=cell, units=24, layers=2, embedding=embedding, dropout=0.1, recurrent_dropout=0.1, seed=1
    )
    history = completer.fit(text_in("ko", 80), epochs=6, learning_rate=0.01, verbose=0).history["loss"]
    assert history[-1] < 0.6 * history[0]
    assert len(completer.complete("나는 ", 12, seed=0)) == 12


def test_the_state_is_carried_through_the_text_and_begins_anew_each_epoch() -> None:
    seen = []

    class Look(fr.callbacks.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            state = self.model.layers[1].state
            seen.append((batch, None if state is None else state[0].copy()))

    completer = SentenceCompleter(units=5, seed=0)
    completer.fit("abcdefgh" * 10, epochs=2, batch_size=2, steps=10, callbacks=[Look()], verbose=0)
    assert [batch for batch, _ in seen] == [0, 1, 2, 3] * 2
    for batch, state in seen:
        assert (state is None) is (batch == 0)
        assert state is None or (state.shape == (2, 5) and state.any())
    assert completer.model.layers[1].state is None


def test_the_held_out_loss_is_nats() -> None:
    text = text_in("en", 40)
    completer = SentenceCompleter(units=8, seed=0)
    history = completer.fit(text, epochs=3, validation_split=0.25, verbose=0).history
    rest = text[len(text) - round(0.25 * len(text)) :]
    assert history["val_loss"][-1] == completer.nats(rest)
    assert history["val_loss"][-1] < history["val_loss"][0]
    other = SentenceCompleter(units=8, seed=0)
    train = text[: len(text) - len(rest)]
    assert other.fit(train, epochs=3, validation_text=rest, verbose=0).history == history
    assert "val_loss" not in SentenceCompleter(units=8).fit(text, epochs=1, verbose=0).history


def test_words_are_held_out_as_words() -> None:
    completer = SentenceCompleter("word", units=4, seed=0)
    history = completer.fit("a b c. " * 20, epochs=1, validation_split=0.2, verbose=0)
    held_out = "b c. a b c. a b c. a b c. "  # 16 of 81, the last of them is the space at the end
    assert len(pieces(held_out)) == 16
    assert history.history["val_loss"] == [completer.nats(held_out)]


def test_fit_goes_on_and_the_same_seed_gives_the_same() -> None:
    def one(epochs: int, seed: int = 0) -> SentenceCompleter:
        completer = SentenceCompleter(units=8, dropout=0.2, seed=seed)
        completer.fit(text_in("ko", 20), epochs=epochs, verbose=0)
        return completer

    a, b, c = one(2), one(2), one(2, seed=1)
    for p, q, r in zip(a.model.get_weights(), b.model.get_weights(), c.model.get_weights(), strict=True):
        np.testing.assert_array_equal(p, q)
        assert p.ndim == 1 or (p != r).any()
    before, tokens = a.nats(text_in("ko", 20)), a.vocabulary.tokens
    a.fit(text_in("ko", 20) + "☃", epochs=2, verbose=0)
    assert a.nats(text_in("ko", 20)) < before and a.vocabulary.tokens == tokens


def test_text_may_be_a_file_or_several(tmp_path: Path) -> None:
    one, two = sentences(20, "ko"), sentences(20, "en")
    (tmp_path / "ko.txt").write_text("\n".join(one), encoding="utf-8-sig")
    as_files = SentenceCompleter(units=4, seed=0)
    as_files.fit([tmp_path / "ko.txt", "\n".join(two)], epochs=1, verbose=0)
    as_text = SentenceCompleter(units=4, seed=0)
    as_text.fit("\n".join(one + two), epochs=1, verbose=0)
    text = "나는 I"
    assert as_files.nats(text) == as_text.nats(text)
    assert as_text.nats(tmp_path / "ko.txt") == as_text.nats(one)


def test_a_dtype_of_choice() -> None:
    completer = SentenceCompleter(units=4, dtype="float64", seed=0)
    completer.fit("abcab" * 3, epochs=1, verbose=0)
    assert completer.model.get_weights()[0].dtype == np.float64
    assert sum(completer.next_probabilities("a").values()) == pytest.approx(1, abs=1e-12)


# ---------------------------------------------------------------------- measures


@pytest.mark.parametrize("level", ["char", "word"])
def test_nats_read_the_whole_text_step_by_step(trained: Any, level: str) -> None:
    completer = trained["ko", level]
    text = text_in("ko", 60, seed=2)  # longer than what is scored at a time
    ids = completer.encode(text)
    stream, logs = completer.model.stream(), []
    for k, following in itertools.pairwise(ids):
        p = stream.step(np.array([k]))[0].astype(np.float64)
        assert k and following
        logs.append(-math.log(p[following] / (1 - p[0]) * (1 - completer.learnt()["unseen"])))
    assert len(logs) > (1024 if level == "char" else 300)
    assert completer.nats(text) == pytest.approx(np.mean(logs), rel=1e-6)
    assert completer.perplexity(text) == pytest.approx(math.exp(np.mean(logs)), rel=1e-6)
    found = completer.evaluate(text)
    assert found == {
        "nats": completer.nats(text), "perplexity": completer.perplexity(text), "tokens": len(logs),
        "unknown": 0,
    }  # fmt: skip


def test_what_was_never_read_is_as_likely_as_what_was_read_once() -> None:
    text = "ab" * 50 + "c"  # 101 tokens, one of them once: Good's estimate is (1 + 1) / (101 + 2)
    completer = SentenceCompleter(units=4, seed=0)
    completer.fit(text, epochs=1, verbose=0)
    assert completer.nats("a☃") == pytest.approx(-math.log(2 / 103), rel=1e-12)
    total = math.exp(-completer.nats("a☃")) + sum(math.exp(-completer.nats("a" + c)) for c in "abc")
    assert total == pytest.approx(1, abs=1e-6)
    assert completer.evaluate("a☃b")["unknown"] == 0.5


def test_a_limited_vocabulary_learns_the_unknown() -> None:
    text = "x a y a z a w a " * 30
    few = SentenceCompleter("word", units=8, most=1, seed=0)
    few.fit(text, epochs=10, learning_rate=0.02, verbose=0)
    assert few.vocabulary.tokens == ["a"] and few.learnt()["unseen"] == 0
    assert few.perplexity("b a c a d a e a") < 1.2 and few.complete("a", 2, seed=0) == " a a"
    rare = SentenceCompleter("word", units=4, least=31, seed=0)
    rare.fit(text, epochs=1, verbose=0)
    assert rare.vocabulary.tokens == ["a"]


# ---------------------------------------------------------------------- use


@pytest.mark.parametrize("level", ["char", "word"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_streaming_writes_what_complete_gives(trained: Any, language: str, level: str) -> None:
    completer, prompt = trained[language, level], PROMPT[language]
    options: dict[str, Any] = {"temperature": 0.9, "top_k": 5, "seed": 7}
    written = list(itertools.islice(completer.stream(prompt, **options), 25))
    assert "".join(written) == completer.complete(prompt, 25, **options)
    assert level == "word" or all(len(token) == 1 for token in written)
    assert completer.complete(prompt, 25, seed=8) != completer.complete(prompt, 25, seed=9)
    assert completer.complete(prompt, 0) == "" == completer.complete(prompt, 0, beam=2)
    generator = np.random.default_rng(0)
    assert len(completer.complete(prompt, 3, seed=generator)) >= 3


def test_temperature_0_follows_the_likeliest(trained: Any) -> None:
    completer, text = trained["ko", "char"], "영희는 "
    for _ in range(15):
        text += next(iter(completer.next_probabilities(text)))
    assert completer.complete("영희는 ", 15, temperature=0) == text.removeprefix("영희는 ")


def test_next_probabilities_are_sorted_and_sum_to_one(trained: Any) -> None:
    for completer in trained.values():
        found = completer.next_probabilities("")
        assert set(found) == set(completer.vocabulary) and sum(found.values()) == pytest.approx(1, abs=1e-9)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_it_stops_where_it_should(trained: Any) -> None:
    for (language, _), completer in trained.items():
        found = completer.complete(PROMPT[language], 200, seed=1, stop=".\n")
        assert found.endswith(".\n") and found.count("\n") == 1
        assert completer.complete(PROMPT[language], 200, beam=2, stop=".").count(".") == 1
    once = trained["en", "char"].complete("In the ", 200, seed=1, stop="the")  # not the one of the prompt
    assert once.endswith("the") and once.count("the") == 1


def test_prompts_of_all_kinds(trained: Any) -> None:
    char, word = trained["ko", "char"], trained["ko", "word"]
    # An empty prompt begins a line, as one does after a line end.
    assert char.next_probabilities("") == char.next_probabilities("\n")
    assert next(iter(word.next_probabilities(""))).endswith("는")
    # What was never read is unknown, all alike, and never written.
    assert char.next_probabilities("a ") == char.next_probabilities("☃ ")
    assert len(char.complete("☃☃", 10, seed=0)) == 10
    # It does not matter how Hangul was typed.
    typed = unicodedata.normalize("NFD", PROMPT["ko"])
    assert typed != PROMPT["ko"]
    assert char.complete(typed, 8, temperature=0) == char.complete(PROMPT["ko"], 8, temperature=0)
    # A space behind the last word belongs to the next one.
    bare = word.complete("나는", 3, temperature=0)
    assert bare.startswith(" ") and word.complete("나는 ", 3, temperature=0) == bare.removeprefix(" ")
    assert word.next_probabilities("나는 ") == word.next_probabilities("나는")


def test_a_text_without_line_ends_can_be_begun(small: SentenceCompleter) -> None:
    assert "\n" not in small.vocabulary
    assert len(small.complete("", 5, seed=0)) == 5
    assert sum(small.next_probabilities().values()) == pytest.approx(1, abs=1e-9)


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("level", ["char", "word"])
def test_a_saved_completer_is_the_same(trained: Any, level: str, tmp_path: Path) -> None:
    completer = trained["ko", level]
    completer.save(tmp_path / "c.fastrnn")
    text = text_in("ko", 20, seed=3) + "☃"
    for loaded in (SentenceCompleter.load(tmp_path / "c.fastrnn"), fr.load(tmp_path / "c.fastrnn")):
        assert isinstance(loaded, SentenceCompleter) and loaded.arguments == completer.arguments
        assert loaded.nats(text) == completer.nats(text)
        assert loaded.next_probabilities("나는") == completer.next_probabilities("나는")
        assert loaded.complete("나는", 20, seed=4) == completer.complete("나는", 20, seed=4)
    history = loaded.fit(text_in("ko", 20), epochs=1, verbose=0)
    assert len(history.epoch) == 1


def test_other_files_are_refused(trained: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.fastrnn"
    model = fr.Sequential([fr.Input((None, 2)), fr.LSTM(2)], seed=0)
    model.save(path)
    with pytest.raises(fr.ModelFormatError, match="holds a Sequential"):
        SentenceCompleter.load(path)
    completer = trained["ko", "char"]
    changes: list[dict[str, Any]] = [
        {"vocabulary": ["a"]}, {"vocabulary": ["a", "a"]}, {"vocabulary": 3}, {"unseen": 2}, {"unseen": "x"},
    ]  # fmt: skip
    for change in changes:
        extra = {"arguments": completer.arguments, "learnt": {**completer.learnt(), **change}}
        serialization.save(path, completer.model, "SentenceCompleter", extra)
        with pytest.raises(fr.ModelFormatError, match="does not describe a SentenceCompleter"):
            fr.load(path)
    extra = {"arguments": {**completer.arguments, "units": 5}, "learnt": completer.learnt()}
    serialization.save(path, completer.model, "SentenceCompleter", extra)
    with pytest.raises(fr.ModelFormatError, match="the layers are not those of the arguments"):
        fr.load(path)


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "words"}, "level must be one of char, word, got 'words'. Did you mean 'word'?"),
        ({"cell": "ltsm"}, "cell must be one of lstm, gru, rnn, got 'ltsm'. Did you mean 'lstm'?"),
        ({"cell": None}, "cell must be one of lstm, gru, rnn, got None."),
        ({"units": 0}, "units must be a whole number of at least 1, got 0."),
        ({"layers": 1.5}, "layers must be a whole number of at least 1, got 1.5."),
        ({"embedding": 0}, "embedding must be a whole number of at least 1, got 0."),
        ({"dropout": 1}, "dropout must be a number in [0, 1), got 1."),
        ({"recurrent_dropout": -1}, "recurrent_dropout must be a number in [0, 1), got -1."),
        ({"least": 0}, "least must be a whole number of at least 1, got 0."),
        ({"most": 0}, "most must be a whole number of at least 1, got 0."),
    ],
)  # fmt: skip
def test_arguments_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:
        SentenceCompleter(**options)
    assert str(error.value) == f"SentenceCompleter: {message}"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("", {}, "text must be at least two tokens to learn from, got 0."),
        ("a", {}, "text must be at least two tokens to learn from, got 1."),
        ([], {}, "text must be at least two tokens to learn from, got 0."),
        (3, {}, "text must be a string, a pathlib.Path of a text file, or a list of those, got 3."),
        (["a", None], {},
         "text[1] must be a string, a pathlib.Path of a text file, or a list of those, got None."),
        ("abc", {"epochs": -1}, "epochs must be a whole number of at least 0, got -1."),
        ("abc", {"steps": 0}, "steps must be a whole number of at least 1, got 0."),
        ("abc", {"batch_size": 0}, "batch_size must be a whole number of at least 1, got 0."),
        ("abc", {"learning_rate": 0}, "learning_rate must be a number in (0, inf), got 0."),
        ("abc", {"weight_decay": -1}, "weight_decay must be a number in [0, inf), got -1."),
        ("abc", {"validation_split": 1}, "validation_split must be a number in [0, 1), got 1."),
        ("abcdef", {"validation_split": 0.1},
         "the held-out text must have at least two tokens. Hold out more."),
        ("abc", {"validation_split": 0.9},
         "text must be at least two tokens to learn from, got 0."),
        ("abc", {"validation_split": 0.5, "validation_text": "abc"},
         "give validation_split or validation_text, not both."),
        ("abc", {"validation_text": "a"},
         "the held-out text must have at least two tokens. Hold out more."),
    ],
)  # fmt: skip
def test_fit_checks_what_it_is_given(text: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        SentenceCompleter(units=2).fit(text, verbose=0, **options)
    assert str(error.value) == f"SentenceCompleter.fit: {message}"


def test_a_text_of_rare_tokens_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="of tokens that occur at least 2 times, got none"):
        SentenceCompleter(units=2, least=2).fit("abc", verbose=0)


def test_the_name_of_a_file_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("abcabc", encoding="utf-8")
    expected = r"got the name of a file. To read the file give pathlib.Path\('book.txt'\)."
    with pytest.raises(ValueError, match=expected):
        SentenceCompleter(units=2).fit("book.txt")
    Path("old.txt").write_bytes("가".encode("cp949"))
    with pytest.raises(ValueError, match=r"old.txt, line 1: this is not UTF-8"):
        SentenceCompleter(units=2).fit(Path("old.txt"))
    with pytest.raises(FileNotFoundError):
        SentenceCompleter(units=2).fit(Path("none.txt"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: c.complete(3), "stream: prompt must be a string, got 3."),
        (lambda c: c.complete("a", -1),
         "complete: length must be a whole number of at least 0, got -1."),
        (lambda c: c.complete("a", None),
         "complete: length must be a whole number of at least 0, got None."),
        (lambda c: c.complete("a", temperature=-1),
         "stream: temperature must be a number in [0, inf), got -1."),
        (lambda c: c.complete("a", temperature=math.nan),
         "stream: temperature must be a number in [0, inf), got nan."),
        (lambda c: c.complete("a", top_k=0), "stream: top_k must be a whole number of at least 1, got 0."),
        (lambda c: c.complete("a", seed="x"), "stream: seed must be a whole number of at least 0, got 'x'."),
        (lambda c: c.complete("a", stop=""), "stream: stop must be text that is not empty, or None, got ''."),
        (lambda c: c.complete("a", beam=2, stop=3),
         "complete: stop must be text that is not empty, or None, got 3."),
        (lambda c: c.complete("a", beam=0), "complete: beam must be a whole number of at least 1, got 0."),
        (lambda c: c.complete("a", beam=2, top_k=3),
         "complete: beam must be given without temperature and top_k, got temperature=1.0 and "
         "top_k=3. A beam draws nothing."),
        (lambda c: c.next_probabilities(None), "next_probabilities: prompt must be a string, got None."),
        (lambda c: c.encode(b"a"), "encode: text must be a string, got b'a'."),
        (lambda c: c.nats("a"),
         "nats: text must be at least two tokens, got 1. The first token is read, not predicted."),
        (lambda c: c.perplexity(""),
         "perplexity: text must be at least two tokens, got 0. The first token is read, not predicted."),
    ],
)  # fmt: skip
def test_calls_are_checked(small: SentenceCompleter, call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError)) as error:
        call(small)
    assert str(error.value) == f"SentenceCompleter.{message}"


def test_nothing_works_before_fit(tmp_path: Path) -> None:
    completer = SentenceCompleter()
    for call in (
        lambda: completer.complete("a"), lambda: completer.nats("ab"), lambda: completer.vocabulary,
        lambda: completer.save(tmp_path / "x"), lambda: next(completer.stream("a")),
    ):  # fmt: skip
        with pytest.raises(RuntimeError, match="SentenceCompleter: call fit first"):
            call()


# ---------------------------------------------------------------------- the made sentences


def test_made_sentences_are_drawn_and_agree() -> None:
    assert sentences(5, "ko") == sentences(9, "ko")[:5] != sentences(5, "ko", seed=1)
    for line in sentences(200, "en"):
        assert line[0].isupper() and line.endswith(".")
        verb = re.search(r" (read|buy|cook|ride|hear|catch|plant|watch|write|paint)(e?s)? ", line)
        assert verb and bool(verb[2]) is not bool(re.search(r"\b(?:I|we)\b", line)), line
    assert sentences(0) == []
    with pytest.raises(ValueError, match="sentences: language must be one of ko, en, got 'de'"):
        sentences(1, "de")
    with pytest.raises(ValueError, match="sentences: seed must be a whole number of at least 0, got -1"):
        sentences(1, seed=-1)


# ---------------------------------------------------------------------- the command line


TRAIN = ["--units", "32", "--epochs", "5", "--learning-rate", "0.01", "--validation-split", "0.1"]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, held-out text, and a model that the command line trained."""
    folder = tmp_path_factory.mktemp("complete")
    (folder / "text.txt").write_text(text_in("ko", 150), encoding="utf-8")
    (folder / "held.txt").write_text(text_in("ko", 30, seed=1), encoding="utf-8")
    model = f"{folder}/m.fastrnn"
    assert cli.main(["complete", "train", f"{folder}/text.txt", "--model", model, *TRAIN]) == 0
    return folder


def test_the_command_line_is_the_class(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = read_text(files / "text.txt")
    completer = SentenceCompleter(units=32, seed=0)
    history = completer.fit(text, epochs=5, learning_rate=0.01, validation_split=0.1, verbose=0).history
    model = f"{files}/again.fastrnn"
    assert cli.main(["complete", "train", f"{files}/text.txt", "--model", model, "--json", *TRAIN]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["nats"] == history["loss"][-1] and found["held_out_nats"] == history["val_loss"][-1]
    assert found["parameters"] == completer.model.count_params() and found["epochs"] == 5

    options = ["--length", "10", "--json", "--seed", "4"]
    assert cli.main(["complete", "predict", "--model", model, "나는 ", "영희는 ", *options]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        {"prompt": "나는 ", "completion": completer.complete("나는 ", 10, seed=4)},
        {"prompt": "영희는 ", "completion": completer.complete("영희는 ", 10, seed=5)},
    ]
    assert cli.main(["complete", "predict", "--model", model, "나는", "--stop", ".", "--beam", "3"]) == 0
    assert capsys.readouterr().out == "나는" + completer.complete("나는", beam=3, stop=".") + "\n"
    options = ["--length", "9", "--temperature", "0.5", "--top-k", "3"]
    assert cli.main(["complete", "predict", "--model", model, "나는", *options]) == 0
    expected = completer.complete("나는", 9, temperature=0.5, top_k=3, seed=0)
    assert capsys.readouterr().out == f"나는{expected}\n"

    assert cli.main(["complete", "predict", "--model", model, "나는", "--next", "2", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["next"] == dict(list(completer.next_probabilities("나는").items())[:2])
    assert cli.main(["complete", "predict", "--model", model, "나는", "--next", "1"]) == 0
    token, p = next(iter(shown["next"].items()))
    assert capsys.readouterr().out == f"나는\n{100 * p:6.2f} %  {token!r}\n"

    assert cli.main(["complete", "evaluate", "--model", model, f"{files}/held.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"level": "char", **completer.evaluate(files / "held.txt")}


def test_a_terminal_sees_the_text_as_it_is_written(
    files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    completer = fr.load(files / "m.fastrnn")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    flushed: list[str] = []
    monkeypatch.setattr(sys.stdout, "flush", lambda: flushed.append(""))
    assert cli.main(["complete", "predict", "--model", f"{files}/m.fastrnn", "나는 ", "--length", "12"]) == 0
    assert capsys.readouterr().out == "나는 " + completer.complete("나는 ", 12, seed=0) + "\n"
    assert len(flushed) >= 12


def run(files: Path, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", "FASTRNN_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastrnn", "complete", *arguments], cwd=files, env=environment,
        input=text, capture_output=True, encoding="utf-8", timeout=120,
    )  # fmt: skip


def test_real_processes_read_standard_input(files: Path) -> None:
    options = ["--level", "word", "--units", "16", "--epochs", "2", "--json"]
    done = run(files, "train", "-", "--model", "w.fastrnn", *options, text=text_in("en", 60))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["level"] == "word"
    options = ["--model", "w.fastrnn", "--json", "--length", "3"]
    done = run(files, "predict", *options, text="In the park\n\nAt home\n")
    assert [json.loads(line)["prompt"] for line in done.stdout.splitlines()] == ["In the park", "At home"]
    done = run(files, "evaluate", "--model", "w.fastrnn", "--json", text=text_in("en", 10))
    assert done.returncode == 0 and json.loads(done.stdout)["tokens"] > 50

    wrong = run(files, "evaluate", "--model", "w.fastrnn", text="x")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    expected = "fastrnn: complete evaluate: SentenceCompleter.evaluate: text must be at least two tokens"
    assert wrong.stderr.startswith(expected)
    assert run(files, "predict", "--model", "none.fastrnn", "a").returncode == 1
    assert run(files, "predict", "a").returncode == 2
    assert run(files, "train", "text.txt", "--model", "m.fastrnn", "--level", "sentence").returncode == 2


# ---------------------------------------------------------------------- real text


@pytest.mark.data("tinyshakespeare")
def test_the_peer_of_the_english_figure(data_set: Path) -> None:
    text = read_text(data_set / "input.txt")
    cut = int(0.9 * len(text))
    peer = NGram(text[:cut], 5, len(set(text[:cut])) + 1)
    assert peer.loss(text[cut:]) == pytest.approx(1.669, abs=5e-4)


@pytest.mark.data("korean_law")
def test_it_predicts_the_constitution_better_than_a_5_gram(data_set: Path) -> None:
    text = read_text(data_set / "constitution_kr.txt")
    cut = int(0.9 * len(text))
    train, held_out = text[:cut], text[cut:]
    completer = SentenceCompleter(cell="gru", units=128, dropout=0.4, recurrent_dropout=0.2, seed=0)
    completer.fit(train, epochs=10, batch_size=4, steps=48, learning_rate=0.01, weight_decay=0.1, verbose=0)
    vocabulary = Vocabulary.of(train)
    assert completer.vocabulary.tokens == vocabulary.tokens
    assert completer.nats(held_out) < NGram(train, 5, vocabulary.size).loss(held_out)
