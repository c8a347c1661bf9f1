"""The NumPy peer: the cells of fastrnn as array code (the reference backend), in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import threadpoolctl

import fastrnn as fr

from .. import dense, recurrent, variants
from ..cases import Case
from . import Unsupported, Work


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    np.ones((64, 64)) @ np.ones((64, 64))  # some builds load BLAS at the first product
    if threads is not None:
        threadpoolctl.threadpool_limits(threads)
    pools = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    names = {f"{p['internal_api']} {p['version']} ({p.get('architecture', '?')})" for p in pools}
    used = max((pool["num_threads"] for pool in pools), default=1)
    versions = {"numpy": np.__version__}
    return {"threads": used, "versions": {**versions, "BLAS": ", ".join(sorted(names))}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "dense":
        network = dense.Network(given, np.float32)

        def first_steps() -> dict[str, Any]:
            losses = [network.step() for _ in range(dense.STEPS)]
            return dense.summarize(given, losses, network.params)

        return Work(network.step, first_steps)
    if case.subject not in ("recurrent", "ragged", "variants"):
        raise Unsupported("single recurrences over whole sequences, and autoencoders.")
    fr.use_backend("reference")
    if case.subject == "variants":
        return Work(variants.call(case, given), lambda: variants.outputs(case, given))
    return Work(recurrent.call(case, given), lambda: recurrent.outputs(case, given))
