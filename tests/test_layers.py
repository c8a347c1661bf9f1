"""Layers: gradients of parameters and input against differences, and what Keras users expect of each."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cases import assert_close, holes
from gradcheck import check_gradients

import fastrnn as fr
from fastrnn.layers import Noise
from fastrnn.layers.activation import FUNCTIONS
from fastrnn.layers.base import Layer

NOISE = Noise.of(5, 7)
LENGTHS = np.array([3, 6, 1, 0, 5])
KINDS = ("plain", "ragged", "lengths", "holes", "left")


# ---------------------------------------------------------------------- a cell of the user's


def leaky_init(rng: Any, inputs: int, units: int, dtype: Any) -> dict[str, Any]:
    shapes = {"W_ih": (units, inputs), "W_hh": (units, units), "b": (units,)}
    return {k: rng.standard_normal(shape).astype(dtype) * 0.5 for k, shape in shapes.items()}


def leaky_forward(xp: Any, params: Any, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """h_t = 0.9 h_{t-1} + tanh(W_ih x_t + b) * sum(W_hh) / H, written for nothing but this test."""
    layout = x.layout
    f = xp.tanh(x.rows @ params["W_ih"].T + params["b"])
    share = params["W_hh"].mean(axis=1)
    h = xp.concatenate([s0[0], xp.empty_like(f)])
    for before, now, rows in layout.walk():
        h[now] = 0.9 * h[before] + f[rows] * share
    cache = (x, f, share) if training else None
    return h[layout.B :].copy(), (h[layout.final],), cache


def leaky_backward(xp: Any, params: Any, cache: Any, dy: Any, dsT: Any) -> Any:
    x, f, share = cache
    layout, H = x.layout, f.shape[1]
    dh = xp.zeros((layout.B, H), f.dtype)
    if dsT is not None and dsT[0] is not None:
        dh += dsT[0]
    df, dshare = xp.empty_like(f), xp.zeros_like(share)
    for _, _, rows in reversed(list(layout.walk())):
        n = rows.stop - rows.start
        if dy is not None:
            dh[:n] += dy[rows]
        df[rows] = dh[:n] * share
        dshare += (dh[:n] * f[rows]).sum(axis=0)
        dh[:n] *= 0.9
    da = df * (1 - f * f)
    dW_hh = xp.repeat(dshare[:, None] / H, H, axis=1)
    grads = {"W_ih": da.T @ x.rows, "W_hh": dW_hh, "b": da.sum(axis=0)}
    return da @ params["W_ih"], (dh,), grads


LEAKY = fr.Cell("leaky", "a", ("h",), leaky_init, leaky_forward, leaky_backward)


# ---------------------------------------------------------------------- the checker of whole models


def problem(kind: str, features: tuple[int, ...] = (3,), ids: int = 0) -> dict[str, Any]:
    """x and its lengths or mask: five sequences of at most six steps; padding is NaN (or a wild id)."""
    rng = np.random.default_rng(11)
    x: Any = rng.integers(1, ids, (5, 6)) if ids else rng.standard_normal((5, 6, *features))
    keep = np.arange(6) < LENGTHS[:, None]
    if kind == "plain":
        return {"x": x}
    if kind == "ragged":
        return {"x": [x[b, :n] for b, n in enumerate(LENGTHS)]}
    given: dict[str, Any] = {"lengths": LENGTHS}
    if kind != "lengths":
        keep = holes(5, 6) if kind == "holes" else keep[:, ::-1].copy()
        given = {"mask": keep}
    x[~keep] = -(10**6) if ids else np.nan
    return {"x": x, **given}


def check(
    layers: list[Layer], given: dict[str, Any], loss: str = "mse", still: Any = None,
    dead: tuple[str, ...] = (), backend: str | None = None, seed: int = 4,
) -> fr.Sequential:  # fmt: skip
    """Differences against the gradients of every parameter and of x, through a loss.

    still : rows -> bool [N], True where a row of x is not to be moved (masked: its gradient is 0)
    dead : parameters that the loss does not depend on
    """
    model = fr.Sequential(layers, seed=1, dtype="float64", backend=backend)
    model.compile("sgd", loss)
    inputs = model.inputs("test", **given)
    packed = replace(inputs.batch(np.arange(len(inputs))), gradient=True)  # a model wants none of its input
    rng = np.random.default_rng(seed)
    params = {k: 0.7 * rng.standard_normal(p.shape) for k, p in model.named_params().items()}
    free = ~still(packed.rows) if still else np.ones(len(packed.rows), bool)
    shape = model.run(packed)[0].rows.shape
    if loss.startswith("sparse"):
        target = rng.integers(0, shape[-1], shape[:-1])
    else:
        target = rng.random(shape) if "crossentropy" in loss else rng.standard_normal(shape)
    weights = rng.random(shape[0]) + 0.5
    of_loss = model.loss.forward_logits if model.fused else model.loss.forward

    def run(values: Any) -> Any:
        with model.writing() as params:
            for name, p in params.items():
                p[...] = values[name]
        x = packed
        if "x" in values:
            x = replace(packed, rows=packed.rows.copy())
            x.rows[free] = values["x"]
        return model.run(x, NOISE, logits=model.fused)

    def forward(values: Any) -> Any:
        out, caches = run(values)
        value = of_loss(np, out.rows, target, weights)[0]
        pairs = zip(model.layers, caches, strict=True)
        return (np.array(value + sum(layer.penalty(cache) for layer, cache in pairs)),)

    def backward(values: Any, douts: Any) -> Any:
        for layer in model.layers:
            layer.clear_grads()
        out, caches = run(values)
        d = of_loss(np, out.rows, target, weights)[1]
        for layer, cache in zip(model.layers[::-1], caches[::-1], strict=True):
            d = layer.backward(cache, d)
        grads = model.named_grads()
        if "x" in values:
            assert not d[~free].any()
            grads["x"] = d[free]
        return grads

    values = dict(params)
    if packed.rows.dtype.kind == "f":
        values["x"] = packed.rows[free]
    check_gradients(forward, backward, values, weights=[np.array(1.0)], zero=dead)
    return model


# ---------------------------------------------------------------------- gradients: recurrences

KIND_OF_CELL: dict[str, Callable[..., Layer]] = {
    "tanh": lambda **k: fr.RNN(4, **k),
    "relu": lambda **k: fr.RNN(4, activation="relu", **k),
    "lstm": lambda **k: fr.LSTM(4, **k),
    "gru": lambda **k: fr.GRU(4, **k),
    "varied": lambda **k: fr.LSTM(4, peepholes=True, coupled=True, projection=3, clip=2, **k),
    "before": lambda **k: fr.GRU(4, ["leaky_relu", 0.5], reset_after=False, **k),
    "own": lambda **k: fr.Recurrent(4, LEAKY, **k),
}
OPTIONS: dict[str, dict[str, Any]] = {
    "last": {},
    "sequences": {"return_sequences": True},
    "backwards": {"go_backwards": True},
    "backwards sequences": {"go_backwards": True, "return_sequences": True},
    "dropout": {"dropout": 0.4, "recurrent_dropout": 0.3, "return_sequences": True},
    "dropout backwards": {"dropout": 0.4, "recurrent_dropout": 0.3, "go_backwards": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("cell", KIND_OF_CELL)
def test_recurrence(cell: str, options: str, kind: str) -> None:
    chosen = dict(OPTIONS[options])
    if cell == "own":
        chosen.pop("recurrent_dropout", None)  # its backward is not written for that
    check([KIND_OF_CELL[cell](**chosen), fr.Dense(2)], problem(kind))


@pytest.mark.parametrize("kind", ["ragged", "holes"])
@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("cell", KIND_OF_CELL)
def test_bidirectional(cell: str, merge: str, sequences: bool, kind: str) -> None:
    inner = KIND_OF_CELL[cell](return_sequences=sequences, dropout=0.2)
    check([fr.Bidirectional(inner, merge), fr.Dense(2)], problem(kind))


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_stacked(kind: str, backend: str) -> None:
    layers = [
        fr.Bidirectional(fr.LSTM(3, return_sequences=True)),
        fr.Dropout(0.3),
        fr.GRU(4, return_sequences=True, recurrent_dropout=0.3),
        fr.RNN(3, go_backwards=True),
        fr.Dense(2, activation="tanh"),
    ]
    check(layers, problem(kind), backend=backend, seed=0)


@pytest.mark.parametrize("kind", ["plain", "ragged", "holes"])
@pytest.mark.parametrize(
    "behind", ["rnn", "lstm", "gru", "varied", "before", "bidirectional", "dense", "two"]
)
def test_one_hot(behind: str, kind: str) -> None:
    layers: dict[str, list[Layer]] = {
        "rnn": [fr.RNN(4, activation="relu", recurrent_dropout=0.2)],
        "lstm": [fr.LSTM(4, return_sequences=True)],
        "gru": [fr.GRU(4, go_backwards=True)],
        "varied": [KIND_OF_CELL["varied"](recurrent_dropout=0.2)],
        "before": [KIND_OF_CELL["before"](return_sequences=True)],
        "bidirectional": [fr.Bidirectional(fr.LSTM(3, return_sequences=True), "mul")],
        "dense": [fr.Dense(3, activation="sigmoid")],
        "two": [fr.TimeDistributed(fr.Dense(3)), fr.GRU(2)],
    }
    check([fr.OneHot(7), *layers[behind], fr.Dense(2)], problem(kind, ids=7))


@pytest.mark.parametrize("mask_zero", [False, True])
@pytest.mark.parametrize("kind", ["plain", "ragged", "holes"])
def test_embedding(kind: str, mask_zero: bool) -> None:
    given = problem(kind, ids=7)
    rows = given["x"] if kind == "ragged" else [given["x"]]
    for row in rows:
        row[row == 3] = 0
    check([fr.Embedding(7, 3, mask_zero=mask_zero), fr.LSTM(4), fr.Dense(2)], given)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [0.0, -2.5])
def test_masking(kind: str, value: float) -> None:
    given = problem(kind)
    rows = given["x"]
    for b, row in enumerate(rows):
        row[b % 2 :: 2] = value
    rows[1][4, 0] = value  # one feature alone does not mask a step
    rows[1][4, 1:] = 0.5
    layers = [fr.Masking(value), fr.LSTM(4, return_sequences=True), fr.Dense(2)]
    check(layers, given, still=lambda x: (x == value).all(axis=1))


# ---------------------------------------------------------------------- gradients: the others


@pytest.mark.parametrize("kind", ["plain", "ragged", "holes"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_activation(name: str, kind: str) -> None:
    check([fr.Dense(4, activation=name)], problem(kind))
    check([fr.Dense(4), fr.Activation(name), fr.Dense(2)], problem(kind))


@pytest.mark.parametrize(
    ("loss", "activation"),
    [
        ("sparse_categorical_crossentropy", "softmax"),
        ("categorical_crossentropy", "softmax"),
        ("binary_crossentropy", "sigmoid"),
        ("binary_crossentropy", "softmax"),
        ("huber", "linear"),
        ("mae", "elu"),
    ],
)
@pytest.mark.parametrize("last", ["dense", "activation", "distributed"])
def test_losses_fused_or_not(loss: str, activation: str, last: str) -> None:
    layers: dict[str, list[Layer]] = {
        "dense": [fr.Dense(3, activation=activation)],
        "activation": [fr.Dense(3), fr.Activation(activation)],
        "distributed": [fr.TimeDistributed(fr.Dense(3, activation=activation))],
    }
    model = check([fr.GRU(4, return_sequences=True), *layers[last]], problem("ragged"), loss)
    assert model.fused is (getattr(model.loss, "fuses", None) == activation)


@pytest.mark.parametrize("features", [(3,), (2, 3), (2, 2, 3)])
def test_dense_on_the_last_axis(features: tuple[int, ...]) -> None:
    vectors = {"x": np.random.default_rng(0).standard_normal((5, features[-1]))}
    check([fr.Dense(4, activation="relu"), fr.Dense(2)], vectors)
    check([fr.Dense(4, activation="softplus"), fr.Dense(2)], problem("holes", features))


@pytest.mark.parametrize("n", [None, 1, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_repeat_vector(kind: str, n: int | None) -> None:
    dead = ("gru/W_hh",) if n == 1 else ()  # the first step starts from zero
    layers = [fr.LSTM(3), fr.RepeatVector(n), fr.GRU(4, return_sequences=True)]
    check(layers, problem(kind), dead=dead)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: fr.Dropout(0.4),
        lambda: fr.Dropout(0.4, noise_shape=(None, None, 1)),
        lambda: fr.Dropout(0.4, noise_shape=(None, 1, None)),
        lambda: fr.GaussianNoise(0.3),
        lambda: fr.ActivityRegularization(0.2),
        lambda: fr.TimeDistributed(fr.Dropout(0.4)),
        lambda: fr.TimeDistributed(fr.ActivityRegularization(0.2)),
        lambda: fr.TimeDistributed(fr.Dense(3)),
        lambda: fr.TimeDistributed(fr.Activation("softmax")),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "ragged", "holes"])
def test_rowwise(layer: Callable[[], Layer], kind: str) -> None:
    check([fr.Dense(3), layer(), fr.Dense(2, activation="tanh")], problem(kind))
    check([fr.LSTM(3, return_sequences=True), layer()], problem(kind))


def test_activity_regularization_adds_its_penalty_to_the_loss() -> None:
    x = np.array([[1.0, -2.0], [0.0, 3.0]])
    for layer in (fr.ActivityRegularization(0.5), fr.TimeDistributed(fr.ActivityRegularization(0.5))):
        given = x[:, None] if isinstance(layer, fr.TimeDistributed) else x
        model = fr.Sequential([layer], seed=0, dtype="float64")
        model.compile("sgd", "mse")
        assert model.train_on_batch(given, given) == 0.5 * (1 + 2 + 3) / 2


# ---------------------------------------------------------------------- against PyTorch


@pytest.mark.parametrize("ragged", [False, True])
def test_gradients_of_a_deep_bidirectional_lstm_equal_pytorchs(ragged: bool) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    lengths = np.array([7, 7, 7, 7]) if not ragged else np.array([3, 7, 1, 5])
    x, y = rng.standard_normal((4, 7, 3)), rng.integers(0, 6, 4)
    model = fr.Sequential(
        [
            fr.Bidirectional(fr.LSTM(5, return_sequences=True)),
            fr.Bidirectional(fr.LSTM(5)),
            fr.Dense(6, activation="softmax"),
        ],
        seed=3, dtype="float64",
    )  # fmt: skip
    model.compile("sgd", "sparse_categorical_crossentropy")
    loss = model.evaluate(x, y, lengths=lengths)  # builds it
    net = torch.nn.LSTM(3, 5, 2, batch_first=True, bidirectional=True).double()
    head = torch.nn.Linear(10, 6).double()
    pairs = {"bidirectional": "l0", "bidirectional_1": "l1"}
    theirs = dict(net.named_parameters())
    names = {"dense/W": head.weight, "dense/b": head.bias}
    for layer, level in pairs.items():
        for side, suffix in (("forward", ""), ("backward", "_reverse")):
            for ours, of_torch in (("W_ih", "weight_ih"), ("W_hh", "weight_hh"), ("b", "bias_ih")):
                names[f"{layer}/{side}.{ours}"] = theirs[f"{of_torch}_{level}{suffix}"]
    params = model.named_params()
    assert set(names) == set(params)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()  # the second bias
        for name, parameter in names.items():
            parameter.copy_(torch.tensor(params[name]))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        torch.from_numpy(x), torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    h = net(packed)[1][0]
    value = torch.nn.functional.cross_entropy(head(torch.cat([h[2], h[3]], 1)), torch.from_numpy(y))
    value.backward()
    assert math.isclose(loss, value.item(), rel_tol=1e-12)
    model.train_on_batch(x, y, lengths=lengths)
    grads = model.named_grads()
    for name, parameter in names.items():
        assert_close(grads[name], parameter.grad.numpy(), 1e-10)


# ---------------------------------------------------------------------- meaning


def outputs(layers: list[Layer], x: Any, **options: Any) -> Any:
    return fr.Sequential(layers, seed=9, dtype="float64").predict(x, **options)


@pytest.mark.parametrize("cell", KIND_OF_CELL)
def test_go_backwards_gives_the_steps_in_the_order_they_were_run(cell: str) -> None:
    x = problem("ragged")["x"]
    backwards = outputs([KIND_OF_CELL[cell](go_backwards=True, return_sequences=True)], x)
    flipped = outputs([KIND_OF_CELL[cell](return_sequences=True)], [a[::-1].copy() for a in x])
    assert_close(backwards, flipped, 1e-14)
    last = outputs([KIND_OF_CELL[cell](go_backwards=True)], x)
    for b, n in enumerate(LENGTHS):
        assert_close(last[b], backwards[b][-1] if n else np.zeros(last.shape[1]), 1e-14)


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_bidirectional_is_two_layers(cell: str) -> None:
    x = problem("plain")["x"]
    layer = fr.Bidirectional({"lstm": fr.LSTM, "gru": fr.GRU, "rnn": fr.RNN}[cell](4, return_sequences=True))
    model = fr.Sequential([layer], seed=9, dtype="float64")
    got = model.predict(x, lengths=LENGTHS)
    run = getattr(fr.functional, f"{cell}_forward")
    one, s, _ = run(x, layer.forward_layer.params, lengths=LENGTHS)
    two, r, _ = run(x, layer.backward_layer.params, lengths=LENGTHS, reverse=True)
    assert_close(got, np.concatenate([one, two], axis=2), 1e-14)
    assert not np.array_equal(layer.forward_layer.params["W_ih"], layer.backward_layer.params["W_ih"])
    final = [h[0] if isinstance(h, tuple) else h for h in (s, r)]
    layer = fr.Bidirectional({"lstm": fr.LSTM, "gru": fr.GRU, "rnn": fr.RNN}[cell](4))
    last = fr.Sequential([layer], seed=9, dtype="float64")
    last.predict(x[:1])
    last.set_weights(model.get_weights())
    assert_close(last.predict(x, lengths=LENGTHS), np.concatenate(final, axis=1), 1e-14)


@pytest.mark.parametrize(
    ("merge", "formula"),
    [
        ("concat", lambda a, b: np.concatenate([a, b], axis=-1)),
        ("sum", lambda a, b: a + b),
        ("mul", lambda a, b: a * b),
        ("ave", lambda a, b: (a + b) / 2),
    ],
)
@pytest.mark.parametrize("sequences", [False, True])
def test_merge_modes(merge: str, formula: Any, sequences: bool) -> None:
    x = problem("plain")["x"]
    layer = fr.Bidirectional(fr.GRU(4, return_sequences=sequences), merge)
    model = fr.Sequential([layer], seed=9, dtype="float64")
    got = model.predict(x)
    one, h, _ = fr.functional.gru_forward(x, layer.forward_layer.params)
    two, r, _ = fr.functional.gru_forward(x, layer.backward_layer.params, reverse=True)
    assert_close(got, formula(one, two) if sequences else formula(h, r), 1e-14)


@pytest.mark.parametrize("cell", KIND_OF_CELL)
def test_stateful_over_batches_equals_one_long_call(cell: str) -> None:
    """Whatever the lengths: the state of each sequence follows the caller's order."""
    rng = np.random.default_rng(0)
    cuts = [np.array([2, 5, 0, 3]), np.array([4, 1, 3, 0]), np.array([1, 1, 2, 6])]
    x = [rng.standard_normal((n, 3)) for n in sum(cuts)]
    whole = outputs([KIND_OF_CELL[cell](return_sequences=True)], x)
    model = fr.Sequential([KIND_OF_CELL[cell](stateful=True, return_sequences=True)], seed=9, dtype="float64")
    for _ in range(2):
        parts, at = [], np.zeros(4, int)
        for lengths in cuts:
            parts.append(model.predict([a[s : s + n] for a, s, n in zip(x, at, lengths, strict=True)]))
            at = at + lengths
        assert_close([np.concatenate(p) for p in zip(*parts, strict=True)], whole, 1e-13)
        model.reset_states()  # and then it starts anew


