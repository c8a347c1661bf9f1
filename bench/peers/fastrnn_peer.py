"""fastrnn itself: the installed one, or, where none is installed, the one in place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fastrnn as fr
from fastrnn import optimizers

from .. import dense, recurrent
from ..cases import Case
from . import Work


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


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "dense":
        return _autoencoder(case, given)
    return Work(recurrent.call(case, given), lambda: recurrent.outputs(case, given))


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
