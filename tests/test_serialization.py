"""Model files: everything comes back bit for bit, and no damaged or edited file gets in."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_same_bits
from test_layers import LEAKY

import fastrnn as fr
from fastrnn import losses, metrics, optimizers, schedules, serialization
from fastrnn.layers import CLASSES

F = "float32"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((6, 5, 3)).astype(F)
IDS = RNG.integers(0, 7, (6, 5))

STACKS: dict[str, Callable[[], list[Any]]] = {
    "vectors": lambda: [fr.Input((3,)), fr.GaussianNoise(0.1), fr.Dense(4, "elu", "he_normal"),
                        fr.ActivityRegularization(0.1), fr.Dense(2)],
    "ids": lambda: [fr.Embedding(7, 3, mask_zero=True), fr.Dropout(0.2), fr.SimpleRNN(4, activation="relu")],
    "declared ids": lambda: [fr.Input((None,), "int"), fr.OneHot(7), fr.Bidirectional(fr.GRU(3), "mul")],
    "sequences": lambda: [
        fr.Masking(9.0),
        fr.LSTM(3, return_sequences=True, dropout=0.1, recurrent_dropout=0.2, go_backwards=True),
        fr.TimeDistributed(fr.Dense(4, activation="tanh")), fr.Activation("softmax"),
        fr.Recurrent(3, "gru", kernel_initializer="ones", name="mine"), fr.RepeatVector(3),
        fr.Reversed(fr.GRU(2, return_sequences=True)),
        fr.LSTM(2, unit_forget_bias=False, return_sequences=True, return_state=True),
    ],
    "last step": lambda: [fr.GRU(3, return_sequences=True), fr.LastStep()],
    "words": lambda: [
        fr.Words(7, 3, alphabets=[7, 7], lengths=[1, 3], character_dim=2, units=2, unknown=0.2)
    ],
    "stateful": lambda: [fr.LSTM(3, stateful=True, return_sequences=True), fr.GRU(2, stateful=True)],
    "functions": lambda: [fr.LSTM(3, kernel_initializer=lambda rng, shape, dtype: np.full(shape, 0.5, dtype)),
                          fr.Dense(3, None, lambda rng, shape, dtype: np.full(shape, 0.5, dtype))],
    "own": lambda: [fr.Recurrent(3, LEAKY, return_sequences=True), fr.Bidirectional(fr.Recurrent(2, LEAKY))],
}  # fmt: skip


def given(name: str, dtype: str = F) -> Any:
    if name == "words":
        return np.sort(IDS)[:, :, None].repeat(5, axis=2)
    if "ids" in name:
        return IDS
    return (X[:, 0] if name == "vectors" else X).astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", STACKS)
def test_every_layer_comes_back(name: str, dtype: str, tmp_path: Path) -> None:
    model = fr.Sequential(STACKS[name](), seed=2, dtype=dtype)
    x = given(name, dtype)
    model.predict(x)
    model.save(tmp_path / "m")
    back = fr.load(tmp_path / "m", cells={"leaky": LEAKY})
    assert_same_bits(back.named_params(), model.named_params())
    assert [layer.config() for layer in back.layers] == [layer.config() for layer in model.layers]
    assert [layer.out_shape for layer in back.layers] == [layer.out_shape for layer in model.layers]
    assert (back.seed, back.dtype, back.optimizer) == (model.seed, model.dtype, None)
    assert_same_bits(back.predict(x), model.predict(x))
    if name == "stateful":
        assert_same_bits([layer.state for layer in back.layers], [layer.state for layer in model.layers])


def test_every_class_is_in_a_stack() -> None:
    met = {
        type(one).__name__ for make in STACKS.values() for layer in make() for one in layer.whole()
    }
    assert met == set(CLASSES)


@pytest.mark.parametrize("optimizer", [
    lambda: optimizers.SGD(0.1),
    lambda: optimizers.SGD(schedules.ExponentialDecay(0.1, 3, 0.5), momentum=0.9, nesterov=True, clipnorm=1),
    lambda: optimizers.RMSprop(0.01, centered=True, momentum=0.5, clipvalue=0.5),
    lambda: optimizers.Adam(0.01, amsgrad=True, global_clipnorm=1.0),
    lambda: optimizers.AdamW(0.01, weight_decay=0.1, exclude=("b",)),
])  # fmt: skip
@pytest.mark.parametrize("trained", [False, True])
def test_every_optimizer_comes_back(optimizer: Callable[[], Any], trained: bool, tmp_path: Path) -> None:
    model = fr.Sequential([fr.LSTM(3), fr.Dense(2, "softmax")], seed=2)
    loss = losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(optimizer(), loss, metrics=["accuracy", metrics.TopKCategoricalAccuracy(2), "auroc"])
    y = np.eye(2, dtype=F)[RNG.integers(0, 2, 6)]
    model.predict(X)
    if trained:
        model.fit(X, y, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "m")
    back = fr.load(tmp_path / "m")
    assert back.optimizer.config() == model.optimizer.config() and back.loss == model.loss
    assert [m.config() for m in back.metrics] == [m.config() for m in model.metrics]
    done = (2, 4) if trained else (0, 0)
    assert (back.epochs_done, back.steps_done) == (model.epochs_done, model.steps_done) == done
    assert_same_bits(back.optimizer.state(), model.optimizer.state())
    assert back.evaluate(X, y) == model.evaluate(X, y)
    for one in (back, model):
        one.fit(X, y, epochs=1, batch_size=4, verbose=0)
    assert_same_bits(back.get_weights(), model.get_weights())


def test_functions_and_classes_of_ones_own() -> None:
    class MyLoss(losses.MeanSquaredError):
        """Its description is that of mse, and would silently come back as such."""

    class MySchedule(schedules.LearningRateSchedule):
        def __call__(self, step: int) -> float:
            return 0.1

    for optimizer, loss, what in (
        ("sgd", MyLoss(), "a loss, optimizer or schedule of your own"),
        (optimizers.SGD(MySchedule()), "mse", "a loss, optimizer or schedule of your own"),
    ):
        model = fr.Sequential([fr.Dense(2)], seed=0)
        model.compile(optimizer, loss)
        model.fit(X[:, 0], X[:, 0, :2], verbose=0)
        with pytest.warns(UserWarning, match=f"fastrnn: {what} cannot be saved; compile again"):
            description, tensors = serialization.describe(model)
        assert description["compiled"] is None and not any(k.startswith("optimizer") for k in tensors)


def test_metrics_of_ones_own_are_left_out(tmp_path: Path) -> None:
    class MyMetric(metrics.MeanAbsoluteError):
        pass

    for own in (lambda y, p: abs(y - p).mean(axis=1), MyMetric("mine")):
        model = fr.Sequential([fr.Dense(2)], seed=0)
        model.compile("sgd", "mse", metrics=["mae", own])
        model.fit(X[:, 0], X[:, 0, :2], verbose=0)
        with pytest.warns(UserWarning, match="metrics of your own cannot be saved; compile again"):
            model.save(tmp_path / "m")
        assert [m.name for m in fr.load(tmp_path / "m").metrics] == ["mae"]


def test_a_layer_of_ones_own_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    class Mine(fr.Dense):
        pass

    model = fr.Sequential([Mine(2)], seed=0)
    model.predict(X)
    with pytest.raises(ValueError, match=r"save: Mine is a layer of your own; load cannot make it\."):
        model.save(tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_cell_of_ones_own_is_asked_for(tmp_path: Path) -> None:
    model = fr.Sequential([fr.Recurrent(2, LEAKY)], seed=0)
    model.predict(X)
    model.save(tmp_path / "m")
    with pytest.raises(fr.ModelFormatError, match=r"a cell of your own; load it with cells=\{'leaky': ...\}"):
        fr.load(tmp_path / "m")


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    model = fr.Sequential([fr.Dense(2)], seed=0)
    model.predict(X)
    model.save(tmp_path / "m")
    before = (tmp_path / "m").read_bytes()
    with model.writing():
        model.layers[0].params["b"][0] = np.nan
    with pytest.raises(ValueError) as caught:
        model.save(tmp_path / "m")
    said = "save: params/dense/b holds NaN or infinity. Load the last good model instead."
    assert str(caught.value) == said
    assert (tmp_path / "m").read_bytes() == before


# ---------------------------------------------------------------------- writing


def trained() -> fr.Sequential:
    model = fr.Sequential([fr.LSTM(3, stateful=True), fr.Dense(2)], seed=2)
    model.compile("adam", "mse")
    model.fit(X, X[:, 0, :2], batch_size=6, verbose=0)
    return model


class Crash(Exception):
    pass


@pytest.mark.parametrize("what", ["replace", "fsync", "chmod", "fdopen"])
def test_a_crash_leaves_the_old_file_whole(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m"
    path.write_bytes(b"old")

    def crash(*args: Any, **options: Any) -> Any:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(os, what, crash)
        with pytest.raises(Crash):
            serialization.write_atomically(path, b"new" * 100_000)
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["m"]
    serialization.write_atomically(path, b"new")
    assert path.read_bytes() == b"new" and [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.skipif(os.name != "posix", reason="folders are synchronised on POSIX")
def test_file_then_rename_then_folder_are_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []
    fsync, replace = os.fsync, os.replace

    def synchronise(handle: int) -> None:
        info = os.fstat(handle)
        calls.append("folder" if stat.S_ISDIR(info.st_mode) else info.st_size)
        fsync(handle)

    def rename(a: Any, b: Any) -> None:
        calls.append("rename")
        assert Path(a).parent == Path(b).parent  # another file system could not rename
        replace(a, b)

    monkeypatch.setattr(os, "fsync", synchronise)
    monkeypatch.setattr(os, "replace", rename)
    trained().save(tmp_path / "m")
    assert calls == [(tmp_path / "m").stat().st_size, "rename", "folder"]


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_the_mode_follows_the_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        trained().save(tmp_path / "m")
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~umask
        assert os.umask(umask) == umask  # it is left as it was
    finally:
        os.umask(before)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError):
        trained().save(tmp_path / "missing" / "m")
    with pytest.raises(FileNotFoundError):
        fr.load(tmp_path / "m")
    monkeypatch.chdir(tmp_path)
    trained().save("plain")
    assert fr.load("plain").count_params() == trained().count_params()
    with pytest.raises(ValueError, match="backend must be one of") as caught:
        fr.load("plain", backend="gpu")
    assert type(caught.value) is ValueError  # no fault of the file


# ---------------------------------------------------------------------- damage


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("models") / "m"
    trained().save(path)
    return path.read_bytes()


def refuse(content: bytes, path: Path, message: str = "", load: Any = fr.load) -> None:
    """Loading that file is a ModelFormatError, and soon."""
    path.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(fr.ModelFormatError) as caught:
        load(path)
    assert time.perf_counter() - start < 5
    assert str(path) in str(caught.value) and message in str(caught.value), str(caught.value)


def test_truncation_anywhere(whole: bytes, tmp_path: Path) -> None:
    size = int.from_bytes(whole[:8], "little")
    cuts = {0, 1, 7, 8, 9, 8 + size - 1, 8 + size, 8 + size + 1, len(whole) - 4, len(whole) - 1}
    cuts |= set(range(0, len(whole), 97))
    for cut in sorted(cuts):
        refuse(whole[:cut], tmp_path / "m", "is not a whole fastrnn model: ")
    refuse(whole + b"\0", tmp_path / "m")
    refuse(b"", tmp_path / "m", "it is truncated. Save it again, or take a backup.")


def test_a_flipped_bit_anywhere(whole: bytes, tmp_path: Path) -> None:
    places = range(len(whole))
    rng = np.random.default_rng(0)
    for place in [*range(64), *rng.choice(places, 600, replace=False).tolist()]:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(rng.integers(8))
        refuse(bytes(damaged), tmp_path / "m")


@pytest.mark.parametrize("content", [
    b"x" * 7, b"\0" * 8, b"\xff" * 64, (2**63).to_bytes(8, "little") + b"{}", b"PK\x03\x04" + b"\0" * 100,
    (2).to_bytes(8, "little") + b"[]", (2).to_bytes(8, "little") + b"{}", (4).to_bytes(8, "little") + b"null",
    (20).to_bytes(8, "little") + b'{"__metadata__": {}}', (100_000).to_bytes(8, "little") + b"[" * 100_000,
    (99_000_000).to_bytes(8, "little"),
])  # fmt: skip
def test_what_is_no_model_file(content: bytes, tmp_path: Path) -> None:
    refuse(content, tmp_path / "m", "is not a whole fastrnn model: ")


# ---------------------------------------------------------------------- editing, with the checksum put right


def parts(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    from safetensors.numpy import load

    size = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    return json.loads(metadata["description"]), load(content)


def joined(
    description: Any, tensors: Any, form: str = serialization.FORMAT, text: str | None = None
) -> bytes:
    from safetensors.numpy import save

    text = json.dumps(description) if text is None else text
    digest = serialization._digest(text, tensors)
    return save(tensors, metadata={"format": form, "description": text, "sha256": digest})


def edit(content: bytes, change: Callable[[Any, Any], Any]) -> bytes:
    description, tensors = parts(content)
    change(description, tensors)
    return joined(description, tensors)


def rename(a: str, b: str) -> Callable[[Any, Any], Any]:
    return lambda d, t: t.__setitem__(b, t.pop(a))


def put(name: str, array: Any) -> Callable[[Any, Any], Any]:
    return lambda d, t: t.__setitem__(name, array)


def say(value: Any, *path: Any) -> Callable[[Any, Any], Any]:
    def change(d: Any, t: Any) -> None:
        for key in path[:-1]:
            d = d[key]
        d[path[-1]] = value

    return change


B = "params/dense/b"


def test_an_edit_that_changes_nothing_loads(whole: bytes, tmp_path: Path) -> None:
    """Else the tests below would prove nothing."""
    (tmp_path / "m").write_bytes(edit(whole, lambda d, t: None))
    assert_same_bits(fr.load(tmp_path / "m").predict(X), trained().predict(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, t: t.pop(B), "tensor 'params/dense/b' is missing."),
        (put("params/dense/c", np.zeros(2, F)), "nothing uses the tensors ['params/dense/c']."),
        (put("anything", np.zeros(2, F)), "nothing uses the tensors ['anything']."),
        (rename(B, "params/dense/B"), "tensor 'params/dense/b' is missing."),
        (put(B, np.zeros(3, F)), "tensor 'params/dense/b' must be [2] float32, got [3] float32."),
        (put(B, np.zeros((2, 1), F)), "tensor 'params/dense/b' must be [2] float32, got [2, 1] float32."),
        (put(B, np.zeros(2)), "tensor 'params/dense/b' must be [2] float32, got [2] float64."),
        (put(B, np.zeros(2, "int32")), "tensor 'params/dense/b' must be [2] float32, got [2] int32."),
        (put(B, np.array([np.nan, 0], F)), "tensor 'params/dense/b' holds NaN or infinity."),
        (put("optimizer/m/dense/b", np.array([np.inf, 0], F)),
         "tensor 'optimizer/m/dense/b' holds NaN or infinity."),
        (lambda d, t: t.pop("optimizer/v/dense/b"), "tensor 'optimizer/v/dense/b' is missing."),
        (put("optimizer/m/dense/b", np.zeros(5, F)),
         "tensor 'optimizer/m/dense/b' must be [2] float32, got [5]"),
        (put("optimizer/q/dense/b", np.zeros(2, F)), "nothing uses the tensors ['optimizer/q/dense/b']."),
        (lambda d, t: t.pop("state/lstm/c"), "tensor 'state/lstm/c' is missing."),
        (put("state/lstm/c", np.zeros((6, 4), F)),
         "tensor 'state/lstm/c' must be [6, 3] float32, got [6, 4]"),
        (put("state/lstm/c", np.zeros((5, 3), F)),
         "tensor 'state/lstm/c' must be [6, 3] float32, got [5, 3]"),
        (say({}, "states"), "nothing uses the tensors ['state/lstm/c', 'state/lstm/h']."),
        (say(6, "states", "dense"), "does not describe a model: "),
        (say(6, "states", "other"), "does not describe a model: "),
        (say(-6, "states", "lstm"), "-6 is not a whole number from 0"),
        (say(None, "compiled"), "nothing uses the tensors ['optimizer/m/dense/W'"),
        (say(0, "compiled", "iterations"), "nothing uses the tensors ['optimizer/m/dense/W'"),
        (say(-1, "compiled", "iterations"), "-1 is not a whole number from 0"),
        (say("mse2", "compiled", "loss", "name"), "does not describe a model: "),
        (say("adamx", "compiled", "optimizer", "name"), "Did you mean 'adam'?"),
        (say(7, "compiled", "optimizer", "beta_1"), "beta_1 must be a number in [0, 1)"),
        (say({"name": "nothing"}, "compiled", "metrics"), "does not describe a model: "),
        (say("float16", "dtype"), "dtype must be float32 or float64, got float16"),
        (say("float64", "dtype"), "must be [12, 3] float64, got [12, 3] float32."),
        (say(-1, "seed"), "seed must be a whole number of at least 0"),
        (say("a", "steps_done"), "'a' is not a whole number from 0"),
        (say(1.5, "epochs_done"), "1.5 is not a whole number from 0"),
        (lambda d, t: d.pop("epochs_done"), "does not describe a model: KeyError('epochs_done')"),
        (lambda d, t: d.pop("layers"), "does not describe a model: KeyError('layers')"),
        (lambda d, t: d.pop("kind"), "holds a None, which this version does not know."),
        (say("Tree", "kind"), "holds a 'Tree', which this version does not know."),
        (say("Autoencoder", "kind"), "does not describe an Autoencoder: "),
        (say([[3], True, None], "input"), "does not describe a model: "),
        (say([[5], True, None, False], "input"),
         "tensor 'params/lstm/W_ih' must be [12, 5] float32, got [12, 3]"),
        (say([[3], False, None, False], "input"), "input must be [B, T, I], got [B, 3]."),
        (say([["a"], True, None, False], "input"), "does not describe a model: "),
        (say([], "layers"), "does not describe a model: "),
        (say("LSTMM", "layers", 0, "class"), "layer class must be one of"),
        (say("os.system", "layers", 0, "class"), "layer class must be one of"),
        (say("GRU", "layers", 0, "class"), "does not describe a model: TypeError("),
        (say(4, "layers", 0, "config", "units"),
         "tensor 'params/lstm/W_ih' must be [16, 3] float32, got [12, 3]"),
        (say(30_000, "layers", 0, "config", "units"), "units=30000, but all tensors hold "),
        (say(10**15, "layers", 1, "config", "units"), "but all tensors hold "),
        (say("3", "layers", 0, "config", "units"), "does not describe a model: "),
        (say(1.5, "layers", 0, "config", "dropout"), "dropout must be a number in [0, 1), got 1.5"),
        (say(1, "layers", 0, "config", "__class__"), "does not describe a model: TypeError("),
        (say("x", "layers", 1, "config", "kernel_initializer"), "does not describe a model: "),
        (say("lstm", "layers", 1, "config", "name"), "is missing."),
    ],
)  # fmt: skip
def test_edited_files(whole: bytes, change: Callable[[Any, Any], Any], message: str, tmp_path: Path) -> None:
    refuse(edit(whole, change), tmp_path / "m", message)


def test_descriptions_that_are_no_description(whole: bytes, tmp_path: Path) -> None:
    tensors = parts(whole)[1]
    for text in ("[]", "1", "null", '"text"', "{}", "{", "", "[" * 50_000):
        refuse(joined(None, tensors, text=text), tmp_path / "m")


def test_other_versions_are_named(whole: bytes, tmp_path: Path) -> None:
    content = joined(*parts(whole), form="fastrnn 2")
    refuse(content, tmp_path / "m", "its format is 'fastrnn 2', this version reads 'fastrnn 1'")


def test_a_key_that_appears_twice(whole: bytes, tmp_path: Path) -> None:
    description, tensors = parts(whole)
    text = json.dumps(description)
    refuse(joined(None, tensors, text=text[:-1] + ', "seed": 7}'), tmp_path / "m", "a key appears twice")
    size = int.from_bytes(whole[:8], "little")
    header = whole[8 : 8 + size].rstrip()
    double = header[:-1] + b', "params/dense/b": ' + json.dumps(json.loads(header)[B]).encode() + b"}"
    refuse(
        len(double).to_bytes(8, "little") + double + whole[8 + size :], tmp_path / "m", "a key appears twice"
    )


def test_an_edited_file_without_its_checksum(whole: bytes, tmp_path: Path) -> None:
    from safetensors.numpy import save

    description, tensors = parts(whole)
    text = json.dumps(description, sort_keys=True)
    digest = serialization._digest(text, tensors)
    for change in (lambda: tensors[B].__iadd__(1), lambda: tensors.__setitem__(B, tensors[B][::-1].copy())):
        change()
        content = save(tensors, metadata={"format": "fastrnn 1", "description": text, "sha256": digest})
        refuse(content, tmp_path / "m", "its checksum does not match: it was edited or damaged")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d, t: d.pop("extra"), "does not describe an Autoencoder"),
        (say({}, "extra"), "KeyError('arguments')"),
        (lambda d, t: d["extra"].pop("threshold"), "KeyError('threshold')"),
        (say("high", "extra", "threshold"), "threshold must be a number in [0, inf), got 'high'"),
        (say(-1.0, "extra", "threshold"), "threshold must be a number in [0, inf), got -1.0"),
        (say([4, 3], "extra", "arguments", "units"), "the layers are not those of the arguments"),
        (say("elu", "extra", "arguments", "activation"), "the layers are not those of the arguments"),
        (say(1, "extra", "arguments", "colour"), "TypeError("),
        (say("SequenceAutoencoder", "kind"), "does not describe an SequenceAutoencoder"),
    ],
)
def test_edited_autoencoders(change: Callable[[Any, Any], Any], message: str, tmp_path: Path) -> None:
    model = fr.Autoencoder((4, 2), seed=0)
    model.fit(X[:, 0], epochs=1, verbose=0)
    model.fit_threshold(X[:, 0])
    model.save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    (tmp_path / "same").write_bytes(edit(content, lambda d, t: None))
    assert fr.load(tmp_path / "same").threshold == model.threshold
    refuse(edit(content, change), tmp_path / "m", message)


def test_the_wrong_class_is_named(whole: bytes, tmp_path: Path) -> None:
    said = "holds a Sequential. Read it with fastrnn.load."
    refuse(whole, tmp_path / "m", said, fr.Autoencoder.load)
    refuse(whole, tmp_path / "m", said, fr.SequenceAutoencoder.load)
