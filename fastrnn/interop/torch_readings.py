"""What layers the weights of PyTorch can be: names and modules leave a few questions open.

A `Reading` is one set of answers.  Where there is an example, several are made and the first one that gives
its outputs is taken; without an example there must be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from ..errors import ModelFormatError, sentence
from ..layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    LastStep,
    Layer,
    Recurrent,
    TimeDistributed,
)
from .assemble import Part
from .torch_modules import Live, Made
from .torch_names import RECURRENT, Block, as_embedding, as_linear, fitting, in_order

# cell -> the kind of module that PyTorch has for it
KINDS = {"rnn_tanh": "rnn", "rnn_relu": "rnn", "gru": "gru", "lstm": "lstm", "lstm_projected": "lstm"}
# What the last recurrence of a model gives; of a bidirectional one, the last two differ.
EVERY, STATES, LAST = "every step", "the last step (h_n)", "the last step (y[:, -1])"
_GIVE = "Give layers=[...], fresh layers in their order, or example=(x, y)."


@dataclass(frozen=True)
class Reading:
    """blocks in their order, a maker of layers with their arrays, and how this reading is called."""

    blocks: list[Block]
    make: Callable[[], list[Part]]
    what: str


def readings(
    owner: str, blocks: dict[str, Block], ordered: bool, live: Live | None, example: Any
) -> list[Reading]:
    """What to try, the likeliest first.

    Raises
    ------
    ModelFormatError : sizes do not fit; without an example, several orders fit
    """
    given, known = (list(blocks.values()), True) if ordered else in_order(blocks)
    if live is not None:
        given = _of_module(owner, blocks, live)
        if live.trouble:
            raise ModelFormatError(f"{owner}: {live.trouble[0]} Give layers=[...].")
    orders = fitting(given)
    if not orders:
        raise ModelFormatError(
            f"{owner}: in no order does each of {_said(given)} take what the one before it gives. Give "
            "layers=[...]."
        )
    first = _names(orders[0]) == _names(given)
    compared = live is not None or example is not None
    if live is not None and len(live.items) > len(given):  # activations have their places among the others
        orders = [order for order in orders if _names(order) == _names(given)]
        if not orders:
            raise ModelFormatError(f"{owner}: {_said(given)} do not fit to each other in this order. {_GIVE}")
    elif not compared and not (known and first) and len({_names(order) for order in orders}) > 1:
        raise ModelFormatError(f"{owner}: {_said(given)} fit to each other in several orders. {_GIVE}")
    return [one for order in (orders if compared else orders[:1]) for one in _answers(order, live, example)]


def _names(blocks: list[Block]) -> tuple[str, ...]:
    return tuple(block.prefix for block in blocks)


def _said(things: Iterable[Any]) -> str:
    """The first ten, for a message."""
    shown = [str(thing)[:80] for thing, _ in zip(things, range(11), strict=False)]
    return ", ".join([*shown[:10], *(["..."] if len(shown) > 10 else [])])


def _of_module(owner: str, blocks: dict[str, Block], live: Live) -> list[Block]:
    """The blocks in the order of the module, with what it says about them."""
    names = [item for item in live.items if isinstance(item, str)]
    unused = sorted(blocks.keys() - set(names))
    if unused:
        raise ModelFormatError(
            f"{owner}: nothing uses the tensors of {_said(unused)}; no layer is read of them."
        )
    found = []
    for name in names:
        block = blocks[name]
        if block.kind == "matrix":
            block = as_embedding(block) if name in live.embeddings else as_linear(block)
        found.append(replace(block, **live.options.get(name, {})))
    return found


def _answers(order: list[Block], live: Live | None, example: Any) -> Iterator[Reading]:
    """Last step or every step, tanh or relu."""
    recurrent = [k for k, block in enumerate(order) if block.kind in RECURRENT]
    ends = bool(recurrent) and recurrent[-1] == len(order) - 1
    compared = live is not None or example is not None
    states = ends and (live.alone if live is not None else True)
    if example is not None and example.y is not None:
        states = ends and isinstance(example.y, tuple)
    open_relu = any(block.kind == "rnn" and block.relu is None for block in order)
    open_end = order[-1].kind == "linear" and (live is None or isinstance(live.items[-1], str))
    steps = [EVERY, STATES] if ends else [STATES, EVERY]
    if recurrent and order[recurrent[-1]].bidirectional:
        steps.append(LAST)
    ways = product(
        ["linear", "sigmoid", "softmax"] if compared and open_end else ["linear"],
        [False, True] if compared and open_relu else [False],
        steps if compared and recurrent else steps[:1],
    )
    for last, relu, step in ways:
        items: list[Block | Made] = list(order)
        if live is not None and len(live.items) > len(order):
            by_name = {block.prefix: block for block in order}
            items = [by_name[item] if isinstance(item, str) else item for item in live.items]
        answers = [step] if recurrent else []
        answers += ["relu"] * relu + [last] * (last != "linear")
        yield Reading(
            order, _Maker(items, step, states, relu, last), ", ".join([_said(_names(order)), *answers])
        )


@dataclass(frozen=True)
class _Maker:
    """Makes the layers of a reading, with their arrays.

    step : what the last recurrence gives; those before it give every step
    states : whether it gives its states, too
    relu : in the RNNs of which nothing is known
    last : the activation of the last layer, if that is a Linear
    """

    items: list[Block | Made]
    step: str
    states: bool
    relu: bool
    last: str

    def __call__(self) -> list[Part]:
        parts: list[Part] = []
        recurrent = [item for item in self.items if isinstance(item, Block) and item.kind in RECURRENT]
        for item in self.items:
            if not isinstance(item, Block):
                self._without_weights(item(), parts)
            elif item.kind == "embedding":
                V, width = item.weights[0]["W"].shape
                parts.append((Embedding(V, width, name=_name(item)), item.weights[0]))
            elif item.kind == "linear":
                activation = self.last if item is self.items[-1] else "linear"
                parts.append((Dense(item.outputs, activation, name=_name(item)), item.weights[0]))
            else:
                parts += self._recurrence(item, item is recurrent[-1])
        return parts

    def _without_weights(self, layer: Layer, parts: list[Part]) -> None:
        """An activation goes into the Dense in front of it."""
        before = parts[-1][0] if parts else None
        if isinstance(layer, Activation) and isinstance(before, Dense) and before.activation == "linear":
            parts[-1] = Dense(before.units, layer.activation, name=before.name), parts[-1][1]
        else:
            parts.append((layer, {}))

    def _recurrence(self, block: Block, last: bool) -> Iterator[Part]:
        for k, arrays in enumerate(block.weights):
            top = last and k == len(block.weights) - 1
            options: dict[str, Any] = {
                "return_sequences": not top or self.step != STATES,
                "return_state": top and self.states and self.step != LAST,
                "name": _name(block, k),
            }
            if block.kind == "lstm":
                layer: Recurrent = LSTM(block.units, projection=block.projection, **options)
            elif block.kind == "gru":
                layer = GRU(block.units, **options)
            else:
                relu = self.relu if block.relu is None else block.relu
                layer = RNN(block.units, "relu" if relu else "tanh", **options)
            yield (Bidirectional(layer, name=_name(block, k)) if block.bidirectional else layer), arrays
            if block.dropout and k < len(block.weights) - 1:
                yield Dropout(block.dropout), {}
        if last and self.step == LAST:
            yield LastStep(), {}


def _name(block: Block, k: int = 0) -> str | None:
    """The name of a layer: that of the module, with a number where it is stacked."""
    name = block.prefix.replace("/", "_")
    return f"{name}.{k}" if name and len(block.weights) > 1 else name or None


# -- layers that are given ---------------------------------------------------------------------------


def fillings(
    owner: str, layers: list[Layer], blocks: dict[str, Block], ordered: bool, live: Live | None, example: Any
) -> list[Reading]:
    """The ways to fill given layers: by their names where these are those of the modules, else in order.

    Raises
    ------
    ModelFormatError : layers and weights are not of the same kinds and sizes; without an example, several
        orders fit
    """
    for layer in layers:
        if not isinstance(layer, Layer) or layer.built:
            raise ValueError(sentence(owner, "layers", "fresh layers, not built", repr(layer)))
    weighted = [layer for layer in layers if _kind(layer)]
    known = ordered
    if {layer.name for layer in weighted} == blocks.keys():
        given, known = [blocks[layer.name] for layer in weighted], True
    elif live is not None:
        given = _of_module(owner, blocks, live)
    else:
        given, known = (list(blocks.values()), True) if ordered else in_order(blocks)
    found = _filled(layers, weighted, [given]) if known else []
    found = found or _filled(layers, weighted, fitting(given))
    if not found or (len(found) > 1 and live is None and example is None):
        how = "fill in several ways" if found else "do not fill"
        raise ModelFormatError(
            f"{owner}: the weights, {_said(blocks.values())}, {how} the layers {_said(weighted)}. "
            "Layers with the names of the modules are filled by name."
        )
    return found


def _filled(layers: list[Layer], weighted: list[Layer], orders: list[list[Block]]) -> list[Reading]:
    """The orders of blocks whose kinds and sizes are those of the layers."""
    found = {}
    for order in orders:
        parts = [(block, arrays) for block in order for arrays in block.weights]
        if len(parts) == len(weighted) and all(map(_fits, weighted, (block for block, _ in parts))):
            found[_names(order)] = Reading(order, _filler(layers, weighted, parts), _said(_names(order)))
    return list(found.values())


def _kind(layer: Layer) -> str | None:
    """The kind of block that fills a layer, or of the cell that none fills; None: other layers."""
    if isinstance(layer, Bidirectional):
        layer = layer.forward_layer
    if isinstance(layer, TimeDistributed):
        layer = layer.layer
    if isinstance(layer, Recurrent):
        return KINDS.get(layer.cell.name, f"cell {layer.cell.name!r}")
    return "linear" if isinstance(layer, Dense) else "embedding" if isinstance(layer, Embedding) else None


def _fits(layer: Layer, block: Block) -> bool:
    """Whether kind and sizes agree."""
    kind = _kind(layer)
    if kind == "linear":
        dense = layer.layer if isinstance(layer, TimeDistributed) else layer
        assert isinstance(dense, Dense)
        return block.kind in ("linear", "matrix") and len(block.weights[0]["W"]) == dense.units
    if kind == "embedding":
        assert isinstance(layer, Embedding)
        shape = (layer.input_dim, layer.output_dim)
        return block.kind in ("embedding", "matrix") and block.weights[0]["W"].shape == shape
    inner = layer.forward_layer if isinstance(layer, Bidirectional) else layer
    assert isinstance(inner, Recurrent)
    if isinstance(layer, Bidirectional) and layer.backward_layer.cell is not inner.cell:
        return False
    sizes = inner.units, inner.cell.output, isinstance(layer, Bidirectional)
    return block.kind == kind and (block.units, block.projection, block.bidirectional) == sizes


def _filler(layers: list[Layer], weighted: list[Layer], parts: list[Any]) -> Callable[[], list[Part]]:
    def make() -> list[Part]:
        arrays = {}
        for layer, (block, own) in zip(weighted, parts, strict=True):
            if _kind(layer) == "linear":
                own = as_linear(block).weights[0] if block.kind == "matrix" else own
                own = {f"layer.{k}": v for k, v in own.items()} if isinstance(layer, TimeDistributed) else own
            arrays[id(layer)] = own
        for layer in layers:
            layer.forget()  # an earlier reading may have built it
        return [(layer, arrays.get(id(layer), {})) for layer in layers]

    return make