def test_a_stateful_layer_wants_the_same_batch_size() -> None:
    model = fr.Sequential([fr.LSTM(4, stateful=True)], seed=0)
    model.predict(np.zeros((3, 2, 2), "float32"))
    with pytest.raises(fr.ShapeError) as caught:
        model.predict(np.zeros((4, 2, 2), "float32"))
    said = "LSTM(units=4): the batch must be 3 sequences, as in the previous batch, got 4. A stateful"
    assert said in str(caught.value)
    model.reset_states()
    assert model.predict(np.zeros((4, 2, 2), "float32")).shape == (4, 4)


@pytest.mark.parametrize("layers", [
    lambda: [fr.LSTM(4, return_sequences=True)],
    lambda: [fr.Bidirectional(fr.GRU(4, return_sequences=True), "sum"), fr.LSTM(3, return_sequences=True)],
    lambda: [fr.RNN(4, return_sequences=True, go_backwards=True), fr.Dense(2)],
])  # fmt: skip
def test_a_masked_step_is_a_dropped_step(layers: Callable[[], list[Layer]]) -> None:
    x, mask = problem("plain")["x"], holes(5, 6)
    nothing = fr.Dropout(0.0)  # so that the layers behind it have the same numbers, and weights
    dropped = outputs([nothing, *layers()], [x[b][mask[b]] for b in range(5)])
    x[~mask] = np.nan
    y = outputs([fr.Dropout(0.0), *layers()], x, mask=mask)
    assert_close([y[b][mask[b]] for b in range(5)], dropped, 1e-14)
    assert not y[~mask].any()
    x[~mask] = 7.0  # the same through a layer that finds the steps itself
    assert_close(outputs([fr.Masking(7.0), *layers()], x), y, 1e-14)


