"""The compiled kernels.  The table names every formula that has one; the rest runs as array code."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..errors import BackendError
from ..threads import short_spins
from .backend import Backend


def create() -> Backend:
    """Load the kernels.

    Raises
    ------
    BackendError : they are not there
    """
    try:
        with short_spins():
            from ..kernels import crossentropy, dense, gru, lstm, rnn, update
    except ImportError as error:
        raise BackendError(
            f"fastrnn: the compiled kernels cannot be loaded ({error}). Reinstall with "
            "`pip install --force-reinstall fastrnn`, build them in a source tree with "
            "`python setup.py build_ext --inplace`, or choose the slow array code with "
            "FASTRNN_BACKEND=reference."
        ) from error

    # What a kernel of a cell offers beside the two functions that every formula has.
    extras = ("forward_at", "backward_at", "forward_both", "backward_both", "plain", "steps")

    def elman(relu: bool) -> Any:
        return SimpleNamespace(
            **{name: partial(getattr(rnn, name), relu) for name in ("forward", "backward", *extras)}
        )

    kernels = {
        "rnn_tanh": elman(False),
        "rnn_relu": elman(True),
        "lstm": lstm,
        "gru": gru,
        "dense": dense,
        "crossentropy": crossentropy,
        **{name: SimpleNamespace(step=partial(update.step, name)) for name in update.RULES},
    }
    return Backend("cpu", np, kernels)
