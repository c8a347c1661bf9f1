"""The compiled kernels.  The table names every formula that has one; the rest runs as array code."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

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
            from ..kernels import crossentropy, dense, embedding, gru, gru_before, lstm, rnn, update
    except ImportError as error:
        raise BackendError(
            f"fastrnn: the compiled kernels cannot be loaded ({error}). Reinstall with "
            "`pip install --force-reinstall fastrnn`, build them in a source tree with "
            "`python setup.py build_ext --inplace`, or choose the slow array code with "
            "FASTRNN_BACKEND=reference."
        ) from error

    kernels = {
        "rnn_tanh": rnn.tanh,
        "rnn_relu": rnn.relu,
        "lstm": lstm.kernel,
        "lstm_peephole": lstm.peephole,
        "lstm_coupled": lstm.coupled,
        "lstm_peephole_coupled": lstm.peephole_coupled,
        "lstm_projected": lstm.projected,
        "gru": gru.kernel,
        "gru_before": gru_before.kernel,
        "dense": dense,
        "embedding": embedding,
        "crossentropy": crossentropy,
        **{name: SimpleNamespace(step=partial(update.step, name)) for name in update.RULES},
    }
    return Backend("cpu", np, kernels)
