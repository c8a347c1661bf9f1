"""The LSTM with a forget gate (Hochreiter and Schmidhuber 1997; Gers, Schmidhuber and Cummins 2000).

Gate order ``i f g o``: input, forget, candidate, output.  Forward, h and c the states before step t::

    (1)  a_t = W_ih x_t + W_hh (m * h_{t-1}) + b        m: dropout mask of the recurrent product, or 1
    (2)  i, f, o = sigmoid(a_i, a_f, a_o),  g = tanh(a_g)
    (3)  c_t = f * c_{t-1} + i * g                      the memory cell: a sum, so gradients survive
    (4)  h_t = o * tanh(c_t)
    (5)  y_t = h_t

Backward, dh_t and dc_t the gradients of the loss with respect to h_t and c_t::

    (5') dh_t += dy_t
    (4') do = dh_t * tanh(c_t),   dc_t += dh_t * o * (1 - tanh(c_t)^2)
    (3') df = dc_t * c_{t-1},  di = dc_t * g,  dg = dc_t * i,  dc_{t-1} = dc_t * f
    (2') da_{i,f,o} = d{i,f,o} * s (1 - s),   da_g = dg * (1 - g^2)
    (1') dh_{t-1} = m * (W_hh' da_t)
         dx_t = W_ih' da_t,  dW_ih = sum da_t x_t',  dW_hh = sum da_t (m * h_{t-1})',  db = sum da_t

What other LSTMs do otherwise stands in a file each, as what takes the place of a part of `Form`:
`lstm_peephole.py` in (1), `lstm_coupled.py` in (3), `lstm_projected.py` in (4); and any activation
(`activations.py`, `clip.py`) takes the place of sigmoid and tanh, its slope that of s (1 - s) and 1 - g^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from .activations import SIGMOID, TANH
from .cell import (
    Cell,
    Params,
    collect_input,
    history,
    init_weights,
    project,
    recurrent_input,
    state_gradients,
)


class ForgetGate:
    """f is a gate of its own."""

    gates = "ifgo"

    def kept(self, gate: dict[str, Any]) -> Any:
        """The share of c_{t-1} in c_t."""
        return gate["f"]

    def back(self, d: dict[str, Any]) -> None:
        """Hand df on to where f comes from."""


class NoPeepholes:
    """The gates do not look at the memory."""

    weights: ClassVar[tuple[str, ...]] = ()

    def init(self, gates: str, units: int, dtype: Any) -> Params:
        return {}

    def look(self, params: Params, a: dict[str, Any], letters: str, c: Any) -> None:
        """Add to the gates of `letters` what they see of c."""

    def back(self, params: Params, grads: Params, da: dict[str, Any], letters: str, c: Any) -> Any:
        """What goes back to c; adds into grads."""
        return 0


class NoProjection:
    """All units are shown."""

    weights: ClassVar[tuple[str, ...]] = ()

    def init(self, rng: Any, units: int, dtype: Any) -> Params:
        return {}

    def shown(self, params: Params, m: Any) -> Any:
        """h_t, of m_t = o * tanh(c_t)."""
        return m

    def back(self, params: Params, dh: Any) -> Any:
        """The gradient of m_t."""
        return dh

    def collect(self, grads: Params, dh: Any, m: Any) -> None:
        """Add into grads."""


_OWN, _BLIND, _WHOLE = ForgetGate(), NoPeepholes(), NoProjection()


@dataclass(frozen=True)
class Form:
    """What may differ from one LSTM to another.

    f, g, h : the activations of the gates, of the candidate and of the memory when it is shown
    output : the size of h where it is not H
    """

    f: Any = SIGMOID
    g: Any = TANH
    h: Any = TANH
    forget: ForgetGate = _OWN
    peepholes: NoPeepholes = _BLIND
    projection: NoProjection = _WHOLE
    output: int | None = None

    @property
    def reads_input(self) -> bool:
        """Whether backward needs a_t beside the gates."""
        return bool(self.f.reads_input or self.g.reads_input)

    def function(self, letter: str) -> Any:
        """The activation of a gate."""
        return self.g if letter == "g" else self.f

    def blocks(self, rows: Any) -> dict[str, Any]:
        """Views [n, H] of the blocks of [n, G], by letter."""
        H = rows.shape[1] // len(self.forget.gates)
        return {letter: rows[:, k * H : (k + 1) * H] for k, letter in enumerate(self.forget.gates)}

    def zeros(self, xp: Any, params: Params) -> Params:
        """The gradients of its parts' own weights, before the first is added."""
        return {k: xp.zeros_like(params[k]) for k in (*self.peepholes.weights, *self.projection.weights)}

    def open(self, xp: Any, a: dict[str, Any], gate: dict[str, Any], letters: str) -> None:
        """(2), for those of `letters` that are there."""
        for letter in letters:
            if letter in gate:
                gate[letter][...] = self.function(letter).value(xp, a[letter])

    def close(self, xp: Any, a: Any, gate: Any, letter: str, d: Any) -> Any:
        """(2'): da of one gate."""
        return d * self.function(letter).slope(xp, a[letter], gate[letter])


