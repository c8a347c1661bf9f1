"""Any recurrent cell as a layer: run over the packed batch, with Keras' arguments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import initializers
from ..backends import Backend
from ..cells import CELLS, Cell, takes_name
from ..errors import ShapeError, sentence, unknown
from ..packed import Layout, Packed
from ..threads import get_num_threads
from .activation import is_finite
from .base import Layer, Shape, check_rate, check_units
from .noise import Noise


class Recurrent(Layer):
    """Any recurrent cell as a layer.

    Parameters
    ----------
    units : H, the size of the state
    cell : the name of a built-in cell ("rnn_tanh", "rnn_relu", "lstm", "gru", "lstm_peephole",
        "lstm_coupled", "lstm_peephole_coupled", "gru_before") or your own `fastrnn.Cell`
    return_sequences : give y [B, T, H] instead of the last state [B, H]
    return_state : give (y, *states) from `predict`; only for the last layer of a model
    go_backwards : run over the reversed sequence, and give y in that order (as Keras)
    stateful : start each batch from the states in which the previous one ended
    learn_state : start from states that are learnt, parameters `h0`, `c0` [width], instead of zero
    dropout : share of inputs dropped, the same ones at every step of a sequence
    recurrent_dropout : likewise for the state on its way into the recurrent product
        (Gal and Ghahramani 2016); the state that is carried on is not touched
    kernel_initializer, recurrent_initializer, bias_initializer : of W_ih, W_hh (gate by gate) and the biases;
        None leaves it to the cell (Glorot uniform, orthogonal, zeros), as all other weights are

    A sequence of length 0 gives its initial state.
    """

    takes_one_hot = True

    def __init__(
        self,
        units: int,
        cell: str | Cell,
        *,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        learn_state: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        kernel_initializer: Any = None,
        recurrent_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        owner = type(self).__name__
        self.units = units
        self.units = check_units(owner, "units", units)
        if isinstance(cell, str):
            if cell not in CELLS:
                raise unknown(owner, "cell", cell, tuple(CELLS))
            cell = CELLS[cell]
        elif not isinstance(cell, Cell):
            expected = "the name of a cell or a fastrnn.Cell"
            raise TypeError(sentence(owner, "cell", expected, cell))
        elif takes_name(cell):
            expected = "other than those of the built-in cells"
            raise ValueError(sentence(owner, "cell.name", expected, repr(cell.name)))
        self.cell = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.learn_state = bool(learn_state)
        self.dropout = check_rate(owner, "dropout", dropout)
        self.recurrent_dropout = check_rate(owner, "recurrent_dropout", recurrent_dropout)
        self.initializers = {
            prefix: None if given is None else initializers.get(given)
            for prefix, given in (
                ("W_ih", kernel_initializer),
                ("W_hh", recurrent_initializer),
                ("b", bias_initializer),
            )
        }
        self.state: tuple[Any, ...] | None = None

    def build(self, in_shape: Shape, rng: np.random.Generator, dtype: Any, backend: Backend) -> Shape:
        one_vector = in_shape.sequence and len(in_shape.features) == 1
        if not one_vector and not in_shape.ids:
            advice = "A recurrence reads one vector a step: give x as [B, T, features], and set "
            advice += "return_sequences=True in a recurrence before this one."
            raise ShapeError(sentence(str(self), "input", "[B, T, I]", str(in_shape), advice))
        if in_shape.one_hot and self.dropout:
            advice = "Use recurrent_dropout, or Embedding followed by Dropout."
            raise ValueError(sentence(str(self), "dropout", "0 on one-hot input", self.dropout, advice))
        return super().build(in_shape, rng, dtype, backend)

    def make_params(self, in_shape: Shape, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
        params = self.cell.init(rng, in_shape.width, self.units, dtype)
        for name, array in params.items():
            prefix = "b" if name.startswith("b") else name
            initializer = self.initializers.get(prefix)
            if initializer is None:
                continue
            if isinstance(initializer, initializers.Chrono) and prefix == "b":
                biases = [name for name in params if name.startswith("b")]
                params |= initializer.biases(rng, self.cell, self.units, dtype, biases)
                break  # it knows the gates from each other, and gives all biases at once
            if array.ndim == 2 and prefix == "W_hh":
                block = (self.units, self.state_widths[0])
                params[name] = np.concatenate([initializer(rng, block, dtype) for _ in self.cell.gates])
            else:
                params[name] = initializer(rng, array.shape, dtype)
        if self.learn_state:
            pairs = zip(self.learnt_names, self.state_widths, strict=True)
            params |= {name: np.zeros(width, dtype) for name, width in pairs}
        return params

    @property
    def state_widths(self) -> tuple[int, ...]:
        """The size of each state."""
        return self.cell.widths(self.units)

    @property
    def learnt_names(self) -> tuple[str, ...]:
        """The parameters that are states: h0, c0; () without `learn_state`."""
        return tuple(f"{s}0" for s in self.cell.states) if self.learn_state else ()

    def shape(self, in_shape: Shape) -> Shape:
        length = in_shape.length if self.return_sequences else None
        return Shape((self.state_widths[0],), self.return_sequences, length)

    def forward(self, x: Packed, noise: Noise | None, state: Any = None) -> tuple[Packed, Any]:
        """See `Layer.forward`; `state`, in packed order, goes before every other start."""
        learns = self.learns and state is None
        s0 = self.initial(x.layout) if state is None else state
        y, sT, cache = self.forward_part(x, noise, s0)
        if self.return_state:
            y = replace(y, states=self.in_callers_order(sT, x.layout))
        self.end_in(sT, x.layout)
        return y, (cache, learns) if noise is not None else None

    def forward_part(self, x: Packed, noise: Noise | None, s0: Any) -> tuple[Packed, Any, Any]:
        """See `Layer.forward_part`."""
        xp, layout = self.backend.xp, x.layout
        in_mask = None
        if noise is not None and self.dropout:
            width = x.rows.shape[1]
            in_mask = noise.dropout(xp, 2 * self.index, layout.order, None, width, self.dropout, self.dtype)[
                xp.asarray(layout.sequence)
            ]
            x = x.with_rows(x.rows * in_mask)
        mask = self.state_mask(layout, noise)
        masks = () if mask is None else (mask,)  # a user's own cell may do without
        if self.go_backwards:
            x = x.reverse(xp)
        training = noise is not None and not noise.forgets
        given = self.params, x, s0, training, *masks
        y, sT, content = self.backend.run(self.cell, "forward", *given, last=not self.return_sequences)
        out = Packed(y if self.return_sequences else sT[0], layout, self.return_sequences)
        return out, sT, (content, in_mask, layout) if training else None

    def in_callers_order(self, states: Any, layout: Layout) -> tuple[Any, ...]:
        """States in packed order as the caller's rows."""
        back = self.backend.xp.asarray(layout.inverse_order)
        return tuple(s[back] for s in states)

    def end_in(self, sT: Any, layout: Layout) -> None:
        """See `Layer.end_in`."""
        if self.stateful:
            self.state = self.in_callers_order(sT, layout)

    def stepper(self, batch: int) -> Any:
        if self.go_backwards:
            raise ValueError(f"stream: {self} runs backwards and needs the whole sequence; use predict.")
        assert self.in_shape is not None
        steps = getattr(self.backend.kernels.get(self.cell.name), "steps", None)
        if steps is None or self.learn_state:
            return _Steps(self, batch)
        return steps(self.params, batch, self.in_shape.one_hot, get_num_threads())

    def state_mask(self, layout: Layout, noise: Noise | None) -> Any:
        """The dropout mask [B, width] of the state on its way into the recurrent product, or None."""
        if noise is None or not self.recurrent_dropout:
            return None
        rate, number, width = self.recurrent_dropout, 2 * self.index + 1, self.state_widths[0]
        return noise.dropout(self.backend.xp, number, layout.order, None, width, rate, self.dtype)

    def initial(self, layout: Layout) -> tuple[Any, ...]:
        """The states before the first step, in packed order."""
        if self.state is None:
            return self.first_states(layout.B)
        if len(self.state[0]) != layout.B:
            advice = "A stateful layer needs the same batch size in every call; reset_states() starts anew."
            expected = f"{len(self.state[0])} sequences, as in the previous batch"
            raise ShapeError(sentence(str(self), "the batch", expected, str(layout.B), advice))
        order = self.backend.xp.asarray(layout.order)
        return tuple(s[order] for s in self.state)

    def first_states(self, batch: int) -> tuple[Any, ...]:
        """The states [B, width] of sequences that begin: learnt, or zero."""
        xp = self.backend.xp
        if self.learn_state:
            return tuple(xp.tile(self.params[name], (batch, 1)) for name in self.learnt_names)
        return tuple([xp.zeros((batch, width), self.dtype) for width in self.state_widths])

    def backward(self, cache: Any, dy: Any) -> Any:
        part, learns = cache
        dx, ds0 = self.backward_part(part, dy, None)
        if learns:
            self.learn(ds0)
        return dx

    def backward_part(self, cache: Any, dy: Any, dsT: Any) -> tuple[Any, Any]:
        """See `Layer.backward_part`."""
        content, in_mask, layout = cache
        if not self.return_sequences and dy is not None:  # y is the state after the last step of all
            dy, dsT = None, (dy, *(None for _ in self.cell.states[1:]))
        dx, ds0, grads = self.backend.run(
            self.cell, "backward", self.params, content, dy, dsT, into=self.grads
        )
        self.add_grads(grads)
        if dx is not None and self.go_backwards:
            dx = dx[self.backend.xp.asarray(layout.reversal)]
        return dx if dx is None or in_mask is None else dx * in_mask, ds0

    @property
    def learns(self) -> bool:
        """Whether a batch starts from the parameters that are states, unless it is given others."""
        return self.learn_state and self.state is None

    def learn(self, ds0: Any) -> None:
        """Add the gradient of the initial states to that of the parameters that they are."""
        pairs = zip(self.learnt_names, ds0, strict=True)
        self.add_grads({name: d.sum(axis=0) for name, d in pairs})

    def reset_states(self) -> None:
        self.state = None

    def cache_bytes(self, rows: int, batch: int) -> int:
        """The states before and after every row, its gates where there are several, and dropout's masks."""
        assert self.in_shape is not None
        gates = self.cell.gates
        numbers = sum(self.state_widths) * (batch + rows)
        if len(gates) > 1:
            # With a reset, the product that it resets is kept, too; kernels keep the state that it resets.
            resets = "r" in gates and ("b_hh" in self.params or self.cell.name in self.backend.kernels)
            numbers += (len(gates) + resets) * self.units * rows
        if self.dropout:
            numbers += 2 * self.in_shape.width * rows
        if self.recurrent_dropout:
            numbers += self.state_widths[0] * batch
        return numbers * self.dtype.itemsize

    def flops(self) -> int:
        assert self.in_shape is not None
        G = len(self.cell.gates) * self.units
        project = G if self.in_shape.one_hot else 2 * G * self.in_shape.width
        # Every other weight is multiplied once: W_hh, and what a cell has besides.
        rest = sum(int(v.size) for k, v in self.params.items() if k != "W_ih" and not self._is_added(k))
        return project + 2 * rest + 2 * G  # the activations counted as two each

    def _is_added(self, name: str) -> bool:
        """Whether a parameter is a bias or a state."""
        return name.startswith("b") or name in self.learnt_names

    def config(self) -> dict[str, Any]:
        given = {
            "kernel_initializer": self.initializers["W_ih"],
            "recurrent_initializer": self.initializers["W_hh"],
            "bias_initializer": self.initializers["b"],
        }
        return {
            **super().config(),
            "units": self.units,
            "cell": self.cell.name,
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "learn_state": self.learn_state,
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
            **{k: None if v is None else v.config() for k, v in given.items()},
        }

    def __str__(self) -> str:
        return f"{type(self).__name__}(units={self.units})"


