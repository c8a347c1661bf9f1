"""`to_onnx`: what is written, against ONNX's checker, ONNX Runtime, its reference, and `from_onnx`."""

from __future__ import annotations

import copy
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.interop import from_onnx, to_onnx
from fastrnn.interop.protobuf import decode

FUNCTIONS = [
    "linear", "relu", "tanh", "sigmoid", ["affine", 0.4, 0.1], ["leaky_relu", 0.2], ["thresholded_relu", 0.3],
    ["scaled_tanh", 0.8, 0.7], ["hard_sigmoid", 0.25, 0.4], ["elu", 0.6], "softsign", "softplus",
]  # fmt: skip
ALONE = [*FUNCTIONS, "softmax", "selu", "silu", "hard_silu", "gelu", "relu6", "hard_tanh"]
F, V = 3, 7


def export(model: fr.Sequential, tmp_path: Path, **options: Any) -> bytes:
    to_onnx(model, tmp_path / "model.onnx", **options)
    return (tmp_path / "model.onnx").read_bytes()


def settled(model: fr.Sequential, seed: int = 0) -> fr.Sequential:
    """The model with random numbers everywhere: zero biases and states would hide what is swapped."""
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.4, w.shape).astype(w.dtype) for w in model.get_weights()])
    return model


def made(*layers: fr.Layer, shape: Any = (None, None, F), dtype: str = "float32") -> fr.Sequential:
    model = fr.Sequential(layers, seed=0, dtype=dtype)
    model.build(shape)
    return settled(model)


# -- without onnx ----------------------------------------------------------------------------------------


def test_the_file(tmp_path: Path) -> None:
    model = made(fr.LSTM(2, return_state=True))
    found = decode("Model", export(model, tmp_path, lengths=True))
    assert found["ir_version"] == 8
    assert (found["producer_name"], found["producer_version"]) == ("fastrnn", fr.__version__)
    assert found["opset_import"] == [{"domain": "", "version": 15}]
    graph = found["graph"]
    ends = {}
    for value in graph["input"] + graph["output"]:
        tensor = value["type"]["tensor_type"]
        axes = [d.get("dim_param", d.get("dim_value")) for d in tensor["shape"]["dim"]]
        ends[value["name"]] = (tensor["elem_type"], axes)
    assert ends == {
        "x": (1, ["batch", "time", F]), "lengths": (6, ["batch"]), "y": (1, ["batch", 2]),
        "h": (1, ["batch", 2]), "c": (1, ["batch", 2]),
    }  # fmt: skip
    (node,) = (node for node in graph["node"] if node["op_type"] == "LSTM")
    arrays = {t["name"]: np.frombuffer(t["raw_data"], "f4").reshape(t["dims"]) for t in graph["initializer"]
              if t["data_type"] == 1}  # fmt: skip
    i, f, g, o = np.split(model.named_params()["lstm/W_ih"], 4)
    np.testing.assert_array_equal(arrays[node["input"][1]], np.concatenate([i, o, f, g])[None])
    i, f, g, o = np.split(model.named_params()["lstm/b"], 4)
    np.testing.assert_array_equal(arrays[node["input"][3]], [[*i, *o, *f, *g, *np.zeros(8)]])


def test_the_same_model_gives_the_same_bytes_and_stays_as_it_is(tmp_path: Path) -> None:
    model = made(fr.Bidirectional(fr.GRU(2, learn_state=True)), fr.Dense(2, activation="softmax"))
    before = model.get_weights()
    assert export(model, tmp_path) == export(model, tmp_path)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]


OWN_CELL = replace(fr.cells.CELLS["gru"], name="own")


