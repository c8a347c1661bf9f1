"""Diagnosis: gradients of every step against finite differences, verdicts, and that nothing is changed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS
from strict_device import Module

import fastrnn as fr
from fastrnn import backends, cells, gradient_flow
from fastrnn.backends import Backend
from fastrnn.batches import Targets
from fastrnn.diagnostics import LEAST, MOST, _half_life, _judge

CHRONO = fr.initializers.Chrono(30)
LAYERS = {
    "tanh": lambda **o: fr.RNN(4, **o), "relu": lambda **o: fr.RNN(4, "relu", **o),
    "lstm": lambda **o: fr.LSTM(4, **o), "gru": lambda **o: fr.GRU(4, **o),
}  # fmt: skip
LENGTHS = (5, 2, 6, 1)


def shifted(cell: Any, at: int, row: int, shift: Any) -> Any:
    """The cell, but the state `shift` names is moved by its value in `row` after step `at`.

    A moved c moves h as well, as in (4) of the LSTM: then what is found is the total derivative.
    """
    name, move = shift

    def forward(xp: Any, params: Any, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
        y = np.zeros((x.layout.N, s0[0].shape[1]))
        state = [s.copy() for s in s0]
        for t, (_, _, here) in enumerate(x.layout.walk()):
            n = here.stop - here.start
            layout = fr.packed.Layout.plain(n, 1)
            step = fr.packed.Packed(x.rows[here], layout, depth=x.depth)
            _, new, cache = cell.forward(xp, params, step, tuple(s[:n] for s in state), True)
            new = [s.copy() for s in new]
            if t == at:
                k = cell.states.index(name)
                new[k][row] += move
                if name == "c":
                    new[0][row] = cell.opened(cache)[3][row] * np.tanh(new[1][row])
            for s, fresh in zip(state, new, strict=True):
                s[:n] = fresh
            y[here] = new[0]
        return y, tuple(state), None

    return dataclasses.replace(cell, name=f"{cell.name}_shifted", forward=forward)


def network(make: Any, sequences: bool, front: Any = (), **options: Any) -> fr.Sequential:
    model = fr.Sequential(
        [*front, make(return_sequences=sequences, **options), fr.Dense(3, activation="softmax")], seed=3,
        dtype="float64",
    )  # fmt: skip
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def data(sequences: bool, ids: bool = False) -> Any:
    rng = np.random.default_rng(0)
    x = [rng.integers(0, 7, n) if ids else rng.standard_normal((n, 2)) for n in LENGTHS]
    y = [rng.integers(0, 3, n) for n in LENGTHS] if sequences else rng.integers(0, 3, len(LENGTHS))
    return x, y


def loss(model: fr.Sequential, place: int, x: Any, y: Any, cell: Any) -> float:
    """The model's loss with another cell in one of its layers."""
    layer: Any = model.layers[place]
    before = layer.cell
    layer.cell = cell
    try:
        return float(model.evaluate(x, y))
    finally:
        layer.cell = before


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "steps"])
@pytest.mark.parametrize("kind", list(LAYERS))
@pytest.mark.parametrize("front", ["numbers", "one-hot", "embedding"])
def test_gradients_are_those_of_finite_differences(kind: str, sequences: bool, front: str) -> None:
    ids = front != "numbers"
    layers = {"numbers": (), "one-hot": (fr.OneHot(7),), "embedding": (fr.Embedding(7, 2),)}[front]
    model = network(LAYERS[kind], sequences, layers)
    x, y = data(sequences, ids)
    report = fr.diagnose(model, x, y)
    place, cell = len(layers), model.layers[len(layers)].cell  # type: ignore[attr-defined]
    order = np.argsort(-np.array(LENGTHS), kind="stable")  # rows of the packed batch
    for name, found in (("h", report.gradient_norm), ("c", report.cell_gradient_norm)):
        if name not in cell.states:
            assert found is None
            continue
        assert found is not None and found.shape == (max(LENGTHS),) and found.dtype == np.float64
        for t in (0, 1, 4, 5):
            norms = []
            for row, length in enumerate(np.array(LENGTHS)[order]):
                if length <= t:
                    continue
                numeric = [
                    (loss(model, place, x, y, shifted(cell, t, row, (name, e)))
                     - loss(model, place, x, y, shifted(cell, t, row, (name, -e)))) / 2e-5
                    for e in 1e-5 * np.eye(4)
                ]  # fmt: skip
                norms.append(np.linalg.norm(numeric))
            assert found[t] == pytest.approx(np.mean(norms), rel=1e-6)


