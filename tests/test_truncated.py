"""Long sequences in windows: a loop written by hand, memory that does not follow T, and what is refused."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import THREADS, assert_same_bits

import fastrnn as fr
from fastrnn import callbacks as cb

F = "float32"
B, T, K = 6, 23, 5  # the last window has three steps


def data(seed: int = 0) -> Any:
    """(x [B, T, 3], class of each step [B, T], class of each sequence, lengths with 0, 1, K and T)."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((B, T, 3)).astype(F)
    steps = (x.cumsum(axis=1).sum(axis=2) > 0).astype(np.int64)
    return x, steps, steps[:, -1], np.array([T, 0, 1, K, K + 1, 11])


LAYERS: dict[str, Callable[..., list[Any]]] = {
    "lstm": lambda **o: [fr.LSTM(4, **o)],
    "gru": lambda **o: [fr.Dense(5, activation="tanh"), fr.GRU(4, **o)],
    "rnn": lambda **o: [fr.RNN(4, **o), fr.Dropout(0.3)],
    "dropout": lambda **o: [fr.Dropout(0.2), fr.LSTM(4, dropout=0.3, recurrent_dropout=0.3, **o)],
    "learnt": lambda **o: [fr.LSTM(4, learn_state=True, **o)],
    "stack": lambda **o: [fr.LSTM(4, **{**o, "return_sequences": True}), fr.GRU(3, **o)],
}


def model_of(kind: str, every_step: bool, stateful: bool = False, **options: Any) -> fr.Sequential:
    layers = LAYERS[kind](return_sequences=every_step, stateful=stateful)
    model = fr.Sequential([*layers, fr.Dense(2, activation="softmax")], seed=3, **options)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def windows(span: int = T, size: int = K) -> Iterator[slice]:
    return (slice(k, min(k + size, span)) for k in range(0, span, size))


# ---------------------------------------------------------------------- the same bits


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("form", ["array", "lengths", "list", "mask"])
def test_one_window_is_plain_fit(kind: str, every_step: bool, form: str) -> None:
    x, steps, one, lengths = data()
    y = steps if every_step else one
    options: dict[str, Any] = {"epochs": 2, "batch_size": 4, "verbose": 0, "validation_split": 0.3,
                               "class_weight": {0: 0.5}, "bucketing": form == "list"}  # fmt: skip
    if form == "lengths":
        options["lengths"] = lengths
    elif form == "list":
        x = [a[:n] for a, n in zip(x, lengths, strict=True)]
        y = [a[:n] for a, n in zip(y, lengths, strict=True)] if every_step else y
    elif form == "mask":
        options["mask"] = np.random.default_rng(5).random((B, T)) < 0.6
        options["mask"][:, -1] = True
    plain, cut = model_of(kind, every_step), model_of(kind, every_step)
    wanted = plain.fit(x, y, **options).history
    found = cut.fit(x, y, bptt=T + 7, **options).history
    assert_same_bits(cut.get_weights(), plain.get_weights())
    assert found == wanted


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("form", ["array", "lengths", "list"])
def test_windows_are_a_loop_with_stateful_layers(kind: str, form: str) -> None:
    x, y, _, lengths = data()
    lengths = lengths if form != "array" else np.full(B, T)
    by_hand, cut = model_of(kind, True, stateful=True), model_of(kind, True)
    for _ in range(2):
        for group in (slice(0, 4), slice(4, 6)):
            by_hand.reset_states()
            for w in windows(int(lengths[group].max())):
                n = np.clip(lengths[group] - w.start, 0, w.stop - w.start)
                by_hand.train_on_batch(x[group, w], y[group, w], lengths=n)
    options: dict[str, Any] = {"lengths": lengths} if form == "lengths" else {}
    if form == "list":
        x, y = ([a[:n] for a, n in zip(v, lengths, strict=True)] for v in (x, y))
    cut.fit(x, y, bptt=K, epochs=2, batch_size=4, shuffle=False, verbose=0, **options)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    assert cut.steps_done == by_hand.steps_done


