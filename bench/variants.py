"""Subject: the recurrences that other frameworks have beside the common ones.

ONNX's GRU as it is by default (reset before the product), its LSTM with peepholes or coupled gates, and
PyTorch's projected LSTM, to half of the units. There is no function of `fastrnn.functional` for these: what
is timed is `Backend.run`, which layers call, on rows that are time-major memory. Inference is a forward call
from a zero state; training is that and all gradients, as in `bench.recurrent`.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .cases import Case

GATES = {"gru_before": 3, "lstm_peephole": 4, "lstm_coupled": 3, "lstm_projected": 4}
PEEPHOLES = {"lstm_peephole": 3}


def width(case: Case) -> int:
    """Outputs of a step."""
    return case.H // 2 if case.cell == "lstm_projected" else case.H


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case, the same in every process.

    Returns
    -------
    x : [T, B, I] float32
    dy : [T, B, P] float32, only where the case trains; P is the units, or half of them
    lengths : None
    params : dict of float32 arrays, named as in `fastrnn.cells`
    """
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    I, H, P, G = case.I, case.H, width(case), GATES[case.cell] * case.H
    shapes: dict[str, tuple[int, ...]] = {"W_ih": (G, I), "W_hh": (G, P), "b": (G,)}
    if case.cell in PEEPHOLES:
        shapes["p"] = (PEEPHOLES[case.cell] * H,)
    if P != H:
        shapes["W_hr"] = (P, H)
    limit = H**-0.5
    given: dict[str, Any] = {
        "x": _float32(rng.standard_normal((case.T, case.B, I))), "lengths": None,
        "params": {name: _float32(rng.uniform(-limit, limit, shape)) for name, shape in shapes.items()},
    }  # fmt: skip
    if case.training:
        given["dy"] = _float32(rng.standard_normal((case.T, case.B, P)))
    return given


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
    y, states, gradients = call(case, given)()
    result = {"y": y.reshape(case.T, case.B, -1), **dict(zip(("h", "c"), states, strict=False))}
    if case.training:
        dx, _, dparams = gradients
        result["dx"] = dx.reshape(case.T, case.B, -1)
        result.update({f"d{name}": array for name, array in dparams.items()})
    return result


def call(case: Case, given: dict[str, Any]) -> Any:
    """The call of fastrnn that is timed: () -> (y [N, P], states, gradients or None)."""
    import fastrnn as fr
    from fastrnn.cells import CELLS, lstm_cell
    from fastrnn.packed import Layout, Packed

    cell = lstm_cell(projection=width(case)) if width(case) != case.H else CELLS[case.cell]
    run, params, layout = fr.get_backend().run, given["params"], Layout.plain(case.B, case.T)
    x = Packed(given["x"].reshape(-1, case.I), layout)
    s0 = tuple(np.zeros((case.B, size), x.rows.dtype) for size in cell.widths(case.H))

    def infer() -> Any:
        y, states, _ = run(cell, "forward", params, x, s0, False)
        return y, states, None

    def train() -> Any:
        y, states, cache = run(cell, "forward", params, x, s0, True)
        return y, states, run(cell, "backward", params, cache, given["dy"].reshape(layout.N, -1), None)

    return train if case.training else infer


def _float32(array: Any) -> Any:
    return array.astype(np.float32)
