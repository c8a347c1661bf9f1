"""Cells that other frameworks have as well: the same numbers there, and the same cell by every door here."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import TRIED, assert_close, assert_same_bits, call, call_back, random_params

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.cells import CELLS, lstm_cell
from fastrnn.cells.activations import FORMULAS
from fastrnn.interop.gates import reorder
from fastrnn.packed import Layout, Packed

I, H, P = 3, 5, 4


def model_of(layer: Any, inputs: int = I, dtype: str = "float64") -> Any:
    """A built model of one layer with random weights."""
    model = fr.Sequential([layer], seed=0, dtype=dtype)
    model.build((None, None, inputs))
    rng = np.random.default_rng(1)
    with model.writing() as params:
        for array in params.values():
            array[...] = 0.6 * rng.standard_normal(array.shape)
    return model


# ---------------------------------------------------------------------- names and the table of kernels


def test_usual_arguments_are_the_plain_cells() -> None:
    """The very objects: the kernels that are looked up by name are found."""
    assert fr.LSTM(4).cell is CELLS["lstm"] is fr.LSTM(4, "tanh", "sigmoid", output_activation="tanh").cell
    assert fr.GRU(4).cell is CELLS["gru"] is fr.GRU(4, ["tanh"], reset_after=True).cell
    assert fr.RNN(4).cell is CELLS["rnn_tanh"] and fr.RNN(4, "relu").cell is CELLS["rnn_relu"]
    assert fr.LSTM(4, peepholes=True, coupled=True).cell is CELLS["lstm_peephole_coupled"]
    assert fr.GRU(4, reset_after=False).cell is CELLS["gru_before"]


@pytest.mark.parametrize(
    ("layer", "name"),
    [
        (lambda: fr.LSTM(4, projection=2), "lstm_projected"),
        (lambda: fr.LSTM(4, peepholes=True, coupled=True, projection=2), "lstm_peephole_coupled_projected"),
        (lambda: fr.LSTM(4, clip=3), "lstm[clip=3.0]"),
        (lambda: fr.LSTM(4, "relu"), "lstm[sigmoid,relu,relu]"),
        (lambda: fr.LSTM(4, output_activation="relu"), "lstm[sigmoid,tanh,relu]"),
        (lambda: fr.LSTM(4, peepholes=True, recurrent_activation="relu", clip=3),
         "lstm_peephole[relu,tanh,tanh;clip=3.0]"),
        (lambda: fr.GRU(4, ["elu", 0.1 + 0.2], reset_after=False),
         "gru_before[sigmoid,elu(0.30000000000000004)]"),
        (lambda: fr.RNN(4, "gelu"), "rnn[gelu]"),
        (lambda: fr.RNN(4, clip=2), "rnn[tanh;clip=2.0]"),
    ],
)  # fmt: skip
def test_what_is_not_usual_is_in_the_name(layer: Any, name: str) -> None:
    cell = layer().cell
    assert cell.name == name
    if "[" in name:
        assert name not in get_backend("cpu").kernels
    assert layer().cell is cell  # one object, however often it is asked for


def test_no_two_cells_have_one_name() -> None:
    """What decides the numbers is in the name, but for the size of a projection, which is in `output`."""
    seen: dict[Any, Any] = {}
    for f in (["elu", 0.3], ["elu", np.nextafter(0.3, 1)], ["affine", 0.3], ["affine", 0.3, 0.1], "elu"):
        for options in ({}, {"clip": 0.3}, {"clip": np.nextafter(0.3, 1)}, {"projection": 2},
                        {"projection": 3}, {"peepholes": True}, {"coupled": True}):  # fmt: skip
            for argument in ("activation", "recurrent_activation", "output_activation"):
                cell = fr.LSTM(4, **{argument: f}, **options).cell
                if argument == "activation":  # which is the output's as well
                    assert fr.LSTM(4, f, output_activation=f, **options).cell is cell
                seen.setdefault((cell.name, cell.output), []).append((str(f), argument, str(options)))
    assert all(len(of) == 1 for of in seen.values())


# ---------------------------------------------------------------------- features that do nothing


@pytest.mark.parametrize("training", [False, True])
def test_features_without_effect_are_the_plain_lstm(training: bool) -> None:
    """Zero peepholes, a far clip and the identity as projection: the bits of the plain cell."""
    layout = Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6)
    rng, plain = np.random.default_rng(0), CELLS["lstm"]
    x = Packed(rng.standard_normal((layout.N, I)), layout)
    params = random_params(plain, I, H, rng)
    s0 = (rng.standard_normal((5, H)), rng.standard_normal((5, H)))
    wanted = plain.forward(np, params, x, s0, training)[:2]
    for cell, more in (
        (lstm_cell(peepholes=True), {"p": np.zeros(3 * H)}),
        (lstm_cell(clip=1e9), {}),
        (lstm_cell(projection=H), {"W_hr": np.eye(H)}),
    ):
        assert_close(cell.forward(np, {**params, **more}, x, s0, training)[:2], wanted, 1e-15)


# ---------------------------------------------------------------------- against PyTorch


@pytest.mark.parametrize("ragged", [False, True])
def test_projection_equals_pytorchs(ragged: bool) -> None:
    """Values, states and all gradients of torch.nn.LSTM(proj_size=P) in float64."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
    rng = np.random.default_rng(3)
    B, T = 4, 7
    lengths = rng.integers(1, T + 1, B) if ragged else np.full(B, T)
    cell = lstm_cell(projection=P)
    params = random_params(cell, I, H, rng)
    x, h0, c0 = (rng.standard_normal(s) for s in ((B, T, I), (B, P), (B, H)))
    dy, dh, dc = (rng.standard_normal(s) for s in ((B, T, P), (B, P), (B, H)))
    dy[np.arange(T) >= lengths[:, None]] = 0

    net = torch.nn.LSTM(I, H, batch_first=True, proj_size=P).double()
    names = {"W_ih": "weight_ih_l0", "W_hh": "weight_hh_l0", "b": "bias_ih_l0", "W_hr": "weight_hr_l0"}
    theirs = dict(net.named_parameters())
    with torch.no_grad():
        theirs["bias_hh_l0"].zero_()
        for ours, name in names.items():
            theirs[name].copy_(torch.tensor(params[ours]))
    tx, th, tc = (torch.tensor(a, requires_grad=True) for a in (x, h0, c0))
    packed = torch.nn.utils.rnn.pack_padded_sequence(
        tx, torch.from_numpy(lengths), batch_first=True, enforce_sorted=False
    )
    out, (hT, cT) = net(packed, (th[None], tc[None]))
    ty = torch.nn.utils.rnn.pad_packed_sequence(out, batch_first=True, total_length=T)[0]
    loss = (ty * torch.tensor(dy)).sum() + (hT[0] * torch.tensor(dh)).sum() + (cT[0] * torch.tensor(dc)).sum()
    loss.backward()

    y, sT, cache = call(cell, x, params, (h0, c0), lengths=lengths, training=True)
    dx, ds0, grads = call_back(cell, dy, cache, (dh, dc))
    assert_close((y, sT), (ty.detach().numpy(), [hT[0].detach().numpy(), cT[0].detach().numpy()]), 1e-12)
    assert_close((dx, ds0), (tx.grad.numpy(), [th.grad.numpy(), tc.grad.numpy()]), 1e-12)
    assert_close(grads, {k: theirs[name].grad.numpy() for k, name in names.items()}, 1e-12)