def test_mask_zero_is_a_mask() -> None:
    ids = np.array([[0, 0, 3, 1], [2, 0, 0, 5], [0, 0, 0, 0]])
    W = np.random.default_rng(0).standard_normal((6, 3))
    layers = [fr.Embedding(6, 3, mask_zero=True), fr.LSTM(4)]
    model = fr.Sequential(layers, seed=9, dtype="float64")
    model.build((None, None))
    with model.writing():
        model.layers[0].params["W"][...] = W
    lstm = model.layers[1].params
    h = fr.functional.lstm_forward(W[ids], lstm, mask=ids != 0)[1][0]
    assert_close(model.predict(ids), h, 1e-14)


def test_states_are_returned_in_the_callers_order() -> None:
    x = problem("ragged")["x"]
    layer = fr.LSTM(4, return_state=True, return_sequences=True)
    model = fr.Sequential([layer], seed=0, dtype="float64")
    y, h, c = model.predict(x, batch_size=2)
    for b in range(5):
        one, (hb, cb), _ = fr.functional.lstm_forward(x[b][None], layer.params)
        assert_close((y[b], h[b], c[b]), (one[0], hb[0], cb[0]), 1e-14)


@pytest.mark.parametrize(
    "layer", [fr.OneHot, lambda V: fr.Embedding(V, V, embeddings_initializer="identity")]
)
def test_ids_are_one_hot_vectors(layer: Any) -> None:
    ids = np.array([[0, 6, 2], [5, 5, 1]])
    for behind in (fr.LSTM(4), fr.Dense(3), fr.Bidirectional(fr.GRU(4))):
        model = fr.Sequential([layer(7), behind], seed=2, dtype="float64")
        got = model.predict(ids)
        dense = fr.Sequential(
            [fr.Input((None, 7)), type(behind).from_config(_config(behind))], dtype="float64"
        )
        dense.set_weights([w for k, w in model.named_params().items() if not k.startswith("embedding")])
        assert_close(got, dense.predict(np.eye(7)[ids]), 1e-14)


