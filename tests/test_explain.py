"""What `explain` predicts, held against what processes use: memory, threads, kernels; and FLOPs by hand.

FASTRNN_THOROUGH=1 measures every model in both modes at three sizes; else a slice of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.layers import Noise
from fastrnn.packed import Layout, Packed

F = "float32"
THOROUGH = os.environ.get("FASTRNN_THOROUGH") == "1"
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def lstm(units: int, last: bool = False, **options: Any) -> Any:
    return fr.LSTM(units, return_sequences=not last, **options)


SPARSE = "sparse_categorical_crossentropy"
# name -> (layers, loss, features of x, or None and the number of ids)
MODELS: dict[str, Any] = {
    "tagger": (lambda: [lstm(64), fr.Dense(10, activation="softmax")], SPARSE, 32, 0),
    "classifier": (lambda: [lstm(64, True), fr.Dense(10, activation="softmax")], SPARSE, 32, 0),
    "gru": (lambda: [fr.GRU(64, return_sequences=True), fr.Dense(3)], "mse", 32, 0),
    "rnn": (lambda: [fr.RNN(128), fr.Dense(1)], "mse", 16, 0),
    "stack": (
        lambda: [lstm(64), fr.Dropout(0.2), lstm(32), fr.Dropout(0.2), fr.Dense(20, activation="softmax")],
        SPARSE, 16, 0,
    ),
    "both ways": (
        lambda: [fr.Bidirectional(fr.GRU(64, return_sequences=True)), fr.Bidirectional(fr.GRU(64)),
                 fr.Dense(3, activation="softmax")],
        SPARSE, 32, 0,
    ),
    "words": (
        lambda: [fr.Embedding(5000, 64), fr.GRU(96, return_sequences=True),
                 fr.Dense(5000, activation="softmax")],
        SPARSE, None, 5000,
    ),
    "characters": (
        lambda: [fr.OneHot(100), lstm(128), fr.Dense(100, activation="softmax")], SPARSE, None, 100,
    ),
    "dense": (
        lambda: [fr.Dense(64, activation="tanh"), fr.GRU(32, return_sequences=True),
                 fr.Dense(16, activation="relu"), fr.Dense(4, activation="softmax")],
        "categorical_crossentropy", 16, 0,
    ),
    "dropout": (
        lambda: [lstm(64, dropout=0.2, recurrent_dropout=0.2), fr.Dense(10, activation="softmax")],
        SPARSE, 32, 0,
    ),
}  # fmt: skip


def build(name: str) -> fr.Sequential:
    layers, loss, features, _ = MODELS[name]
    model = fr.Sequential(layers(), seed=0)
    model.compile("adam", loss)
    model.build((None, None) if features is None else (None, None, features))
    return model


def data(name: str, model: fr.Sequential, T: int, B: int) -> Any:
    """(x, y), every number of them written, so that they have memory."""
    _, loss, features, ids = MODELS[name]
    rng, out = np.random.default_rng(0), model.layers[-1].out_shape
    x = rng.integers(0, ids, (B, T)) if features is None else rng.random((B, T, features), dtype=F)
    lead = (B, T) if out.sequence else (B,)
    return x, np.full(lead, 1) if loss == SPARSE else np.full((*lead, *out.features), 0.5, F)


# ---------------------------------------------------------------------- memory


def measure(name: str, T: int, B: int, training: bool) -> None:
    """Prints [bytes that the process grew by at most, bytes that were predicted]; runs alone in a process."""
    from fastrnn.kernels import _memory

    def status(key: str) -> int:
        with open("/proc/self/status") as file:
            lines = file.read().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024

    def run(model: fr.Sequential, x: Any, y: Any) -> None:
        for _ in range(3):
            if training:
                model.train_on_batch(x, y)
            else:
                model.predict(x, batch_size=B)

    small = build(name)  # loads the code, whose pages are not meant
    run(small, *data(name, small, 2, 3))
    del small
    _memory.forget()
    before = status("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")  # the peak begins anew
    model = build(name)
    run(model, *data(name, model, T, B))
    print(json.dumps([status("VmHWM") - before, model.explain(T, B, training).peak_bytes]))


SLICE = [("tagger", 1000, 32, True), ("classifier", 1000, 32, True), ("rnn", 10000, 8, True),
         ("stack", 200, 256, True), ("both ways", 1000, 32, True), ("words", 1000, 32, True),
         ("characters", 1000, 32, True), ("dropout", 20000, 1, True), ("gru", 10000, 8, True),
         ("classifier", 2000, 64, False), ("both ways", 2000, 32, False),
         ("words", 100, 32, False)]  # fmt: skip
ALL = [(name, T, B, training) for name in MODELS for T, B in ((1000, 32), (200, 256), (10000, 8))
       for training in (True, False) if (name, training) != ("words", False)]  # fmt: skip


@linux
@pytest.mark.parametrize(("name", "T", "B", "training"), ALL if THOROUGH else SLICE)
def test_memory_is_within_a_tenth(name: str, T: int, B: int, training: bool) -> None:
    """Of what the process needs, or 4 MB: how the C library places blocks matters for small ones."""
    code = f"import test_explain; test_explain.measure({name!r}, {T}, {B}, {training})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    measured, predicted = json.loads(done.stdout)
    print(f"measured {measured / 1e6:.1f} MB, predicted {predicted / 1e6:.1f} MB")
    assert abs(predicted - measured) <= max(0.1 * measured, 4e6)


def held(cache: Any, seen: dict[int, int]) -> dict[int, int]:
    """id of an array -> bytes, of all arrays of numbers in a cache; views count as what they are of."""
    if isinstance(cache, np.ndarray):
        whole = cache
        while isinstance(whole.base, np.ndarray) and whole.base.dtype == whole.dtype:
            whole = whole.base
        seen[whole.__array_interface__["data"][0]] = whole.nbytes
    elif isinstance(cache, Packed):
        held(cache.rows, seen)
    elif isinstance(cache, (tuple, list)):
        for one in cache:
            held(one, seen)
    return seen


CACHED: dict[str, Any] = {
    "lstm": lambda: lstm(4),
    "last": lambda: lstm(4, True),
    "gru": lambda: fr.GRU(5),
    "rnn": lambda: fr.RNN(3),
    "masks": lambda: lstm(4, dropout=0.5, recurrent_dropout=0.5),
    "reset before": lambda: fr.GRU(3, reset_after=False),
    "peepholes": lambda: fr.LSTM(4, peepholes=True),
    "coupled": lambda: fr.LSTM(4, coupled=True),
    "dense": lambda: fr.Dense(6),
    "tanh": lambda: fr.Dense(6, activation="tanh"),
    "softmax": lambda: fr.Dense(6, activation="softmax"),
    "gelu": lambda: fr.Dense(6, activation="gelu"),
    "dropout": lambda: fr.Dropout(0.5),
    "no dropout": lambda: fr.Dropout(0.0),
    "shared dropout": lambda: fr.Dropout(0.5, noise_shape=(None, None, 1)),
    "activation": lambda: fr.Activation("softmax"),
    "distributed": lambda: fr.TimeDistributed(fr.Dense(2)),
    "both ways": lambda: fr.Bidirectional(lstm(3)),
    "sum": lambda: fr.Bidirectional(fr.GRU(3), merge_mode="sum"),
    "repeated": lambda: fr.RepeatVector(2),
}


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("name", CACHED)
def test_cache_bytes_are_those_of_the_cache(name: str, backend: str) -> None:
    T, B, I = 7, 5, 2
    layer, sequence = CACHED[name](), name != "repeated"
    model = fr.Sequential([layer], seed=0, backend=backend)
    model.build((None, None, I) if sequence else (None, I))
    rows = T * B if sequence else B
    layout = Layout.plain(B, T if sequence else 1)
    x = Packed(np.random.default_rng(0).random((rows, I), dtype=F), layout, sequence)
    _, cache = layer.forward(x, Noise.of(0, 0))
    found = held(cache, {})
    found.pop(x.rows.__array_interface__["data"][0], None)
    order = layout.reversal.nbytes if isinstance(layer, fr.Bidirectional) else 0
    wanted = sum(found.values()) + order
    assert abs(layer.cache_bytes(rows, B) - wanted) <= 0.1 * wanted


# ---------------------------------------------------------------------- threads and kernels


@linux
def test_threads_are_those_that_start() -> None:
    """One below four million multiply-adds, then as many as were asked for, or one for a single sequence."""
    code = """
