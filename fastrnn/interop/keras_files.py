"""Where a model of Keras is: in a file, of one of three forms, or in memory."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..layers import Layer
from ..serialization import Tensors
from .archive import Archive
from .hdf5 import MAGIC, Hdf5
from .keras_arrays import NamedStore, OrderedStore, Store
from .keras_layers import Reading

_DESCRIPTION = 1 << 20  # bytes of JSON; an LSTM has about 2500
_MEMBERS = ("config.json", "metadata.json", "model.weights.h5")
_ROOTS = ("layers", "_layer_checkpoint_dependencies")  # the second is Keras 2.13's name


@contextmanager
def faults(owner: str) -> Iterator[None]:
    """What goes wrong with a description that is not as Keras writes it."""
    try:
        yield
    except ModelFormatError:
        raise
    except (
        KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError,
    ) as error:  # fmt: skip
        raise ModelFormatError(f"{owner}: it is not as Keras writes it: {error!r}.") from error


def from_file(
    owner: str, path: Path, layers: Sequence[Layer] | None
) -> tuple[Reading, dict[str, Any], Store]:
    """(what is known, description of the model or {}, the arrays) of a file."""
    with path.open("rb") as begin:
        head = begin.read(8)
    if head.startswith(b"PK"):
        source: Path | bytes
        with Archive(owner, path) as archive:
            strange = sorted(archive.members.keys() - set(_MEMBERS))
            if strange:
                raise ModelFormatError(f"{owner}: {strange[0][:80]!r} is no part of a model that is read.")
            text = archive.read("config.json", _DESCRIPTION)
            version = _json(owner, archive.read("metadata.json", 1 << 16)).get("keras_version")
            source = archive.read("model.weights.h5")
    elif head == MAGIC:
        source, text, version = path, b"", None
    else:
        raise ModelFormatError(
            f"{owner}: it is neither a .keras nor an .h5 file. In Keras, model.save('model.keras') makes one."
        )
    with Hdf5(owner, source) as file:
        whole = None if text else file.text("model_config")
        if whole is not None:
            text, version = whole.encode(), file.text("keras_version")
            arrays = file.arrays("model_weights")
        else:
            names = file.names()
            arrays = file.arrays(next((root for root in _ROOTS if root in names), "layers"))
    tensors = Tensors(owner, arrays)
    if text and layers is not None:
        raise ModelFormatError(f"{owner}: it says which layers it has; leave out layers=.")
    if text:
        store = _Root(tensors) if whole is None else NamedStore(tensors)
        return _reading(owner, version), _description(owner, text), store
    if layers is None:
        raise _no_layers(owner, arrays)
    return Reading(owner), {}, Store(tensors)


class _Root(Store):
    """The store of a whole file of Keras 3, of which the group of the layers was read."""

    def inside(self, path: str, *names: str) -> Store:
        return Store(self.tensors, f"{path.removeprefix('layers/')}/")


def _json(owner: str, text: bytes) -> dict[str, Any]:
    if len(text) > _DESCRIPTION:
        raise ModelFormatError(f"{owner}: the description of its layers has {len(text)} bytes.")
    found = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    if not isinstance(found, dict):
        raise ModelFormatError(f"{owner}: its description is no JSON object.")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _description(owner: str, text: bytes) -> dict[str, Any]:
    description = _json(owner, text)
    if not isinstance(description.get("config"), (dict, list)):
        raise ModelFormatError(f"{owner}: it does not describe a model.")
    return description


def _reading(owner: str, version: Any) -> Reading:
    said = str(version or "")
    if said.startswith(("0.", "1.")):
        raise ModelFormatError(f"{owner}: Keras {said[:20]} wrote it; files of Keras 2 and 3 are read.")
    return Reading(owner, keras2=said.startswith("2."))


def _no_layers(owner: str, arrays: dict[str, np.ndarray]) -> ModelFormatError:
    groups: dict[str, list[str]] = {}
    for name, array in arrays.items():
        groups.setdefault(name.split("/")[0], []).append(str(list(array.shape)))
    held = "; ".join(f"{name[:40]} {', '.join(shapes)}" for name, shapes in list(groups.items())[:20])
    return ModelFormatError(
        f"{owner}: it holds arrays and does not say which layers and activations they are for. Give "
        f"layers=[fr.LSTM(...), ...], or save the model as .keras. It holds {held or 'no arrays of Keras 3'}."
    )


def from_memory(owner: str, model: Any) -> tuple[Reading, dict[str, Any], Store]:
    """The same of a model in memory."""
    if not model.built:
        raise ModelFormatError(f"{owner}: the model is not built. Call it once, or give it an Input.")
    roots = [kind.__module__.split(".")[0] for kind in type(model).__mro__]
    keras = next((sys.modules[root] for root in roots if root in ("keras", "tf_keras")), None)
    arrays = {
        f"{layer.name}/{k}": np.asarray(array)
        for layer in model.layers
        for k, array in enumerate(layer.get_weights())
    }
    description = _description(owner, model.to_json().encode())
    version = getattr(keras, "__version__", None)
    return _reading(owner, version), description, OrderedStore(Tensors(owner, arrays))