# ---------------------------------------------------------------------- against Keras


@pytest.mark.parametrize("reset_after", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "relu", "silu"])
def test_gru_equals_keras(activation: str, reset_after: bool) -> None:
    """Both reset forms of keras.layers.GRU; its gates are z r h, its weights [I, 3H]."""
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras = pytest.importorskip("keras")
        layer = keras.layers.GRU(
            H, activation=activation, reset_after=reset_after, return_sequences=True, dtype="float32"
        )
        x = np.random.default_rng(0).standard_normal((2, 6, I)).astype("float32")
        layer.build(x.shape)
        rng = np.random.default_rng(1)
        weights = [0.6 * rng.standard_normal(w.shape).astype("float32") for w in layer.get_weights()]
        layer.set_weights(weights)
        wanted = np.asarray(layer(x))
    model = model_of(fr.GRU(H, activation, reset_after=reset_after, return_sequences=True), dtype="float32")
    kernel, recurrent, bias = weights
    biases = zip(("b_ih", "b_hh"), bias, strict=True) if reset_after else [("b", bias)]
    with model.writing() as params:
        for name, array in (("W_ih", kernel.T), ("W_hh", recurrent.T), *biases):
            params[f"gru/{name}"][...] = reorder(array, "gru", "keras", "fastrnn")
    assert_close(model.predict(x), wanted, 2e-6)