def recorded(cell: Any, sums: dict[str, Any]) -> Any:
    """The cell as a user's own, which adds up the gradients of its parameters over all calls."""

    def backward(xp: Any, params: Any, cache: Any, dy: Any, dsT: Any) -> Any:
        dx, ds0, grads = cell.backward(xp, params, cache, dy, dsT)
        for name, g in grads.items():
            sums[name] = sums.get(name, 0) + g
        return dx, ds0, grads

    return dataclasses.replace(cell, name=f"my_{cell.name}", backward=backward)


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "steps"])
@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_the_steps_add_up_to_the_gradients_of_training(kind: str, sequences: bool) -> None:
    """With a user's cell; the lower of two layers, so that the gradient comes through another recurrence."""
    sums: dict[str, Any] = {}
    lower = fr.Recurrent(4, recorded(cells.CELLS[kind], sums), return_sequences=True)
    upper = fr.GRU(3, return_sequences=sequences)
    model = fr.Sequential([lower, upper, fr.Dense(3, activation="softmax")], seed=1, dtype="float64")
    model.compile(fr.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    x, y = data(sequences)
    inputs = model.inputs("test", x)
    assert model.loss is not None
    arguments = (model.loss, inputs, Targets("test", y, inputs), np.arange(len(x)))
    gradient_flow.flows(model, *arguments)
    in_steps = {name: g / 2 for name, g in sums.items()}  # once by the layer, once step by step
    sums.clear()
    model.train_on_batch(x, y)
    assert set(sums) == set(in_steps) == set(lower.params)
    for name, wanted in sums.items():
        np.testing.assert_allclose(in_steps[name], wanted, rtol=1e-10, atol=1e-14)


def test_each_direction_reads_in_its_own_order() -> None:
    """The backward direction of a model is the forward one of the same model over turned sequences."""
    x, y = data(True)
    two: Any = fr.Bidirectional(fr.LSTM(4, return_sequences=True))
    model = fr.Sequential([two, fr.Dense(3, activation="softmax")], seed=0, dtype="float64")
    model.compile("adam", "sparse_categorical_crossentropy")
    report = fr.diagnose(model, x, y)
    assert [layer.name for layer in report.layers] == ["bidirectional.forward", "bidirectional.backward"]
    turned = fr.Sequential(
        [fr.Bidirectional(fr.LSTM(4, return_sequences=True)), fr.Dense(3, activation="softmax")],
        dtype="float64",
    )
    turned.build((None, None, 2))
    turned.compile("adam", "sparse_categorical_crossentropy")
    weights = dict(model.named_params())
    with turned.writing() as params:
        for name, p in params.items():
            mirror = {"forward": "backward", "backward": "forward"}.get(name.split("/")[1].split(".")[0], "")
            source = f"bidirectional/{mirror}.{name.split('.')[-1]}" if mirror else name
            w = weights[source]
            p[...] = np.concatenate([w[:, 4:], w[:, :4]], axis=1) if name == "dense/W" else w
    other = fr.diagnose(turned, [one[::-1].copy() for one in x], [one[::-1].copy() for one in y])
    for a, b in zip(report.layers, reversed(other.layers), strict=True):
        np.testing.assert_allclose(a.gradient_norm, b.gradient_norm, rtol=1e-12)
        np.testing.assert_allclose(a.arriving, b.arriving, rtol=1e-12)
    backwards = fr.Sequential([fr.GRU(4, go_backwards=True), fr.Dense(3)], seed=0, dtype="float64")
    forwards = fr.Sequential([fr.GRU(4), fr.Dense(3)], seed=0, dtype="float64")
    x, _ = data(False)
    target = np.zeros((4, 3))
    one = fr.diagnose(backwards, x, target, loss="mse")
    same = fr.diagnose(forwards, [a[::-1].copy() for a in x], target, loss="mse")
    np.testing.assert_allclose(one.gradient_norm, same.gradient_norm, rtol=1e-12)


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
def test_both_directions_get_their_share_of_the_merge(merge: str) -> None:
    """The first step backwards from the loss, against finite differences on the final states."""
    x, y = data(False)
    layer: Any = fr.Bidirectional(fr.RNN(4), merge_mode=merge)
    model = fr.Sequential(
        [layer, fr.Dense(3, activation="softmax")], seed=0, dtype="float64", backend="reference"
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    report = fr.diagnose(model, x, y)
    for inner, found in zip(layer.layers(), report.layers, strict=True):
        cell = inner.cell
        norms = []
        order = np.argsort(-np.array(LENGTHS), kind="stable")
        for row, length in enumerate(np.array(LENGTHS)[order]):
            if length != 6:
                continue
            slopes = []
            for e in 1e-5 * np.eye(4):
                values = []
                for sign in (1, -1):
                    inner.cell = shifted(cell, 5, row, ("h", sign * e))
                    values.append(model.evaluate(x, y))
                slopes.append((values[0] - values[1]) / 2e-5)
            norms.append(np.linalg.norm(slopes))
        inner.cell = cell
        assert found.gradient_norm[5] == pytest.approx(np.mean(norms), rel=1e-6)


def test_a_model_is_left_as_it_was() -> None:
    layers = [fr.Embedding(7, 5), fr.Dropout(0.5),
              fr.Bidirectional(fr.LSTM(4, return_sequences=True, dropout=0.3)),
              fr.GRU(4, recurrent_dropout=0.4, stateful=True), fr.Dense(3, activation="softmax")]  # fmt: skip
    model = fr.Sequential(layers, seed=5)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).integers(0, 7, (8, 6)), np.arange(8) % 3
    model.fit(x, y, epochs=1, batch_size=8, verbose=0)
    kept = [w.copy() for w in model.get_weights()], {k: g.copy() for k, g in model.named_grads().items()}
    state = tuple(s.copy() for s in layers[3].state)  # type: ignore[attr-defined]
    steps = model.steps_done, model.epochs_done, model.seed
    one, two = fr.diagnose(model, x, y), fr.diagnose(model, x, y)
    np.testing.assert_array_equal(one.gradient_norm, two.gradient_norm)  # no dropout, states from zero
    assert (model.steps_done, model.epochs_done, model.seed) == steps
    for a, b in zip(model.get_weights(), kept[0], strict=True):
        np.testing.assert_array_equal(a, b)
    for name, g in model.named_grads().items():
        np.testing.assert_array_equal(g, kept[1][name])
    for a, b in zip(layers[3].state, state, strict=True):  # type: ignore[attr-defined]
        np.testing.assert_array_equal(a, b)
    again = fr.Sequential([type(layers[0])(7, 5), fr.Dropout(0.5)], seed=5)
    assert again.seed == model.seed
    broken = np.full(8, 7)  # no class: the loss refuses it, half way through
    with pytest.raises(ValueError, match="diagnose: y must be"):
        fr.diagnose(model, x, broken)
    assert all((a == b).all() for a, b in zip(layers[3].state, state, strict=True))  # type: ignore[attr-defined]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_backends_and_dtypes_agree(backend: str, dtype: str) -> None:
    x, y = fr.samples.adding_problem(8, 30, dtype=dtype)
    model = fr.Sequential([fr.LSTM(6), fr.Dense(1)], seed=0, dtype=dtype, backend=backend)
    report = fr.diagnose(model, x, y, loss="mse")
    reference = fr.Sequential([fr.LSTM(6), fr.Dense(1)], seed=0, dtype="float64", backend="reference")
    x64, y64 = fr.samples.adding_problem(8, 30, dtype="float64")
    wanted = fr.diagnose(reference, x64, y64, loss="mse")
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(report.gradient_norm, wanted.gradient_norm, rtol=tolerance)
    assert (
        report.half_life == pytest.approx(wanted.half_life, rel=tolerance)
        and report.verdict == wanted.verdict
    )


@pytest.mark.parametrize("kind", ["one-hot", "stack"])
def test_host_and_device_never_mix(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Under the rules of CuPy (tests/strict_device.py)."""
    device, create = Backend("cupy", Module()), backends._create
    monkeypatch.setattr(backends, "_create", lambda name: device if name == "cupy" else create(name))
    x, y = data(kind == "stack", ids=True)
    reports = []
    for backend in ("reference", "cupy"):
        layers: list[Any] = [fr.OneHot(7), fr.RNN(4)]
        if kind == "stack":
            both = fr.Bidirectional(fr.LSTM(3, return_sequences=True, dropout=0.2))
            layers = [fr.Embedding(7, 5), fr.Dropout(0.2), both, fr.GRU(4, return_sequences=True)]
        model = fr.Sequential([*layers, fr.Dense(3, activation="softmax")], seed=0, backend=backend)
        reports.append(fr.diagnose(model, x, y, loss="sparse_categorical_crossentropy"))
    for a, b in zip(*(report.layers for report in reports), strict=True):
        assert type(b.gradient_norm) is np.ndarray and all(type(g) is np.ndarray for g in b.gates.values())
        np.testing.assert_array_equal(a.gradient_norm, b.gradient_norm)
        np.testing.assert_array_equal(a.arriving, b.arriving)


def test_padding_and_masks_are_sequences_of_their_length() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((3, 6, 2)).astype("float32"), np.zeros((3, 1), "float32")
    model = fr.Sequential([fr.GRU(4), fr.Dense(1)], seed=0)
    lengths = np.array([6, 3, 0])
    ragged = fr.diagnose(model, [row[:n] for row, n in zip(x, lengths, strict=True)], y, loss="mse")
    padded = fr.diagnose(model, x, y, loss="mse", lengths=lengths)
    masked = fr.diagnose(model, x, y, loss="mse", mask=np.arange(6) < lengths[:, None])
    for other in (padded, masked):
        np.testing.assert_array_equal(ragged.gradient_norm, other.gradient_norm)
    left = np.arange(6)[None] >= 6 - lengths[:, None]
    moved = np.zeros_like(x)
    for row, n in enumerate(lengths):
        moved[row, 6 - n :] = x[row, :n]
    np.testing.assert_array_equal(
        ragged.gradient_norm, fr.diagnose(model, moved, y, loss="mse", mask=left).gradient_norm
    )


def verdict_of(layer: Any, T: int = 100) -> Any:
    x, y = fr.samples.adding_problem(32, T)
    return fr.diagnose(fr.Sequential([layer, fr.Dense(1)], seed=0), x, y, loss="mse")


def test_verdicts_before_training_and_their_advice() -> None:
    rnn = verdict_of(fr.RNN(32))
    assert rnn.verdict == "vanishing" and 5 < rnn.half_life < 12 and rnn.cell_gradient_norm is None
    assert rnn.advice == [line for line in rnn.advice if "rnn: " in line] and "LSTM(32" in rnn.advice[0]
    assert f"halves every {rnn.half_life:.3g} steps" in rnn.advice[0]
    shut = verdict_of(fr.LSTM(32, unit_forget_bias=False))
    # The cell's factor per step is sigmoid(0) = 1/2; the way through the gates adds to it.
    assert shut.verdict == "vanishing" and shut.half_life == pytest.approx(2, abs=0.5)
    assert (
        "forget gate keeps at most 50.1% of the state" in shut.advice[0] and "Chrono(110)" in shut.advice[0]
    )
    chrono = verdict_of(fr.LSTM(32, bias_initializer=fr.initializers.Chrono(110)))
    assert chrono.verdict == "healthy" and chrono.advice == [] and chrono.half_life > 40
    assert "update gate" in verdict_of(fr.GRU(32)).advice[0]
    assert verdict_of(fr.GRU(32, bias_initializer=fr.initializers.Chrono(110))).verdict == "healthy"
    small = verdict_of(fr.RNN(32, recurrent_initializer="normal"))
    assert small.half_life < 2 and any("makes all of them 1" in line for line in small.advice)
    identity = verdict_of(fr.RNN(32, "relu", kernel_initializer=fr.initializers.Normal(0.0, 0.01),
                                 recurrent_initializer="identity"))  # fmt: skip
    assert identity.verdict == "healthy"


def test_exploding_and_what_is_said_to_it() -> None:
    x, y = fr.samples.adding_problem(16, 60)
    model = fr.Sequential(
        [fr.RNN(32, recurrent_initializer=fr.initializers.Orthogonal(2.0)), fr.Dense(1)], seed=0
    )
    report = fr.diagnose(model, x, y, loss="mse")
    assert report.verdict == "exploding" and report.half_life == np.inf
    text = " ".join(report.advice)
    assert "global_clipnorm=1.0" in text and "recurrent weights is 2;" in text and "learning rate" not in text
    model.compile(fr.optimizers.Adam(0.02), "mse")
    assert "lower the learning rate, which is 0.02" in " ".join(fr.diagnose(model, x, y).advice)
    model.compile(fr.optimizers.Adam(0.02, clipnorm=1.0), "mse")
    text = " ".join(fr.diagnose(model, x, y).advice)
    assert "Clip" not in text and "learning rate" not in text and "fold on its way back" in text
    piling = fr.Sequential([fr.LSTM(32, bias_initializer=forget(4.0)), fr.Dense(1)], seed=0)
    x, y = fr.samples.adding_problem(16, 100)
    report = fr.diagnose(piling, x, y, loss="mse")
    assert report.verdict == "exploding" and "closes the input gate" in " ".join(report.advice)


def forget(bias: float) -> Any:
    def make(rng: Any, shape: Any, dtype: Any) -> Any:
        b = np.zeros(shape, dtype)
        b[shape[0] // 4 : shape[0] // 2] = bias - 1  # unit_forget_bias adds 1
        return b

    return make


def test_what_leaves_the_range_of_numbers_explodes() -> None:
    recurrent = fr.initializers.Orthogonal(1e3)
    model = fr.Sequential([fr.RNN(8, "relu", recurrent_initializer=recurrent), fr.Dense(1)], seed=0)
    x, y = fr.samples.adding_problem(4, 200)
    report = fr.diagnose(model, x, y, loss="mse")
    assert report.verdict == "exploding" and "out of all numbers" in report.advice[0]
    assert str(report) and np.isinf(report.gradient_norm).any()


def test_no_gradient_at_all_is_said() -> None:
    model = fr.Sequential([fr.RNN(4), fr.Dense(1)], seed=0)
    x = np.zeros((2, 5, 3), "float32")
    report = fr.diagnose(model, x, model.predict(x), loss="mse")
    assert (
        report.verdict == "vanishing"
        and report.half_life == 0
        and "no gradient here at all" in report.advice[0]
    )


def test_the_half_life_by_hand() -> None:
    assert _half_life(np.array([1, 0.5, 0.25])) == 1
    assert _half_life(np.array([1, 0.9, 1.0])) == np.inf and _half_life(np.array([1.0])) == np.inf
    assert _half_life(np.array([1, 0.5, 0.0])) == 1  # the last that is not 0
    assert _half_life(np.zeros(3)) == 0


@pytest.mark.parametrize(
    ("arriving", "verdict"),
    [([1, 0.5, LEAST], "healthy"), ([1, 0.5, 0.99 * LEAST], "vanishing"), ([1, MOST, 1], "healthy"),
     ([1, 1.01 * MOST, 0.001], "exploding"), ([1], "healthy")],
)  # fmt: skip
def test_the_bounds_of_the_verdicts(arriving: list[float], verdict: str) -> None:
    model = fr.Sequential([fr.RNN(2), fr.Dense(1)], seed=0)
    model.build((None, None, 1))
    layout = fr.packed.Layout.plain(1, len(arriving))
    flow = gradient_flow.Flow(
        model.layers[0], 0, "rnn", False, layout, np.array(arriving[::-1]), None, {}, {}
    )  # type: ignore[arg-type]
    assert _judge(model, flow, flow).verdict == verdict


def test_a_loss_at_every_step_is_judged_by_the_last_one() -> None:
    """The gradient of all losses hardly falls, for each step has its own; what one loss sends back does."""
    x = np.random.default_rng(0).integers(0, 7, (16, 60))
    model = fr.Sequential(
        [fr.OneHot(7), fr.RNN(16, return_sequences=True), fr.Dense(7, activation="softmax")], seed=0
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    report = fr.diagnose(model, x, x)
    assert report.gradient_norm[0] > 0.2 * report.gradient_norm[-1] and report.arriving[-1] < 1e-3
    assert report.verdict == "vanishing"


def test_the_layer_that_decides() -> None:
    x, y = fr.samples.adding_problem(16, 60)
    stack = [fr.LSTM(8, return_sequences=True, bias_initializer=CHRONO, name="low"),
             fr.RNN(8, recurrent_initializer="normal", name="high")]  # fmt: skip
    report = fr.diagnose(fr.Sequential([*stack, fr.Dense(1)], seed=0), x, y, loss="mse")
    assert [layer.name for layer in report.layers] == ["low", "high"] and report.decides == 0
    assert (
        report.gradient_norm is report.layers[0].gradient_norm and report.verdict == report.layers[0].verdict
    )
    assert any(line.startswith("high: ") for line in report.advice)
    wild = fr.RNN(8, recurrent_initializer=fr.initializers.Orthogonal(2.0), name="high")
    calm = fr.LSTM(8, return_sequences=True, name="low")
    report = fr.diagnose(fr.Sequential([calm, wild, fr.Dense(1)], seed=0), x, y, loss="mse")
    assert report.verdict == "exploding"


def test_a_direction_that_reads_backwards_is_judged_from_its_own_end() -> None:
    """The loss at the last step is at its first one: seen from there its gradient would seem to explode."""
    x, y = fr.samples.adding_problem(16, 60)
    layers = [fr.Bidirectional(fr.RNN(16, return_sequences=True)), fr.RNN(8), fr.Dense(1)]
    report = fr.diagnose(fr.Sequential(layers, seed=0), x, y, loss="mse")
    _, backward, _ = report.layers
    assert backward.gradient_norm[0] > 10 * backward.gradient_norm[-1]
    assert backward.arriving[0] == 1 and backward.arriving[-1] < 0.2 and backward.verdict != "exploding"


def test_gates_and_their_saturation() -> None:
    x, y = fr.samples.adding_problem(4, 20)
    model = fr.Sequential([fr.LSTM(6), fr.Dense(1)], seed=0)
    report = fr.diagnose(model, x, y, loss="mse")
    assert list(report.gates) == list("ifgo") and report.gates["f"].shape == (len(report.gradient_norm), 6)
    one, _ = fr.samples.adding_problem(1, 20)
    params: dict[str, Any] = {k: v.astype(np.float64) for k, v in model.layers[0].params.items()}
    y_all, _, _ = fr.functional.lstm_forward(one[0][None].astype(np.float64), params)
    before = np.concatenate([np.zeros((1, 6)), y_all[0, :-1]])
    a = one[0] @ params["W_ih"].T + before @ params["W_hh"].T + params["b"]
    alone = fr.diagnose(model, one, y[:1], loss="mse")
    np.testing.assert_allclose(alone.gates["f"], 1 / (1 + np.exp(-a[:, 6:12])), rtol=1e-6)
    np.testing.assert_allclose(alone.gates["g"], np.tanh(a[:, 12:18]), rtol=1e-5)
    closed = fr.diagnose(
        fr.Sequential([fr.LSTM(6, bias_initializer=fr.initializers.Constant(-9.0)), fr.Dense(1)], seed=0),
        x,
        y,
        loss="mse",
    )
    assert closed.saturation == 1 and closed.gate_saturation == dict.fromkeys("ifgo", 1.0)
    assert any("saturated activations" in line and "g (100%), o (100%)" in line for line in closed.advice)
    silent = dataclasses.replace(cells.CELLS["gru"], name="mine", opened=None, squash=())
    report = fr.diagnose(fr.Sequential([fr.Recurrent(6, silent), fr.Dense(1)], seed=0), x, y, loss="mse")
    assert report.saturation is None and report.gates == {} and "saturated" not in str(report)


def test_a_report_prints_and_draws(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    x, y = fr.samples.adding_problem(8, 30)
    report = fr.diagnose(fr.Sequential([fr.LSTM(6), fr.Dense(1)], seed=0), x, y, loss="mse")
    for text in ("verdict: ", "lstm (lstm, 6 units)", "half-life", "saturated gates: 0% (i 0%"):
        assert text in str(report)
    ax = report.plot()
    assert [line.get_label() for line in ax.lines] == ["dL/dh", "dL/dc"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), report.gradient_norm)
    assert report.verdict in ax.get_title() and report.plot(ax) is ax
    both = fr.diagnose(fr.Sequential([fr.Bidirectional(fr.GRU(3)), fr.Dense(1)], seed=0), x, y, loss="mse")
    labels = [line.get_label() for line in both.plot().lines]
    assert labels == ["bidirectional.forward: dL/dh", "bidirectional.backward: dL/dh"]
    fr.plot.gate_activity(report.gates).figure.savefig(tmp_path / "a.png")


def test_gate_activity_shows_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    values = np.random.default_rng(0).random((5, 4))
    monkeypatch.setattr(fr.plot.figure, "hangul_font", lambda: None)
    with pytest.warns(UserWarning, match="no font with Hangul"):
        ax = fr.plot.gate_activity(
            {"f": values, "q": 1 - values}, tokens=["나는", "학교에", "갔다", ".", "end"]
        )
    assert [text.get_text() for text in ax.get_xticklabels()] == ["#0", "#1", "#2", ".", "end"]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), values.mean(axis=1))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["forget f", "q"]
    ax.figure.savefig(tmp_path / "a.png")
    ax = fr.plot.gate_activity(values, title="forget gate")
    np.testing.assert_array_equal(ax.images[0].get_array(), values[:, np.argsort(values.mean(axis=0))].T)
    assert ax.get_xlabel() == "time step" and ax.get_title() == "forget gate"
    assert fr.plot.gate_activity(-values).images[0].get_clim() == (-1, 1)
    for gates, tokens, message in (
        ({}, None, "gates must be those of at least one gate, got none"),
        ({"f": values, "i": values[1:]}, None, r"i must be \[T, H\] with T = 5, got \[4, 4\]"),
        (values[0], None, r"gates must be \[T, H\] with T = 4, got \[4\]"),
        (values, ["a"], "tokens must be 5, one a step, got 1"),
    ):
        with pytest.raises(ValueError, match=f"gate_activity: {message}"):
            fr.plot.gate_activity(gates, tokens=tokens)


X, Y = np.zeros((2, 3, 4), "float32"), np.zeros((2, 1), "float32")


@pytest.mark.parametrize(
    ("layers", "x", "options", "error", "message"),
    [
        ([fr.RNN(2), fr.Dense(1)], X, {}, ValueError,
         "diagnose: loss must be given for a model that is not compiled, got None. For example loss="),
        ([fr.Dense(1)], X[:, 0], {"loss": "mse"}, ValueError,
         r"diagnose: model must be a model with a recurrent layer, such as LSTM\(64\), got Sequential"),
        ([fr.RNN(2), fr.Dense(1)], X[:, :0], {"loss": "mse"}, ValueError,
         "x must be sequences of at least one step, got 2"),
        ([fr.RNN(2), fr.Dense(1)], X[:0], {"loss": "mse"}, fr.ShapeError, "diagnose: y must be 0 examples"),
        ([fr.RNN(2), fr.Dense(1)], X, {"loss": "mse", "examples": 0}, ValueError,
         "examples must be a whole number of at least 1"),
        ([fr.RNN(2), fr.Dense(1)], X.astype(float), {"loss": "mse"}, fr.DtypeError,
         "diagnose: x must be float32"),
        ([fr.RNN(2), fr.Dense(1)], X, {"loss": "mice"}, ValueError, "mice"),
        ([fr.RNN(2), fr.Dense(2)], X, {"loss": "mse"}, fr.ShapeError, "diagnose: y must be"),
        ([fr.RNN(2), fr.Dense(1)], X * np.nan, {"loss": "mse"}, ValueError, "diagnose: x must be finite"),
    ],
)  # fmt: skip
def test_messages(layers: Any, x: Any, options: Any, error: Any, message: str) -> None:
    fresh = [type(layer)(**{k: v for k, v in layer.config().items() if k != "name"}) for layer in layers]
    with pytest.raises(error, match=message):
        fr.diagnose(fr.Sequential(fresh, seed=0), x, Y, **options)


def test_only_a_model_is_diagnosed() -> None:
    with pytest.raises(TypeError, match=r"diagnose: model must be a fastrnn.Sequential, got lstm"):
        fr.diagnose("lstm", X, Y)  # type: ignore[arg-type]


def test_as_many_examples_as_were_asked_for() -> None:
    x, y = fr.samples.adding_problem(9, 20)
    model = fr.Sequential([fr.GRU(3), fr.Dense(1)], seed=0)
    chosen = fr.diagnose(model, x, y, loss="mse", examples=3)
    same = fr.diagnose(model, [x[0], x[4], x[8]], y[[0, 4, 8]], loss="mse")
    np.testing.assert_array_equal(chosen.gradient_norm, same.gradient_norm)
    everything = fr.diagnose(model, x, y, loss="mse", examples=None)
    np.testing.assert_array_equal(
        everything.gradient_norm, fr.diagnose(model, x, y, loss="mse").gradient_norm
    )
