"""Is a gradient right?  Signed directional derivatives in float64.

::

    errors = check_gradients(forward, backward, inputs, *, weights=None, zero=(), ...)

forward : (inputs) -> sequence of outputs, each an array of float64 or None.  Must be a pure function.
backward : (inputs, douts) -> dict of gradients, by the names of `inputs`.  `douts` holds one array per
    output, the gradient of the loss with respect to it, or None for an output that does not count.
    It runs its own forward pass.
inputs : dict of float64 arrays, every one of them checked: x, states, parameters.
weights : the `douts` to use, in the order of the outputs; random where left out.  None in it leaves an
    output out of the loss; an array with zeros leaves out a part of it (dy at the last step only).
zero : names of inputs on which the loss does not depend.  Every other gradient must be different from
    zero, and these must be exactly zero.

The loss is ``sum(dout * output)``.  For every input alone, and along several random directions v of unit
length, ``<gradient, v>`` must equal the derivative of the loss, **sign included**, to 1e-7 of the
derivative itself.  That is never measured against a floor, so a gradient that is small and wrong is
wrong.  The derivative comes from central differences of order six with the step at which it agrees best
with that of order four.  If even that agreement is too poor to decide, because the true derivative is
lost in rounding, the check raises as well: it never passes for lack of evidence.

Raises `GradientError` (an AssertionError) that names the input; returns the largest error per input.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

# Lengths of the step along a unit vector, from smooth functions to ones with kinks near by.
STEPS = (0.3, 0.03, 3e-3, 3e-4, 3e-5)


class GradientError(AssertionError):
    """A gradient is wrong, or nothing can be said about it."""


def loss_of(outputs: Sequence[Any], douts: Sequence[Any]) -> float:
    """The number whose gradient `douts` starts."""
    pairs = zip(outputs, douts, strict=True)
    return float(sum(np.vdot(d, o) for o, d in pairs if d is not None))


def derivative(loss: Callable[[float], float]) -> tuple[float, float]:
    """(d loss / d s at s = 0, how far it may be off)."""
    best, doubt = float("nan"), float("inf")
    for h in STEPS:
        with np.errstate(all="ignore"):  # a long step may leave the domain; a shorter one is next
            values = [loss(k * h) for k in (-3, -2, -1, 1, 2, 3)]
        d1, d2, d3 = ((values[2 + k] - values[3 - k]) / (2 * k * h) for k in (1, 2, 3))
        fourth, sixth = (4 * d1 - d2) / 3, (15 * d1 - 6 * d2 + d3) / 10
        rounding = 4 * np.finfo(float).eps * max(map(abs, values)) / h
        off = abs(sixth - fourth) + rounding
        if off < doubt:
            best, doubt = sixth, off
        if doubt < 1e-10 * abs(best):
            break
    return best, doubt


def check_gradients(
    forward: Callable[[Mapping[str, Any]], Sequence[Any]],
    backward: Callable[[Mapping[str, Any], Sequence[Any]], Mapping[str, Any]],
    inputs: Mapping[str, Any],
    *,
    weights: Sequence[Any] | None = None,
    zero: Iterable[str] = (),
    directions: int = 2,
    tolerance: float = 1e-7,
    seed: int = 0,
) -> dict[str, float]:
    """See the top of this file."""
    rng = np.random.default_rng(seed)
    zero = set(zero)
    if weights is None:
        weights = [None if o is None else rng.standard_normal(o.shape) for o in forward(inputs)]
    gradients = backward(inputs, weights)
    if set(gradients) != set(inputs):
        raise GradientError(f"gradients for {sorted(gradients)}, inputs are {sorted(inputs)}")
    errors = {}
    for name, value in inputs.items():
        gradient = gradients[name]
        if gradient is None or gradient.shape != value.shape or gradient.dtype != np.float64:
            raise GradientError(f"{name}: a gradient like {value.shape} float64, got {gradient!r}")
        errors[name] = 0.0
        for number in range(directions if value.size else 0):
            v = rng.standard_normal(value.shape)
            v /= np.linalg.norm(v)

            def loss(s: float, name: str = name, value: Any = value, v: Any = v) -> float:
                return loss_of(forward({**inputs, name: value + s * v}), weights)

            true, doubt = derivative(loss)
            claimed = float(np.vdot(gradient, v))
            where = f"{name}, direction {number}: gradient {claimed:.9g}, differences {true:.9g}"
            if name in zero:
                if gradient.any() or abs(true) > doubt:
                    raise GradientError(f"{where}: both should be zero")
                continue
            error = abs(claimed - true) / abs(true) if true else float("inf")
            if not error <= tolerance:  # NaN is an error as well
                raise GradientError(f"{where}: relative error {error:.2g} (doubt {doubt:.2g})")
            if doubt > tolerance * abs(true):
                raise GradientError(f"{where}: too small to be checked (doubt {doubt:.2g})")
            errors[name] = max(errors[name], error)
    return errors
