"""The arrays of Keras' layers: which there are, in which order, where in a file, and what they are here.

A kernel there is ours transposed, [I, G], with its gates in Keras' order.  A GRU with `reset_after` has both
biases as [2, 3H], one without has [3H].  A layer that was made without a bias gets zeros.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..layers import Bidirectional, Dense, Embedding, Input, Layer, Recurrent, TimeDistributed
from ..serialization import Tensors
from .gates import ORDERS, reorder

# The recurrence, by the stem of the name of a built-in cell; cells that are not here are unknown to Keras.
KINDS = {
    "rnn": "rnn",
    "rnn_tanh": "rnn",
    "rnn_relu": "rnn",
    "lstm": "lstm",
    "gru": "gru",
    "gru_before": "gru",
}
_RECURRENT = {"rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


class Store:
    """The arrays of one layer in a file of Keras 3: `layers/lstm/cell/vars/0` and so on."""

    def __init__(self, tensors: Tensors, path: str = "") -> None:
        self.tensors, self.path = tensors, path

    def inside(self, path: str, *names: str) -> Store:
        """The store of a part: `path` is its group in a file of Keras 3, `names` what Keras 2 may call it."""
        return Store(self.tensors, f"{self.path}{path}/")

    def take(self, k: int, name: str) -> np.ndarray:
        """The own array number k of this layer, which is called `name`."""
        return self.tensors.take(f"{self.path}vars/{k}")

    def has(self, k: int) -> bool:
        """Whether `take` would find it."""
        return f"{self.path}vars/{k}" in self.tensors.left


class NamedStore(Store):
    """The arrays of one layer in a file of Keras 2: `lstm/lstm/lstm_cell/recurrent_kernel:0` and so on."""

    def __init__(self, tensors: Tensors, parts: tuple[tuple[str, ...], ...] = ()) -> None:
        super().__init__(tensors)
        self.parts = parts

    def inside(self, path: str, *names: str) -> NamedStore:
        return NamedStore(self.tensors, (*self.parts, names)) if names else self

    def take(self, k: int, name: str) -> np.ndarray:
        """The one array of that name below all parts; the first part is the layer's group."""
        found = []
        for path in self.tensors.left:
            group, *middle, last = path.split("/")
            inner = all(set(names) & set(middle) for names in self.parts[1:])
            if group in self.parts[0] and inner and last.partition(":")[0] == name:
                found.append(path)
        if len(found) != 1:
            what = "/".join(names[0] for names in self.parts)
            raise ModelFormatError(
                f"{self.tensors.owner}: {what} has {len(found)} arrays {name!r} instead of one."
            )
        return self.tensors.take(found[0])


class OrderedStore(Store):
    """The arrays of a model in memory, `lstm/0` and so on, in the order in which Keras gives them."""

    def inside(self, path: str, *names: str) -> OrderedStore:
        return self if self.path else OrderedStore(self.tensors, f"{names[0]}/")

    def take(self, k: int, name: str) -> np.ndarray:
        """The next array of the layer; parts are asked for theirs in Keras' order."""
        own = (path for path in self.tensors.left if path.startswith(self.path))
        return self.tensors.take(next(own, f"{self.path}{name}"))


def _shaped(owner: str, name: str, array: np.ndarray, *sizes: int | None) -> np.ndarray:
    """`array`, if it has these sizes; None is any."""
    if array.ndim != len(sizes) or any(n not in (None, m) for n, m in zip(sizes, array.shape, strict=True)):
        wanted = ", ".join("*" if n is None else str(n) for n in sizes)
        raise ModelFormatError(f"{owner}: {name} must be [{wanted}], got {list(array.shape)}.")
    return array


def recurrent_arrays(owner: str, layer: Recurrent, store: Store, use_bias: bool) -> dict[str, np.ndarray]:
    """The parameters of a recurrence, from the arrays of its cell in Keras."""
    kind, after = _kind(layer), layer.cell.name.partition("[")[0] == "gru"
    H, G = layer.units, len(ORDERS[kind]["keras"]) * layer.units

    def ours(array: np.ndarray) -> np.ndarray:
        return reorder(array, kind, "keras", "fastrnn")

    owner = f"{owner}: {layer.name}"
    kernel = _shaped(owner, "kernel", store.take(0, "kernel"), None, G)
    recurrent = _shaped(owner, "recurrent_kernel", store.take(1, "recurrent_kernel"), H, G)
    params = {"W_ih": ours(kernel.T), "W_hh": ours(recurrent.T)}
    bias = store.take(2, "bias") if use_bias else np.zeros((2, G) if after else G, kernel.dtype)
    if after:
        both = _shaped(owner, "the bias of a GRU with reset_after", bias, 2, G)
        return {**params, "b_ih": ours(both[0]), "b_hh": ours(both[1])}
    return {**params, "b": ours(_shaped(owner, "bias", bias, G))}


