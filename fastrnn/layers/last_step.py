"""The last vector of a sequence."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError, sentence
from ..packed import Layout, Packed
from .base import Layer, Shape
from .noise import Noise


class LastStep(Layer):
    """Give the vector [F] at each sequence's last step; zeros where it has none.

    Behind a recurrence that reads forwards, return_sequences=False gives the same.  Behind
    `Bidirectional(..., return_sequences=True)` it does not: there the last step of the way back is the first
    that it computes.

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.Embedding(9, 2), fr.LastStep()], seed=0).predict(np.array([[1, 2, 3]])).shape
    (1, 2)
    """

    def shape(self, in_shape: Shape) -> Shape:
        if not in_shape.sequence:
            raise ShapeError(sentence(str(self), "input", "sequences [B, T, F]", str(in_shape)))
        return Shape(in_shape.features, False)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        xp, layout = self.backend.xp, x.layout
        kept = layout.lengths > 0
        rows = xp.zeros((layout.B, *x.rows.shape[1:]), x.rows.dtype)
        where, ends = xp.asarray(kept), xp.asarray(layout.final[kept] - layout.B)
        rows[where] = x.rows[ends]
        cache = (where, ends, x.rows.shape) if noise is not None else None
        return Packed(rows, layout, sequence=False), cache

    def initial(self, layout: Layout) -> tuple[Any, ...]:
        """See `Layer.initial`: the last vector so far."""
        assert self.in_shape is not None
        return (self.backend.xp.zeros((layout.B, *self.in_shape.features), self.dtype),)

    def forward_part(self, x: Packed, noise: Noise | None, s0: Any) -> tuple[Packed, Any, Any]:
        """See `Layer.forward_part`."""
        y, cache = self.forward(x, noise)
        ended = self.backend.xp.asarray(x.layout.lengths == 0)
        y.rows[ended] = s0[0][ended]
        return y, (y.rows,), cache

    def stepper(self, batch: int) -> None:
        """The step that comes is the last one so far: y is x."""
        return None

    def backward(self, cache: Any, dy: Any) -> Any:
        where, ends, shape = cache
        dx = self.backend.xp.zeros(shape, dy.dtype)
        dx[ends] = dy[where]
        return dx

    def backward_part(self, cache: Any, dy: Any, dsT: Any) -> tuple[Any, Any]:
        """See `Layer.backward_part`."""
        d = dsT[0] if dy is None else dy  # y is the state after the last step of all
        ds0 = d.copy()
        ds0[cache[0]] = 0
        return self.backward(cache, d), (ds0,)