class Own(fr.Layer):
    def forward(self, x: Any, noise: Any) -> Any:
        return x, None


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([fr.Masking(), fr.LSTM(2)], (None, None, F), r"nothing like Masking\(.*\), the layer 'masking'"),
        ([fr.Embedding(V, 2, mask_zero=True), fr.LSTM(2)], (None, None), "'embedding' has mask_zero, which"),
        ([fr.LSTM(4, projection=2)], (None, None, F), "the layer 'lstm' has a projection, which ONNX lacks"),
        ([fr.Bidirectional(fr.LSTM(4, projection=2))], (None, None, F), "'bidirectional' has a projection"),
        ([fr.GRU(2, "gelu", name="mine")], (None, None, F), "mine has the activation 'gelu'; ONNX's"),
        ([fr.Recurrent(2, OWN_CELL)], (None, None, F), "the cell 'own', which ONNX lacks"),
        ([fr.TimeDistributed(fr.Dense(2)), Own()], (None, None, F), r"nothing like Own\(\), the layer 'own'"),
        ([fr.Words(V, 2, alphabets=[V], lengths=[3]), fr.LSTM(2)], (None, None, 4), "nothing like Words"),
        ([fr.Bidirectional(fr.GRU(2), "sum", fr.GRU(2, reset_after=False))], (None, None, F),
         "both directions of the layer 'bidirectional' must be alike but for their activations"),
        ([fr.RepeatVector()], (None, F), "'repeat_vector' repeats for the steps of x, which has none"),
    ],
)  # fmt: skip
def test_what_onnx_lacks_is_named(layers: list[Any], shape: Any, message: str, tmp_path: Path) -> None:
    model = fr.Sequential(layers, seed=0)
    model.build(shape)
    with pytest.raises(ValueError, match=rf"^to_onnx: .*{message}"):
        export(model, tmp_path)
    assert not list(tmp_path.iterdir())