# ---------------------------------------------------------------------- against ONNX Runtime

ONNX = {
    "linear": None, "relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid", "affine": "Affine",
    "leaky_relu": "LeakyRelu", "thresholded_relu": "ThresholdedRelu", "scaled_tanh": "ScaledTanh",
    "hard_sigmoid": "HardSigmoid", "elu": "Elu", "softsign": "Softsign", "softplus": "Softplus",
}  # fmt: skip


def run_onnx(op: str, arrays: dict[str, Any], functions: list[Any], **attributes: Any) -> Any:
    """Y [T, B, ...] and the last state(s) of one node, ONNX Runtime; arrays by the operator's input names."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
        inputs = ["X", "W", "R", "B", "", "initial_h", *(["initial_c", "P"] if op == "LSTM" else [])]
        outputs = ["Y", "Y_h", *(["Y_c"] if op == "LSTM" else [])]
        node = onnx.helper.make_node(
            op, [name if name in arrays else "" for name in inputs], outputs, hidden_size=H,
            activations=[ONNX[f[0]] for f in functions],
            # A list holds the numbers of those activations that have them, one after the other.
            activation_alpha=[f[1] for f in functions if len(f) > 1] or None,
            activation_beta=[f[2] for f in functions if len(f) > 2] or None,
            **attributes,
        )  # fmt: skip
        kind = onnx.TensorProto.FLOAT
        made = onnx.helper.make_tensor_value_info
        graph = onnx.helper.make_graph(
            [node], "g", [made(k, kind, v.shape) for k, v in arrays.items()],
            [made(k, kind, [f"{k}{n}" for n in range(4 if k == "Y" else 3)]) for k in outputs],
        )  # fmt: skip
        model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=9)
        onnx.checker.check_model(model)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = runtime.InferenceSession(model.SerializeToString(), options)
        y, *states = session.run(None, arrays)
    return y[:, 0], [s[0] for s in states]


def drawn(rng: Any, names: Any) -> list[Any]:
    """An activation [name, alpha, beta] with numbers of its own."""
    name = str(rng.choice(names))
    return [name, *(float(np.float32(n)) for n in rng.uniform(0.1, 0.9, len(FORMULAS[name].numbers)))]


@pytest.mark.parametrize("seed", range(40))
def test_everything_together_equals_onnx_runtime(seed: int) -> None:
    """Peepholes, coupled gates, clip and activations of all kinds, drawn at random."""
    rng = np.random.default_rng(seed)
    B, T = 2, 6
    op = ("LSTM", "LSTM", "GRU", "RNN")[seed % 4]
    clip = float(np.float32(rng.uniform(0.5, 2))) if rng.random() < 0.5 else None
    bounded = ["tanh", "sigmoid", "softsign", "scaled_tanh", "hard_sigmoid"]
    free = [name for name in ONNX if ONNX[name]]
    count = {"LSTM": 3, "GRU": 2, "RNN": 1}[op]
    # The gates bounded, as they multiply the state; the rest anything.
    functions = [drawn(rng, bounded if k == 0 and count > 1 else free) for k in range(count)]
    draw = lambda *shape: (0.5 * rng.standard_normal(shape)).astype("float32")  # noqa: E731
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
    arrays = {
        "X": 2 * draw(T, B, I), "W": draw(1, gates * H, I), "R": draw(1, gates * H, H),
        "B": draw(1, 2 * gates * H), "initial_h": draw(1, B, H),
    }  # fmt: skip
    more: dict[str, Any] = {"clip": clip}
    given: dict[str, Any] = {"clip": clip}
    if op == "LSTM":
        arrays["initial_c"] = 3 * draw(1, B, H)
        given["peepholes"], given["coupled"] = bool(rng.integers(2)), bool(rng.integers(2))
        more["input_forget"] = int(given["coupled"])
        if given["peepholes"]:
            arrays["P"] = draw(1, 3 * H)
        layer = fr.LSTM(
            H, functions[1], functions[0], output_activation=functions[2], return_sequences=True,
            return_state=True, **given,
        )  # fmt: skip
    elif op == "GRU":
        given["reset_after"] = bool(rng.integers(2))
        more["linear_before_reset"] = int(given["reset_after"])
        layer = fr.GRU(H, functions[1], functions[0], return_sequences=True, return_state=True, **given)
    else:
        layer = fr.RNN(H, functions[0], return_sequences=True, return_state=True, **given)
    y, states = run_onnx(op, arrays, functions, **more)

    kind = op.lower()
    weights = {
        k: reorder(arrays[name][0], kind, "onnx", "fastrnn") for k, name in (("W_ih", "W"), ("W_hh", "R"))
    }
    halves = [reorder(b, kind, "onnx", "fastrnn") for b in np.split(arrays["B"][0], 2)]
    if given.get("reset_after"):
        weights |= {"b_ih": halves[0], "b_hh": halves[1]}
    else:
        weights["b"] = halves[0] + halves[1]
    if "P" in arrays:
        weights["p"] = reorder(arrays["P"][0], "peephole", "onnx", "fastrnn")
    if given.get("coupled"):
        weights = {
            k: np.delete(v.reshape(-1, H, *v.shape[1:]), 1, axis=0).reshape(-1, *v.shape[1:])
            for k, v in weights.items()
        }
    model = model_of(layer, dtype="float32")
    with model.writing() as params:
        assert {k.split("/")[1] for k in params} == set(weights)
        for name, array in weights.items():
            params[f"{kind}/{name}"][...] = array
    start = (arrays["initial_h"][0], *([arrays["initial_c"][0]] if op == "LSTM" else []))
    found = model.predict(
        np.swapaxes(arrays["X"], 0, 1).copy(), initial_state=start if len(start) > 1 else start[0]
    )
    scale = max(1.0, float(np.abs(y).max()))
    assert_close([a / scale for a in found], [a / scale for a in (np.swapaxes(y, 0, 1), *states)], 1e-5)


# ---------------------------------------------------------------------- by every door

LAYERS: dict[str, Any] = {
    "peephole": lambda **k: fr.LSTM(4, peepholes=True, **k),
    "coupled": lambda **k: fr.LSTM(4, coupled=True, unit_forget_bias=False, **k),
    "everything": lambda **k: fr.LSTM(
        4, ["elu", 0.5], "hard_sigmoid", output_activation=["scaled_tanh", 2, 0.5], peepholes=True,
        coupled=True, clip=2.5, projection=3, **k,
    ),
    "before": lambda **k: fr.GRU(4, "softsign", reset_after=False, clip=2, **k),
    "after": lambda **k: fr.GRU(4, "gelu", ["hard_sigmoid", 1 / 6], **k),
    "rnn": lambda **k: fr.RNN(4, ["leaky_relu", 0.3], clip=1, **k),
    "named": lambda **k: fr.Recurrent(4, "lstm_peephole_coupled", **k),
}  # fmt: skip


@pytest.mark.parametrize("backend", ["cpu", "reference"])
@pytest.mark.parametrize("kind", LAYERS)
def test_training_saving_and_streaming(kind: str, backend: str, tmp_path: Path) -> None:
    """fit, save, load, weights, stream and Bidirectional, in and out of order."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((6, 5, I)).astype("float32")
    y = rng.standard_normal((6, 2)).astype("float32")
    layers = [
        fr.Bidirectional(LAYERS[kind](return_sequences=True, recurrent_dropout=0.2)),
        LAYERS[kind](dropout=0.1, go_backwards=True, return_sequences=True),
        LAYERS[kind](learn_state=True),
        fr.Dense(2),
    ]
    model = fr.Sequential(layers, seed=0, backend=backend)
    model.compile("adam", "mse")
    before = model.evaluate(x, y)
    model.fit(x, y, epochs=15, batch_size=6, verbose=0)
    assert model.evaluate(x, y) < before
    model.save(tmp_path / "m")
    again = fr.load(tmp_path / "m", backend=backend)
    assert_same_bits(again.predict(x), model.predict(x))
    assert [a.config() for a in again.layers] == [a.config() for a in model.layers]
    again.set_weights(model.get_weights())

    straight = fr.Sequential([LAYERS[kind](return_sequences=True) for _ in range(2)], seed=3)
    whole = straight.predict(x)
    stream = straight.stream(batch_size=6)
    assert_same_bits(np.stack([stream.step(x[:, t]) for t in range(5)], axis=1), whole)


