"""Subject: two layers of bidirectional LSTM over a batch of sentences, all steps out.

Inference is the forward call; training is the forward call and the gradients of the input and of every
parameter, for a given dy. Arrays are batch-first, as users of such models have them.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .cases import Case

DEPTH = 2
DIRECTIONS = ("forward", "backward")


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case, the same in every process.

    Returns
    -------
    x : [B, T, I] float32
    dy : [B, T, 2H] float32
    layers : list of {"forward": params, "backward": params}, float32, as in `fastrnn.functional`
    """
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    B, T, H = case.B, case.T, case.H
    limit = H**-0.5
    layers = []
    for layer in range(DEPTH):
        I = 2 * H if layer else case.I
        shapes = {"W_ih": (4 * H, I), "W_hh": (4 * H, H), "b": (4 * H,)}
        layers.append({
            direction: {
                name: rng.uniform(-limit, limit, shape).astype(np.float32)
                for name, shape in shapes.items()
            }
            for direction in DIRECTIONS
        })  # fmt: skip
    x = rng.standard_normal((B, T, case.I)).astype(np.float32)
    return {"x": x, "dy": rng.standard_normal((B, T, 2 * H)).astype(np.float32), "layers": layers}


def named(layer: int, direction: str, name: str) -> str:
    """The name of a parameter's gradient in the results."""
    return f"d{name}_{layer}_{direction}"


def expected(case: Case) -> dict[str, Any]:
    """What the reference cells compute in float64: y and, in training, all gradients."""
    import fastrnn as fr

    given = data(case)
    forward, backward = fr.functional.lstm_forward, fr.functional.lstm_backward
    result: dict[str, Any] = {}
    with fr.use_backend("reference"):
        x, caches = given["x"].astype(np.float64), []
        for params in given["layers"]:
            halves = []
            for direction in DIRECTIONS:
                wide = {k: v.astype(np.float64) for k, v in params[direction].items()}
                reverse = direction == "backward"
                y, _, cache = forward(x, wide, reverse=reverse, training=case.training)
                halves.append(y)
                caches.append(cache)
            x = np.concatenate(halves, axis=2)
        result["y"] = x
        d = given["dy"].astype(np.float64)
        for layer in reversed(range(DEPTH)) if case.training else ():
            parts = np.split(d, 2, axis=2)
            d = 0
            for direction, dy in zip(DIRECTIONS, parts, strict=True):
                cache = caches[2 * layer + DIRECTIONS.index(direction)]
                dx, _, grads = backward(np.ascontiguousarray(dy), cache)
                d = d + dx
                result.update({named(layer, direction, k): g for k, g in grads.items()})
        if case.training:
            result["dx"] = d
    return result