def init(form: Form, rng: Any, inputs: int, units: int, dtype: Any) -> Params:
    """W_ih [G, I], W_hh [G, H], b [G]; the forget gate starts open (Jozefowicz et al. 2015)."""
    gates = form.forget.gates
    params = init_weights(rng, len(gates), inputs, units, dtype, form.output)
    params["b"] = np.zeros(len(gates) * units, dtype)
    if "f" in gates:
        params["b"][gates.index("f") * units :][:units] = 1
    params |= form.peepholes.init(gates, units, dtype)
    return params | form.projection.init(rng, units, dtype)


def forward(form: Form, xp: Any, params: Params, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    W_hh = params["W_hh"]
    h = history(xp, s0[0], x.layout.N)
    c = history(xp, s0[1], x.layout.N)
    a = project(xp, x, params["W_ih"], params["b"])  # (1), the part that does not wait
    gates = xp.empty_like(a) if form.reads_input else a
    for before, now, rows in x.layout.walk():
        n = rows.stop - rows.start
        a[rows] += (h[before] if h_mask is None else h[before] * h_mask[:n]) @ W_hh.T  # (1)
        pre, gate = form.blocks(a[rows]), form.blocks(gates[rows])
        form.peepholes.look(params, pre, "if", c[before])
        form.open(xp, pre, gate, "ifg")  # (2)
        c[now] = form.forget.kept(gate) * c[before] + gate["i"] * gate["g"]  # (3)
        form.peepholes.look(params, pre, "o", c[now])
        form.open(xp, pre, gate, "o")  # (2)
        h[now] = form.projection.shown(params, gate["o"] * form.h.value(xp, c[now]))  # (4)
    final = xp.asarray(x.layout.final)
    sT = (h[final], c[final])
    return h[x.layout.B :], sT, (x, h, c, gates, a, h_mask) if training else None  # (5)


def backward(form: Form, xp: Any, params: Params, cache: Any, dy: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, h, c, gates, a, h_mask = cache
    layout, W_hh = x.layout, params["W_hh"]
    dh, dc = state_gradients(xp, dsT, (h[: layout.B], c[: layout.B]))
    dgates = xp.empty_like(gates)
    grads = form.zeros(xp, params)
    for before, now, rows in reversed(list(layout.walk())):
        n = rows.stop - rows.start
        pre, gate, da = form.blocks(a[rows]), form.blocks(gates[rows]), form.blocks(dgates[rows])
        if dy is not None:
            dh[:n] += dy[rows]  # (5')
        dc[:n] += _through_output(form, xp, params, grads, pre, gate, da, c[now], dh[:n])  # (4')
        d = {"i": dc[:n] * gate["g"], "f": dc[:n] * c[before], "g": dc[:n] * gate["i"]}  # (3')
        form.forget.back(d)
        for letter in d:
            da[letter][...] = form.close(xp, pre, gate, letter, d[letter])  # (2')
        dc[:n] *= form.forget.kept(gate)  # (3')
        dc[:n] += form.peepholes.back(params, grads, da, "if", c[before])
        dh[:n] = dgates[rows] @ W_hh  # (1')
        if h_mask is not None:
            dh[:n] *= h_mask[:n]
    dx, dW_ih = collect_input(xp, x, params["W_ih"], dgates)
    dW_hh = dgates.T @ recurrent_input(xp, h, layout, h_mask)
    return dx, (dh, dc), {"W_ih": dW_ih, "W_hh": dW_hh, "b": dgates.sum(axis=0), **grads}


def _through_output(
    form: Form, xp: Any, params: Params, grads: Params, pre: Any, gate: Any, da: Any, c: Any, dh: Any
) -> Any:
    """(4'): what h_t hands back to c_t; writes da_o."""
    value = form.h.value(xp, c)
    form.projection.collect(grads, dh, gate["o"] * value)
    dm = form.projection.back(params, dh)
    da["o"][...] = form.close(xp, pre, gate, "o", dm * value)  # (2')
    return dm * gate["o"] * form.h.slope(xp, c, value) + form.peepholes.back(params, grads, da, "o", c)


def total(form: Form, xp: Any, params: Params, cache: Any, dsT: Any) -> Any:
    """See `fastrnn.cells.cell.Cell`."""
    x, _, c, gates, a, _ = cache
    grads = form.zeros(xp, params)
    da = form.blocks(xp.empty_like(gates))
    blocks = form.blocks(a), form.blocks(gates), da
    return dsT[0], dsT[1] + _through_output(form, xp, params, grads, *blocks, c[x.layout.B :], dsT[0])


def opened(form: Form, cache: Any) -> tuple[Any, ...]:
    """See `fastrnn.cells.cell.Cell`."""
    return tuple(form.blocks(cache[3]).values())


def cell(name: str, form: Form) -> Cell:
    """The cell of that form."""
    gates = form.forget.gates
    squash = tuple(form.function(letter).name for letter in gates)
    keep = (("f", 1), ("i", -1)) if "f" in gates else (("i", -1),)
    return Cell(
        name,
        gates,
        ("h", "c"),
        partial(init, form),
        partial(forward, form),
        partial(backward, form),
        partial(opened, form),
        squash,
        form.output,
        keep if form.f.name == "sigmoid" else (),
        partial(total, form),
    )


LSTM = cell("lstm", Form())
