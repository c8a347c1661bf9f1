"""The layers that a graph comes to, one behind the other, while it is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ..layers import Activation, Dense, Layer, OneHot, Shape
from .onnx_cells import Recurrence
from .onnx_folding import Folding, numbers_of
from .onnx_graph import Node
from .onnx_values import LANES, Axis, Constant, Data

_BRANCH = "a Sequential has no branches"
_LAYERS_AT_MOST = 256


@dataclass
class Draft:
    """A layer that is not made yet: its class, its arguments, its parameters."""

    cls: type[Layer]
    options: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def part(self) -> tuple[Layer, dict[str, np.ndarray]]:
        """The layer, and its arrays; a product without a bias has one of zeros here."""
        arrays = self.arrays
        if self.cls is Dense and "b" not in arrays:
            arrays = {**arrays, "b": np.zeros(len(arrays["W"]), arrays["W"].dtype)}
        return self.cls(**self.options), arrays


class Chain:
    """What has been read so far.

    Attributes
    ----------
    drafts : the layers
    version : counts the changes of the data; only data of this version go on
    lanes : the directions in the data of this version, where they are the output of a recurrence
    source : name of the graph's input that goes through the layers
    lengths : name of the input that says how long sequences are; "" where all are whole, None where nothing
        has told
    taken : names of the weights that are in a layer
    """

    def __init__(self, sizes: dict[str, int]) -> None:
        self.drafts: list[Draft | Recurrence] = []
        self.version = 0
        self.lanes: tuple[tuple[int, int], ...] = ()
        self.source = ""
        self.lengths: str | None = None
        self.given: set[str] = set()  # inputs of the graph that are states
        self.sizes, self.taken = sizes, set[str]()
        self.dtype: Any = None
        self.grown: Data | None = None  # what the layer that was put on last gave, before it was merged

    # -- weights ---------------------------------------------------------------------------------------

    def take(self, x: Any, name: str, ndim: int | None = None, bias: bool = False) -> np.ndarray:
        """The array of a constant that becomes a parameter: whole, and for the first time.

        Exporters merge tensors that are equal, as zero biases are.  That ties nothing, so a bias whose
        numbers are all the same may be taken again.
        """
        if not isinstance(x, Constant) or not x.whole or x.array.dtype.kind != "f":
            raise ValueError(f"{name} must be a constant of float32 or float64")
        if ndim is not None and x.array.ndim != ndim:
            raise ValueError(f"{name} must have {ndim} axes, got the shape {list(x.array.shape)}")
        weights = sorted(x.origins)
        if x.numbers != sum(self.sizes[weight] for weight in weights):
            raise ValueError(f"{name} is not made of each number of {weights} once")
        shared = [weight for weight in weights if weight in self.taken]
        if shared and not (bias and x.array.size and (x.array == x.array.flat[0]).all()):
            raise ValueError(f"{name} is {shared}, which another layer has; layers here share no weights")
        self.taken.update(weights)
        self.same_dtype(x.array.dtype)
        return x.array

    def same_dtype(self, dtype: np.dtype[Any]) -> None:
        """Data and weights have one dtype."""
        if self.dtype not in (None, dtype):
            raise ValueError(f"{dtype} meets {self.dtype}; a model has one dtype")
        self.dtype = dtype

    @property
    def head(self) -> Draft | Recurrence | None:
        """The layer that was put on last."""
        return self.drafts[-1] if self.drafts else None

    # -- data -------------------------------------------------------------------------------------------

    def enter(self, x: Any) -> Data:
        """Data that a layer reads: the whole of what the layers so far give."""
        if not isinstance(x, Data):
            raise ValueError("must read what comes from the graph's input, got a constant")
        if x.what == "x":
            if x.cut:
                raise ValueError(f"reads a part of the input {x.source!r}")
            if self.version:
                where = "a second time" if x.source == self.source else f"beside {self.source!r}"
                raise ValueError(f"reads the input {x.source!r} {where}: {_BRANCH}")
            self.source = x.source
        if x.version != self.version:
            raise ValueError(f"reads what another node reads too: {_BRANCH}")
        if x.lanes != self.lanes:
            raise ValueError("reads one direction of two, or states of several layers")
        if x.what == "c":
            raise ValueError("reads the cell state Y_c, which layers do not pass on")
        if x.what in ("y", "h"):
            assert isinstance(self.head, Recurrence)
            self.head.sequences = x.what == "y"
        return self._turned_back(x) if x.turned else x

    def _turned_back(self, x: Data) -> Data:
        """The outputs of a recurrence that runs backwards, in the order in which they are computed."""
        head = self.head
        if x.what != "y" or not isinstance(head, Recurrence) or head.directions != ("reverse",):
            raise ValueError("reads time turned round, which is read behind a recurrence that runs backwards")
        head.turned = True
        return self.changed(x)

    def has_lengths(self, name: str) -> None:
        """All that asks for the lengths of sequences asks for the same."""
        if self.lengths not in (None, name):
            raise ValueError("all recurrences of a model read the same sequence_lens, or none")
        self.lengths = name

    def vectors(self, x: Any, width: int | None = None) -> Data:
        """`enter`, for a layer that works on the last axis, of that size."""
        x = self.enter(x)
        if x.ids:
            raise ValueError(f"reads the integers {x}; they are read by Gather and OneHot alone")
        rest, last = x.groups[:-1], x.groups[-1] if x.groups else ()
        own = tuple(axis for axis in last if axis is not LANES)
        apart = any(axis is LANES or axis.role == "features" for group in rest for axis in group)
        if len(own) != 1 or apart or last not in (own, (LANES, *own)):
            raise ValueError(f"reads {x}; the last axis must be the features, and all of them")
        own[0].become("features")
        if width is not None:
            each = width // max(1, len(x.lanes))
            if own[0].size is None:
                own[0].size = each
            if own[0].size * max(1, len(x.lanes)) != width:
                raise ValueError(f"reads {x.sizes[-1]} features, but its weights are for {width}")
        return x

    def grow(self, draft: Draft | Recurrence, x: Data) -> Data:
        """Put a layer behind the others; gives x, which is now what it gives."""
        if len(self.drafts) == _LAYERS_AT_MOST:
            raise ValueError(f"would be layer {_LAYERS_AT_MOST + 1}, which is more than are read")
        self.drafts.append(draft)
        self.grown = self.changed(x)
        return self.grown

    def changed(self, x: Data) -> Data:
        """x, of a new version: what was read before is not read again."""
        self.version += 1
        lanes = tuple((self.version, direction) for _, direction in x.lanes)
        self.lanes = lanes
        return replace(x, version=self.version, what="rows", lanes=lanes, ids=False, turned=False)

    def widened(self, draft: Draft, x: Data, width: int) -> Data:
        """`grow`, for a layer that gives `width` features."""
        axis = Axis("features", width, "features")
        return self.grow(draft, replace(x, groups=(*x.groups[:-1], (axis,)), lanes=()))

    def activate(self, x: Any, activation: Any) -> Data:
        """An activation: of the Dense layer before it where it has none, else a layer."""
        x = self.vectors(x) if activation == "softmax" else self.enter(x)
        head = self.head
        if isinstance(head, Draft) and head.cls is Dense and "activation" not in head.options:
            head.options["activation"] = activation
            return self.changed(x)
        return self.grow(Draft(Activation, {"activation": activation}), x)

    # -- the end ------------------------------------------------------------------------------------------

    def finish(self, outputs: Sequence[tuple[str, Any]]) -> None:
        """Take note of what the graph gives.

        outputs : (name, value)

        Raises
        ------
        ValueError : that is not what the last layer gives
        """
        asked, head = set(), self.head
        for name, x in outputs:
            if isinstance(x, Data) and x.turned:
                x = self.enter(x)
            right = isinstance(x, Data) and bool(self.drafts)
            state = right and isinstance(head, Recurrence) and x.what in ("h", "c")
            at = self.grown if state and self.grown is not None else self
            if not right or x.version != at.version:
                raise ValueError(
                    f"the output {name!r} is not of the last layer; a Sequential gives that layer's output, "
                    "and its states where it is a recurrence. Export the model with these alone"
                )
            if x.lanes != at.lanes:
                raise ValueError(f"the output {name!r} is one direction of two, or states of several layers")
            asked.add(x.what)
        if isinstance(head, Draft) and head.cls is OneHot:
            raise ValueError("the graph gives one-hot rows, which are never materialised here")
        if isinstance(head, Recurrence) and asked != {"rows"}:
            if "rows" not in asked:  # else what was read of it says so
                head.sequences = "y" in asked
            head.states = asked not in ({"y"}, {"h"}) or (asked == {"h"} and len(outputs) > 1)

    def shape(self, x: Data) -> Shape:
        """The shape of the model's input, x as it came in."""
        axes = [axis for group in x.groups for axis in group]
        if not x.ids and not any(axis.role == "features" for axis in axes):
            axes[-1].become("features")
        free = [role for role in ("batch", "time") if role not in {axis.role for axis in axes}]
        for axis in axes:  # where no recurrence has said it, the batch is first
            if axis.role is None and free:
                axis.become(free.pop(0))
        roles = [axis.role for axis in axes]
        if None in roles or len(set(roles)) < len(roles):
            raise ValueError(f"the input {x.source!r} is {x}; batch, time and features are what it may have")
        if x.ids:
            return Shape((), True, ids=True)
        width = next(axis.size for axis in axes if axis.role == "features")
        if width is None:
            raise ValueError(f"the input {x.source!r} has a free number of features")
        return Shape((width,), "time" in roles)


@dataclass
class Reading:
    """One reading of a graph: what its operators are read with.

    Attributes
    ----------
    opset : the version of the operators
    settled : the data that a formula (`onnx_formulas`) was made of, with its activation
    searches : how many formulas were looked for among the activations
    """

    opset: int
    chain: Chain
    folding: Folding
    settled: dict[Any, Data | None] = field(default_factory=dict)
    searches: int = 0

    def numbers(self, node: Node, name: str, given: Any, since: int) -> list[Any] | None:
        """The vector of integers that is an attribute before version `since`, and an input from then on."""
        if self.opset >= since:
            return None if given is None else numbers_of(name, given)
        if given is not None:
            raise ValueError(f"{name} is an input, which it is from version {since} on")
        return node.take(name, int, []) or None