@pytest.mark.parametrize("kind", LAYERS)
def test_flops_and_parameters(kind: str) -> None:
    """Every weight but biases is multiplied once a step."""
    layer = LAYERS[kind]()
    fr.Sequential([layer], seed=0).build((None, None, I))
    weights = sum(v.size for k, v in layer.params.items() if not k.startswith("b"))
    assert layer.flops() == 2 * weights + 2 * len(layer.cell.gates) * 4


def test_summary_and_drawing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """They say what is not usual, and count it."""
    layers = [
        fr.LSTM(4, "tanh", peepholes=True, projection=3, return_sequences=True),
        fr.GRU(5, ["elu", 0.5], reset_after=False, return_sequences=True),
        fr.RNN(6, "linear"),
    ]
    model = fr.Sequential(layers, seed=0)
    model.build((None, None, I))
    model.summary()
    shown = capsys.readouterr().out
    assert f"{16 * I + 16 * 3 + 16 + 12 + 12:,}" in shown and "[B, T, 3]" in shown
    model.draw(tmp_path / "m.svg")
    drawn = (tmp_path / "m.svg").read_text()
    for said in (
        "LSTM(4, peepholes=True, projection=3)", "GRU(5, ['elu', 0.5], reset_after=False)",
        "RNN(6, linear)",
    ):  # fmt: skip
        assert said in drawn.replace("&#x27;", "'")


