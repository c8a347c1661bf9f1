"""Keras in and out: files made here, Keras' own expected arrays, and models of Keras itself.

The first part needs h5py alone.  The second reads the expectations out of Keras' wheel (`keras_shim.py`), the
third runs Keras; both are skipped where it is not installed.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import textwrap
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.interop import from_keras, to_keras_weights
from fastrnn.interop.keras import write_keras_weights
from fastrnn.proof import DEFINITION, GIVEN, Example

h5py = pytest.importorskip("h5py")

import hostile_hdf5  # noqa: E402
import hostile_keras  # noqa: E402
import keras_shim  # noqa: E402
from hostile_keras import dense, layer, write_h5, write_keras  # noqa: E402

# What Keras and NumPy say to each other.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RNG = np.random.default_rng(7)
H, INPUTS = 3, 4


# -- files made here -----------------------------------------------------------------------------------


def sigmoid(a: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-a))


def hard_sigmoid(a: np.ndarray) -> np.ndarray:
    return np.clip(a / 6 + 0.5, 0, 1)


def keras_lstm(x: np.ndarray, kernel: Any, recurrent: Any, bias: Any, gate: Any = sigmoid) -> np.ndarray:
    """The last output, as Keras documents the layer: gates i f c o."""
    h = c = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        i, f, g, o = np.split(x[:, t] @ kernel + h @ recurrent + bias, 4, axis=1)
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
    return h


def keras_gru(x: np.ndarray, kernel: Any, recurrent: Any, bias: Any, reset_after: bool) -> np.ndarray:
    """Gates z r h; two biases with reset_after."""
    h = np.zeros((len(x), H))
    for t in range(x.shape[1]):
        if reset_after:
            a, b = x[:, t] @ kernel + bias[0], h @ recurrent + bias[1]
            z, r = (sigmoid(a[:, k * H : k * H + H] + b[:, k * H : k * H + H]) for k in (0, 1))
            new = np.tanh(a[:, 2 * H :] + r * b[:, 2 * H :])
        else:
            a = x[:, t] @ kernel + bias
            z, r = (sigmoid(a[:, k * H : k * H + H] + h @ recurrent[:, k * H : k * H + H]) for k in (0, 1))
            new = np.tanh(a[:, 2 * H :] + (r * h) @ recurrent[:, 2 * H :])
        h = z * h + (1 - z) * new
    return h


def cell_arrays(gates: int, dtype: str = "float32", two: bool = False) -> dict[str, np.ndarray]:
    shapes = {"0": (INPUTS, gates * H), "1": (H, gates * H), "2": (2, gates * H) if two else (gates * H,)}
    return {f"cell/vars/{k}": RNG.standard_normal(shape).astype(dtype) for k, shape in shapes.items()}


def recurrent(kind: str, **options: Any) -> dict[str, Any]:
    named = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "units": H}
    return layer(kind, **{**named, "name": kind.lower(), **options})


CASES = {
    "lstm": (recurrent("LSTM"), 4, False, lambda x, a: keras_lstm(x, *a)),
    "lstm_hard": (
        recurrent("LSTM", recurrent_activation="hard_sigmoid"), 4, False,
        lambda x, a: keras_lstm(x, *a, gate=hard_sigmoid),
    ),
    "gru": (recurrent("GRU", reset_after=True), 3, True, lambda x, a: keras_gru(x, *a, True)),
    "gru_before": (recurrent("GRU", reset_after=False), 3, False, lambda x, a: keras_gru(x, *a, False)),
    "gru_of_old": (recurrent("GRU"), 3, False, lambda x, a: keras_gru(x, *a, False)),
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES)
def test_random_weights_against_the_equations(tmp_path: Path, case: str, dtype: str) -> None:
    described, gates, two, expected = CASES[case]
    arrays = cell_arrays(gates, dtype, two)
    path = write_keras(tmp_path / "m.keras", [described], [arrays], [None, None, INPUTS])
    x = RNG.standard_normal((5, 6, INPUTS)).astype(dtype)
    y = expected(x, [a.astype("float64") for a in arrays.values()])
    model = from_keras(path, example=(x, y))
    assert model.dtype == dtype and model.proof.reference == GIVEN and model.proof.source == "keras"
    np.testing.assert_allclose(model.predict(x), y, atol=2e-6 if dtype == "float32" else 1e-14)
    for one, other in zip(to_keras_weights(model), arrays.values(), strict=True):
        assert one.dtype == dtype and (one == other).all()


@pytest.mark.parametrize("case", CASES)
def test_swapped_gates_fail(tmp_path: Path, case: str) -> None:
    described, gates, two, expected = CASES[case]
    arrays = cell_arrays(gates, two=two)
    x = RNG.standard_normal((5, 6, INPUTS)).astype("float32")
    y = expected(x, list(arrays.values()))
    for k in range(gates - 1):
        order = list(range(gates))
        order[k], order[k + 1] = order[k + 1], order[k]
        swapped = {
            name: np.concatenate([np.split(a, gates, axis=-1)[g] for g in order], axis=-1)
            for name, a in arrays.items()
        }
        path = write_keras(tmp_path / "m.keras", [described], [swapped], [None, None, INPUTS])
        with pytest.raises(fr.ModelFormatError, match="gives other numbers than its example"):
            from_keras(path, example=(x, y))


def test_without_an_example_the_definition_is_the_reference(tmp_path: Path) -> None:
    model = from_keras(hostile_keras.whole(tmp_path / "m.keras"))
    assert model.proof.reference == DEFINITION and model.layers[0].name == "d"
    model.save(tmp_path / "m.fastrnn")
    x = RNG.standard_normal((4, 3)).astype("float32")
    assert (fr.load(tmp_path / "m.fastrnn").predict(x) == model.predict(x)).all()


@pytest.mark.parametrize(("version", "alpha"), [("2.15.0", 0.2), ("3.0.0", 1 / 6)])
def test_hard_sigmoid_changed_with_keras_3(tmp_path: Path, version: str, alpha: float) -> None:
    described = [dense(activation="hard_sigmoid")]
    arrays = hostile_keras.dense_arrays()
    path = write_keras(tmp_path / "m.keras", described, [arrays], [None, 3], version)
    x = RNG.standard_normal((4, 3)).astype("float32")
    y = np.clip(alpha * (x @ arrays["vars/0"] + arrays["vars/1"]) + 0.5, 0, 1)
    np.testing.assert_allclose(from_keras(path, example=(x, y)).predict(x), y, atol=1e-6)


def test_the_group_of_keras_2_13(tmp_path: Path) -> None:
    write_h5(tmp_path / "m.weights.h5", [dense()], [hostile_keras.dense_arrays()])
    with h5py.File(tmp_path / "m.weights.h5", "a") as file:
        file.move("layers", "_layer_checkpoint_dependencies")
    model = from_keras(tmp_path / "m.weights.h5", layers=[fr.Dense(2)])
    assert (to_keras_weights(model)[0] == hostile_keras.dense_arrays()["vars/0"]).all()


def legacy(path: Path, description: Any, arrays: dict[str, np.ndarray], version: str = "2.11.0") -> Path:
    """A whole model as Keras 2 writes it; texts are bytes there."""
    with h5py.File(path, "w") as file:
        file.attrs["keras_version"] = version.encode()
        file.attrs["model_config"] = json.dumps(description).encode()
        for name, array in arrays.items():
            file[f"model_weights/{name}"] = array
        file.create_group("optimizer_weights")["iter:0"] = np.int64(3)
    return path


def test_a_whole_model_of_keras_2(tmp_path: Path) -> None:
    cell = [cell_arrays(4) for _ in range(2)]
    inner = {
        "name": "lstm",
        "units": H,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "dtype": "float32",
    }
    layers = [
        {"class_name": "Masking", "config": {
            "name": "masking", "mask_value": -1.0, "dtype": "float32",
            "batch_input_shape": [None, None, INPUTS],
        }},
        {"class_name": "Bidirectional", "config": {
            "name": "both", "merge_mode": "sum", "layer": {"class_name": "LSTM", "config": inner}
        }},
        {"class_name": "Dense", "config": {
            "name": "dense_7", "units": 2, "activation": "linear", "use_bias": False
        }},
    ]  # fmt: skip
    kernel = RNG.standard_normal((H, 2)).astype("float32")
    names = ("kernel:0", "recurrent_kernel:0", "bias:0")
    arrays = {
        f"both/both/{side}_lstm/lstm_cell_{k}/{name}": array
        for k, side in enumerate(("forward", "backward"))
        for name, array in zip(names, cell[k].values(), strict=True)
    }
    arrays["dense_7/dense_7/kernel:0"] = kernel
    path = legacy(
        tmp_path / "m.h5", {"class_name": "Sequential", "config": {"name": "s", "layers": layers}}, arrays
    )
    x = RNG.standard_normal((2, 5, INPUTS)).astype("float32")
    short = x[:, :4].copy()
    x[:, 4] = -1
    y = (keras_lstm(short, *cell[0].values()) + keras_lstm(short[:, ::-1], *cell[1].values())) @ kernel
    model = from_keras(path, example=(x, y))
    assert model.proof.difference < 1e-5
    weights = to_keras_weights(model, without_bias=["dense_7"])
    assert [w.shape for w in weights][-2:] == [(4 * H,), (H, 2)] and (weights[-1] == kernel).all()


def test_arrays_alone_want_layers(tmp_path: Path) -> None:
    arrays = [cell_arrays(3), hostile_keras.dense_arrays()]
    path = tmp_path / "m.weights.h5"
    write_h5(path, [recurrent("GRU"), dense()], arrays)
    with pytest.raises(fr.ModelFormatError) as caught:
        from_keras(path)
    assert str(caught.value) == (
        "from_keras: m.weights.h5: it holds arrays and does not say which layers and activations they are "
        "for. Give layers=[fr.LSTM(...), ...], or save the model as .keras. It holds dense [3, 2], [2]; "
        "gru [4, 9], [3, 9], [9]."
    )
    model = from_keras(path, layers=[fr.GRU(H, reset_after=False), fr.Dropout(0.1), fr.Dense(2, "softmax")])
    x = RNG.standard_normal((5, 6, INPUTS)).astype("float32")
    a = keras_gru(x, *arrays[0].values(), False) @ arrays[1]["vars/0"] + arrays[1]["vars/1"]
    y = np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x), y, atol=1e-6)
    with pytest.raises(
        fr.ModelFormatError, match=r"the bias of a GRU with reset_after must be \[2, 9\], got \[9\]"
    ):
        from_keras(path, layers=[fr.GRU(H), fr.Dense(2)])
    with pytest.raises(
        fr.ModelFormatError, match=r"nothing uses the tensors \['dense/vars/0', 'dense/vars/1'\]"
    ):
        from_keras(path, layers=[fr.GRU(H, reset_after=False)])
    with pytest.raises(
        ValueError, match=r"LSTM\(units=3\) must be a layer that Keras has, got the cell 'lstm_p"
    ):
        from_keras(path, layers=[fr.LSTM(3, peepholes=True)])


def own_models() -> list[tuple[list[Any], tuple[Any, ...]]]:
    """Layers of ours that Keras has, and the shape they are built for."""
    return [
        ([fr.Embedding(7, 4, mask_zero=True), fr.Bidirectional(fr.LSTM(3)), fr.Dense(2)], (None, None)),
        ([fr.Input((None, 5)), fr.RNN(3), fr.RepeatVector(4), fr.GRU(2, return_sequences=True),
          fr.TimeDistributed(fr.Dense(2))], (None, None, 5)),
        ([fr.Dense(3, "relu"), fr.Dense(2)], (None, 6)),
        ([fr.OneHot(6), fr.GRU(3, reset_after=False, return_sequences=True), fr.Recurrent(2, "lstm")],
         (None, None)),
    ]  # fmt: skip


@pytest.mark.parametrize("which", range(4))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_written_is_read(tmp_path: Path, which: int, dtype: str) -> None:
    layers, shape = own_models()[which]
    model = fr.Sequential(layers, seed=3, dtype=dtype)
    if not model.built:
        model.build(shape)
    with model.writing() as params:
        for p in params.values():
            p[...] = RNG.standard_normal(p.shape)
    path = tmp_path / "m.weights.h5"
    write_keras_weights(model, path)
    again = from_keras(path, layers=own_models()[which][0])
    for name, p in model.named_params().items():
        assert (p == again.named_params()[name]).all() and again.dtype == dtype
    assert sorted(w.shape for w in to_keras_weights(model)) == sorted(
        file.shape for file in datasets(path)
    ), "the same arrays"


def datasets(path: Path) -> list[Any]:
    found: list[Any] = []
    with h5py.File(path) as file:
        file.visititems(lambda _, one: found.append(one[()]) if isinstance(one, h5py.Dataset) else None)
    return found


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            lambda: fr.LSTM(2, peepholes=True),
            r"LSTM\(units=2\) must be a layer that Keras has, got the cell 'lstm_peep",
        ),
        (lambda: fr.LSTM(2, projection=1), "got the cell 'lstm_projected'"),
        (lambda: fr.LSTM(2, coupled=True), "got the cell 'lstm_coupled'"),
        (lambda: fr.GRU(2, clip=3.0), "must be a layer that Keras has, got clip"),
        (lambda: fr.RNN(2, learn_state=True), "got learn_state"),
        (lambda: fr.LSTM(2, output_activation="relu"), "got output_activation"),
    ],
)
def test_what_keras_has_not_cannot_go_back(made: Any, message: str) -> None:
    model = fr.Sequential([made()], seed=0)
    model.build((None, None, 3))
    with pytest.raises(ValueError, match=message):
        to_keras_weights(model)


def test_going_back_is_strict() -> None:
    model = fr.Sequential([fr.Dense(2)], seed=0)
    with pytest.raises(
        ValueError, match="to_keras_weights: model must be built, got a model without weights"
    ):
        to_keras_weights(model)
    model.build((None, 3))
    assert len(to_keras_weights(model, without_bias=["dense"])) == 1
    with model.writing() as params:
        params["dense/b"][...] = 1
    with pytest.raises(
        ValueError, match=r"the bias of dense must be zeros, got other numbers\. It was trained here"
    ):
        to_keras_weights(model, without_bias=["dense"])
    with pytest.raises(ValueError, match=r"without_bias must be names of layers, of dense, got \['x'\]"):
        to_keras_weights(model, without_bias=["x"])
    weights = to_keras_weights(model)
    weights[1][:] = 5  # a copy
    assert (model.named_params()["dense/b"] == 1).all()


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "two outputs": (
        layer("Bidirectional", merge_mode=None, layer=recurrent("LSTM")),
        r"'x' has merge_mode=None, two outputs. Take \"concat\" and divide",
    ),
    "directions": (
        layer("Bidirectional", merge_mode="sum", layer=recurrent("SimpleRNN"),
              backward_layer=recurrent("SimpleRNN", go_backwards=True, activation="relu")),
        "'x' has directions with different options",
    ),
    "other way": (
        layer("Bidirectional", merge_mode="sum", layer=recurrent("SimpleRNN", go_backwards=True)),
        "'x' has a forward layer that runs the other way",
    ),
    "option": (recurrent("SimpleRNN", time_major=True), "is a SimpleRNN with time_major=True, which is not"),
    "cell": (layer("RNN", cell=layer("MyCell")), "has a cell 'MyCell'; known are SimpleRNNCell, LSTMCell"),
    "activation": (recurrent("SimpleRNN", activation="sparsemax"), "cannot be made: RNN: activation must be"),
    "our own": (recurrent("SimpleRNN", activation="affine"), "has activation 'affine', which Keras does not"),
    "inside": (layer("TimeDistributed", layer=recurrent("LSTM")), "'x' runs 'LSTM' at every step; known are"),
    "relu": (layer("ReLU", max_value=3.0, negative_slope=0.0), "a ReLU with a largest value other than 6"),
    "noise": (layer("Dropout", rate=0.5, noise_shape=[2, 1]), "cannot be made: Dropout: noise_shape must"),
    "name": (recurrent("SimpleRNN", name="a/b"), "'a/b' is no name of a layer"),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_read_is_named(tmp_path: Path, what: str) -> None:
    described, message = REFUSED[what]
    arrays = cell_arrays(1) | {
        f"{side}_layer/{k}": v for side in ("forward", "backward") for k, v in cell_arrays(1).items()
    }
    if described["class_name"] == "Bidirectional":
        described["config"]["layer"]["class_name"] = "SimpleRNN"
    path = write_keras(tmp_path / "m.keras", [described], [arrays], [None, None, INPUTS])
    with pytest.raises(fr.ModelFormatError, match=f"from_keras: m.keras: .*{message}"):
        from_keras(path)


def test_masks_that_mean_something_else_are_refused(tmp_path: Path) -> None:
    masking = layer("Masking", mask_value=0.0)
    backwards = recurrent("SimpleRNN", go_backwards=True, return_sequences=True)
    for layers, message in (
        (
            [masking, {**masking, "config": {"name": "y", "mask_value": 1.0}}, backwards],
            "'y' makes a second mask",
        ),
        ([masking, backwards], "'simplernn' runs backwards behind a mask and gives every step"),
    ):
        arrays = [cell_arrays(1) if one is backwards else {} for one in layers]
        with pytest.raises(fr.ModelFormatError, match=message):
            from_keras(write_keras(tmp_path / "m.keras", layers, arrays, [None, None, INPUTS]))


def test_what_a_training_loses_is_said(tmp_path: Path) -> None:
    described = dense(kernel_regularizer={"class_name": "L2"}, trainable=False)
    path = write_keras(tmp_path / "m.keras", [described], [hostile_keras.dense_arrays()], [None, 3])
    message = "a training here goes without kernel_regularizer of d, trainable=False of d"
    with pytest.warns(UserWarning, match=message):
        from_keras(path)


def test_arguments(tmp_path: Path) -> None:
    path = hostile_keras.whole(tmp_path / "m.keras")
    with pytest.raises(fr.ModelFormatError, match="it says which layers it has; leave out layers="):
        from_keras(path, layers=[fr.Dense(2)])
    with pytest.raises(FileNotFoundError, match=r"from_keras: no\.keras: there is no file"):
        from_keras(tmp_path / "no.keras")
    with pytest.raises(ValueError, match="backend"):
        from_keras(path, backend="gpu")
    (tmp_path / "m.txt").write_text("hello")
    with pytest.raises(fr.ModelFormatError, match=r"it is neither a \.keras nor an \.h5 file\. In Keras"):
        from_keras(tmp_path / "m.txt")


# -- files that mean harm --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [hostile_hdf5, hostile_keras], ids=["hdf5", "keras"])
def test_hostile_files_are_refused(tmp_path: Path, module: Any) -> None:
    ending = ".keras" if module is hostile_keras else ".weights.h5"
    module.READ(module.whole(tmp_path / f"whole{ending}"))
    for name, build in module.KINDS.items():
        path = build(tmp_path)
        with pytest.raises(fr.ModelFormatError, match=r"^from_keras: ") as caught:
            module.READ(path)
        assert str(caught.value).startswith(f"from_keras: {name}{ending}: "), name


@pytest.mark.parametrize("module", [hostile_hdf5, hostile_keras], ids=["hdf5", "keras"])
def test_damaged_files_are_refused_or_read_right(tmp_path: Path, module: Any) -> None:
    """400 files with bytes flipped or cut off, 4000 with FASTRNN_THOROUGH=1."""
    path = module.whole(tmp_path / "whole")
    content, dice = path.read_bytes(), random.Random(1)
    whole = module.READ(path).named_params()
    for _ in range(4000 if os.environ.get("FASTRNN_THOROUGH") else 400):
        damaged = bytearray(content)
        if dice.random() < 0.3:
            damaged = damaged[: dice.randrange(len(damaged))]
        for _ in range(dice.choice((0, 1, 1, 2, 8)) if damaged else 0):
            damaged[dice.randrange(len(damaged))] = dice.choice((0, 1, 127, 255, dice.randrange(256)))
        path.write_bytes(damaged)
        try:
            found = module.READ(path).named_params()
        except fr.ModelFormatError:
            continue
        assert [p.shape for p in found.values()] == [p.shape for p in whole.values()]


def test_reading_needs_no_keras(tmp_path: Path) -> None:
    path = hostile_keras.whole(tmp_path / "m.keras")
    run_without_keras(f"from_keras({str(path)!r})")


def run_without_keras(script: str) -> None:
    """Run a script where Keras and what it stands on cannot be imported."""
    begin = """
        import sys
        class Barred:
            def find_spec(self, name, *rest):
                if name.split(".")[0] in ("keras", "tensorflow", "jax", "torch"):
                    raise ImportError(name)
        sys.meta_path.insert(0, Barred())
        import numpy as np
        from fastrnn.interop import from_keras
        from fastrnn.proof import Example
    """
    whole = textwrap.dedent(begin) + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", whole], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]


# -- Keras' own tests ------------------------------------------------------------------------------------

OWN = keras_shim.functions()


@pytest.mark.skipif(not OWN, reason="Keras is not installed")
@pytest.mark.parametrize("which", range(len(OWN)), ids=[f"{stem}-{name}" for stem, name, _ in OWN])
def test_expected_arrays_of_keras(which: int) -> None:
    assert keras_shim.run(OWN[which][2]) > 0


def test_keras_tests_are_found() -> None:
    """Where the wheel holds tests at all, the shim finds those of every recurrence."""
    if OWN:
        assert {stem for stem, _, _ in OWN} == set(keras_shim.FILES) and len(OWN) >= 20


# -- Keras itself ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keras() -> Any:
    if keras_shim.wheel() is None:
        pytest.skip("Keras is not installed")
    os.environ.setdefault("KERAS_BACKEND", "numpy")  # nothing to compile: ten times as fast
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("keras")


def numbers(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


def ragged() -> np.ndarray:
    """Padded with zeros, one sequence with a hole."""
    x = numbers(4, 6, INPUTS)
    x[0, 4:] = x[1, 1:] = x[2, 2] = 0
    return x


def every_layer(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    model = k.Sequential([
        y.Input((None,), dtype="int32"), y.Embedding(10, INPUTS, mask_zero=True), y.SpatialDropout1D(0.1),
        y.Bidirectional(y.LSTM(3, return_sequences=True, dropout=0.1, recurrent_dropout=0.1)),
        y.Dropout(0.2, noise_shape=(None, 1, None)), y.GaussianNoise(0.1),
        y.GRU(4, return_sequences=True), y.Identity(), y.LSTM(3, return_sequences=True),
        y.TimeDistributed(y.Dense(4, activation="tanh")),
        y.RNN([y.LSTMCell(3), y.GRUCell(4, reset_after=False)], return_sequences=True),
        y.RNN(y.SimpleRNNCell(3), return_sequences=True), y.ReLU(negative_slope=0.3),
        y.SimpleRNN(5, activation="relu"), y.RepeatVector(3), y.GRU(3, return_sequences=True), y.Dense(5),
        y.LeakyReLU(0.1), y.ELU(0.5), y.Activation("gelu"), y.TimeDistributed(y.Activation("tanh")),
        y.Dense(4), y.Softmax(),
    ])  # fmt: skip
    ids = RNG.integers(1, 10, (4, 6)).astype("int32")
    ids[0, 4:] = ids[1, 1:] = ids[2, 2] = 0
    return model, ids


def masked_row(k: Any) -> tuple[Any, np.ndarray]:
    """A Functional model; its masks are written down as operations."""
    y = k.layers
    x = start = y.Input((None, INPUTS))
    x = y.LSTM(3, return_sequences=True)(y.Masking()(x))
    x = y.TimeDistributed(y.Dense(2, activation=y.LeakyReLU(0.1)))(x)
    return k.Model(start, y.Bidirectional(y.GRU(3, return_sequences=True), merge_mode="mul")(x)), ragged()


def masked_ids(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    start = y.Input((None,), dtype="int32")
    x = y.SimpleRNN(4, return_sequences=True)(y.Embedding(5, 3, mask_zero=True)(start))
    return k.Model(start, y.Dense(2, activation="sigmoid")(x)), RNG.integers(0, 5, (4, 6)).astype("int32")


def states(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    start = y.Input((None, INPUTS))
    unread, _, _ = y.LSTM(5, return_sequences=True, return_state=True)(start)
    return k.Model(start, y.Bidirectional(y.LSTM(3, return_state=True))(unread)), ragged()


def unusual(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    return k.Sequential([
        y.Input((None, INPUTS)),
        y.GRU(3, "softsign", "hard_sigmoid", reset_after=False, return_sequences=True),
        y.LSTM(4, "elu", "hard_sigmoid", go_backwards=True, return_sequences=True),
        k.Sequential([y.Input((None, 4)), y.SimpleRNN(3, "leaky_relu"), y.Dense(3, "softplus")]),
        y.Dense(2, activation="hard_silu"),
    ]), ragged()  # fmt: skip


def autoencoder(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    return k.Sequential([
        y.Input((6, INPUTS)), y.LSTM(5, return_sequences=True, unroll=True), y.LSTM(2), y.RepeatVector(6),
        y.LSTM(5, return_sequences=True), y.TimeDistributed(y.Dense(INPUTS)),
    ]), ragged()  # fmt: skip


def without_biases(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    return k.Sequential([
        y.Input((None, INPUTS)), y.GRU(3, use_bias=False, return_sequences=True, name="a"),
        y.LSTM(3, use_bias=False, name="b"), y.Dense(2, use_bias=False, name="c"), y.Dense(2),
    ]), ragged()  # fmt: skip


def vectors(k: Any) -> tuple[Any, np.ndarray]:
    y = k.layers
    return k.Sequential([y.Input((3,)), y.Dense(5, activation="selu"), y.Dense(2)]), numbers(4, 3)


MODELS = (every_layer, masked_row, masked_ids, states, unusual, autoencoder, without_biases, vectors)
NO_BIAS = {"without_biases": ("a", "b", "c")}


@pytest.fixture(scope="module")
def made(keras: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """name -> (model with random weights, x, y, folder of its files)."""
    found = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for build in MODELS:
            model, x = build(keras)
            model.set_weights([0.7 * numbers(*w.shape) for w in model.get_weights()])
            y = model(x)
            y = tuple(map(np.asarray, y)) if isinstance(y, (list, tuple)) else np.asarray(y)
            folder = tmp_path_factory.mktemp(build.__name__)
            model.save(folder / "m.keras")
            model.save(folder / "m.h5")
            model.save_weights(folder / "m.weights.h5")
            found[build.__name__] = (model, x, y, folder)
    return found


@pytest.mark.parametrize("name", [build.__name__ for build in MODELS])
def test_round_trip_with_keras(made: dict[str, Any], keras: Any, name: str, tmp_path: Path) -> None:
    """Keras, here, and back: the same arrays, bit by bit, and the same outputs."""
    model, x, y, folder = made[name]
    ours = from_keras(folder / "m.keras", example=(x, y))
    assert ours.proof.reference == GIVEN and ours.proof.difference < 1e-5
    bare = NO_BIAS.get(name, ())
    weights = to_keras_weights(ours, without_bias=bare)
    for one, other in zip(weights, model.get_weights(), strict=True):
        assert (one == other).all()
    fresh, _ = next(build for build in MODELS if build.__name__ == name)(keras)
    fresh.set_weights(weights)
    again = fresh(x)
    for one, other in zip(parts(again), parts(y), strict=True):
        assert (one == other).all()


def parts(y: Any) -> list[np.ndarray]:
    return [np.asarray(one) for one in y] if isinstance(y, (list, tuple)) else [np.asarray(y)]


def test_files_are_read_where_keras_cannot_be_imported(made: dict[str, Any], tmp_path: Path) -> None:
    """`.keras` and whole `.h5` of Keras itself, with its outputs as the example."""
    script = "errors = []\n"
    for name, (_, x, y, folder) in made.items():
        np.savez(tmp_path / f"{name}.npz", x, *parts(y))
        script += textwrap.dedent(f"""
            arrays = list(np.load({str(tmp_path / f"{name}.npz")!r}).values())
            y = tuple(arrays[1:]) if len(arrays) > 2 else arrays[1]
            for file in ("m.keras", "m.h5"):
                model = from_keras({str(folder)!r} + "/" + file, example=(arrays[0], y))
                assert model.proof.difference < 1e-5, {name!r}
        """)
    run_without_keras(script)


def test_weights_files_go_both_ways(made: dict[str, Any], keras: Any, tmp_path: Path) -> None:
    _, x, y, folder = made["autoencoder"]
    layers = [
        fr.LSTM(5, return_sequences=True), fr.LSTM(2), fr.RepeatVector(6),
        fr.LSTM(5, return_sequences=True), fr.TimeDistributed(fr.Dense(INPUTS)),
    ]  # fmt: skip
    ours = from_keras(folder / "m.weights.h5", layers=layers, example=(x, y))
    write_keras_weights(ours, tmp_path / "back.weights.h5")
    fresh, _ = autoencoder(keras)
    fresh.load_weights(tmp_path / "back.weights.h5")
    assert (np.asarray(fresh(x)) == y).all()


def test_every_written_layer_is_loaded_by_keras(keras: Any, tmp_path: Path) -> None:
    y = keras.layers
    ours = fr.Sequential([
        fr.Embedding(9, 4), fr.Bidirectional(fr.GRU(3, return_sequences=True)),
        fr.RNN(4, return_sequences=True), fr.GRU(3, reset_after=False, return_sequences=True),
        fr.TimeDistributed(fr.Dense(3)), fr.Dense(2),
        fr.LSTM(3), fr.Dense(2),
    ], seed=1)  # fmt: skip
    ids = RNG.integers(0, 9, (3, 5))
    expected = ours.predict(ids)
    write_keras_weights(ours, tmp_path / "m.weights.h5")
    model = keras.Sequential([
        y.Input((None,), dtype="int32"), y.Embedding(9, 4), y.Bidirectional(y.GRU(3, return_sequences=True)),
        y.SimpleRNN(4, return_sequences=True), y.GRU(3, reset_after=False, return_sequences=True),
        y.TimeDistributed(y.Dense(3)), y.Dense(2), y.LSTM(3), y.Dense(2),
    ])  # fmt: skip
    model.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(np.asarray(model(ids)), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["masked_row", "masked_ids", "states", "vectors"])
def test_a_model_in_memory_is_its_own_reference(made: dict[str, Any], name: str) -> None:
    model, x, y, _ = made[name]
    ours = from_keras(model)
    assert ours.proof.reference == GIVEN and ours.proof.difference < 1e-5
    found = from_keras(model, example=Example(x, None)).proof
    for one, other in zip(parts(found.example.y), parts(y), strict=True):
        same = np.isclose(one, other, atol=1e-6)
        assert same.all() or (one[~same] == 0).all()  # masked steps


def test_a_model_in_memory_that_says_too_little(keras: Any) -> None:
    with pytest.raises(
        fr.ModelFormatError, match=r"the model is not built\. Call it once, or give it an Input"
    ):
        from_keras(keras.Sequential([keras.layers.Dense(2)]))
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="from_keras: layers must be None for a model in memory"):
        from_keras(model, layers=[fr.Dense(2)])


def test_masked_steps_are_zero_here(made: dict[str, Any]) -> None:
    _, x, y, folder = made["masked_ids"]
    kept = x != 0
    found = from_keras(folder / "m.keras").predict(x)
    np.testing.assert_allclose(found[kept], y[kept], atol=1e-6)
    assert (found[~kept] == 0).all() and (y[~kept] != 0).all()


@pytest.mark.parametrize("merge_mode", ["concat", "sum", "mul", "ave"])
@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_all_merge_modes(keras: Any, tmp_path: Path, kind: str, merge_mode: str) -> None:
    y = keras.layers
    one = getattr(y, kind)(3, return_sequences=kind == "GRU")
    model = keras.Sequential([y.Input((None, INPUTS)), y.Bidirectional(one, merge_mode=merge_mode)])
    model.set_weights([numbers(*w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.keras")
    x = ragged()
    assert from_keras(tmp_path / "m.keras", example=(x, np.asarray(model(x)))).proof.difference < 1e-5


ACTIVATIONS = (
    "elu exponential gelu hard_sigmoid hard_silu hard_tanh leaky_relu linear relu relu6 selu sigmoid silu "
    "softplus softsign swish tanh"
).split()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(keras: Any, tmp_path: Path, name: str) -> None:
    y = keras.layers
    model = keras.Sequential([y.Input((3,)), y.Dense(4, activation=name), y.Activation(name)])
    model.set_weights([0.5 * numbers(*w.shape) for w in model.get_weights()])
    model.save(tmp_path / "m.keras")
    x = numbers(5, 3)
    from_keras(tmp_path / "m.keras", example=(x, np.asarray(model(x))))


def test_a_stateful_model(keras: Any, tmp_path: Path) -> None:
    y = keras.layers
    model = keras.Sequential([y.Input(batch_shape=(2, 5, INPUTS)), y.GRU(3, stateful=True)])
    model.save(tmp_path / "m.keras")
    ours = from_keras(tmp_path / "m.keras")
    x = numbers(2, 5, INPUTS)
    for _ in range(3):
        np.testing.assert_allclose(ours.predict(x), np.asarray(model(x)), atol=1e-6)
    assert from_keras(model).proof.reference == DEFINITION  # running it would move its states


def places(node: Any) -> list[tuple[Any, Any]]:
    """(container, key) of everything in a tree of JSON."""
    found: list[tuple[Any, Any]] = []
    for key in list(node) if isinstance(node, dict) else range(len(node)):
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            found += places(node[key])
    return found


JUNK = (None, -1, 0, 3, 10**12, 1.5, True, "x", "", [], {}, [None], ["lstm", 0, 0], {"class_name": "Lambda"})


@pytest.mark.parametrize("name", ["masked_row", "unusual"])
def test_descriptions_that_are_damaged(made: dict[str, Any], tmp_path: Path, name: str) -> None:
    """150 files with one thing in the JSON replaced or left out, 3000 with FASTRNN_THOROUGH=1."""
    _, _, _, folder = made[name]
    with zipfile.ZipFile(folder / "m.keras") as file:
        text, arrays = file.read("config.json").decode(), file.read("model.weights.h5")
    dice, read = random.Random(2), 0
    for _ in range(3000 if os.environ.get("FASTRNN_THOROUGH") else 150):
        description = json.loads(text)
        where, key = dice.choice(places(description))
        if dice.random() < 0.2:
            del where[key]
        else:
            where[key] = dice.choice(JUNK)
        path = hostile_keras.write_zip(tmp_path / "m.keras", json.dumps(description), arrays)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                from_keras(path)
                read += 1  # a name, an initializer, an option that is off
            except fr.ModelFormatError as error:
                assert str(error).startswith("from_keras: m.keras: ")
    assert read


def test_models_that_branch_are_refused(keras: Any) -> None:
    y = keras.layers
    start = y.Input((None, INPUTS))
    shared = y.Dense(3)
    lstm, h, c = y.LSTM(3, return_sequences=True, return_state=True)(start)
    outputs = {
        "'add' is a 'Add'|branches": y.Add()([shared(start), y.Dense(3)(start)]),
        "used twice": shared(y.Dense(INPUTS)(shared(start))),
        "reads more|is called with": y.LSTM(3)(lstm, initial_state=[h, c]),
        "has several outputs|branches": [lstm, y.Dense(2)(lstm)],
        "is a mask of its own making": y.LSTM(3)(
            start, mask=keras.ops.any(keras.ops.not_equal(start, 3.0), axis=-1)
        ),
    }
    for message, output in outputs.items():
        with pytest.raises(fr.ModelFormatError, match=message):
            from_keras(keras.Model(start, output))


def test_code_is_not_run(keras: Any, tmp_path: Path) -> None:
    y = keras.layers

    class Mine(y.Layer):  # type: ignore[misc,name-defined]
        def call(self, x: Any) -> Any:
            return x

    for extra, message in (
        (Mine(), "is a 'Mine', which is code of a user"),
        (y.Lambda(abs), "is a 'Lambda', which is"),
    ):
        model = keras.Sequential([y.Input((3,)), extra, y.Dense(2)])
        model.save(tmp_path / "m.keras")
        with pytest.raises(fr.ModelFormatError, match=message):
            from_keras(tmp_path / "m.keras")
