"""Back-propagation within a memory budget gives the gradients, losses and metrics of the plain one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import assert_same_bits

import fastrnn as fr
from fastrnn import checkpoints, training
from fastrnn.backends import get_backend
from fastrnn.batches import Targets
from fastrnn.crossentropy import FORMULA
from fastrnn.layers.dense import FORMULA as DENSE
from fastrnn.packed import Layout, Packed
from fastrnn.threads import threads

B, T, V = 5, 60, 11
LENGTHS = np.array([60, 0, 17, 33, 59])
CPU = get_backend("cpu")


def numbers(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def ids(seed: int, *shape: int, most: int = V) -> Any:
    return np.random.default_rng(seed).integers(0, most, shape)


X, IDS = numbers(0, B, T, 3), ids(1, B, T)
RAGGED = [numbers(n, n, 3) for n in (40, 60, 13, 1, 33)]

# name -> (layers, loss, x, y, arguments of fit); dtypes of x and y follow the model.
CASES: dict[str, tuple[Callable[[], list[Any]], str, Any, Any, dict[str, Any]]] = {
    "stack": (
        lambda: [fr.LSTM(8, return_sequences=True), fr.Dropout(0.3), fr.GRU(7, return_sequences=True),
                 fr.RNN(6, return_sequences=True), fr.Dense(2, activation="tanh")],
        "mse", X, numbers(2, B, T, 2), {},
    ),
    "last": (
        lambda: [fr.LSTM(8, return_sequences=True, recurrent_dropout=0.2, dropout=0.1),
                 fr.RNN(7, activation="relu", learn_state=True), fr.Dropout(0.3),
                 fr.Dense(4, activation="relu"), fr.Dense(3, activation="softmax")],
        "sparse_categorical_crossentropy", X, ids(3, B, most=3), {},
    ),
    "lengths": (
        lambda: [fr.LSTM(8, return_sequences=True, learn_state=True), fr.Dense(3, activation="softmax")],
        "sparse_categorical_crossentropy", X, ids(3, B, T, most=3), {"lengths": LENGTHS},
    ),
    "last of lengths": (
        lambda: [fr.GRU(8, return_sequences=True, dropout=0.2), fr.GRU(5, learn_state=True), fr.Dense(1)],
        "mse", X, numbers(4, B, 1), {"lengths": LENGTHS},
    ),
    "list": (
        lambda: [fr.LSTM(8, return_sequences=True), fr.Dense(3, activation="sigmoid")],
        "binary_crossentropy", RAGGED, [(x > 0) * 1.0 for x in RAGGED], {},
    ),
    "mask": (
        lambda: [fr.GRU(8, return_sequences=True), fr.Dropout(0.5), fr.Dense(3, activation="softmax")],
        "categorical_crossentropy", X, np.eye(3)[ids(5, B, T, most=3)], {"mask": numbers(6, B, T) > -0.3},
    ),
    "one-hot": (
        lambda: [fr.OneHot(V), fr.LSTM(8, return_sequences=True),
                 fr.LSTM(8, return_sequences=True, stateful=True), fr.Dense(V, activation="softmax")],
        "sparse_categorical_crossentropy", IDS, IDS, {"sample_weight": np.abs(numbers(7, B, T))},
    ),
    "embedding": (
        lambda: [fr.Input((None,), dtype="int"), fr.Embedding(V, 6), fr.GRU(8, return_sequences=True),
                 fr.TimeDistributed(fr.Dense(3)), fr.GaussianNoise(0.1)],
        "huber", IDS, numbers(8, B, T, 3), {},
    ),
    "last step": (
        lambda: [fr.LSTM(8, return_sequences=True), fr.LastStep(), fr.Dense(1)],
        "mse", X, numbers(4, B, 1), {"lengths": LENGTHS},
    ),
    "variants": (
        lambda: [fr.LSTM(8, return_sequences=True, peepholes=True),
                 fr.LSTM(9, return_sequences=True, projection=5, recurrent_dropout=0.2),
                 fr.LSTM(7, return_sequences=True, coupled=True, peepholes=True),
                 fr.GRU(6, return_sequences=True, reset_after=False), fr.Dense(2)],
        "mse", X, numbers(2, B, T, 2), {"lengths": LENGTHS},
    ),
    "array code": (
        lambda: [fr.LSTM(8, return_sequences=True, peepholes=True, clip=3.0), fr.Dense(2)],
        "mse", X, numbers(2, B, T, 2), {"lengths": LENGTHS},
    ),
    "no recurrence": (
        lambda: [fr.Dense(4, activation="softplus"), fr.Activation("elu"), fr.Dense(2)],
        "mae", X, numbers(9, B, T, 2), {"class_weight": None},
    ),
}  # fmt: skip


def as_dtype(a: Any, dtype: str) -> Any:
    if isinstance(a, list):
        return [as_dtype(one, dtype) for one in a]
    return a.astype(dtype) if a.dtype.kind == "f" else a


def made(name: str, dtype: str = "float32", backend: str | None = None) -> Any:
    """(model, x, y, arguments of fit)."""
    layers, loss, x, y, options = CASES[name]
    model = fr.Sequential(layers(), seed=1, dtype=dtype, backend=backend)
    model.compile("adam", loss, metrics=["accuracy" if "categorical" in loss else "mae"])
    return model, as_dtype(x, dtype), as_dtype(y, dtype), options


def least(model: Any, x: Any, y: Any, **options: Any) -> str:
    """The least budget, as the error that asks for it has it."""
    with pytest.raises(ValueError, match="memory_budget must be at least") as caught:
        model.train_on_batch(x, y, memory_budget=1, **options)
    found = re.search(r"at least (\S+) for", str(caught.value))
    assert found is not None
    return found[1]


def parts_of(model: Any, inputs: Any, budget: Any) -> list[Layout]:
    return checkpoints.Budget("test", model, budget).cut(model, inputs.layout(np.arange(len(inputs))))


ARRAY_CODE = ("array code",)  # cells without a kernel


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", [name for name in CASES if name not in ARRAY_CODE])
def test_a_training_is_the_same_bits(name: str, dtype: str) -> None:
    """Losses, metrics, weights and states after three epochs, the last batch a smaller one."""
    found = []
    for bounded in (False, True):
        model, x, y, options = made(name, dtype)
        if bounded:
            budget = least(model, x, y, **options)
            seen = {k: v for k, v in options.items() if k in ("lengths", "mask")}
            assert len(parts_of(model, model.inputs("test", x, **seen), budget)) > 3
            options = {**options, "memory_budget": budget}
        size = B if name == "one-hot" else 4
        history = model.fit(x, y, epochs=3, batch_size=size, verbose=0, **options)
        states = [s for layer in model.layers for s in getattr(layer, "state", None) or ()]
        found.append((history.history, [*model.get_weights(), *states]))
    (plain, weights), (logs, same) = found
    assert logs == plain
    assert_same_bits(same, weights)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_gradients_are_the_same_bits_for_any_threads(count: int) -> None:
    """Large enough for two threads, ragged, with several parts; a look at the gradients themselves."""
    x, lengths = numbers(0, 24, 90, 40).astype("float32"), ids(0, 24, most=91)
    y = ids(1, 24, 90, most=30)
    grads, sizes = [], []
    for budget in (None, "1.3MB"):
        layers = [fr.LSTM(48, return_sequences=True), fr.GRU(64, return_sequences=True),
                  fr.Dense(30, activation="softmax")]  # fmt: skip
        model = fr.Sequential(layers, seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        with threads(count if budget else 1):
            model.train_on_batch(x, y, lengths=lengths, memory_budget=budget)
        grads.append(list(model.named_grads().values()))
        if budget:
            sizes = parts_of(model, model.inputs("test", x, lengths), budget)
    assert len(sizes) > 2
    assert_same_bits(grads[1], grads[0])


def test_random_lengths_and_budgets() -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        n, span = int(rng.integers(1, 7)), int(rng.integers(1, 40))
        x = rng.standard_normal((n, span, 2))
        lengths = rng.integers(0, span + 1, n)
        last = bool(rng.integers(2))
        y = rng.standard_normal((n, 2)) if last else rng.standard_normal((n, span, 2))
        cell = [fr.LSTM, fr.GRU, fr.RNN][int(rng.integers(3))]
        given = tuple(rng.standard_normal((n, 5)) for _ in range(2 if cell is fr.LSTM else 1))
        model = fr.Sequential([cell(5, return_sequences=not last), fr.Dense(2)], seed=0, dtype="float64")
        model.compile("sgd", "mse")
        options: dict[str, Any] = {"lengths": lengths, "initial_state": given}
        plain = model.train_on_batch(x, y, **options)
        grads = {k: g.copy() for k, g in model.named_grads().items()}
        model = fr.Sequential([cell(5, return_sequences=not last), fr.Dense(2)], seed=0, dtype="float64")
        model.compile("sgd", "mse")
        smallest = checkpoints.bytes_of("test", least(model, x, y, **options))
        budget = int(smallest * rng.uniform(1, 3))
        assert model.train_on_batch(x, y, memory_budget=budget, **options) == plain
        assert_same_bits(list(model.named_grads().values()), list(grads.values()))


@pytest.mark.parametrize("name", ["stack", "last", "lengths", "one-hot", "embedding", *ARRAY_CODE])
def test_array_code_differs_by_rounding_alone(name: str) -> None:
    grads, losses = [], []
    for bounded in (False, True):
        model, x, y, options = made(name, "float64", None if name in ARRAY_CODE else "reference")
        budget = least(model, x, y, **options) if bounded else None
        losses.append(model.train_on_batch(x, y, memory_budget=budget, **options))
        grads.append(model.named_grads())
    assert losses[1] == pytest.approx(losses[0], rel=1e-14)
    for key, wanted in grads[0].items():
        np.testing.assert_allclose(grads[1][key], wanted, rtol=0, atol=1e-14 * max(1, np.abs(wanted).max()))


# ------------------------------------------------------------------------------ what parts are made of


def test_split_is_all_steps_in_their_order() -> None:
    for steps in ([3] * 7, [5, 4, 4, 2, 1, 1], [1], [9]):
        layout = Layout(np.array(steps), np.arange(steps[0]), len(steps))
        for rows in range(1, layout.N + 2):
            parts = checkpoints.split(layout, rows)
            assert np.concatenate([p.steps for p in parts]).tolist() == steps
            assert np.concatenate([p.times for p in parts]).tolist() == layout.step.tolist()
            assert all(p.N <= rows or p.T == 1 for p in parts)
            assert all((p.order == layout.order).all() for p in parts)
    empty = Layout.from_lengths(np.array([0, 0]), 4)
    assert checkpoints.split(empty, 1) == [empty]


@pytest.mark.parametrize("one_hot", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_goes_on_with_its_gradients(dtype: str, one_hot: bool) -> None:
    """Many inputs, for they take a way of their own; cut where no tile ends."""
    params = {"W": numbers(0, 9, 150).astype(dtype), "b": numbers(1, 9).astype(dtype)}
    x = ids(2, 700, most=150) if one_hot else numbers(2, 700, 150).astype(dtype)
    y, dy = numbers(3, 700, 9).astype(dtype), numbers(4, 700, 9).astype(dtype)

    def run(first: int, last: int, into: Any) -> Any:
        part = Packed(x[first:last], Layout.plain(1, last - first), depth=150 if one_hot else None)
        return CPU.run(DENSE, "backward", params, part, "tanh", y[first:last], dy[first:last], into=into)[1]

    whole, grads = run(0, 700, None), None
    for first, last in ((531, 700), (530, 531), (7, 530), (7, 7), (0, 7)):
        found = run(first, last, grads)
        assert grads is None or all(found[k] is grads[k] for k in grads)
        grads = found
    assert_same_bits([grads["W"], grads["b"]], [whole["W"], whole["b"]])


def test_the_tail_goes_on_with_its_gradients() -> None:
    """Several chunks of logits, cut elsewhere than the parts are."""
    params = {"W": numbers(0, 12000, 6), "b": numbers(1, 12000)}
    x, target, weights = numbers(2, 400, 6), ids(3, 400, most=12000), np.abs(numbers(4, 400))
    whole = CPU.run(FORMULA, "backward", params, x, target, weights)
    losses, dx, grads = [], [], None
    for at in (slice(250, 400), slice(249, 249), slice(40, 250), slice(0, 40)):
        given = params, x[at], target[at], weights[at], 400
        one, _, d, grads = CPU.run(FORMULA, "backward", *given, into=grads)
        losses.insert(0, one)
        dx.insert(0, d)
    assert grads is not None
    found = np.concatenate(losses), np.concatenate(dx), grads["W"], grads["b"]
    assert_same_bits(found, (whole[0], whole[2], whole[3]["W"], whole[3]["b"]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", sorted({loss.name for loss in fr.losses.LOSSES.values()}))
def test_a_row_of_a_loss_is_its_own(name: str, dtype: str) -> None:
    """Parts of a batch have the losses and the gradients of the whole, bit for bit."""
    loss = fr.losses.get(name)
    for width in (1, 3, 37):
        y = np.random.default_rng(0).random((3000, width)).astype(dtype)
        target: Any = np.random.default_rng(1).random((3000, width)).astype(dtype)
        if name.startswith("sparse"):
            target = ids(2, 3000, most=width)
        weights = np.random.default_rng(3).random(3000).astype(dtype)
        for way in ("each", "each_logits"):
            if not hasattr(loss, way):
                continue
            whole = getattr(loss, way)(np, y, target, weights)
            for at in (slice(0, 1), slice(1, 2731), slice(2731, 3000)):
                part = getattr(loss, way)(np, y[at], target[at], weights[at], count=3000)
                assert_same_bits(part, [a[at] for a in whole])


# ------------------------------------------------------------------------------ what is refused


def refused(layers: list[Any], x: Any, y: Any, **options: Any) -> str:
    model = fr.Sequential(layers, seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError) as caught:
        model.fit(x, y, verbose=0, **{"memory_budget": "1GB", **options})
    return str(caught.value)


def test_layers_that_need_the_whole_sequence_are_named() -> None:
    x, y = X.astype("float32"), numbers(0, B, 1).astype("float32")
    whole = "which needs the whole sequence at once."
    for layer in (fr.Bidirectional(fr.LSTM(2)), fr.LSTM(2, go_backwards=True)):
        expected = f"fit: memory_budget cannot be used with {layer}, {whole}"
        assert refused([layer, fr.Dense(1)], x, y) == expected
    decoder = [fr.LSTM(2), fr.RepeatVector(4), fr.LSTM(1)]
    assert refused(decoder, x, y).endswith(f"with {decoder[1]}, {whole}")
    drops = "which drops steps by their values. Give fit a mask= instead."
    assert refused([fr.Masking(), fr.LSTM(1)], x, y).endswith(drops)
    assert refused([fr.Embedding(V, 2, mask_zero=True), fr.LSTM(1)], IDS, y).endswith(drops)
    penalty = [fr.LSTM(2), fr.ActivityRegularization(0.1), fr.Dense(1)]
    assert refused(penalty, x, y).endswith("which adds a mean over all steps to the loss.")
    beside_bptt = refused([fr.LSTM(1)], x, y, bptt=10)
    assert beside_bptt.startswith("fit: memory_budget must be left out where bptt is given, got '1GB'.")
    flat = refused([fr.Dense(1)], x[:, 0], y)
    assert flat == "fit: memory_budget must be left out where x has no time axis, got 1GB."


def test_a_layer_of_ones_own_has_to_say_how_it_goes_on() -> None:
    """One that streams may remember what it likes."""
    class Sum(fr.layers.Layer):
        def forward(self, x: Any, noise: Any) -> Any:
            return x.with_rows(np.cumsum(x.rows, axis=0)), None

        def backward(self, cache: Any, dy: Any) -> Any:
            return dy[::-1].cumsum(axis=0)[::-1]

    got = refused([Sum(), fr.LSTM(1)], X.astype("float32"), numbers(0, B, 1).astype("float32"))
    assert got.endswith("used with Sum(), which has no forward_part that begins with given states.")


@pytest.mark.parametrize("bad", [0, -1, True, 2.5, "200", "MB", "-3MB", "1iB", "3XB", [1]])
def test_what_is_no_number_of_bytes(bad: Any) -> None:
    got = refused([fr.LSTM(1)], X.astype("float32"), numbers(0, B, 1).astype("float32"), memory_budget=bad)
    expected = 'fit: memory_budget must be a number of bytes, or text such as "200MB" or "1.5GiB", got'
    assert got.startswith(expected)


def test_sizes_are_read_as_they_are_written() -> None:
    read = checkpoints.bytes_of
    sizes = {"7B": 7, "1.5kB": 1500, "2 MiB": 2**21, " 3GB ": 3 * 10**9, "1TB": 10**12}
    assert {text: read("", text) for text in sizes} == sizes
    for size in (1, 999, 1000, 1001, 999_901, 123_456_789, 10**9 + 1, 5 * 10**15):
        assert size <= read("", checkpoints.readable(size)) <= size * 1.11 + 1


def test_a_budget_that_is_too_small_says_what_would_do() -> None:
    """At once, also where the sequences that are too long would come in a later batch."""
    x = [numbers(n, n, 3).astype("float32") for n in (20, 20, 20, 400)]
    y = [np.zeros((len(one), 8), "float32") for one in x]
    model = fr.Sequential([fr.LSTM(8, return_sequences=True)], seed=0)
    model.compile("sgd", "mse")
    with pytest.raises(ValueError) as caught:
        model.fit(x, y, batch_size=1, shuffle=False, verbose=0, memory_budget="10KB")
    batch = r"a batch of 1 sequences of up to 400 steps in this model"
    pattern = rf"fit: memory_budget must be at least (\S+KB) for {batch}, got 10KB\. A smaller .* less\."
    found = re.fullmatch(pattern, str(caught.value))
    assert found is not None and model.steps_done == 0
    model.fit(x, y, batch_size=1, verbose=0, memory_budget=found[1])


def test_a_loss_that_is_not_finite_changes_nothing() -> None:
    model = fr.Sequential([fr.LSTM(4, return_sequences=True, stateful=True), fr.Dense(1)], seed=0)
    model.compile("sgd", "mse")
    x, y = numbers(0, 2, 50, 3).astype("float32"), np.ones((2, 50, 1), "float32")
    budget = least(model, x, y)
    model.train_on_batch(x, y, memory_budget=budget)
    weights, state = model.get_weights(), [s.copy() for s in model.layers[0].state]
    y[1, 20] = 3e38
    with pytest.raises(fr.NonFiniteError, match="the loss is inf"):
        model.train_on_batch(x * 0 + 1, y, memory_budget=budget)
    assert_same_bits(model.get_weights(), weights)
    assert_same_bits(list(model.layers[0].state), state)


def test_targets_are_checked_before_anything_changes() -> None:
    model, x, y, options = made("lengths")
    budget = least(model, x, y, **options)
    bad = np.where(np.arange(T) == 3, 99, y)
    before = model.get_weights()
    with pytest.raises(ValueError, match="class ids from 0 to 2"):
        model.train_on_batch(x, bad, memory_budget=budget, **options)
    assert_same_bits(model.get_weights(), before)


# ------------------------------------------------------------------------------ memory

MEASURE = """
import sys, numpy as np, fastrnn as fr
def kb(name):
    return next(int(l.split()[1]) for l in open("/proc/self/status") if l.startswith(name))