def test_initial_values() -> None:
    """Peepholes start at 0, the projection is orthogonal, a coupled LSTM has no forget gate to open."""
    layer = fr.LSTM(6, peepholes=True, projection=4)
    fr.Sequential([layer], seed=0, dtype="float64").build((None, None, I))
    assert {k: v.shape for k, v in layer.params.items()} == {
        "W_ih": (24, I), "W_hh": (24, 4), "b": (24,), "p": (18,), "W_hr": (4, 6)
    }  # fmt: skip
    assert not layer.params["p"].any() and np.flatnonzero(layer.params["b"]).tolist() == [6, 7, 8, 9, 10, 11]
    assert_close(layer.params["W_hr"] @ layer.params["W_hr"].T, np.eye(4), 1e-14)
    for block in np.split(layer.params["W_hh"], 4):
        assert_close(block.T @ block, np.eye(4), 1e-14)
    layer = fr.LSTM(6, peepholes=True, coupled=True, recurrent_initializer="ones", projection=2)
    fr.Sequential([layer], seed=0).build((None, None, I))
    assert layer.params["p"].shape == (12,) and not layer.params["b"].any()
    assert layer.params["W_hh"].shape == (18, 2) and (layer.params["W_hh"] == 1).all()
    assert not (layer.params["W_hr"] == 1).all()


