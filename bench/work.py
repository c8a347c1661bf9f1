"""How much there is to compute in a case, from its shape alone: FLOPs, and the weights they read.

A multiplication and an addition are two FLOPs; activations and the cells' own arithmetic are not counted,
so that a share of the machine's peak is never flattered. Training is forward and two products backward for
each one forward, except that nobody needs the gradient of an autoencoder's input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .cases import Case
from .recurrent import GATES
from .words import DEPTH

FLOAT = 4  # bytes of a float32


def flops(case: Case) -> int:
    """FLOPs of one call."""
    if case.subject == "dense":
        products = [2 * case.B * a * b for a, b in zip(case.units, case.units[1:], strict=False)]
        return 3 * sum(products) - products[0]
    return 2 * steps(case) * _weights(case) * (3 if case.training else 1)


def steps(case: Case) -> int:
    """Real time steps of all sequences together; rows of a dense case."""
    if case.subject == "dense":
        return case.B
    return sum(case.lengths) or case.B * case.T


def intensity(case: Case) -> float:
    """FLOPs per byte of weights read, where every step reads all weights once: rows a step over two.

    Forward and backward are alike: three times the FLOPs on weights that are read twice and
    gradients that are written once.
    """
    rows = steps(case) / (case.T or 1)
    return 2 * rows / FLOAT


def weight_bytes(case: Case) -> int:
    """Bytes of the matrices of weights in float32."""
    return FLOAT * _weights(case)


def shares(results: Sequence[dict[str, Any]]) -> None:
    """Fill in every case's share of the peak: of the highest of the run at as many threads.

    A peak is measured after every case, and other work on the machine makes some of them too low.
    """
    found = [result["work"] for result in results if result.get("work", {}).get("peak")]
    for one in found:
        peak = max(other["peak"] for other in found if other["threads"] == one["threads"])
        one["share"] = one["gflops"] / peak


def _weights(case: Case) -> int:
    """Numbers in the matrices of weights."""
    if case.subject == "dense":
        return sum(a * b for a, b in zip(case.units, case.units[1:], strict=False))
    I, H = case.I, case.H
    if case.subject == "words":
        layers = [I + H] + [2 * H + H] * (DEPTH - 1)
        return 2 * 4 * H * sum(layers)
    # The last layer of a classifier is run once a sequence, and is not counted.
    return GATES["lstm" if case.subject == "classifier" else case.cell] * H * (I + H)