@pytest.mark.parametrize("kind", LAYERS)
def test_one_target_a_sequence_is_predict_and_then_a_step(kind: str) -> None:
    """Windows before the last carry the states as predict does."""
    x, _, y, _ = data()
    by_hand, cut = model_of(kind, False, stateful=True), model_of(kind, False)
    *before, last = windows()
    for w in before:
        by_hand.predict(x[:, w])
    loss = by_hand.train_on_batch(x[:, last], y)
    history = cut.fit(x, y, bptt=K, shuffle=False, verbose=0)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    assert history.history["loss"] == [loss]
    assert cut.steps_done == 1


def test_ragged_sequences_learn_where_they_end() -> None:
    """One target a sequence: each has its loss in its own last window, with the state it came with."""
    x, _, y, lengths = data()
    by_hand, cut = model_of("lstm", False), model_of("lstm", False)
    layer = by_hand.layers[0]
    states: Any = None
    for w in windows():
        ends = np.maximum(-(-lengths // K), 1) * K
        for rows, learns in ((ends > w.start + K, False), (ends == w.start + K, True)):
            if not rows.any():
                continue
            chunk = [a[w][: max(n - w.start, 0)] for a, n in zip(x[rows], lengths[rows], strict=True)]
            layer.stateful = True
            layer.state = tuple(s[rows] for s in states) if w.start else None
            if learns:
                by_hand.train_on_batch(chunk, y[rows])
            else:
                by_hand.predict(chunk)
            states = states or tuple(np.zeros((B, 4), F) for _ in range(2))
            for whole, part in zip(states, layer.state, strict=True):
                whole[rows] = part
    cut.fit(x, y, bptt=K, lengths=lengths, shuffle=False, verbose=0)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    assert cut.steps_done == 4


@pytest.mark.parametrize("one_hot", [True, False])
def test_ids(one_hot: bool) -> None:
    ids = np.random.default_rng(1).integers(1, 7, (B, T)).astype(np.int32)
    y = (ids.cumsum(axis=1) % 2).astype(np.int64)

    def build(stateful: bool) -> fr.Sequential:
        first = fr.OneHot(7) if one_hot else fr.Embedding(7, 3)
        tags = fr.TimeDistributed(fr.Dense(2, activation="softmax"))
        model = fr.Sequential([first, fr.LSTM(4, return_sequences=True, stateful=stateful), tags], seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    cut, by_hand = build(False), build(True)
    for w in windows():
        by_hand.train_on_batch(ids[:, w], y[:, w])
    cut.fit(ids, y, bptt=K, shuffle=False, verbose=0)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())


def test_a_length_fixed_by_input_is_that_of_whole_sequences() -> None:
    x, y, _, _ = data()

    def build(first: list[Any]) -> fr.Sequential:
        model = fr.Sequential(
            [*first, fr.LSTM(4, return_sequences=True, name="a"), fr.Dense(1, name="b")], seed=1
        )
        model.compile("adam", "mse")
        return model

    fixed, free = build([fr.Input((T, 3))]), build([fr.Input((None, 3))])
    for model in (fixed, free):
        model.fit(x, y[..., None].astype(F), bptt=K, verbose=0)
    assert_same_bits(fixed.get_weights(), free.get_weights())
    with pytest.raises(fr.ShapeError, match=r"fit: x must be \[B, 23, 3\]"):
        fixed.fit(x[:, 1:], y[:, 1:, None].astype(F), bptt=K, verbose=0)


def test_masked_steps_are_dropped_in_windows_too() -> None:
    ids = np.random.default_rng(1).integers(0, 4, (B, T))
    ids[:, 2 * K : 3 * K] = 0  # a window of padding alone
    y = np.arange(B) % 2

    def train(**options: Any) -> Any:
        model = fr.Sequential([fr.Embedding(4, 3, mask_zero=True), fr.LSTM(4), fr.Dense(1)], seed=1)
        model.compile("sgd", "mse")
        model.fit(ids, y[:, None].astype(F), verbose=0, **options)
        return model.get_weights(), model.predict(ids), model.predict(ids, window=K)

    _, whole, cut = train()
    assert_same_bits(cut, whole)
    assert np.isfinite(train(bptt=K)[1]).all()
    assert_same_bits(train(bptt=T), train())


def test_threads_change_no_bit() -> None:
    """Large enough for the kernels to start threads."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((24, 60, 64)).astype(F), rng.integers(0, 2, (24, 60))
    lengths = rng.integers(1, 61, 24)

    def train(threads: int) -> Any:
        layers = [fr.LSTM(96, return_sequences=True, dropout=0.2), fr.Dense(2, activation="softmax")]
        model = fr.Sequential(layers, seed=1)
        model.compile("adam", "sparse_categorical_crossentropy")
        with fr.threads(threads):
            model.fit(x, y, bptt=20, lengths=lengths, verbose=0)
            return model.get_weights(), model.predict(x, window=20)

    wanted = train(1)
    for threads in THREADS[1:]:
        assert_same_bits(train(threads), wanted)


def test_dropout_is_new_in_every_window() -> None:
    seen = []

    class Watch(fr.layers.Layer):
        def forward(self, x: Any, noise: Any) -> Any:
            if noise is not None:
                seen.append(x.rows == 0)
            return x, None

        def backward(self, cache: Any, dy: Any) -> Any:
            return dy

    model = fr.Sequential([fr.Dropout(0.5), Watch(), fr.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 8, 5), F), np.ones((2, 8, 1), F), bptt=4, verbose=0)
    assert len(seen) == 2 and seen[0].shape == seen[1].shape and (seen[0] != seen[1]).any()


# ---------------------------------------------------------------------- states


def test_layers_are_left_as_they_were() -> None:
    x, y, _, _ = data()
    model = model_of("lstm", True)
    model.fit(x, y, bptt=K, verbose=0)
    layer = model.layers[0]
    assert layer.state is None and not layer.stateful
    bad = x.copy()
    bad[2, 2 * K] = np.nan
    with pytest.raises(ValueError, match=r"^fit, steps 10 to 14: x must be finite, got 3 of 90 values"):
        model.fit(bad, y, bptt=K, verbose=0)
    assert layer.state is None and not layer.stateful


def test_a_loss_that_is_not_finite_leaves_the_last_good_window() -> None:
    x, y, _, _ = data()
    target = y[..., None].astype(F)
    target[3, 2 * K :] = 3e38

    def build() -> fr.Sequential:
        model = fr.Sequential([fr.LSTM(4, return_sequences=True), fr.Dense(1)], seed=3)
        model.compile("adam", "mse")
        return model

    model, good = build(), build()
    good.fit(x[:, : 2 * K], target[:, : 2 * K], bptt=K, verbose=0, shuffle=False)
    with pytest.raises(fr.NonFiniteError, match=r"^fit, epoch 1, batch 3: the (loss|gradient) is inf"):
        model.fit(x, target, bptt=K, verbose=0, shuffle=False)
    assert_same_bits(model.get_weights(), good.get_weights())
    assert model.layers[0].state is None and not model.layers[0].stateful
    quiet = build()
    history = quiet.fit(x, target, bptt=K, verbose=0, shuffle=False, callbacks=[cb.TerminateOnNaN()])
    assert math.isnan(history.history["loss"][0])
    assert_same_bits(quiet.get_weights(), good.get_weights())


@pytest.mark.skipif(os.name != "posix", reason="signals are sent with os.kill")
@pytest.mark.parametrize("every_step", [True, False])
def test_ctrl_c_ends_at_a_whole_step(every_step: bool) -> None:
    """Between the updates of a sequence with one target there are thousands of windows without one."""
    x = np.zeros((2, 400_000, 3), F)
    y = np.zeros((2, 400_000) if every_step else 2, np.int64)
    model = model_of("lstm", every_step)
    timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, bptt=10, verbose=0)
    timer.join()
    assert time.perf_counter() - began < 5  # all windows take longer
    assert (model.steps_done > 0) is every_step
    assert model.layers[0].state is None and not model.layers[0].stateful
    assert len(model.history.history["loss"]) == 1


def test_stateful_layers_go_on_where_they_stand() -> None:
    x, y, _, _ = data()
    by_hand, cut = model_of("lstm", True, stateful=True), model_of("lstm", True, stateful=True)
    for half in (slice(0, 3), slice(3, 6)):  # the second group begins where the first has ended
        for w in windows():
            by_hand.train_on_batch(x[half, w], y[half, w])
    cut.fit(x, y, bptt=K, batch_size=3, shuffle=False, verbose=0)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    assert_same_bits(cut.layers[0].state, by_hand.layers[0].state)
    with pytest.raises(
        fr.ShapeError, match=r"the batch must be 3 sequences, as in the previous batch, got 6"
    ):
        cut.fit(x, y, bptt=K, verbose=0)


def test_initial_states_begin_each_group() -> None:
    x, y, _, _ = data()
    rng = np.random.default_rng(4)
    first = tuple(rng.standard_normal((B, 4)).astype(F) for _ in range(2))
    by_hand, cut = model_of("lstm", True, stateful=True), model_of("lstm", True)
    for group in (slice(0, 4), slice(4, 6)):
        for w in windows():
            begin = {"initial_state": tuple(s[group] for s in first)} if w.start == 0 else {}
            by_hand.train_on_batch(x[group, w], y[group, w], **begin)
    cut.fit(x, y, bptt=K, batch_size=4, shuffle=False, verbose=0, initial_state=first)
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    assert_same_bits(cut.predict(x, window=K, initial_state=first), cut.predict(x, initial_state=first))


def test_learnt_states_learn_in_the_first_window_alone() -> None:
    x, y, _, _ = data()
    model = model_of("learnt", True)
    gradients = []

    class Look(cb.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            gradients.append(self.model.named_grads()["lstm/h0"])

    model.fit(x, y, bptt=K, verbose=0, callbacks=[Look()])
    assert gradients[0].any() and gradients[1:] == [None] * 4


def test_callbacks_that_save_see_the_model_as_it_is(tmp_path: Path) -> None:
    x, y, _, _ = data()
    model = model_of("lstm", True)
    model.fit(x, y, bptt=K, verbose=0, callbacks=[cb.ModelCheckpoint(tmp_path / "m{batch}", save_freq=2)])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m2", "m4"]
    assert not fr.load(tmp_path / "m2").layers[0].stateful


# ---------------------------------------------------------------------- what comes in


def test_sample_weights_and_metrics() -> None:
    x, y, _, lengths = data()
    weight = np.random.default_rng(3).random((B, T))
    by_hand, cut = model_of("gru", True, stateful=True), model_of("gru", True)
    for w in windows():
        n = np.clip(lengths - w.start, 0, w.stop - w.start)
        by_hand.train_on_batch(x[:, w], y[:, w], lengths=n, sample_weight=weight[:, w], class_weight={1: 2.0})
    cut.fit(
        x, y, bptt=K, lengths=lengths, sample_weight=weight, class_weight={1: 2.0}, shuffle=False, verbose=0
    )
    assert_same_bits(cut.get_weights(), by_hand.get_weights())
    one = model_of("gru", False)
    history = one.fit(x, y[:, -1], bptt=K, sample_weight=weight[:, 0], verbose=0).history
    assert 0 <= history["accuracy"][0] <= 1


@pytest.mark.parametrize("every_step", [True, False])
def test_memory_maps_give_the_bits_of_arrays(every_step: bool, tmp_path: Path) -> None:
    x, steps, one, lengths = data()
    y = steps if every_step else one
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    x_map, y_map = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xy")
    options: dict[str, Any] = {"bptt": K, "batch_size": 4, "verbose": 0, "validation_split": 0.3}
    arrays, maps, lists, list_maps = (model_of("lstm", every_step) for _ in range(4))
    assert (
        arrays.fit(x, y, lengths=lengths, **options).history
        == maps.fit(x_map, y_map, lengths=lengths, **options).history
    )
    assert_same_bits(maps.get_weights(), arrays.get_weights())
    cut = [a[:n] for a, n in zip(x_map, lengths, strict=True)]
    cut_y = [a[:n] for a, n in zip(y_map, lengths, strict=True)] if every_step else y_map
    list_maps.fit(cut, cut_y, **options)
    assert_same_bits(list_maps.get_weights(), arrays.get_weights())
    lists.fit([np.array(a) for a in cut], list(map(np.array, cut_y)) if every_step else y, **options)
    assert_same_bits(lists.get_weights(), arrays.get_weights())
    assert_same_bits(maps.predict(x_map, window=K), maps.predict(x))


def test_a_private_map_keeps_what_was_written_into_it(tmp_path: Path) -> None:
    """Pages of a map are handed back after each window; those of a copy-on-write map exist nowhere else."""
    x, y, _, _ = data()
    np.save(tmp_path / "x.npy", np.zeros_like(x))
    written = np.load(tmp_path / "x.npy", mmap_mode="c")
    written[...] = x
    one, two = model_of("lstm", True), model_of("lstm", True)
    one.fit(x, y, bptt=K, verbose=0)
    two.fit(written, y, bptt=K, verbose=0)
    assert_same_bits(two.get_weights(), one.get_weights())
    assert (written == x).all()


def chunks(x: Any, y: Any, size: int) -> Iterator[Any]:
    for group in (slice(0, 4), slice(4, 6)):
        yield None
        for w in windows(size=size):
            yield x[group, w], y[group, w]


def test_chunks_go_on_until_none() -> None:
    x, y, _, _ = data()
    arrays, pieces = model_of("lstm", True), model_of("lstm", True)
    wanted = arrays.fit(x, y, bptt=K, epochs=2, batch_size=4, shuffle=False, verbose=0).history
    found = pieces.fit(lambda: chunks(x, y, 2 * K), bptt=K, epochs=2, verbose=0).history
    assert_same_bits(pieces.get_weights(), arrays.get_weights())
    assert found == wanted
    again = model_of("lstm", True)
    again.fit(Again(x, y), bptt=K, epochs=2, verbose=0)
    assert_same_bits(again.get_weights(), arrays.get_weights())


class Again:
    """Something that can be iterated over again."""

    def __init__(self, *given: Any) -> None:
        self.given = given

    def __iter__(self) -> Iterator[Any]:
        return chunks(*self.given, K)


def test_chunks_with_one_target_a_sequence() -> None:
    """A chunk whose y is None carries on; weights may stand beside y."""
    x, _, y, _ = data()
    weight = np.linspace(0.5, 1, B)
    arrays, pieces = model_of("gru", False), model_of("gru", False)
    arrays.fit(x, y, bptt=K, sample_weight=weight, shuffle=False, verbose=0)
    *before, last = windows(size=2 * K)
    items = [*((x[:, w], None) for w in before), (x[:, last], y, weight)]
    pieces.fit((item for item in items), bptt=K, verbose=0)
    assert_same_bits(pieces.get_weights(), arrays.get_weights())


def test_validation_runs_in_windows() -> None:
    x, y, _, lengths = data()
    model = model_of("lstm", True)
    logs = model.fit(x, y, bptt=K, verbose=0, validation_data=(x, y)).history
    whole = model.evaluate(x, y, return_dict=True)
    cut = model.evaluate(x, y, window=K, return_dict=True)
    assert logs["val_accuracy"] == [cut["accuracy"]] and cut["accuracy"] == whole["accuracy"]
    assert logs["val_loss"] == [cut["loss"]]
    assert abs(cut["loss"] - whole["loss"]) < 1e-6
    some = model.evaluate(x, y, window=K, lengths=lengths, return_dict=True)
    assert abs(some["loss"] - model.evaluate(x, y, lengths=lengths)[0]) < 1e-6
    chunked = model.fit(x, y, bptt=K, verbose=0, shuffle=False, validation_data=Again(x, y)).history
    assert abs(chunked["val_loss"][0] - model.evaluate(x, y)[0]) < 1e-6


@pytest.mark.parametrize("every_step", [True, False])
@pytest.mark.parametrize("form", ["array", "lengths", "list", "mask"])
def test_predict_in_windows_has_the_same_bits(every_step: bool, form: str) -> None:
    x, _, _, lengths = data()
    options: dict[str, Any] = {}
    if form == "lengths":
        options["lengths"] = lengths
    elif form == "list":
        x = [a[:n] for a, n in zip(x, lengths, strict=True)]
    elif form == "mask":
        options["mask"] = np.random.default_rng(5).random((B, T)) < 0.5
    deep = [fr.GRU(3, return_sequences=True), fr.LSTM(4, return_sequences=every_step), fr.Dense(2)]
    for layers in ([fr.LSTM(4, return_sequences=every_step, return_state=True)], deep):
        model = fr.Sequential(layers, seed=0)
        whole = model.predict(x, batch_size=4, **options)
        assert_same_bits(model.predict(x, batch_size=4, window=K, **options), whole)


def test_progress_counts_updates(capsys: Any) -> None:
    x, y, _, lengths = data()
    counts = []

    class Count(cb.Callback):
        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            counts.append(batch)

    model_of("lstm", True).fit(x, y, bptt=K, batch_size=4, verbose=2, callbacks=[Count()])
    assert counts == list(range(10))
    assert capsys.readouterr().out.startswith("epoch 1/1  loss ")
    counts.clear()
    model_of("lstm", False).fit(x, y[:, 0], bptt=K, lengths=lengths, verbose=1, callbacks=[Count()])
    assert counts == [0, 1, 2, 3]
    model_of("lstm", True).fit(Again(x, y), bptt=K, verbose=1)
    assert "epoch 1/1  loss" in capsys.readouterr().out


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([fr.Bidirectional(fr.LSTM(2))], "'bidirectional': Bidirectional(LSTM(units=2)) needs the whole seq"),
        ([fr.GRU(2, go_backwards=True, name="back")], "'back': GRU(units=2) runs backwards, from the end"),
        ([fr.LSTM(2), fr.RepeatVector(3)], "'repeat_vector': RepeatVector() needs the whole sequence"),
    ],
)  # fmt: skip
def test_layers_that_need_the_end(layers: list[Any], message: str) -> None:
    model = fr.Sequential(layers, seed=0)
    model.compile("sgd", "mse")
    x = np.zeros((2, 4, 3), F)
    for call in (
        lambda: model.fit(x, x, bptt=2),
        lambda: model.fit(iter([(x, x)]), bptt=2),
        lambda: model.predict(x, window=2),
        lambda: model.evaluate(x, x, window=2),
    ):
        with pytest.raises(ValueError) as error:
            call()
        assert f"windows of a sequence are not possible with the layer {message}" in str(error.value)
        assert str(error.value).endswith("Train it on whole sequences.")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"bptt": 0}, ValueError, "fit: bptt must be a whole number of at least 1, got 0."),
        ({"bptt": 2.0}, ValueError, "fit: bptt must be a whole number of at least 1, got 2.0."),
        ({"y": None}, ValueError, "fit: y is missing. For an autoencoder give y=x."),
        ({"x": np.zeros((B, 3), F)}, ValueError, "LSTM(units=4): input must be [B, T, I], got [B, 3]."),
        ({"x": 5}, TypeError,
         "fit: x must be an array, a list of arrays, or an iterable of chunks (x, y), got 5."),
        ({"x": np.zeros((B, T, 3))}, TypeError, "fit: x must be float32, got [6, 23, 3] float64."),
        ({"y": np.zeros((B, T - 1), int)}, ValueError,
         "fit: y must be [B, T, ...] with T = 23: the model gives ev"),
        ({"y": np.zeros((B - 1, T), int)}, ValueError, "fit: y must be 6 examples, as many as x, got 5."),
        ({"y": [np.zeros(3, int)] * B}, ValueError,
         "fit: y[0] must be 23 steps, as many as x[0], got [3] int64."),
        ({"sample_weight": np.ones((B, 3))}, ValueError,
         "fit: sample_weight must be numbers [B] or [B, T] with T"),
        ({"lengths": [1, 2]}, ValueError, "fit: lengths must be [B] = [6] integers, got [2] int64."),
        ({"lengths": [T] * B, "mask": np.ones((B, T), bool)}, ValueError,
         "fit: give lengths or mask, not both."),
        ({"x": [], "y": []}, ValueError, "fit: x is an empty list"),
        ({"validation_split": 0.01}, ValueError,
         "fit: validation_split must be a share that leaves examples on"),
        ({"validation_data": (1, 2, 3, 4)}, ValueError,
         "fit: validation_data must be (x, y) or (x, y, sample_weig"),
        ({"wrong": 1}, TypeError, "wrong"),
    ],
)  # fmt: skip
def test_what_fit_refuses(change: dict[str, Any], error: type[Exception], message: str) -> None:
    x, y, _, _ = data()
    given = {"x": x, "y": y, "bptt": K, "verbose": 0, **change}
    with pytest.raises(error) as raised:
        model_of("lstm", True).fit(given.pop("x"), given.pop("y"), **given)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("source", "options", "error", "message"),
    [
        (lambda x, y: chunks(x, y, K), {"epochs": 2}, TypeError,
         "fit: x must be iterable 2 times, once an epoch, got generator. Give a list-like object, or the"),
        (lambda x, y: iter([x]), {}, TypeError,
         "fit, chunk 1: a chunk must be (x, y), (x, y, sample_weight) or None"),
        (lambda x, y: iter([(x, y), (x[:2], y[:2])]), {}, ValueError,
         "fit, chunk 2: x must be 6 sequences, as in the chunk before, got 2. Give None where new"),
        (lambda x, y: iter([(x, None)]), {}, ValueError,
         "fit: there is nothing to learn from: x gave no chunk"),
        (lambda x, y: iter([]), {}, ValueError,
         "fit: there is nothing to learn from: x gave no chunk with targets."),
        (lambda x, y: iter([(x, y)]), {"batch_size": 3}, ValueError,
         "fit: batch_size must be left out where x is an iterable, got 3. Chunks bring their own"),
        (lambda x, y: iter([(x, y)]), {"shuffle": True}, ValueError, "fit: shuffle must be left out"),
        (lambda x, y: iter([(x, y)]), {"validation_split": 0.5}, ValueError,
         "fit: validation_split must be left out"),
        (lambda x, y: iter([(x * np.nan, y)]), {}, ValueError,
         "fit, chunk 1, steps 0 to 4: x must be finite"),
    ],
)  # fmt: skip
def test_what_is_refused_of_chunks(source: Any, options: Any, error: type[Exception], message: str) -> None:
    x, y, _, _ = data()
    with pytest.raises(error) as raised:
        model_of("lstm", True).fit(source(x, y), bptt=K, verbose=0, **options)
    assert message in str(raised.value)


# ---------------------------------------------------------------------- memory

MEASURE = """
import json, sys
import numpy as np, fastrnn as fr
steps, every_step = int(sys.argv[1]), sys.argv[2] == "1"
x = np.memmap(sys.argv[3], np.float32, "r", shape=(2, steps, 8))
y = np.memmap(sys.argv[4], np.int64, "r", shape=(2, steps)) if every_step else np.zeros(2, np.int64)
model = fr.Sequential([fr.LSTM(16, return_sequences=every_step), fr.Dense(3, activation="softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, bptt=5000, verbose=0)
model.evaluate(x, y, window=5000)
if not every_step:
    model.predict(x, window=5000)
# Not ru_maxrss, which remembers what the parent had when it started this process.
status = open("/proc/self/status").read().split()
print(json.dumps([int(status[status.index("VmHWM:") + 1]), model.steps_done]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("every_step", [True, False])
def test_memory_does_not_follow_the_length(every_step: bool, tmp_path: Path) -> None:
    """Ten times the steps, 58 MB more of x and y, and the same peak within 2 MB."""
    peaks = []
    for steps in (50_000, 500_000):
        for name, dtype, shape in (("x", F, (2, steps, 8)), ("y", "int64", (2, steps))):
            np.memmap(tmp_path / name, dtype, "w+", shape=shape).flush()
        command = [
            sys.executable,
            "-c",
            MEASURE,
            str(steps),
            str(int(every_step)),
            tmp_path / "x",
            tmp_path / "y",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        peak, updates = json.loads(done.stdout)
        assert updates == (steps // 5000 if every_step else 1)
        peaks.append(peak / 1024)
    assert abs(peaks[1] - peaks[0]) < 2, peaks
