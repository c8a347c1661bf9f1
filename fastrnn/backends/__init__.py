"""Which implementation runs.  The default is "cpu": a GPU that happens to be there changes nothing."""

from __future__ import annotations

import os
from contextvars import ContextVar, Token
from functools import cache
from typing import Any

from ..errors import unknown
from . import cpu, cupy, reference
from .backend import Backend, Cache

NAMES = ("cpu", "reference", "cupy")
_modules = {"cpu": cpu, "reference": reference, "cupy": cupy}
_chosen: ContextVar[str | None] = ContextVar("fastrnn_backend", default=None)


@cache
def _create(name: str) -> Backend:
    return _modules[name].create()


def get_backend(name: str | None = None) -> Backend:
    """The backend of that name; None takes the context's, then ``FASTRNN_BACKEND``, then "cpu".

    Raises
    ------
    ValueError : there is no backend of that name
    BackendError : this machine cannot run it
    """
    name = name or _chosen.get() or os.environ.get("FASTRNN_BACKEND") or "cpu"
    if name not in NAMES:
        raise unknown("fastrnn", "backend", name, NAMES)
    return _create(name)


class use_backend:
    """Choose the backend, for a ``with`` block or, called on its own, from here on.

    Models built earlier keep the backend they were built with.

    >>> import fastrnn as fr
    >>> with fr.use_backend("reference"):
    ...     fr.get_backend().name
    'reference'
    """

    def __init__(self, name: str) -> None:
        get_backend(name)
        self.token: Token[Any] = _chosen.set(name)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *exc: object) -> None:
        _chosen.reset(self.token)


__all__ = ["NAMES", "Backend", "Cache", "get_backend", "use_backend"]