def _config(layer: Layer) -> dict[str, Any]:
    config = layer.config()
    if isinstance(layer, fr.Bidirectional):
        config["layer"] = fr.GRU.from_config(layer.forward_layer.config())
    return config


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64", "int64"])
def test_ids_of_any_integer_type(dtype: str) -> None:
    ids = np.array([[0, 6, 2], [5, 5, 1]])
    for layers in ([fr.OneHot(7), fr.LSTM(4)], [fr.OneHot(7), fr.Dense(4)], [fr.Embedding(7, 2), fr.GRU(3)]):
        model = fr.Sequential(layers, seed=2)
        wanted = model.predict(ids)
        assert_close(model.predict(ids.astype(dtype)), wanted, 0)
        mixed = [ids[0].astype(dtype), ids[1].astype("uint64")]
        got = model.predict(mixed)
        assert_close(np.stack(got) if isinstance(got, list) else got, wanted, 0)


def test_repeat_vector_keeps_the_callers_order() -> None:
    x = problem("plain")["x"]
    for n in (1, 3, 6):
        layers = [fr.LSTM(3), fr.RepeatVector(n)]
        vectors = outputs([fr.LSTM(3)], x, lengths=LENGTHS)
        assert_close(outputs(layers, x, lengths=LENGTHS), np.repeat(vectors[:, None], n, axis=1), 1e-14)
    ragged = outputs([fr.LSTM(3), fr.RepeatVector(6)], problem("ragged")["x"])
    assert_close(np.stack(ragged), np.repeat(vectors[:, None], 6, axis=1), 1e-14)
    own = outputs([fr.LSTM(3), fr.RepeatVector()], problem("ragged")["x"])
    assert [len(a) for a in own] == LENGTHS.tolist()