def dense_arrays(owner: str, layer: Dense, store: Store, use_bias: bool) -> dict[str, np.ndarray]:
    """The parameters of a dense layer."""
    kernel = _shaped(f"{owner}: {layer.name}", "kernel", store.take(0, "kernel"), None, layer.units)
    bias = store.take(1, "bias") if use_bias else np.zeros(layer.units, kernel.dtype)
    return {"W": np.ascontiguousarray(kernel.T), "b": bias}


def layer_arrays(owner: str, layer: Layer, store: Store) -> dict[str, np.ndarray]:
    """The parameters of a layer of ours, from the store of the layer of Keras that is the same."""
    if isinstance(layer, Recurrent):
        store = store.inside("cell")
        return recurrent_arrays(owner, layer, store, store.has(2))
    if isinstance(layer, Bidirectional):
        pair = {"forward": layer.forward_layer, "backward": layer.backward_layer}
        return {
            f"{side}.{name}": array
            for side, one in pair.items()
            for name, array in layer_arrays(owner, one, store.inside(f"{side}_layer")).items()
        }
    if isinstance(layer, TimeDistributed):
        inner = layer_arrays(owner, layer.layer, store.inside("layer"))
        return {f"layer.{name}": array for name, array in inner.items()}
    if isinstance(layer, Dense):
        return dense_arrays(owner, layer, store, store.has(1))
    return {"W": store.take(0, "embeddings")} if isinstance(layer, Embedding) else {}


# -- and back --------------------------------------------------------------------------------------


def keras_arrays(owner: str, layer: Layer, numpy: Any) -> Iterator[tuple[str, np.ndarray]]:
    """(place in the group of the layer, array) of a layer of ours, in the order of Keras' `get_weights`.

    numpy : makes a NumPy array of a parameter

    Raises
    ------
    ValueError : Keras has no such layer
    """
    if isinstance(layer, Recurrent):
        kind = _known(owner, layer)

        def theirs(name: str) -> np.ndarray:
            return reorder(numpy(layer.params[name]), kind, "fastrnn", "keras")

        yield "cell/vars/0", np.ascontiguousarray(theirs("W_ih").T)
        yield "cell/vars/1", np.ascontiguousarray(theirs("W_hh").T)
        yield (
            "cell/vars/2",
            theirs("b") if "b" in layer.params else np.stack([theirs("b_ih"), theirs("b_hh")]),
        )
    elif isinstance(layer, Bidirectional):
        for side, one in zip(("forward", "backward"), layer.layers(), strict=True):
            for place, array in keras_arrays(owner, one, numpy):
                yield f"{side}_layer/{place}", array
    elif isinstance(layer, TimeDistributed):
        for place, array in keras_arrays(owner, layer.layer, numpy):
            yield f"layer/{place}", array
    elif isinstance(layer, Dense):
        yield "vars/0", np.ascontiguousarray(numpy(layer.params["W"]).T)
        yield "vars/1", numpy(layer.params["b"])
    elif isinstance(layer, Embedding):
        yield "vars/0", numpy(layer.params["W"])
    elif layer.named_params():
        raise ValueError(f"{owner}: {layer} must be a layer that Keras has. Leave it out of the model.")


def _kind(layer: Recurrent) -> str:
    return KINDS[layer.cell.name.partition("[")[0]]


def _known(owner: str, layer: Recurrent) -> str:
    """The recurrence of a layer, if Keras can do all that it does."""
    stem, _, rest = layer.cell.name.partition("[")
    shown, activation = getattr(layer, "output_activation", None), getattr(layer, "activation", None)
    missing = [
        name
        for name, there in (
            (f"the cell {layer.cell.name!r}", stem not in KINDS),
            ("clip", "clip=" in rest),
            ("learn_state", layer.learn_state),
            ("output_activation", shown not in (None, activation)),
        )
        if there
    ]
    if missing:
        raise ValueError(f"{owner}: {layer} must be a layer that Keras has, got {' and '.join(missing)}.")
    return KINDS[stem]


def keras_class(owner: str, layer: Layer) -> str:
    """What Keras calls a layer of ours."""
    return _RECURRENT[_known(owner, layer)] if isinstance(layer, Recurrent) else type(layer).__name__


def groups(classes: Iterable[str]) -> list[str]:
    """What a file of Keras 3 calls the groups of layers of these classes: dense, dense_1, ...

    >>> groups(["SimpleRNN", "Dense", "LeakyReLU", "Dense"])
    ['simple_rnn', 'dense', 'leaky_re_lu', 'dense_1']
    """
    names: list[str] = []
    seen: dict[str, int] = {}
    for kind in classes:
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=.)(?=[A-Z][a-z])", "_", kind).lower()
        k = seen[stem] = seen.get(stem, -1) + 1
        names.append(f"{stem}_{k}" if k else stem)
    return names


def own_groups(owner: str, layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """Our layers with the groups that Keras would give them; an Input is no layer of a Sequential there.

    Raises
    ------
    ValueError : Keras has no such layer
    """
    kept = [layer for layer in layers if not isinstance(layer, Input)]
    return list(zip(groups(keras_class(owner, layer) for layer in kept), kept, strict=True))
