"""The cells on CuPy, for NVIDIA GPUs."""

from __future__ import annotations

from ..errors import BackendError
from .backend import Backend


def create() -> Backend:
    """Import CuPy and look for a GPU.

    Raises
    ------
    BackendError : either is missing
    """
    try:
        import cupy
    except ImportError as error:
        raise BackendError(
            f"fastrnn: the cupy backend needs CuPy, which cannot be imported ({error}). Install it with "
            "`pip install 'fastrnn[cuda12]'` or `pip install 'fastrnn[cuda13]'`, or use the cpu backend."
        ) from error
    try:
        count = cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise BackendError(
            f"fastrnn: the cupy backend found no usable GPU ({error}). Check the driver with `nvidia-smi`, "
            "or use the cpu backend."
        ) from error
    if count == 0:
        raise BackendError("fastrnn: the cupy backend found no GPU. Use the cpu backend.")
    return Backend("cupy", cupy)
