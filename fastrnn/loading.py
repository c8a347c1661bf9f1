"""`fastrnn.load`: a saved model of any kind, back as it was."""

from __future__ import annotations

from typing import Any

from . import tasks
from .autoencoder import Autoencoder, SequenceAutoencoder
from .errors import ModelFormatError
from .model import Sequential
from .reading import load_model

KINDS: dict[str, Any] = {
    "Autoencoder": Autoencoder,
    "SequenceAutoencoder": SequenceAutoencoder,
    **{name: getattr(tasks, name) for name in tasks.__all__ if name != "Task"},
}


def load(path: Any, *, backend: str | None = None, cells: dict[str, Any] | None = None) -> Any:
    """Read what `save` wrote: a Sequential, an autoencoder or a task.

    Parameters
    ----------
    path : the file
    backend : as in `Sequential`
    cells : users' own cells of the model, by name

    Raises
    ------
    ModelFormatError : the file is truncated, edited, or no fastrnn model
    FileNotFoundError
    """
    model, description = load_model(path, backend, cells)
    kind = description.get("kind")
    if kind == Sequential.kind:
        return model
    if not isinstance(kind, str) or kind not in KINDS:
        raise ModelFormatError(f"load: {path} holds a {kind!r}, which this version does not know.")
    return KINDS[kind].restore(path, model, description)
