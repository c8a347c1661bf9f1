"""Subject: a text classifier built in PyTorch: Embedding, LSTM, Linear and softmax on its last state.

Everybody runs the same weights: PyTorch its module, ONNX Runtime what `torch.onnx.export` makes of it, and
fastrnn what `from_torch` makes of its state dict.  A call is what a user calls: ids in, probabilities out.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

from .cases import Case

VOCABULARY, CLASSES = 10_000, 5


def data(case: Case) -> dict[str, Any]:
    """The arguments of a case, the same in every process.

    Returns
    -------
    x : int64 [B, T]
    state : the state dict, float32, by PyTorch's names
    """
    rng = np.random.default_rng(zlib.crc32(case.name.encode()))
    limit = case.H**-0.5
    G = 4 * case.H
    shapes = {
        "embedding.weight": (VOCABULARY, case.I), "lstm.weight_ih_l0": (G, case.I),
        "lstm.weight_hh_l0": (G, case.H), "lstm.bias_ih_l0": (G,), "lstm.bias_hh_l0": (G,),
        "head.weight": (CLASSES, case.H), "head.bias": (CLASSES,),
    }  # fmt: skip
    state = {name: rng.uniform(-limit, limit, s).astype(np.float32) for name, s in shapes.items()}
    state["embedding.weight"] *= 1 / limit  # about as large as PyTorch's own
    return {"x": rng.integers(0, VOCABULARY, (case.B, case.T)), "state": state}


def expected(case: Case) -> dict[str, Any]:
    """The probabilities, by the reference cell in float64."""
    import fastrnn as fr

    given = data(case)
    wide = {name: array.astype(np.float64) for name, array in given["state"].items()}
    params = {
        "W_ih": wide["lstm.weight_ih_l0"], "W_hh": wide["lstm.weight_hh_l0"],
        "b": wide["lstm.bias_ih_l0"] + wide["lstm.bias_hh_l0"],
    }  # fmt: skip
    with fr.use_backend("reference"):
        _, (h, _), _ = fr.functional.lstm_forward(wide["embedding.weight"][given["x"]], params)
    logits = h @ wide["head.weight"].T + wide["head.bias"]
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return {"y": e / e.sum(axis=1, keepdims=True)}