def test_dropout_and_noise_do_nothing_outside_training() -> None:
    x = problem("plain")["x"]
    for layer in (fr.Dropout(0.9), fr.GaussianNoise(5.0), fr.ActivityRegularization(3.0)):
        assert_close(outputs([layer], x), x, 0)
    assert_close(outputs([fr.LSTM(4, dropout=0.9, recurrent_dropout=0.9)], x), outputs([fr.LSTM(4)], x), 0)


def test_forget_bias_and_initializers() -> None:
    def weights(**options: Any) -> dict[str, Any]:
        layer = fr.LSTM(3, **options)
        fr.Sequential([fr.Input((None, 2)), layer], seed=0)
        return layer.params

    assert weights()["b"].tolist() == [0] * 3 + [1] * 3 + [0] * 6
    assert not weights(unit_forget_bias=False)["b"].any()
    filled = weights(kernel_initializer="ones", recurrent_initializer="identity", bias_initializer="zeros")
    assert filled["W_ih"].tolist() == np.ones((12, 2)).tolist()
    assert filled["W_hh"].tolist() == np.tile(np.eye(3), (4, 1)).tolist()
    for block in np.split(weights()["W_hh"], 4):
        assert_close(block @ block.T, np.eye(3), 1e-6)


def test_both_directions_use_the_initializers() -> None:
    """A function has no description to copy; the second layer has it all the same."""
    layer = fr.Bidirectional(
        fr.LSTM(2, kernel_initializer=lambda rng, shape, dtype: np.full(shape, 3, dtype))
    )
    fr.Sequential([fr.Input((None, 2)), layer], seed=0)
    assert (layer.forward_layer.params["W_ih"] == 3).all()
    assert (layer.backward_layer.params["W_ih"] == 3).all()