import os, numpy as np, fastrnn as fr
def tasks(): return len(os.listdir("/proc/self/task"))
model = fr.Sequential([fr.Input((None, 32)), fr.LSTM(32)], seed=0)
before = tasks()
for T, B in ((30, 16), (30, 1), (1000, 1), (40, 16)):
    said = model.explain(T, B, training=False, threads=3)
    with fr.threads(3):
        model.predict(np.zeros((B, T, 32), "float32"))
    print(said.threads, tasks() - before + 1)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert found == [(1, 1), (1, 1), (1, 1), (3, 3)]


def test_kernels_are_named() -> None:
    level = fr.config.config()["simd"].split()[0]
    model = build("words")
    assert [one.kernel for one in model.explain(10, 2).layers] == [
        "array code", f"gru {level}", f"crossentropy {level}"
    ]  # fmt: skip
    slow = fr.Sequential([fr.Input((None, 3)), lstm(4), fr.Dense(2)], seed=0, backend="reference")
    kernels = [one.kernel for one in slow.explain(10, 2, training=False).layers]
    assert kernels == ["nothing to compute", "array code", "array code"]
    both = fr.Sequential([fr.Input((None, 128)), fr.Bidirectional(lstm(16))], seed=0)
    plan = both.explain(60, 4, threads=2).layers[1]  # the directions beside each other
    assert (plan.kernel, plan.threads) == (f"lstm {level}", 2)


