"""What a layer is: build once, then forward and backward over packed rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..backends import Backend
from ..errors import ShapeError, sentence
from ..packed import Layout, Packed
from ..weights import Weights
from .noise import Noise


@dataclass(frozen=True)
class Shape:
    """What flows between layers, without the batch.

    Attributes
    ----------
    features : sizes of the axes behind batch and time; () for integer ids
    sequence : whether there is a time axis
    length : its size where the model fixes it, else None
    ids : rows are integer ids
    one_hot : rows are one-hot vectors that are never materialised
    """

    features: tuple[int, ...]
    sequence: bool
    length: int | None = None
    ids: bool = False
    one_hot: bool = False

    @property
    def width(self) -> int:
        """The size of the last axis."""
        return self.features[-1]

    def numbers(self, batch: Any = None) -> tuple[Any, ...]:
        """Keras' way to write it: (None, None, 8)."""
        return (batch, *((self.length,) if self.sequence else ()), *self.features)

    def __str__(self) -> str:
        axes = ["B", *(["T" if self.length is None else str(self.length)] if self.sequence else [])]
        kind = " ids" if self.ids else " one-hot" if self.one_hot else ""
        return f"[{', '.join([*axes, *map(str, self.features)])}]{kind}"


class Layer:
    """The base of all layers.

    A layer holds parameters and configuration and nothing about a call: what backward needs is returned by
    forward, so calls may overlap.

    Attributes
    ----------
    params : name -> array, empty until built
    grads : name -> array or None, added into by backward
    in_shape, out_shape : Shape, None until built
    """

    takes_ids: ClassVar[bool] = False
    takes_one_hot: ClassVar[bool] = False
    rowwise: ClassVar[bool] = False  # whether a row's result depends on that row alone
    passes: ClassVar[bool] = False  # whether y is x in inference
    streams: ClassVar[bool] = True  # whether a step's result depends on the steps before it alone

    def __init__(self, name: str | None = None) -> None:
        self.name = name or re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()
        self.params = Weights()
        self.grads: dict[str, Any] = {}
        self.in_shape: Shape | None = None
        self.out_shape: Shape | None = None
        self.backend: Backend
        self.dtype: Any = None
        self.index = 0  # set by the model: it tells layers' dropout noise apart

    # -- the contract -----------------------------------------------------------------------------

    def build(self, in_shape: Shape, rng: np.random.Generator, dtype: Any, backend: Backend) -> Shape:
        """Make the parameters for `in_shape`; return the output's shape.

        Raises
        ------
        ShapeError : this layer cannot take such input
        """
        if in_shape.ids and not self.takes_ids:
            advice = f"Put Embedding(V, units) or OneHot(V) in front of {type(self).__name__}."
            raise ShapeError(sentence(str(self), "input", "real numbers", f"{in_shape}", advice))
        if in_shape.one_hot and not self.takes_one_hot:
            advice = "One-hot rows are never materialised; only recurrent layers and Dense read them."
            raise ShapeError(sentence(str(self), "input", "materialised rows", f"{in_shape}", advice))
        self.in_shape, self.dtype, self.backend = in_shape, np.dtype(dtype), backend
        params = self.make_params(in_shape, rng, dtype)
        self.params = Weights.of({k: backend.asarray(v) for k, v in params.items()})
        self.grads = {}
        self.out_shape = self.shape(in_shape)
        return self.out_shape

    def make_params(self, in_shape: Shape, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
        """The initial parameters, NumPy."""
        return {}

    def shape(self, in_shape: Shape) -> Shape:
        """The output's shape for this input."""
        return in_shape

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        """(y, cache).  `noise` is the source of dropout masks; None in inference, and then cache is None."""
        raise NotImplementedError

    def backward(self, cache: Any, dy: Any) -> Any:
        """The gradient of x's rows from that of y's; adds into `grads`.  None where x has no gradient."""
        raise NotImplementedError

    def forward_part(self, x: Packed, noise: Noise | None, s0: Any) -> tuple[Packed, Any, Any]:
        """As `forward`, of consecutive steps of the sequences: (y, sT, cache).

        s0, sT : the states [B, width] in packed order before and after those steps; () where it has none
        """
        y, cache = self.forward(x, noise)
        return y, (), cache

    def backward_part(self, cache: Any, dy: Any, dsT: Any) -> tuple[Any, Any]:
        """(dx, ds0) of `forward_part`; dsT None is zero.  Parts come from the last to the first.

        Then `grads` have the same bits, from compiled kernels, as where all steps come at once.
        """
        return self.backward(cache, dy), ()

    def initial(self, layout: Layout) -> tuple[Any, ...]:
        """The states [B, width] before the first step, in packed order."""
        return ()

    def end_in(self, sT: Any, layout: Layout) -> None:
        """A stateful layer starts the next batch from sT, given in packed order."""

    def stepper(self, batch: int) -> Any:
        """A function that runs one step of `batch` sequences: rows of x -> rows of y; None where y is x.

        Raises
        ------
        ValueError : this layer needs the whole sequence
        """
        if not self.streams:
            raise ValueError(f"stream: {self} needs the whole sequence; use predict.")
        if self.passes:
            return None
        assert self.in_shape is not None
        layout, depth = Layout.plain(batch, 1), self.in_shape.width if self.in_shape.one_hot else None
        return lambda rows: self.forward(Packed(rows, layout, depth=depth), None)[0].rows

    def penalty(self, cache: Any) -> float:
        """What this layer adds to the loss of the step that `cache` is from."""
        return 0.0

    def cache_bytes(self, rows: int, batch: int) -> int:
        """Bytes that the cache of a training step holds besides the layer's input.

        Its output rows are among them where backward needs them.

        rows : N; batch : B, sequences that they belong to
        """
        return 0

    def config(self) -> dict[str, Any]:
        """The constructor's arguments, JSON-able."""
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Layer:
        """The layer that `config` describes, not built."""
        return cls(**config)

    # -- shared by all ----------------------------------------------------------------------------

    @property
    def id_features(self) -> tuple[int, ...]:
        """Sizes of the axes behind batch and time of the ids that this layer takes."""
        return ()

    @property
    def built(self) -> bool:
        return self.in_shape is not None

    def layers(self) -> tuple[Layer, ...]:
        """Layers inside this one."""
        return ()

    def whole(self) -> Iterator[Layer]:
        """This layer and all that are inside it, at any depth."""
        yield self
        for child in self.layers():
            yield from child.whole()

    def forget(self) -> None:
        """Undo `build`."""
        for child in self.layers():
            child.forget()
        self.in_shape = self.out_shape = None
        self.params, self.grads = Weights(), {}

    def named_params(self) -> dict[str, Any]:
        """Parameters of this layer and those inside it, by dotted name."""
        inner = {f"{child.name}.{k}": v for child in self.layers() for k, v in child.named_params().items()}
        return {**self.params, **inner}

    def named_grads(self) -> dict[str, Any]:
        """Gradients under the names of `named_params`; None where nothing was added yet."""
        inner = {f"{child.name}.{k}": v for child in self.layers() for k, v in child.named_grads().items()}
        return {**{k: self.grads.get(k) for k in self.params}, **inner}

    def clear_grads(self) -> None:
        self.grads = {}
        for child in self.layers():
            child.clear_grads()

    def add_grads(self, grads: dict[str, Any]) -> None:
        """Add into `grads`; takes ownership of the arrays.  One that is there already has been added to."""
        for name, g in grads.items():
            if self.grads.get(name) is None:
                self.grads[name] = g
            elif self.grads[name] is not g:
                self.grads[name] += g

    def reset_states(self) -> None:
        """Forget the state of stateful layers."""
        for child in self.layers():
            child.reset_states()

    def flops(self) -> int:
        """Floating-point operations of one forward row (time step); a multiply-add counts as two."""
        return sum(child.flops() for child in self.layers())

    def __str__(self) -> str:
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        inside = ", ".join(f"{k}={v!r}" for k, v in self.config().items() if k != "name")
        return f"{type(self).__name__}({inside})"


def check_units(owner: str, name: str, value: Any, least: int = 1) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(sentence(owner, name, f"a whole number of at least {least}", repr(value)))
    return int(value)


def check_rate(owner: str, name: str, value: Any) -> float:
    """`value` as a share in [0, 1)."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.floating)) or not 0 <= value < 1:
        raise ValueError(sentence(owner, name, "a number in [0, 1)", repr(value)))
    return float(value)
