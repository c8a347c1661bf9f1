"""The gradient of the loss at every time step of every recurrence, and what its gates do there.

A layer's `backward` gives the gradients of its parameters and its input; those of its states, step by step,
it keeps to itself.  Here each recurrence is run again one step at a time, in float64 whatever the model's
dtype (a vanishing gradient leaves float32 early), and each step's backward hands the gradient of its initial
state to the step before it: the total derivative, through later steps and through the layers above.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .batches import Inputs, Targets
from .layers import Bidirectional, Layer, Noise, Recurrent, Reversed
from .packed import Layout, Packed
from .threads import single_threaded_blas
from .training import flat_rows

# What is followed: the loss of every step; that of each sequence's last step alone; or, of the loss of every
# step, what enters a recurrence where it stops reading, and nothing that enters before.
WHOLE, LAST, END = "whole", "last", "end"


@dataclass(frozen=True)
class Flow:
    """What one direction of one recurrent layer showed; steps in the order in which it reads.

    Attributes
    ----------
    layer : the Recurrent
    place : index of the layer of the model that it is, or is in
    name : its name, "bidirectional.forward" inside another layer
    backwards : whether it is the second direction of a Bidirectional
    layout : of the sequences that it read
    h : float64 [N], the norm of dL/dh_t of each row of the layout
    c : float64 [N], likewise dL/dc_t of a cell that says how c_t reaches the loss (any LSTM), else None
    gates : letter -> [T, H], the mean over the sequences that run at each step; empty where the cell does not
        say
    saturated : letter -> share of its values in the flat parts of its activation, where these are known
    """

    layer: Recurrent
    place: int
    name: str
    backwards: bool
    layout: Layout
    h: np.ndarray
    c: np.ndarray | None
    gates: dict[str, np.ndarray]
    saturated: dict[str, float]


class _Silence(Noise):
    """Noise that drops and adds nothing: what is measured is the network, not a draw of its dropout."""

    def words(self, xp: Any, layer: int, rows: Any, times: Any, features: int) -> Any:
        return xp.full((len(rows), features), 0xFFFFFFFF, xp.uint32)

    def dropout(
        self, xp: Any, layer: int, rows: Any, times: Any, features: int, rate: float, dtype: Any
    ) -> Any:
        return xp.ones((len(rows), features), dtype)

    def normal(self, xp: Any, layer: int, rows: Any, times: Any, features: int, dtype: Any) -> Any:
        return xp.zeros((len(rows), features), dtype)


@contextmanager
def _untouched(model: Any) -> Iterator[None]:
    """Gradients and states of the layers are afterwards what they were; inside, states start from zero."""
    everyone = [one for layer in model.layers for one in layer.whole()]
    kept = [(one, one.grads, getattr(one, "state", None)) for one in everyone]
    try:
        model.reset_states()
        for layer in model.layers:
            layer.clear_grads()
        yield
    finally:
        for one, grads, state in kept:
            one.grads = grads
            if isinstance(one, Recurrent):
                one.state = state


def flows(
    model: Any, loss: Any, inputs: Inputs, targets: Targets, index: np.ndarray, which: str = WHOLE
) -> list[Flow]:
    """The flow through every recurrence, from the first layer to the last.

    model, loss : the model, built, and the loss to measure; dropout is off
    inputs, targets, index : the examples of `index` make one batch, whose mean loss it is
    which : WHOLE, LAST or END
    """
    with _untouched(model), np.errstate(over="ignore", invalid="ignore"):
        x, entered, caches = inputs.batch(index), [], []
        fused = loss.fuses is not None and getattr(model.layers[-1], "activation", None) == loss.fuses
        for layer in model.layers:
            entered.append(x)
            options = {"logits": True} if fused and layer is model.layers[-1] else {}
            x, cache = layer.forward(x, _Silence(0), **options)
            caches.append(cache)
        dy = _gradient(model, loss, x, targets, index, fused)
        if which == LAST and x.sequence:
            dy = _at_the_end(model.backend.xp, dy, x.layout)
        found: list[Flow] = []
        for place in reversed(range(len(model.layers))):
            layer, cache = model.layers[place], caches[place]
            found[:0] = [
                _chain(place, *one, which == END) for one in _directions(layer, entered[place], cache, dy)
            ]
            dy = layer.backward(cache, dy)
            if dy is None:
                break
    return found


def _at_the_end(xp: Any, dy: Any, layout: Layout) -> Any:
    """dy where a sequence has its last step, else 0."""
    return dy * xp.asarray(layout.step == layout.lengths[layout.sequence] - 1)[:, None]


def _gradient(model: Any, loss: Any, out: Packed, targets: Targets, index: np.ndarray, fused: bool) -> Any:
    target, _ = targets.rows(index, out, model.dtype, model.fixed_steps)
    loss.check("diagnose", out.rows.shape, target, dtype=model.dtype)
    y, target, _ = flat_rows(model.backend.xp, out.rows, target, None)
    compute = loss.forward_logits if fused else loss.forward
    return compute(model.backend.xp, y, target, None, needs_gradient=True)[1].reshape(out.rows.shape)


def _directions(
    layer: Layer, x: Packed, cache: Any, dy: Any
) -> list[tuple[Recurrent, str, bool, Packed, Any]]:
    """(recurrence, name, whether backwards, what it reads, gradient of its outputs), in its own order."""
    if isinstance(layer, Recurrent):
        # Its outputs are in the order in which it reads, and so is all that follows.
        return [(layer, layer.name, False, x.reverse(layer.backend.xp) if layer.go_backwards else x, dy)]
    if isinstance(layer, Reversed):
        xp, inner = layer.backend.xp, layer.layer
        if inner.return_sequences:
            dy = dy[xp.asarray(x.layout.reversal)]
        return [(inner, layer.name, True, x.reverse(xp), dy)]
    if not isinstance(layer, Bidirectional):
        return []
    one, two = layer.forward_layer, layer.backward_layer
    da, db = layer.apart(cache, dy)
    if two.return_sequences:
        db = db[layer.backend.xp.asarray(x.layout.reversal)]
    names = [f"{layer.name}.{inner.name}" for inner in (one, two)]
    return [(one, names[0], False, x, da), (two, names[1], True, x.reverse(layer.backend.xp), db)]


def _chain(place: int, layer: Recurrent, name: str, backwards: bool, x: Packed, dy: Any, end: bool) -> Flow:
    """One recurrence, step by step: forwards for its states, then backwards."""
    xp, cell, layout = layer.backend.xp, layer.cell, x.layout
    params = {name: array.astype(np.float64) for name, array in layer.params.items()}
    rows = x.rows if x.depth is not None else x.rows.astype(np.float64)
    dy = dy.astype(np.float64)
    if end and layer.return_sequences:
        dy = _at_the_end(xp, dy, layout)
    walk = [here for _, _, here in layout.walk()]

    def run(here: slice, s0: Any, training: bool) -> Any:
        step = Packed(rows[here], Layout.plain(here.stop - here.start, 1), depth=x.depth, gradient=False)
        return cell.forward(xp, params, step, s0, training)

    with single_threaded_blas():
        state = [s.astype(np.float64) for s in layer.first_states(layout.B)]
        before = []
        for here in walk:
            n = here.stop - here.start
            before.append(tuple(s[:n].copy() for s in state))
            for s, new in zip(state, run(here, before[-1], False)[1], strict=True):
                s[:n] = new
        ds = [xp.zeros_like(s) for s in state]
        if not layer.return_sequences:
            ds[0] += dy
        h: Any = xp.empty(layout.N)
        c: Any = xp.empty(layout.N) if cell.total is not None else None
        watch = _Gates(cell, len(walk))
        for t in reversed(range(len(walk))):
            here = walk[t]
            n = here.stop - here.start
            if layer.return_sequences:
                ds[0][:n] += dy[here]
            cache = run(here, before[t], True)[2]
            watch.read(t, cache)
            h[here] = _norms(xp, ds[0][:n])
            if cell.total is not None:  # c_t reaches the loss through h_t as well: equation (4') of the LSTM
                whole = cell.total(xp, params, cache, tuple(d[:n] for d in ds))
                c[here] = _norms(xp, whole[1])
            _, back, _ = cell.backward(xp, params, cache, None, tuple(d[:n] for d in ds))
            for d, new in zip(ds, back, strict=True):
                d[:n] = new
    to_numpy = layer.backend.to_numpy
    gates = {letter: to_numpy(xp.stack(rows)) for letter, rows in watch.means.items()}
    saturated = {letter: count / watch.values for letter, count in watch.flat.items()}
    norms = to_numpy(h), None if c is None else to_numpy(c)
    return Flow(layer, place, name, backwards, layout, *norms, gates, saturated)


def _norms(xp: Any, rows: Any) -> Any:
    return xp.sqrt((rows**2).sum(axis=1))


class _Gates:
    """Collects the gates of all steps of a recurrence, where its cell shows them."""

    # Outside of these a sigmoid has less than 36 %, a tanh less than 19 % of its steepest slope; the bounds
    # of a sigmoid are those of Karpathy, Johnson and Fei-Fei (2015).  A relu is flat where it is 0.  Nothing
    # is said of other activations.
    FLAT: ClassVar = {
        "sigmoid": (0.1, 0.9),
        "hard_sigmoid": (0.0, 1.0),
        "tanh": (-0.9, 0.9),
        "relu": (0.0, np.inf),
    }

    def __init__(self, cell: Any, steps: int) -> None:
        self.cell = cell
        self.values = 0
        squash = dict(zip(cell.gates, cell.squash, strict=True)) if cell.opened else {}
        self.bounds = {letter: self.FLAT[name] for letter, name in squash.items() if name in self.FLAT}
        self.flat = dict.fromkeys(self.bounds, 0)
        self.means: dict[str, list[Any]] = {letter: [None] * steps for letter in squash}

    def read(self, t: int, cache: Any) -> None:
        """Look at the gates of step t, each [n, H]."""
        if not self.means:
            return
        opened = self.cell.opened(cache)
        self.values += opened[0].size
        for letter, values in zip(self.cell.gates, opened, strict=True):
            self.means[letter][t] = values.mean(axis=0)
            if letter in self.bounds:
                low, high = self.bounds[letter]
                self.flat[letter] += int(((values <= low) | (values >= high)).sum())
