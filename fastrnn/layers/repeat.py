"""A vector at every step: what stands between an encoder and a recurrent decoder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import ShapeError, sentence
from ..packed import Layout, Packed
from .base import Layer, Shape, check_units
from .noise import Noise


class RepeatVector(Layer):
    """Give each vector [F] as a sequence [n, F].

    n : number of steps; None gives each vector as many steps as the sequence it was made from, so that a
        recurrent autoencoder returns ragged sequences at their own lengths

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.RepeatVector(3)], seed=0).predict(np.ones((2, 4), "float32")).shape
    (2, 3, 4)
    """

    streams = False

    def __init__(self, n: int | None = None, name: str | None = None) -> None:
        super().__init__(name)
        self.n = None if n is None else check_units("RepeatVector", "n", n)

    def shape(self, in_shape: Shape) -> Shape:
        if in_shape.sequence or len(in_shape.features) != 1:
            advice = "Set return_sequences=False in the layer before."
            raise ShapeError(sentence(str(self), "input", "vectors [B, F]", str(in_shape), advice))
        return Shape(in_shape.features, True, self.n)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        layout = x.layout
        if self.n is not None:
            layout = replace(Layout.plain(layout.B, self.n), order=layout.order)
        rows = x.rows[self.backend.xp.asarray(layout.sequence)]
        return Packed(rows, layout), (layout, x.rows.shape) if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        layout, shape = cache
        dx = self.backend.xp.zeros(shape, dy.dtype)
        for _, _, rows in layout.walk():
            dx[: rows.stop - rows.start] += dy[rows]
        return dx

    def config(self) -> dict[str, Any]:
        return {**super().config(), "n": self.n}


class TimeDistributed(Layer):
    """Apply a layer to every step; Dense, Activation and Dropout do that by themselves."""

    def __init__(self, layer: Layer, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(layer, Layer) or not layer.rowwise:
            expected = "a layer that works on single rows, such as Dense"
            raise TypeError(sentence("TimeDistributed", "layer", expected, repr(layer)))
        self.layer = layer
        self.layer.name = "layer"
        self.takes_one_hot = layer.takes_one_hot  # type: ignore[misc]

    def layers(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def build(self, in_shape: Shape, rng: Any, dtype: Any, backend: Any) -> Shape:
        if not in_shape.sequence:
            raise ShapeError(sentence(str(self), "input", "sequences [B, T, F]", str(in_shape)))
        self.layer.build(in_shape, rng, dtype, backend)
        return super().build(in_shape, rng, dtype, backend)

    def shape(self, in_shape: Shape) -> Shape:
        return self.layer.shape(in_shape)

    def forward(self, x: Packed, noise: Noise | None, **options: Any) -> tuple[Packed, Any]:
        self.layer.index = self.index
        return self.layer.forward(x, noise, **options)

    def backward(self, cache: Any, dy: Any) -> Any:
        return self.layer.backward(cache, dy)

    def penalty(self, cache: Any) -> float:
        return self.layer.penalty(cache)

    def cache_bytes(self, rows: int, batch: int) -> int:
        """The inner layer's."""
        return self.layer.cache_bytes(rows, batch)

    @property
    def activation(self) -> str:
        """The activation of the layer inside, so that a loss can be fused with it."""
        return getattr(self.layer, "activation", "linear")

    def config(self) -> dict[str, Any]:
        inner = {"class": type(self.layer).__name__, "config": self.layer.config()}
        return {**super().config(), "layer": inner}