x = np.zeros((8, 10_000, 8), "float32"); y = np.zeros((8, 10_000, 1), "float32")
model = fr.Sequential([fr.LSTM(64, return_sequences=True), fr.Dense(1)], seed=0)
model.compile("sgd", "mse")
model.train_on_batch(x[:, :50], y[:, :50])
open("/proc/self/clear_refs", "w").write("5")  # the peak begins anew
before = kb("VmRSS")
model.train_on_batch(x, y, memory_budget=None if sys.argv[1] == "plain" else sys.argv[1])
print(kb("VmHWM") - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ten_thousand_steps_take_a_tenth_of_the_memory() -> None:
    def peak(budget: str) -> int:
        command = [sys.executable, "-c", MEASURE, budget]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return 1024 * int(done.stdout)

    plain = peak("plain")
    assert plain > 100e6
    assert peak("12MB") < min(plain / 10, 12e6 + 2e6)


def test_the_step_is_the_one_of_training(monkeypatch: Any) -> None:
    """Without a budget nothing of this runs; with one, the plain way does not."""
    def fail(*args: Any, **options: Any) -> Any:
        raise AssertionError

    model, x, y, _ = made("stack")
    monkeypatch.setattr(checkpoints.Budget, "__call__", fail)
    model.train_on_batch(x, y)
    monkeypatch.undo()
    monkeypatch.setattr(training, "_forward", fail)
    inputs = model.inputs("test", x)
    budget = checkpoints.Budget("test", model, "10MB")
    training.step(model, inputs, Targets("test", y, inputs), np.arange(B), "test", budget)