def test_messages(tmp_path: Path) -> None:
    model = made(fr.Dense(2), shape=(None, F))
    with pytest.raises(TypeError, match=r"model must be a Sequential, got .*has one as its `model`"):
        to_onnx(fr.Autoencoder(2), tmp_path / "a.onnx")
    with pytest.raises(RuntimeError, match=r"^to_onnx: the model has no weights yet"):
        to_onnx(fr.Sequential([fr.Dense(2)]), tmp_path / "a.onnx")
    with pytest.raises(FileNotFoundError, match=r"^to_onnx: there is no folder"):
        to_onnx(model, tmp_path / "none" / "a.onnx")
    with pytest.raises(ValueError, match=r"^to_onnx: lengths must be False: the model takes no"):
        to_onnx(model, tmp_path / "a.onnx", lengths=True)
    with model.writing() as params:
        params["dense/W"][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"^to_onnx: dense/W holds NaN or infinity"):
        to_onnx(model, tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


# -- ONNX Runtime ----------------------------------------------------------------------------------------


def session(data: bytes) -> Any:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def checked(data: bytes) -> bytes:
    onnx = pytest.importorskip("onnx")
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    return data


def drawn(rng: np.random.Generator, model: fr.Sequential, B: int, T: int) -> np.ndarray:
    shape = model.layers[0].in_shape
    assert shape is not None
    if shape.ids:
        return rng.integers(0, V, (B, T))
    return rng.standard_normal((B, T, F) if shape.sequence else (B, F)).astype(model.dtype)


def agrees(model: fr.Sequential, data: bytes, *, lengths: bool = False, atol: float = 1e-5) -> None:
    """At three lengths and three batch sizes, ONNX Runtime gives what the model gives."""
    run, rng = session(checked(data)), np.random.default_rng(1)
    for T in (1, 5, 12):
        for B in (1, 3, 8):
            x = drawn(rng, model, B, T)
            feed, options = {"x": x}, {}
            if lengths:
                options["lengths"] = rng.integers(1, T + 1, B)
                feed["lengths"] = options["lengths"].astype(np.int32)
            model.reset_states()
            wanted = model.predict(x, **options)
            found = run.run(None, feed)
            names = [value.name for value in run.get_outputs()]
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            if isinstance(model.layers[-1], fr.Bidirectional):  # ONNX has a state of both directions in one
                half = (len(wanted) - 1) // 2
                ends = zip(wanted[1 : 1 + half], wanted[1 + half :], strict=True)
                wanted = (wanted[0], *(np.stack(pair) for pair in ends))
            assert len(found) == len(wanted) and names[0] == "y"
            for name, a, b in zip(names, found, wanted, strict=True):
                assert a.dtype == b.dtype and a.shape == b.shape, name
                np.testing.assert_allclose(a, b, rtol=1e-5, atol=atol * max(1, np.abs(b).max()), err_msg=name)


def pick(rng: np.random.Generator, *options: Any) -> Any:
    return options[rng.integers(len(options))]


def random_recurrence(rng: np.random.Generator, every_step: bool, last: bool) -> fr.Layer:
    """Any recurrence that ONNX has."""
    kind, flip = pick(rng, fr.RNN, fr.LSTM, fr.GRU), lambda: bool(rng.random() < 0.4)
    (f, g, h), other = random_functions(rng), random_functions(rng)
    # A recurrence without bounds grows until its numbers overflow.
    bounded = all(one in ("sigmoid", "tanh", "softsign", None) for one in (f, g, h, *other))
    options: dict[str, Any] = {"clip": float(rng.uniform(0.2, 2))} if flip() or not bounded else {}
    options |= {"learn_state": flip(), "return_sequences": every_step, "return_state": last and flip()}
    options |= {"recurrent_dropout": 0.2}
    if kind is fr.GRU:
        options["reset_after"] = flip()
    if kind is fr.LSTM:
        options |= {"peepholes": flip(), "coupled": flip()}
    units, own = int(rng.integers(1, 6)), named(kind, f, g, h)
    if flip():
        merge = pick(rng, "concat", "sum", "mul", "ave")
        back = kind(units, **{**options, "learn_state": flip()}, **named(kind, *other)) if flip() else None
        return fr.Bidirectional(kind(units, **options, **own), merge, back)
    if flip():
        return fr.Reversed(kind(units, **options, **own))
    return kind(units, go_backwards=flip(), stateful=flip(), **options, **own)


def random_functions(rng: np.random.Generator) -> list[Any]:
    """Of the gates, of the candidate, and of the output."""
    return [pick(rng, *FUNCTIONS) if rng.random() < 0.4 else usual for usual in ("sigmoid", "tanh", None)]


def named(kind: Any, f: Any, g: Any, h: Any) -> dict[str, Any]:
    """These as the arguments of a layer."""
    more = {} if kind is fr.RNN else {"recurrent_activation": f}
    return {"activation": g, **more, **({"output_activation": h} if kind is fr.LSTM else {})}


def random_model(seed: int) -> fr.Sequential:
    """One to three recurrences between what may stand before and behind them."""
    rng = np.random.default_rng(seed)
    layers: list[fr.Layer] = []
    ids = rng.random() < 0.4
    if ids:
        layers.append(pick(rng, fr.Embedding(V, 4), fr.OneHot(V)))
    elif rng.random() < 0.3:
        layers += [fr.GaussianNoise(0.1), fr.TimeDistributed(fr.Dense(4, activation=pick(rng, *ALONE)))]
    depth, every_step = int(rng.integers(1, 4)), bool(rng.random() < 0.6)
    bare = rng.random() < 0.4
    for k in range(depth):
        last = k + 1 == depth
        layers.append(random_recurrence(rng, every_step or not last, last and bare))
        if not last and rng.random() < 0.3:
            layers += [fr.Dropout(0.2), fr.Activation(pick(rng, *ALONE))]
    if not bare:
        if not every_step and rng.random() < 0.3:
            n = pick(rng, None, 4)
            layers += [fr.RepeatVector(n), fr.GRU(3, return_sequences=True)]
        layers += [fr.LastStep()] * (every_step and rng.random() < 0.3)
        layers += [fr.ActivityRegularization(0.1), fr.Dense(2, activation=pick(rng, *ALONE))]
    model = fr.Sequential(layers, seed=seed)
    model.build((None, None) if ids else (None, None, F))
    return settled(model, seed)


@pytest.mark.parametrize("block", range(6))
def test_random_models_agree_with_onnx_runtime(block: int, tmp_path: Path) -> None:
    for seed in range(10 * block, 10 * block + 10):
        model = random_model(seed)
        agrees(model, export(model, tmp_path))
        agrees(model, export(model, tmp_path, lengths=True), lengths=True)


@pytest.mark.parametrize("function", [*ALONE, "exponential"], ids=str)
def test_activations_agree(function: Any, tmp_path: Path) -> None:
    model = made(fr.Dense(5, activation="tanh"), fr.Dense(5, activation=function), fr.Activation(function),
                 shape=(None, F))  # fmt: skip
    run = session(checked(export(model, tmp_path)))
    x = np.random.default_rng(0).standard_normal((16, F)).astype("float32") * 3
    np.testing.assert_allclose(run.run(None, {"x": x})[0], model.predict(x), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("name", sorted(fr.cells.CELLS))
def test_cells_by_name(name: str, tmp_path: Path) -> None:
    model = made(fr.Recurrent(4, name, return_sequences=True), fr.Recurrent(3, name, return_state=True))
    agrees(model, export(model, tmp_path))


def test_autoencoders_and_fixed_lengths(tmp_path: Path) -> None:
    model = fr.SequenceAutoencoder(4, seed=0)
    model.fit(np.ones((2, 3, F), "float32"), epochs=1, verbose=0)
    agrees(settled(model.model), export(model.model, tmp_path))
    fixed = fr.Sequential([fr.Input((5, F)), fr.LSTM(2, return_sequences=True)], seed=0)
    data = checked(export(fixed, tmp_path))
    assert session(data).get_outputs()[0].shape == ["batch", 5, 2]


def test_an_empty_sequence_gives_its_initial_state(tmp_path: Path) -> None:
    model = made(fr.LSTM(3, return_sequences=True, return_state=True))
    x, lengths = np.ones((2, 4, F), "float32"), np.array([0, 4])
    run = session(export(model, tmp_path, lengths=True))
    found = run.run(None, {"x": x, "lengths": lengths.astype("int32")})
    for a, b in zip(found, model.predict(x, lengths=lengths), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


HARD = ["hard_sigmoid", 0.25, 0.5]  # numbers that float32 has, for attributes are float32
CELLS, MERGES = (fr.LSTM, fr.GRU, fr.RNN), ("concat", "sum", "mul", "ave")
SAME: list[Any] = []  # layers that come back as they are


def there_and_back() -> dict[str, tuple[list[fr.Layer], list[Any]]]:
    """name -> (layers, as what they come back); every layer that `to_onnx` writes, in all its forms."""
    made: dict[str, tuple[list[fr.Layer], list[Any]]] = {}
    for cell, every, states in itertools.product(CELLS, (False, True), (False, True)):
        options, name = (
            {"return_sequences": every, "return_state": states},
            f"{cell.__name__} {every} {states}",
        )
        made[name] = [cell(4, **options)], SAME
        made[f"{name} back"] = [cell(4, **options, go_backwards=True)], SAME
        made[f"{name} reversed"] = [fr.Reversed(cell(4, **options))], SAME if every else [cell]
        for merge in MERGES:
            made[f"{name} {merge}"] = [fr.Bidirectional(cell(4, **options), merge)], SAME
    for cell, merge in itertools.product(CELLS, MERGES):
        every = cell(4, return_sequences=True)
        made[f"{cell.__name__} {merge} dense"] = [fr.Bidirectional(every, merge), fr.Dense(2, "tanh")], SAME
    for cell in CELLS:
        every, back = (cell(4, return_sequences=True, go_backwards=b) for b in (False, True))
        made[f"{cell.__name__} learn"] = [cell(4, learn_state=True, clip=0.5)], SAME
        made[f"{cell.__name__} back, then more"] = [back, cell(3)], SAME
        made[f"{cell.__name__} back, last"] = [back, fr.Dense(2), fr.LastStep()], SAME
        made[f"{cell.__name__} last"] = [every, fr.Dense(3, "relu"), fr.LastStep(), fr.Dense(2)], SAME
        made[f"{cell.__name__} reversed, last"] = [fr.Reversed(every), fr.LastStep()], SAME
    for function in [*ALONE, "exponential"]:
        layer = fr.Activation(function)
        own = [] if function == "linear" else [fr.Activation]
        made[f"of Dense {function}"] = [fr.GRU(3), fr.Dense(4, function)], SAME
        made[f"alone {function}"] = [fr.GRU(3, return_sequences=True), layer], [fr.GRU, *own]
        if function != "hard_tanh":  # which does nothing behind tanh
            made[f"after another {function}"] = (
                [fr.GRU(3), fr.Dense(4, "tanh"), layer, fr.Dense(2)], [fr.GRU, fr.Dense, *own, fr.Dense]
            )  # fmt: skip
    one_each = fr.Bidirectional(fr.LSTM(3, "relu", clip=1.0), "concat", fr.LSTM(3, "softsign", clip=1.0))
    made |= {
        "variants": ([fr.LSTM(4, peepholes=True, coupled=True, clip=0.5, return_sequences=True),
                      fr.GRU(3, "softsign", HARD, reset_after=False, return_sequences=True),
                      fr.RNN(3, ["scaled_tanh", 0.75, 0.5])], SAME),
        "learnt": ([fr.LSTM(4, peepholes=True, learn_state=True, return_sequences=True), fr.LSTM(3)], SAME),
        "each its own": ([one_each], SAME),
        "dense alone": ([fr.Dense(3), fr.Dense(2, "relu")], SAME),
        "time distributed": ([fr.TimeDistributed(fr.Dense(3)), fr.GRU(2)], [fr.Dense, fr.GRU]),
        "only in training": ([fr.Dropout(0.2), fr.GRU(3), fr.GaussianNoise(0.1), fr.Dense(3)],
                             [fr.GRU, fr.Dense]),
        "decoder": ([fr.LSTM(3), fr.RepeatVector(4), fr.GRU(3, return_sequences=True), fr.Dense(2)], SAME),
        "autoencoder": ([fr.GRU(3), fr.RepeatVector(), fr.GRU(3, return_sequences=True), fr.Dense(2)], SAME),
        "repeated": ([fr.LSTM(3), fr.RepeatVector(3)], SAME),
        "ids": ([fr.Embedding(V, 4), fr.LSTM(3, return_sequences=True), fr.Dense(V, "softmax")], SAME),
        "ids without steps": ([fr.Embedding(V, 4), fr.Dense(3), fr.LastStep()], SAME),
        "ids, both": ([fr.Embedding(V, 4), fr.Bidirectional(fr.LSTM(3, return_state=True))], SAME),
        "ids, one-hot": ([fr.OneHot(V), fr.GRU(3, return_sequences=True)], SAME),
        "vector": ([fr.Dense(3, "relu"), fr.Dense(2, "softmax")], SAME),
        "vector repeated": ([fr.Dense(3), fr.RepeatVector(4), fr.GRU(2)], SAME),
    }  # fmt: skip
    return made


THERE_AND_BACK = there_and_back()


def there(name: str, dtype: str) -> fr.Sequential:
    layers, of = copy.deepcopy(THERE_AND_BACK[name][0]), name.split()[0].strip(",")
    shape = {"vector": (None, F), "ids": (None, None)}.get(of, (None, None, F))
    return made(*layers, shape=shape, dtype=dtype)


def forms(model: fr.Sequential) -> tuple[bool, ...]:
    """Whether the graph has lengths."""
    shape = model.layers[0].in_shape
    return (False, True) if shape is not None and shape.sequence else (False,)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", THERE_AND_BACK)
def test_there_and_back(name: str, dtype: str, tmp_path: Path) -> None:
    """Layers, and to the bit weights and outputs, of whole and of padded sequences."""
    model, kinds = there(name, dtype), THERE_AND_BACK[name][1]
    if kinds is SAME:
        kinds = [type(layer) for layer in model.layers]
    for lengths in forms(model):
        again = from_onnx(export(model, tmp_path, lengths=lengths))
        assert [type(layer) for layer in again.layers] == kinds
        for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        x = drawn(np.random.default_rng(0), model, 4, 6)
        options = {"lengths": np.array([2, 6, 0, 4])} if lengths else {}
        both = (one.predict(x, **options) for one in (model, again))
        wanted, found = (y if isinstance(y, tuple) else (y,) for y in both)
        for a, b in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(a, b)


def test_an_empty_sequence_there_and_back(tmp_path: Path) -> None:
    """Its last step is zero, which is not its final state where that is learnt."""
    model = made(fr.LSTM(4, return_sequences=True, learn_state=True), fr.LastStep())
    x, lengths = np.ones((2, 3, F), "f4"), np.array([0, 3])
    again = from_onnx(export(model, tmp_path, lengths=True))
    np.testing.assert_array_equal(again.predict(x, lengths=lengths), model.predict(x, lengths=lengths))
    assert [type(layer) for layer in from_onnx(export(model, tmp_path)).layers] == [fr.LSTM]


@pytest.mark.parametrize("name", THERE_AND_BACK)
def test_every_layer_agrees_with_onnx_runtime(name: str, tmp_path: Path) -> None:
    model = there(name, "float32")
    for lengths in forms(model):
        agrees(model, export(model, tmp_path, lengths=lengths), lengths=lengths)


def test_float64_agrees_with_the_reference(tmp_path: Path) -> None:
    """ONNX Runtime's recurrences know float32 alone; ONNX's own reference knows one direction."""
    pytest.importorskip("onnx")
    reference = pytest.importorskip("onnx.reference")
    for layer in (fr.LSTM(4, peepholes=True), fr.GRU(4), fr.GRU(4, reset_after=False), fr.RNN(4)):
        model = made(layer, fr.Dense(2, activation="tanh"), dtype="float64")
        run = reference.ReferenceEvaluator(checked(export(model, tmp_path)))
        x = np.random.default_rng(0).standard_normal((3, 6, F))
        np.testing.assert_allclose(run.run(None, {"x": x})[0], model.predict(x), rtol=1e-12, atol=1e-12)
