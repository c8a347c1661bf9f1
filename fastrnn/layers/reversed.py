"""A recurrence from the last step to the first."""

from __future__ import annotations

from typing import Any

from ..errors import sentence
from ..packed import Packed
from .base import Layer, Shape
from .noise import Noise
from .recurrent import Recurrent


class Reversed(Layer):
    """Run `layer` from each sequence's last step to its first, and give y in the order of the input.

    This is the backward half of `Bidirectional`.  Keras' `go_backwards` gives y in the order in which it is
    computed; without return_sequences both are the same.

    layer : a recurrent layer

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.Reversed(fr.GRU(3, return_sequences=True))], seed=0)
    >>> x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    >>> bool((model.predict(x)[:, -1] == model.predict(x[:, -1:])[:, 0]).all())
    True
    """

    takes_one_hot = True
    streams = False

    def __init__(self, layer: Recurrent, name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(layer, Recurrent):
            expected = "a recurrent layer, for example LSTM(64)"
            raise TypeError(sentence("Reversed", "layer", expected, repr(layer)))
        for option in ("go_backwards", "stateful"):
            if getattr(layer, option):
                raise ValueError(sentence("Reversed", option, "False in the layer inside", "True"))
        self.layer = layer
        self.layer.name = "layer"

    def layers(self) -> tuple[Layer, ...]:
        return (self.layer,)

    def build(self, in_shape: Shape, rng: Any, dtype: Any, backend: Any) -> Shape:
        self.layer.build(in_shape, rng, dtype, backend)
        return super().build(in_shape, rng, dtype, backend)

    def shape(self, in_shape: Shape) -> Shape:
        return self.layer.shape(in_shape)

    @property
    def state_widths(self) -> tuple[int, ...]:
        """The size of each state."""
        return self.layer.state_widths

    @property
    def return_state(self) -> bool:
        """Whether `forward` gives final states, as the layer inside does."""
        return self.layer.return_state

    def forward(self, x: Packed, noise: Noise | None, state: Any = None) -> tuple[Packed, Any]:
        """See `Layer.forward`; `state`: before the step that is computed first, the last in time."""
        self.layer.index = self.index
        y, cache = self.layer.forward(x.reverse(self.backend.xp), noise, state)
        if y.sequence:
            y = Packed(y.rows[self.backend.xp.asarray(x.layout.reversal)], y.layout, states=y.states)
        return y, (cache, x.layout) if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        inner, layout = cache
        flip = self.backend.xp.asarray(layout.reversal)
        dx = self.layer.backward(inner, dy[flip] if self.layer.return_sequences else dy)
        return None if dx is None else dx[flip]

    def config(self) -> dict[str, Any]:
        inner = {"class": type(self.layer).__name__, "config": self.layer.config()}
        return {**super().config(), "layer": inner}

    def __str__(self) -> str:
        return f"Reversed({self.layer})"