@pytest.mark.parametrize("kind", [k for k in TRIED if k.startswith("lstm")])
def test_the_gradient_of_the_memory_is_the_total_derivative(kind: str) -> None:
    """What `diagnose` calls dL/dc_t: differences of the loss, with c_t moved and seen by the output."""
    cell = TRIED[kind].cell
    rng, layout = np.random.default_rng(0), Layout.plain(2, 1)
    params = random_params(cell, I, 4, rng)
    x = Packed(rng.standard_normal((2, I)), layout)
    s0 = tuple(rng.standard_normal((2, n)) for n in cell.widths(4))
    _, (h, c), cache = cell.forward(np, params, x, s0, True)
    dsT = rng.standard_normal(h.shape), rng.standard_normal(c.shape)
    got = cell.total(np, params, cache, dsT)
    assert_same_bits(got[0], dsT[0])
    # h as a function of c alone: o's input without its peephole, and then everything that follows c.
    form = cell.forward.args[0]
    o = form.blocks(cache[4])["o"].copy() if form.reads_input else None
    if o is None:  # gates were opened in place: undo the sigmoid
        opened = form.blocks(cache[3])["o"]
        o = np.log(opened / (1 - opened))
    if "p" in params:
        o = o - np.split(params["p"], len(cell.gates) - 1)[-1] * c

    def loss(moved: np.ndarray) -> float:
        pre = {"o": o.copy()}
        gates = {letter: None for letter in cell.gates if letter != "o"} | pre
        form.peepholes.look(params, gates, "o", moved)
        opened = form.f.value(np, gates["o"])
        shown = form.projection.shown(params, opened * form.h.value(np, moved))
        return float(np.vdot(shown, dsT[0]) + np.vdot(moved, dsT[1]))

    for index in np.ndindex(*c.shape):
        step = np.zeros_like(c)
        step[index] = 1e-5
        assert abs((loss(c + step) - loss(c - step)) / 2e-5 - got[1][index]) < 1e-8


@pytest.mark.parametrize("kind", LAYERS)
def test_diagnosis(kind: str) -> None:
    x, y = fr.samples.adding_problem(6, 20)
    model = fr.Sequential([LAYERS[kind](), fr.Dense(1)], seed=0)
    report = fr.diagnose(model, x, y, loss="mse")
    assert np.isfinite(report.gradient_norm).all() and str(report)
    assert (report.cell_gradient_norm is not None) == ("c" in model.layers[0].cell.states)
    assert set(report.gates) == set(model.layers[0].cell.gates)
    known = {"peephole": "ifgo", "coupled": "igo", "named": "igo", "after": "rz"}.get(kind, "")
    assert set(report.gate_saturation) == set(known)
    assert (report.saturation is None) == (not known)


def test_the_advice_for_coupled_gates() -> None:
    x, y = fr.samples.adding_problem(8, 100)
    report = fr.diagnose(fr.Sequential([fr.LSTM(8, coupled=True), fr.Dense(1)], seed=0), x, y, loss="mse")
    said = " ".join(report.advice)
    assert report.verdict == "vanishing" and "Its input gate keeps at most" in said and "shuts it" in said
    chrono = fr.initializers.Chrono(110)
    layer = fr.LSTM(8, coupled=True, bias_initializer=chrono)
    report = fr.diagnose(fr.Sequential([layer, fr.Dense(1)], seed=0), x, y, loss="mse")
    assert report.verdict == "healthy"
