"""Two recurrences over the same sequence, one from each end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backends import Backend
from ..errors import sentence, unknown
from ..packed import Packed
from .base import Layer, Shape
from .noise import Noise
from .recurrent import Recurrent

MERGES = ("concat", "sum", "mul", "ave")


class Bidirectional(Layer):
    """Run `layer` and a second copy of it backwards in time, and merge their outputs.

    Parameters
    ----------
    layer : a recurrent layer; the copy has the same configuration and weights of its own
    merge_mode : "concat" (2H features), "sum", "mul" or "ave"
    backward_layer : the layer for the way back instead of a copy, of the same sizes and with the same outputs

    Where the layer has return_state, `predict` gives (y, *states, *states of the way back).
    Each sequence runs backwards from its own last step.  With return_sequences the backward outputs are given
    in input order; without, the output is both final states.

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.Bidirectional(fr.GRU(3))], seed=0)
    >>> model.predict([np.zeros((5, 2), "float32"), np.zeros((2, 2), "float32")]).shape
    (2, 6)
    """

    takes_one_hot = True
    streams = False

    def __init__(
        self,
        layer: Recurrent,
        merge_mode: str = "concat",
        backward_layer: Recurrent | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        if merge_mode not in MERGES:
            raise unknown("Bidirectional", "merge_mode", merge_mode, MERGES)
        self.merge_mode = merge_mode
        self.forward_layer = _checked("layer", layer)
        self.copied = backward_layer is None
        if backward_layer is None:
            backward_layer = type(layer)(**{**layer.config(), **self._own_cell(layer)})
            backward_layer.initializers = layer.initializers  # a function is not in the config
        self.backward_layer: Recurrent = _checked("backward_layer", backward_layer)
        for option in ("state_widths", "return_sequences", "return_state"):
            one, two = getattr(layer, option), getattr(backward_layer, option)
            if one != two:
                raise ValueError(sentence("Bidirectional", f"{option} of backward_layer", f"{one}", f"{two}"))
        self.forward_layer.name, self.backward_layer.name = "forward", "backward"

    @staticmethod
    def _own_cell(layer: Recurrent) -> dict[str, Any]:
        return {"cell": layer.cell} if type(layer) is Recurrent else {}

    def layers(self) -> tuple[Layer, ...]:
        return self.forward_layer, self.backward_layer

    def build(self, in_shape: Shape, rng: np.random.Generator, dtype: Any, backend: Backend) -> Shape:
        for layer in self.layers():
            layer.build(in_shape, rng, dtype, backend)
        return super().build(in_shape, rng, dtype, backend)

    def shape(self, in_shape: Shape) -> Shape:
        inner = self.forward_layer.shape(in_shape)
        width = inner.width * (2 if self.merge_mode == "concat" else 1)
        return Shape((width,), inner.sequence, inner.length)

    @property
    def state_widths(self) -> tuple[int, ...]:
        """The size of each state, forwards and then backwards."""
        return self.forward_layer.state_widths * 2

    @property
    def return_state(self) -> bool:
        """Whether `forward` gives final states, as the layer inside does."""
        return self.forward_layer.return_state

    def forward(self, x: Packed, noise: Noise | None, state: Any = None) -> tuple[Packed, Any]:
        """See `Layer.forward`; `state`: both directions' states before their first steps."""
        xp = self.backend.xp
        begin: Any = (None, None) if state is None else (state[: len(state) // 2], state[len(state) // 2 :])
        # The noise of two layers in a model is sixteen numbers apart; the backward layer takes the second.
        self.forward_layer.index, self.backward_layer.index = self.index, self.index + 1
        rows, content = None, None
        if at_once := self._at_once(noise):
            rows, a, b, states, content = self._forward_both(x, noise, begin)
        else:
            one, one_cache = self.forward_layer.forward(x, noise, begin[0])
            two, two_cache = self.backward_layer.forward(x.reverse(xp), noise, begin[1])
            a, b = one.rows, two.rows
            states = (*one.states, *two.states) if one.states and two.states else None
            if two.sequence:
                b = b[xp.asarray(x.layout.reversal)]
            content = (one_cache, two_cache)
        if self.merge_mode == "concat":
            rows = xp.concatenate([a, b], axis=1) if rows is None else rows
        elif self.merge_mode == "mul":
            rows = a * b
        else:
            rows = a + b
            if self.merge_mode == "ave":
                rows *= 0.5
        cache = (at_once, content, a, b, x.layout) if noise is not None else None
        return Packed(rows, x.layout, self.forward_layer.return_sequences, states=states), cache

    def _at_once(self, noise: Noise | None) -> bool:
        """Whether a kernel runs both directions in one call.

        With dropout each has an input of its own; learnt states want their gradients.
        """
        layer = self.forward_layer
        kernel = self.backend.kernels.get(layer.cell.name)
        alone = noise is not None and any(one.dropout or one.learn_state for one in self._pair)
        same = layer.cell is self.backward_layer.cell
        return hasattr(kernel, "forward_both") and same and not alone

    def _forward_both(self, x: Packed, noise: Noise | None, begin: Any) -> tuple[Any, Any, Any, Any, Any]:
        """(both outputs side by side or None, output, output of the way back, states or None, caches)."""
        cell, pair, H = self.forward_layer.cell, self._pair, self.forward_layer.state_widths[0]
        y, (one, two), content = self.backend.run(
            cell, "forward_both", tuple(layer.params for layer in pair), x,
            tuple(layer.initial(x.layout) if s is None else s for layer, s in zip(pair, begin, strict=True)),
            noise is not None,
            tuple(layer.state_mask(x.layout, noise) for layer in pair),
        )  # fmt: skip
        back, states = self.backend.xp.asarray(x.layout.inverse_order), None
        if self.return_state:
            states = tuple(s[back] for s in (*one, *two))
        if self.forward_layer.return_sequences:
            return y, y[:, :H], y[:, H:], states, content
        return None, one[0], two[0], states, content

    @property
    def _pair(self) -> tuple[Recurrent, Recurrent]:
        return self.forward_layer, self.backward_layer

    def backward(self, cache: Any, dy: Any) -> Any:
        at_once, content, _, _, layout = cache
        da, db = self.apart(cache, dy)
        if at_once:
            return self._backward_both(content, da, db)
        one_cache, two_cache = content
        flip = self.backend.xp.asarray(layout.reversal)
        if self.forward_layer.return_sequences:
            db = db[flip]
        dx = self.forward_layer.backward(one_cache, da)
        back = self.backward_layer.backward(two_cache, db)
        return None if dx is None or back is None else dx + back[flip]

    def apart(self, cache: Any, dy: Any) -> tuple[Any, Any]:
        """The gradients of the outputs of both directions, in input order, from that of the merged output."""
        _, _, a, b, _ = cache
        if self.merge_mode == "concat":
            H = dy.shape[1] // 2
            return dy[:, :H], dy[:, H:]
        if self.merge_mode == "mul":
            return dy * b, dy * a
        return (dy * 0.5, dy * 0.5) if self.merge_mode == "ave" else (dy, dy)

    def _backward_both(self, content: Any, da: Any, db: Any) -> Any:
        rest = (None,) * (len(self.forward_layer.cell.states) - 1)
        dy: Any = (da, db)
        dsT: Any = (None, None)
        if not self.forward_layer.return_sequences:
            dy, dsT = (None, None), ((da, *rest), (db, *rest))
        params = tuple(layer.params for layer in self._pair)
        dx, _, grads = self.backend.run(
            self.forward_layer.cell, "backward_both", params, content, dy, dsT
        )  # fmt: skip
        for layer, own in zip(self._pair, grads, strict=True):
            layer.add_grads(own)
        return dx

    def cache_bytes(self, rows: int, batch: int) -> int:
        """Both layers', their outputs side by side, the order of the way back, and maybe x in that order."""
        assert self.in_shape is not None
        inner = sum(layer.cache_bytes(rows, batch) for layer in self._pair)
        if not self._at_once(Noise(0)):
            inner += rows * (8 if self.in_shape.one_hot else self.in_shape.width * self.dtype.itemsize)
        both = 2 * self.forward_layer.state_widths[0] * self.dtype.itemsize
        return inner + 8 * rows + (rows * both if self.forward_layer.return_sequences else 0)

    def config(self) -> dict[str, Any]:
        inner, back = ({"class": type(one).__name__, "config": one.config()} for one in self._pair)
        back = None if self.copied else back
        return {**super().config(), "layer": inner, "merge_mode": self.merge_mode, "backward_layer": back}

    def __str__(self) -> str:
        return f"Bidirectional({self.forward_layer})"


def _checked(name: str, layer: Any) -> Recurrent:
    if not isinstance(layer, Recurrent):
        expected = "a recurrent layer, for example LSTM(64)"
        raise TypeError(sentence("Bidirectional", name, expected, repr(layer)))
    for option in ("go_backwards", "stateful"):
        if getattr(layer, option):
            raise ValueError(sentence("Bidirectional", option, "False in the layer inside", "True"))
    return layer