class _Steps:
    """A recurrence that waits for its next input; its kernel, where it has one, is in `fastrnn.kernels`."""

    state: tuple[Any, ...]

    def __init__(self, layer: Recurrent, batch: int) -> None:
        assert layer.in_shape is not None
        self.layer, self.layout = layer, Layout.plain(batch, 1)
        self.depth = layer.in_shape.width if layer.in_shape.one_hot else None
        self.reset()

    def __call__(self, rows: Any) -> Any:
        layer, x = self.layer, Packed(rows, self.layout, depth=self.depth)
        y, self.state, _ = layer.backend.run(layer.cell, "forward", layer.params, x, self.state, False)
        return y

    def reset(self, state: Any = None) -> None:
        layer = self.layer
        first = layer.first_states(self.layout.B) if state is None else state
        self.state = tuple(layer.backend.asarray(s) for s in first)


def check_clip(owner: str, clip: Any) -> float | None:
    """`clip` as a float above 0, or None."""
    if clip is None:
        return None
    if not is_finite(clip) or not clip > 0:
        raise ValueError(sentence(owner, "clip", "None or a finite number above 0", repr(clip)))
    return float(clip)


def check_flag(owner: str, name: str, value: Any) -> bool:
    """`value` as a bool: these decide which weights there are, so that nothing is taken for one."""
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(sentence(owner, name, "True or False", repr(value)))
    return bool(value)
