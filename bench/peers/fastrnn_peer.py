"""fastrnn itself: the installed one, or, where none is installed, the one in place."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn import optimizers
from fastrnn.layers import Noise
from fastrnn.packed import Packed, layout_of, pack, unpack
from fastrnn.threads import single_threaded_blas

from .. import dense, recurrent, words
from ..cases import Case
from . import Unsupported, Work


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    fr.set_num_threads(threads)
    # A missing kernel is an error here, with its advice, and not a skipped peer.
    backend = fr.get_backend().name
    mark = "" if backend == "cpu" else f" ({backend} backend)"
    folder = str(Path(fr.__file__).resolve().parent)
    return {
        "threads": fr.get_num_threads(),
        "versions": {"fastrnn": fr.__version__ + mark},
        "folder": folder,
    }


def peak(threads: int) -> float | None:
    """FLOP/s of float32 multiply-adds in registers, `threads` at once; None where it has no such function."""
    try:
        from fastrnn.kernels import _engine
    except ImportError:
        return None
    return float(_engine.fma_peak(threads=threads)) if hasattr(_engine, "fma_peak") else None


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`. What a version of fastrnn does not have is unsupported, so that old ones can run."""
    if case.subject == "dense":
        return _autoencoder(case, given)
    if case.subject == "words":
        return _words(case, given)
    if case.subject == "stream":
        return _stream(case, given)
    if case.subject == "classifier":
        return _classifier(case, given)
    if not case.training and hasattr(fr, "Weights"):
        # Weights that stay as they are, prepared once, as an ONNX Runtime session has them. In training
        # they change with every step.
        given = {**given, "params": fr.Weights(given["params"])}
    return Work(recurrent.call(case, given), lambda: recurrent.outputs(case, given))


def _stream(case: Case, given: dict[str, Any]) -> Work:
    layer = fr.LSTM(case.H, return_sequences=True)
    model = fr.Sequential([fr.Input((None, case.I)), layer], seed=0)
    if not hasattr(model, "stream"):
        raise Unsupported(f"fastrnn {fr.__version__} has no Sequential.stream.")
    _load(model, [given["params"]])
    stream = model.stream()
    step, x = stream.step, given["x"]

    def steps() -> dict[str, Any]:
        return {"y": np.stack([np.array(step(row)) for row in x])}  # step may give the same array again

    return Work(partial(step, x[0]), steps)


def _classifier(case: Case, given: dict[str, Any]) -> Work:
    if not hasattr(fr, "interop"):
        raise Unsupported(f"fastrnn {fr.__version__} reads no models of PyTorch.")
    state, x = given["state"], given["x"]
    (V, I), (K, H) = state["embedding.weight"].shape, state["head.weight"].shape
    layers = [fr.Embedding(V, I), fr.LSTM(H), fr.Dense(K, activation="softmax")]
    predict = fr.interop.from_torch(state, layers).predict
    return Work(lambda: predict(x), lambda: {"y": predict(x)})


def _words(case: Case, given: dict[str, Any]) -> Work:
    layers = [fr.Bidirectional(fr.LSTM(case.H, return_sequences=True)) for _ in given["layers"]]
    model = fr.Sequential([fr.Input((None, case.I)), *layers], seed=0)
    _load(model, [params[d] for params in given["layers"] for d in words.DIRECTIONS])
    x, dy = given["x"], given["dy"]
    layout = layout_of("bench", case.B, case.T)

    def infer() -> Any:
        return model.predict(x, batch_size=case.B)

    def train() -> Any:
        # What `fit` does with a batch, without loss and optimizer.
        with single_threaded_blas():
            for layer in model.layers:
                layer.clear_grads()
            y, caches = model.run(Packed(pack(np, x, layout), layout), Noise.of(0, 0))
            d = pack(np, dy, layout)
            for layer, cache in zip(reversed(model.layers), reversed(caches), strict=True):
                d = layer.backward(cache, d)
            return unpack(np, y.rows, layout), unpack(np, d, layout)

    def outputs() -> dict[str, Any]:
        if not case.training:
            return {"y": infer()}
        y, dx = train()
        found = {"y": y, "dx": dx}
        grads = iter(model.named_grads().values())
        for number, params in enumerate(given["layers"]):
            for direction in words.DIRECTIONS:
                for name in params[direction]:
                    found[words.named(number, direction, name)] = next(grads)
        return found

    return Work(train if case.training else infer, outputs)


def _load(model: Any, params: list[dict[str, Any]]) -> None:
    """Set the weights of recurrences in a row; `params` are in the order of their names in the model."""
    model.set_weights([array for each in params for array in each.values()])


def _autoencoder(case: Case, given: dict[str, Any]) -> Work:
    x = given["x"]
    hidden = [fr.Dense(units, activation="relu") for units in case.units[1:-1]]
    model = fr.Sequential([*hidden, fr.Dense(case.units[-1], activation="sigmoid")], seed=0)
    adam = optimizers.Adam(
        dense.RATE, beta_1=dense.BETA_1, beta_2=dense.BETA_2, epsilon=dense.EPSILON
    )
    model.compile(optimizer=adam, loss="mse")
    model.predict(x[:1])  # builds the weights
    model.set_weights([array for pair in given["weights"] for array in pair])

    def call() -> float:
        return model.train_on_batch(x, x)

    def first_steps() -> dict[str, Any]:
        losses = [call() for _ in range(dense.STEPS)]
        return dense.summarize(given, losses, model.get_weights())

    return Work(call, first_steps)
