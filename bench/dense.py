"""Subject: one training step of a dense autoencoder: forward, backward, Adam.

Layers are y = f(x W' + b), f is relu, and the sigmoid for the last; the loss is the mean of
(y - x)^2 over all elements. The formulas stand here in plain NumPy: they are what every peer is
verified against, in float64, and the NumPy peer, in float32.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .cases import Case

RATE, BETA_1, BETA_2 = 1e-3, 0.9, 0.999
# Keras and PyTorch add epsilon at different places; so small a one adds nothing at either.
EPSILON = 1e-16
STEPS = 3  # verified: enough for both moments and their corrections to matter


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case, the same in every process.

    Returns
    -------
    x : [B, units[0]] float32 in 0..1, input and target
    weights : list of (W [out, in], b [out]) float32, one pair a layer
    """
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    weights = []
    for inputs, units in zip(case.units, case.units[1:], strict=False):
        limit = (6.0 / (inputs + units)) ** 0.5  # Glorot and Bengio (2010)
        W = rng.uniform(-limit, limit, (units, inputs)).astype(np.float32)
        weights.append((W, rng.uniform(-0.1, 0.1, units).astype(np.float32)))
    x = rng.uniform(0, 1, (case.B, case.units[0])).astype(np.float32)
    return {"x": x, "weights": weights}


class Network:
    """The autoencoder in plain NumPy, in the dtype given."""

    def __init__(self, given: dict[str, Any], dtype: Any) -> None:
        self.x = given["x"].astype(dtype)
        self.params = [array.astype(dtype) for pair in given["weights"] for array in pair]
        self.m = [np.zeros_like(p) for p in self.params]
        self.v = [np.zeros_like(p) for p in self.params]
        self.t = 0

    def step(self) -> float:
        """One training step; the loss before it."""
        layers = list(zip(self.params[::2], self.params[1::2], strict=True))
        rows = [self.x]
        for W, b in layers:
            a = rows[-1] @ W.T + b
            last = len(rows) == len(layers)
            rows.append(1 / (1 + np.exp(-a)) if last else np.maximum(a, 0))
        error = rows[-1] - self.x
        da = 2 / error.size * error * rows[-1] * (1 - rows[-1])
        grads: list[Any] = []
        for (W, _), x in zip(reversed(layers), reversed(rows[:-1]), strict=True):
            grads = [da.T @ x, da.sum(axis=0), *grads]
            da = (da @ W) * (x > 0)  # of the first layer: not used
        self.t += 1
        rate = RATE * (1 - BETA_2**self.t) ** 0.5 / (1 - BETA_1**self.t)
        for p, g, m, v in zip(self.params, grads, self.m, self.v, strict=True):
            m += (1 - BETA_1) * (g - m)
            v += (1 - BETA_2) * (g * g - v)
            p -= rate * m / (np.sqrt(v) + EPSILON)
        return float((error * error).mean())


def summarize(given: dict[str, Any], losses: list[float], params: list[Any]) -> dict[str, Any]:
    """What is compared: the losses of the first steps, and how far each parameter moved.

    Parameters
    ----------
    losses : of `STEPS` steps
    params : arrays after them, W [out, in] and b [out] of each layer in turn
    """
    before = [array for pair in given["weights"] for array in pair]
    result: dict[str, Any] = {"losses": np.array(losses)}
    for index, (p, p0) in enumerate(zip(params, before, strict=True)):
        result[f"move_{'Wb'[index % 2]}{index // 2}"] = p - p0
    return result


def expected(case: Case) -> dict[str, Any]:
    """The first steps in float64."""
    given = data(case)
    network = Network(given, np.float64)
    return summarize(given, [network.step() for _ in range(STEPS)], network.params)