def test_simple_rnn_is_rnn() -> None:
    assert fr.SimpleRNN is fr.RNN


# ---------------------------------------------------------------------- messages


def feed(layers: list[Layer], x: Any) -> Any:
    return fr.Sequential(layers, seed=0).predict(x)


X = np.zeros((2, 5, 3), "float32")
IDS = np.zeros((2, 5), int)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fr.LSTM(0), ValueError, "LSTM: units must be a whole number of at least 1, got 0."),
        (lambda: fr.GRU(2.0), ValueError, "GRU: units must be a whole number of at least 1, got 2.0."),
        (lambda: fr.RNN(True), ValueError, "RNN: units must be a whole number of at least 1, got True."),
        (lambda: fr.RNN(3, activation="tahn"), ValueError,
         "relu6, hard_tanh, got 'tahn'. Did you mean 'tanh'?"),
        (lambda: fr.Recurrent(3, "lsmt"), ValueError,
         "lstm_peephole_coupled, gru_before, got 'lsmt'. Did you mean 'lstm'?"),
        (lambda: fr.Recurrent(3, 5), TypeError,
         "Recurrent: cell must be the name of a cell or a fastrnn.Cell, got 5."),
        (lambda: fr.Recurrent(3, replace(LEAKY, name="gru")), ValueError,
         "Recurrent: cell.name must be other than those of the built-in cells, got 'gru'."),
        (lambda: fr.Recurrent(3, replace(LEAKY, name="lstm_projected")), ValueError,
         "Recurrent: cell.name must be other than those of the built-in cells, got 'lstm_projected'."),
        (lambda: fr.LSTM(3, ["leaky_relu", 1, 2]), ValueError,
         "LSTM: activation must be 'leaky_relu' with at most 1 finite numbers, got ['leaky_relu', 1, 2]."),
        (lambda: fr.LSTM(3, recurrent_activation=["tanh", 1]), ValueError,
         "LSTM: recurrent_activation must be 'tanh' without numbers, got ['tanh', 1]."),
        (lambda: fr.LSTM(3, output_activation=["affine", math.inf]), ValueError,
         "LSTM: output_activation must be 'affine' with at most 2 finite numbers, got ['affine', inf]."),
        (lambda: fr.GRU(3, ["affine", True]), ValueError, "GRU: activation must be 'affine' with at most 2"),
        (lambda: fr.GRU(3, recurrent_activation="softmax"), ValueError,
         "GRU: recurrent_activation must be one of linear, relu, tanh, sigmoid, affine, leaky_relu, "),
        (lambda: fr.GRU(3, []), ValueError, "GRU: activation must be one of linear, relu"),
        (lambda: fr.GRU(3, reset_after=1), ValueError, "GRU: reset_after must be True or False, got 1."),
        (lambda: fr.RNN(3, clip=0), ValueError,
         "RNN: clip must be None or a finite number above 0, got 0."),
        (lambda: fr.GRU(3, clip=math.inf), ValueError, "GRU: clip must be None or a finite number above 0"),
        (lambda: fr.LSTM(3, clip=True), ValueError, "LSTM: clip must be None or a finite number above 0"),
        (lambda: fr.LSTM(3, peepholes="yes"), ValueError, "LSTM: peepholes must be True or False, got"),
        (lambda: fr.LSTM(3, coupled=None), ValueError, "LSTM: coupled must be True or False, got None."),
        (lambda: fr.LSTM(3, projection=0), ValueError,
         "LSTM: projection must be a whole number of at least 1, got 0."),
        (lambda: fr.LSTM(3, dropout=1.0), ValueError, "LSTM: dropout must be a number in [0, 1), got 1.0."),
        (lambda: fr.LSTM(3, recurrent_dropout=-0.1), ValueError,
         "LSTM: recurrent_dropout must be a number in [0, 1), got -0.1."),
        (lambda: fr.LSTM(3, kernel_initializer="golrot_uniform"), ValueError,
         "Did you mean 'glorot_uniform'?"),
        (lambda: fr.Dropout("half"), ValueError, "Dropout: rate must be a number in [0, 1), got 'half'."),
        (lambda: fr.Dropout(math.nan), ValueError, "Dropout: rate must be a number in [0, 1), got nan."),
        (lambda: fr.GaussianNoise(-1), ValueError,
         "GaussianNoise: stddev must be a number of at least 0, got -1."),
        (lambda: fr.ActivityRegularization("a"), ValueError,
         "ActivityRegularization: l1 must be a number of at least 0, got 'a'."),
        (lambda: fr.Dense(-2), ValueError, "Dense: units must be a whole number of at least 1, got -2."),
        (lambda: fr.Dense(3, activation="sigmoyd"), ValueError,
         "relu6, hard_tanh, softmax, got 'sigmoyd'. Did you mean 'sigmoid'?"),
        (lambda: fr.Activation("soft"), ValueError, "Activation(): activation must be one of linear, relu"),
        (lambda: fr.Embedding(0, 3), ValueError,
         "Embedding: input_dim must be a whole number of at least 1, got 0."),
        (lambda: fr.Embedding(3, "4"), ValueError,
         "Embedding: output_dim must be a whole number of at least 1, got '4'."),
        (lambda: fr.OneHot(-1), ValueError, "OneHot: depth must be a whole number of at least 1, got -1."),
        (lambda: fr.RepeatVector(0), ValueError,
         "RepeatVector: n must be a whole number of at least 1, got 0."),
        (lambda: fr.Masking("a"), TypeError, "Masking: mask_value must be a number, got 'a'."),
        (lambda: fr.Masking(math.nan), ValueError,
         "NaN equals nothing; replace it in x and mask that value."),
        (lambda: fr.Bidirectional(fr.Dense(3)), TypeError,
         "Bidirectional: layer must be a recurrent layer, for example LSTM(64), got Dense("),
        (lambda: fr.Bidirectional(fr.LSTM(3), "avg"), ValueError,
         "Bidirectional: merge_mode must be one of concat, sum, mul, ave, got 'avg'. Did you mean 'ave'?"),
        (lambda: fr.Bidirectional(fr.LSTM(3, go_backwards=True)), ValueError,
         "Bidirectional: go_backwards must be False in the layer inside, got True."),
        (lambda: fr.Bidirectional(fr.LSTM(3, stateful=True)), ValueError, "Bidirectional: stateful must be"),
        (lambda: fr.TimeDistributed(fr.LSTM(3)), TypeError,
         "TimeDistributed: layer must be a layer that works on single rows, such as Dense, got LSTM("),
        (lambda: fr.TimeDistributed("dense"), TypeError, "TimeDistributed: layer must be a layer that works"),
        (lambda: fr.Input(8), ValueError, "Input: shape must be a tuple such as (None, 8), got 8."),
        (lambda: fr.Input(()), ValueError, "Input: shape must be a tuple such as (None, 8), got ()."),
        (lambda: fr.Input((8,), dtype="double"), ValueError,
         "Input: dtype must be \"float\" or \"int\", got 'double'."),
        (lambda: fr.Input((5, 3), dtype="int"), ValueError,
         "Input: shape must be (T,) or (None,) with dtype=\"int\", got (5, 3)."),
        (lambda: fr.Input((None, None)), ValueError,
         "Input: a size of shape must be a whole number of at least 1, got None."),
        (lambda: fr.Input((-1, 3)), ValueError, "Input: T must be a whole number of at least 0, got -1."),
        (lambda: feed([fr.LSTM(4)], X[:, 0]), fr.ShapeError,
         "LSTM(units=4): input must be [B, T, I], got [B, 3]. A recurrence reads one vector a step: give x"),
        (lambda: feed([fr.Bidirectional(fr.GRU(4))], X[:, 0]), fr.ShapeError,
         "GRU(units=4): input must be [B, T, I], got [B, 3]."),
        (lambda: feed([fr.LSTM(4)], X[..., None]), fr.ShapeError,
         "input must be [B, T, I], got [B, T, 3, 1]"),
        (lambda: feed([fr.Input((None,), "int"), fr.LSTM(4)], IDS), fr.ShapeError,
         "LSTM(units=4): input must be real numbers, got [B, T] ids. Put Embedding(V, units) or OneHot(V)"),
        (lambda: feed([fr.Input((None, 3)), fr.Embedding(5, 2)], X), fr.ShapeError,
         "Embedding(5, 2): input must be integer ids [B, T], got [B, T, 3]. Give integers [B, T] in [0, 5)."),
        (lambda: feed([fr.LSTM(3), fr.OneHot(5)], X), fr.ShapeError, "OneHot(5): input must be integer ids"),
        (lambda: feed([fr.OneHot(5), fr.Dropout(0.5)], IDS), fr.ShapeError,
         "Dropout(): input must be materialised rows, got [B, T, 5] one-hot. One-hot rows are never"),
        (lambda: feed([fr.OneHot(5), fr.LSTM(4, dropout=0.5)], IDS), ValueError,
         "LSTM(units=4): dropout must be 0 on one-hot input, got 0.5. Use recurrent_dropout, or Embedding"),
        (lambda: feed([fr.OneHot(5)], IDS), fr.ShapeError,
         "predict: the model's output is one-hot rows, which are never materialised."),
        (lambda: feed([fr.Embedding(5, 2)], IDS + 5), ValueError,
         "Embedding(5, 2): x must be ids in [0, 5), got ids from 5 to 5."),
        (lambda: feed([fr.OneHot(5), fr.LSTM(2)], IDS - 1), ValueError,
         "OneHot(5): x must be ids in [0, 5), got ids from -1 to -1."),
        (lambda: feed([fr.Masking(), fr.Dense(2)], X[:, 0]), fr.ShapeError,
         "Masking(): input must be sequences [B, T, F], got [B, 3]."),
        (lambda: feed([fr.RepeatVector(3)], X), fr.ShapeError,
         "RepeatVector(): input must be vectors [B, F], got [B, T, 3]. Set return_sequences=False in the"),
        (lambda: feed([fr.TimeDistributed(fr.Dense(2))], X[:, 0]), fr.ShapeError,
         "TimeDistributed(): input must be sequences [B, T, F], got [B, 3]."),
    ],
)  # fmt: skip
def test_messages(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value)
    assert type(caught.value) is error