# ---------------------------------------------------------------------- FLOPs and the rest


def test_flops_by_hand() -> None:
    """LSTM: 4H (2I + 2H + 2) a row; a gradient costs a product for the weights and one for the input."""
    T, B, I, H, U = 11, 3, 5, 7, 2
    model = fr.Sequential([fr.Input((None, I)), lstm(H), fr.Dense(U)], seed=0)
    model.compile("adam", "mse")
    found = model.explain(T, B)
    recurrence, dense = 4 * H * (2 * I + 2 * H + 2), U * (2 * H + 1)
    assert found.forward_flops == T * B * (recurrence + dense)
    assert found.backward_flops == T * B * (2 * (recurrence + dense) - 4 * H * 2 * I)
    assert found.flops == found.forward_flops + found.backward_flops
    assert model.explain(T, B, training=False).backward_flops == 0
    ids = fr.Sequential([fr.OneHot(50), lstm(H)], seed=0)
    ids.build((None, None))
    assert ids.explain(T, B).forward_flops == T * B * 4 * H * (1 + 2 * H + 2)


def test_bytes_of_a_streamed_step() -> None:
    I, H, word = 5, 7, 4
    model = fr.Sequential([fr.Input((None, I)), lstm(H), fr.Dense(2)], seed=0)
    weights = sum(w.nbytes for w in model.get_weights())
    # Both states are read and written; x in, h out and y out.
    assert model.explain(9, 3).stream_bytes == weights + 3 * word * (2 * 2 * H + I + I + H + 2)
    table = fr.Sequential([fr.Embedding(1000, 4), fr.Bidirectional(lstm(2))], seed=0)
    table.build((None, None))
    assert table.explain(9, 3).stream_bytes is None


def test_it_prints_and_is_json() -> None:
    model = build("stack")
    said = model.explain(T=1000, B=32, threads=2)
    text = str(said)
    assert text.splitlines()[0] == "a training step of 32 sequences of 1000 steps"
    assert "memory at its peak  1" in text and "lstm_1" in text and "2 threads, cache" in text
    again = json.loads(json.dumps(said.to_dict()))
    assert again["peak_bytes"] == said.peak_bytes == sum(again["memory"].values())
    assert again["layers"][0]["cache_bytes"] == model.layers[0].cache_bytes(32000, 32)
    assert str(model.explain(5, 1, training=False)).splitlines()[0] == "predict of 1 sequences of 5 steps"


def test_memory_of_caches_is_linear_and_of_inference_is_not_theirs() -> None:
    model = build("tagger")
    one, ten = (model.explain(T, 32).memory["caches"] for T in (10_000, 100_000))
    assert 9.9 < ten / one < 10.1
    assert "caches" not in model.explain(10_000, 32, training=False).memory


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 1), "explain: T must be a whole number of at least 1, got 0."),
     ((1, 2.0), "explain: B must be a whole number of at least 1, got 2.0.")],
)  # fmt: skip
def test_what_it_refuses(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError) as error:
        build("rnn").explain(*arguments)
    assert str(error.value) == message


def test_it_needs_weights() -> None:
    with pytest.raises(RuntimeError, match=r"^Sequential.explain: the model has no weights yet"):
        fr.Sequential([fr.LSTM(2)]).explain(1, 1)
