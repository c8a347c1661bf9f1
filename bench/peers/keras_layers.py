"""Keras on JAX: its LSTM, GRU and SimpleRNN layers, and an autoencoder by train_on_batch.

The layers run through `stateless_call` under jax.jit, Keras' own way into a compiled function and the
fastest one: `predict` adds its loop over batches. Keras is batch-first, so the time-major cases hand it
arrays that were turned before anything is timed. Threads are held as in `bench.peers.jax_scan`.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from .. import dense
from ..cases import Case
from . import Unsupported, Work, jax_scan

# Where gate k of Keras (i f c o, z r h, one) stands in ours (i f g o, r z n, a).
ORDER = {"lstm": (0, 1, 2, 3), "gru": (1, 0, 2), "rnn": (0,)}


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    used = jax_scan.hold(threads)
    os.environ["KERAS_BACKEND"] = "jax"
    import keras

    return {"threads": used, "versions": {"keras": keras.__version__}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "dense":
        return _autoencoder(case, given)
    if case.subject not in ("recurrent", "ragged"):
        raise Unsupported("single recurrences over whole sequences, and autoencoders.")
    return _recurrence(case, given)


def _reorder(case: Case, array: Any) -> Any:
    """Blocks of gates along the last axis from one order into the other; it is its own inverse."""
    order = ORDER[case.cell]
    blocks = np.split(np.asarray(array), len(order), axis=-1)
    return np.concatenate([blocks[k] for k in order], axis=-1)


def _recurrence(case: Case, given: dict[str, Any]) -> Work:
    import jax
    import jax.numpy as jnp
    import keras

    kind = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "rnn": keras.layers.SimpleRNN}
    options: dict[str, Any] = {"reset_after": True} if case.cell == "gru" else {}
    layer = kind[case.cell](
        case.H, return_sequences=True, return_state=True, zero_output_for_mask=True, **options
    )
    layer.build((case.B, case.T, case.I))
    params = given["params"]
    both = [params["b_ih"], params["b_hh"]] if case.cell == "gru" else params["b"]
    layer.set_weights([
        _reorder(case, params["W_ih"].T), _reorder(case, params["W_hh"].T), _reorder(case, np.array(both)),
    ])  # fmt: skip
    fixed = [v.value for v in layer.non_trainable_variables]
    weights = [v.value for v in layer.trainable_variables]
    mask = None
    if given["lengths"] is not None:
        mask = jnp.asarray(np.arange(case.T) < given["lengths"][:, None])

    def turned(array: Any) -> Any:
        return jnp.asarray(array.swapaxes(0, 1) if case.time_major else array)

    def forward(weights: Any, x: Any) -> Any:
        (y, *states), _ = layer.stateless_call(weights, fixed, x, mask=mask)
        return y, states

    def train(weights: Any, x: Any, dy: Any) -> Any:
        y, back, states = jax.vjp(forward, weights, x, has_aux=True)
        return y, states, back(dy)

    arguments = [weights, turned(given["x"]), *([turned(given["dy"])] if case.training else [])]
    run = jax.jit(train if case.training else forward)

    def call() -> Any:
        return jax.block_until_ready(run(*arguments))

    def outputs() -> dict[str, Any]:
        y, states, *gradients = call()
        for (dW, dU, db), dx in gradients:
            named = {"W_ih": _reorder(case, dW).T, "W_hh": _reorder(case, dU).T}
            bias = _reorder(case, db)
            named.update(zip(("b_ih", "b_hh"), bias, strict=True) if case.cell == "gru" else [("b", bias)])
            gradients = [(named, dx)]
        found = jax_scan.read((y, states, *gradients))
        for name in ("y", "dx") if case.time_major else ():
            if name in found:
                found[name] = found[name].swapaxes(0, 1)
        return found

    return Work(call, outputs)


def _autoencoder(case: Case, given: dict[str, Any]) -> Work:
    import keras

    names = ["relu"] * (len(case.units) - 2) + ["sigmoid"]
    layers = [keras.layers.Dense(n, activation=a) for n, a in zip(case.units[1:], names, strict=True)]
    model = keras.Sequential([keras.Input((case.units[0],)), *layers])
    model.set_weights([array for W, b in given["weights"] for array in (W.T, b)])
    adam = keras.optimizers.Adam(dense.RATE, dense.BETA_1, dense.BETA_2, dense.EPSILON)
    model.compile(optimizer=adam, loss="mse")
    x = given["x"]

    def call() -> Any:
        return model.train_on_batch(x, x)

    def first_steps() -> dict[str, Any]:
        # The loss that train_on_batch returns is the mean of all steps so far.
        losses = []
        for _ in range(dense.STEPS):
            model.reset_metrics()
            losses.append(float(call()))
        params = [a.T if a.ndim == 2 else a for a in map(np.asarray, model.get_weights())]
        return dense.summarize(given, losses, params)

    return Work(call, first_steps)
