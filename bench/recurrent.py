"""Subject: one recurrent layer over whole sequences, all steps out.

Inference is a forward call from a zero state. Training is a forward call and the gradients of the
input and of every parameter, for a given dy. Inputs and outputs are time-major, which is the
native form of fastrnn and of PyTorch, so that nobody pays for a transposition; the cases of
`bench.ragged` are batch-first.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .cases import Case

GATES = {"rnn": 1, "lstm": 4, "gru": 3}


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case, the same in every process.

    Returns
    -------
    x : [T, B, I] float32 ([B, T, I] unless case.time_major), zero past a row's length
    dy : [T, B, H] float32 ([B, T, H]), only where the case trains
    lengths : int64 [B] or None
    params : dict of float32 arrays as in `fastrnn.functional`
    """
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    T, B, I, H = case.T, case.B, case.I, case.H
    G = GATES[case.cell] * H
    biases = ("b_ih", "b_hh") if case.cell == "gru" else ("b",)
    shapes = {"W_ih": (G, I), "W_hh": (G, H), **{name: (G,) for name in biases}}
    limit = H**-0.5  # PyTorch's default: gates neither all saturated nor all linear
    params = {name: _float32(rng.uniform(-limit, limit, s)) for name, s in shapes.items()}
    lengths = np.array(case.lengths, np.int64) if case.lengths else None
    x = _float32(rng.standard_normal((T, B, I)))
    if lengths is not None:
        x[np.arange(T)[:, None] >= lengths] = 0
    result = {"x": x, "lengths": lengths, "params": params}
    if case.training:
        result["dy"] = _float32(rng.standard_normal((T, B, H)))
    if not case.time_major:
        for name in result.keys() & {"x", "dy"}:
            result[name] = np.ascontiguousarray(result[name].swapaxes(0, 1))
    return result


def expected(case: Case) -> dict[str, Any]:
    """What the reference cell computes in float64: y, the states and, in training, gradients."""
    import fastrnn as fr

    given = data(case)
    wide = {key: array.astype(np.float64) for key, array in given["params"].items()}
    given = {**given, "params": wide, "x": given["x"].astype(np.float64)}
    if case.training:
        given["dy"] = given["dy"].astype(np.float64)
    with fr.use_backend("reference"):
        return outputs(case, given)


def outputs(case: Case, given: dict[str, Any]) -> dict[str, Any]:
    """The results of one call of fastrnn, under the backend in force, by name."""
    y, state, gradients = call(case, given)()
    states = state if case.cell == "lstm" else (state,)
    result = {"y": y, **dict(zip(("h", "c"), states, strict=False))}
    if case.training:
        dx, _, dparams = gradients
        result["dx"] = dx
        result.update({f"d{name}": array for name, array in dparams.items()})
    return result


def call(case: Case, given: dict[str, Any]) -> Any:
    """The call of fastrnn that is timed: () -> (y, state, gradients or None)."""
    import fastrnn as fr

    forward = getattr(fr.functional, f"{case.cell}_forward")
    backward = getattr(fr.functional, f"{case.cell}_backward")
    x, params, lengths = given["x"], given["params"], given["lengths"]

    def infer() -> Any:
        y, state, _ = forward(x, params, lengths=lengths, time_major=case.time_major)
        return y, state, None

    def train() -> Any:
        y, state, cache = forward(
            x, params, lengths=lengths, training=True, time_major=case.time_major
        )
        return y, state, backward(given["dy"], cache)

    return train if case.training else infer


def _float32(array: Any) -> Any:
    return array.astype(np.float32)
