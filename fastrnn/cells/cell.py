"""What a recurrent cell is, and the four pieces that every gated cell shares.

A cell is the mathematics of one recurrence as array code: the array module is an argument (`xp`), so the
same lines are the specification, the exact reference and the CuPy implementation.

Shapes: N rows, B sequences, I inputs, H units, G = gates x H.  ``x`` is a packed batch: ``x.rows`` [N, I]
(or integer ids [N] with ``x.depth = I`` for one-hot rows), ``x.layout`` says which row is which.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Params = dict[str, Any]


@dataclass(frozen=True)
class Cell:
    """One recurrence.

    Attributes
    ----------
    name : the key under which backends look for a kernel, and which is saved with a model
    gates : one letter a gate; the order of the blocks in W_ih, W_hh and the biases
    states : names of the states; the first is the output
    init : (rng, I, H, dtype) -> params
    forward : (xp, params, x, s0, training, h_mask=None) -> (y [N, H], sT, cache).
        s0, sT are tuples of [B, H] in packed order; cache is None unless training.
        h_mask [B, H] or None multiplies the state on its way into the recurrent product.
    backward : (xp, params, cache, dy, dsT) -> (dx, ds0, dparams).
        dy [N, H] or None; dsT a tuple of [B, H] or None.  dx is None for one-hot input, or where
        x.gradient is False.
    opened : (cache) -> the activated gates, each [N, H], in the order of `gates`; None: it shows none
    squash : the name of each gate's activation, such as "sigmoid" (`activations.py`); goes with `opened`
    output : the size of the first state where it is not H: a cell that projects it
    keep : the sigmoid gates that decide how much of a state stays: (letter, 1) keeps it where it is open,
        (letter, -1) where it is shut
    total : (xp, params, cache of a call of one step, dsT) -> dsT with what goes back through the output to
        the other states; None where there is no other, or the cell does not say
    """

    name: str
    gates: str
    states: tuple[str, ...]
    init: Callable[..., Params]
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    opened: Callable[[Any], tuple[Any, ...]] | None = None
    squash: tuple[str, ...] = ()
    output: int | None = None
    keep: tuple[tuple[str, int], ...] = ()
    total: Callable[..., Any] | None = None

    def widths(self, units: int) -> tuple[int, ...]:
        """The size of each state of a layer with so many units."""
        return (units if self.output is None else self.output, *(units for _ in self.states[1:]))


def glorot_uniform(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Uniform in +-sqrt(6 / (fan_in + fan_out)) for weights [out, in] (Glorot and Bengio 2010)."""
    fan_out, fan_in = shape[0], math.prod(shape[1:])
    limit = math.sqrt(6.0 / max(1, fan_in + fan_out))
    return rng.uniform(-limit, limit, shape).astype(dtype)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """Orthonormal rows or columns, whichever are fewer (Saxe, McClelland and Ganguli 2014)."""
    rows, columns = shape[0], math.prod(shape[1:])
    q, r = np.linalg.qr(rng.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diagonal(r) < 0, -1.0, 1.0)  # makes the distribution uniform
    return np.ascontiguousarray(q if rows >= columns else q.T).reshape(shape).astype(dtype)


def init_weights(
    rng: np.random.Generator, gates: int, inputs: int, units: int, dtype: Any, output: int | None = None
) -> Params:
    """W_ih [G, I] Glorot uniform over all gates, as in Keras; W_hh [G, H] orthogonal gate by gate.

    output : the size of h where it is not H
    """
    block = (units, units if output is None else output)
    return {
        "W_ih": glorot_uniform(rng, (gates * units, inputs), dtype),
        "W_hh": np.concatenate([orthogonal(rng, block, dtype) for _ in range(gates)]),
    }


def sigmoid(xp: Any, x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow."""
    return 0.5 * xp.tanh(0.5 * x) + 0.5


def history(xp: Any, s0: Any, rows: int) -> Any:
    """[B + N, H] with the initial states s0 [B, H] in front."""
    states = xp.empty((len(s0) + rows, s0.shape[1]), s0.dtype)
    states[: len(s0)] = s0
    return states


def project(xp: Any, x: Any, W_ih: Any, b: Any) -> Any:
    """x W_ih' + b for all rows, [N, G]; a gather of weight columns where x is one-hot."""
    if x.depth is not None:
        return W_ih.T[xp.asarray(x.rows)] + b
    return x.rows @ W_ih.T + b


def recurrent_input(xp: Any, h: Any, layout: Any, h_mask: Any) -> Any:
    """What the recurrent product of each row read, [N, H]."""
    before = h[xp.asarray(layout.before)]
    return before if h_mask is None else before * h_mask[xp.asarray(layout.sequence)]


def collect_input(xp: Any, x: Any, W_ih: Any, dgates: Any) -> tuple[Any, Any]:
    """The gradients of `project`: dx [N, I] (None where x is one-hot or nobody wants it) and dW_ih [G, I]."""
    if x.depth is not None:
        dW_ih = xp.zeros_like(W_ih)
        xp.add.at(dW_ih.T, xp.asarray(x.rows), dgates)
        return None, dW_ih
    return dgates @ W_ih if x.gradient else None, dgates.T @ x.rows


def state_gradients(xp: Any, dsT: Any, like: tuple[Any, ...]) -> list[Any]:
    """Fresh arrays [B, H] that start from dsT, or from zero."""
    if dsT is None:
        return [xp.zeros_like(s) for s in like]
    return [xp.zeros_like(s) if d is None else xp.array(d) for d, s in zip(dsT, like, strict=True)]
