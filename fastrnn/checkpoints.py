"""Exact back-propagation through long sequences within a memory budget.

Training keeps a cache of every step until the way back has come to it: 4 KB a step and sequence for an LSTM
of 128 units, 1.3 GB for 32 sequences of 10,000 steps.  Here a batch is cut in time into parts.  The way there
keeps nothing but the states of the recurrences between the parts, the checkpoints.  On the way back a part is
computed once more from its checkpoint, with its cache, and hands the gradient of the states that it began
with to the part before it.  That is one more pass forwards.  Memory is that of one part and of all
checkpoints; it is least, of the order of sqrt(T), where the two are equal (Chen et al. 2016, "Training deep
nets with sublinear memory cost"; for recurrences Gruslys et al. 2016, "Memory-efficient backpropagation
through time").

It is the gradient, no approximation as in truncated back-propagation, and from compiled kernels it is the
same bits: each number of a gradient is one chain of additions from the last row to the first, which the parts
go on with as they come.  Array code (the reference backend, cells without a kernel, `Words`) adds up the
gradients of the parts instead, and differs by rounding.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from .batches import Inputs, Targets
from .crossentropy import FORMULA, logits_bytes
from .errors import sentence
from .layers import (
    Activation,
    Dense,
    Embedding,
    Input,
    LastStep,
    Layer,
    Masking,
    Noise,
    OneHot,
    Recurrent,
    Shape,
    TimeDistributed,
    Words,
)
from .loss import mean
from .packed import Layout, Packed
from .training import Gradients, Passed, check_target, loss_of_rows, tail_of, whole_batch

_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_INDEX = 64  # bytes of a row's places: eight index arrays of its layout and of its targets
_HUGE = 1 << 21  # bytes of a huge page
_LENT = 120  # per cent: not all blocks that kernels lend each other find a new use
_TEMPORARIES = 5  # arrays like y that the array code of a loss has at a time, dy among them
_BY_ROWS = (Input, Embedding, OneHot, TimeDistributed, Words)  # beside layers that say so (`rowwise`)
# Their output is in their cache, or is their input.
_ADD_NO_OUTPUT = (Recurrent, Dense, Activation, TimeDistributed, Input, OneHot)


def bytes_of(owner: str, given: Any) -> int:
    """A number of bytes, or text such as "200MB" (10^6), "1.5GiB" (2^30), as a whole number.

    >>> bytes_of("fit", "200MB"), bytes_of("fit", "1.5 GiB"), bytes_of("fit", 1024)
    (200000000, 1610612736, 1024)
    """
    found = given
    if isinstance(given, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\s*([KMGT]?)(i?)B\s*", given, re.IGNORECASE)
        if match is not None and (match[2] or not match[3]):
            found = round(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS[match[2].upper()])
    whole = isinstance(found, (int, np.integer)) and not isinstance(found, bool)
    if not whole or found < 1:
        expected = 'a number of bytes, or text such as "200MB" or "1.5GiB"'
        raise ValueError(sentence(owner, "memory_budget", expected, repr(given)))
    return int(found)


def readable(size: int) -> str:
    """Bytes as text that `bytes_of` reads, rounded upwards: "12.4MB"."""
    power = 0
    while size > 999.9 * 1000**power and power < 4:
        power += 1
    name = next(letter for letter, p in _UNITS.items() if p == power)
    return f"{math.ceil(10 * size / 1000**power) / 10:.15g}{name}B"


def within(owner: str, model: Any, memory_budget: Any, bptt: Any = None) -> Gradients:
    """How to get at the gradients within a budget (`Budget`); None is none."""
    if memory_budget is None:
        return whole_batch
    if bptt is not None:
        advice = "Windows take the memory of one window; a smaller bptt needs less."
        expected = "left out where bptt is given"
        raise ValueError(sentence(owner, "memory_budget", expected, repr(memory_budget), advice))
    return Budget(owner, model, memory_budget)


class Budget:
    """`training.Gradients` within so many bytes.

    Parameters
    ----------
    owner : who asks, for messages
    model : its layers are looked at: each must be able to go on from a state
    memory_budget : see `bytes_of`; for what back-propagation makes of a batch, beside the data, the weights
        and their gradients.  The kernels' own scratch, 1 to 2 MB a thread, is not counted

    Raises
    ------
    ValueError : not a number of bytes; or a layer needs the whole sequence, or a mean over all its steps
    """

    def __init__(self, owner: str, model: Any, memory_budget: Any) -> None:
        self.owner, self.limit = owner, bytes_of(owner, memory_budget)
        self.checked = False
        for layer in model.layers:
            _check_layer(owner, layer)

    def __call__(
        self, model: Any, inputs: Inputs, targets: Targets, index: np.ndarray, noise: Noise, where: str
    ) -> Passed:
        """See `training.whole_batch`."""
        assert inputs.shape is not None
        if not inputs.shape.sequence:
            expected = "left out where x has no time axis"
            raise ValueError(sentence(self.owner, "memory_budget", expected, readable(self.limit)))
        if not self.checked:  # the first batch has as many examples as any: an error comes now or never
            longest = np.argsort(-inputs.lengths, kind="stable")[: len(index)]
            self.cut(model, inputs.layout(longest))
            self.checked = True
        layout = inputs.layout(index)
        return _Pass(model, inputs, targets, index, noise, where, layout).run(self.cut(model, layout))

    def cut(self, model: Any, layout: Layout) -> list[Layout]:
        """As few parts as the budget allows."""
        widest = int(layout.steps[0]) if layout.T else 0
        parts = np.arange(1, max(layout.T, 1) + 1)
        rows = np.minimum(-(-layout.N // parts) + max(widest - 1, 0), layout.N)  # parts are whole steps
        needed = parts * checkpoint_bytes(model, layout.B) + part_bytes(model, rows, layout)
        fits = np.flatnonzero(needed <= self.limit)
        if not len(fits):
            sizes = f"{layout.B} sequences of up to {layout.T} steps"
            expected = f"at least {readable(int(needed.min()))} for a batch of {sizes} in this model"
            advice = "A smaller batch_size needs less."
            got = readable(self.limit)
            raise ValueError(sentence(self.owner, "memory_budget", expected, got, advice))
        return split(layout, int(rows[fits[0]]))


def split(layout: Layout, rows: int) -> list[Layout]:
    """Parts of at most so many rows, but of one step at least.

    They are cut off from the end, where the way back begins: those that follow find memory that they can use
    again.
    """
    ends = np.concatenate([[0], layout.steps.cumsum()])
    cuts = [layout.T]
    while cuts[-1] > 0:
        first = int(np.searchsorted(ends, ends[cuts[-1]] - rows))
        cuts.append(min(first, cuts[-1] - 1))
    return [layout.part(first, last) for last, first in pairwise(cuts)][::-1] or [layout]


def checkpoint_bytes(model: Any, batch: int) -> int:
    """The states of all layers between two parts."""
    body, numbers = _body_and_head(model)[0], 0
    for layer in body:
        if isinstance(layer, Recurrent):
            numbers += sum(layer.state_widths)
        elif isinstance(layer, LastStep) and layer.out_shape is not None:
            numbers += math.prod(layer.out_shape.features)
    return batch * numbers * int(model.dtype.itemsize)


def part_bytes(model: Any, rows: Any, layout: Layout) -> Any:
    """What the way back needs for a part of so many rows (int, or an array of them) of that batch.

    It is x, the places of its rows, the caches of all layers and what they hand on, and then the loss or the
    way back through the layer that needs most; beside them the losses of the whole batch, and what metrics
    read of it.
    """
    body, _ = _body_and_head(model)
    last, tail, batch = body[-1], tail_of(model), layout.B
    shape = last.out_shape
    assert shape is not None
    kept = rows * (_INDEX + _row_bytes(body[0], body[0].in_shape))
    work = []
    for layer in body:
        kept = kept + layer.cache_bytes(rows, batch)
        if not isinstance(layer, _ADD_NO_OUTPUT):
            kept = kept + rows * _row_bytes(layer, layer.out_shape)
        if isinstance(layer, Recurrent):
            kept = kept + _unused_bytes(layer, rows)
        work.append(rows * _work_row_bytes(layer) + batch * 2 * checkpoint_bytes(model, 1))
    whole = 0
    if shape.sequence:
        inner, dy = math.prod(shape.features[:-1]), _row_bytes(last, shape)
        work = [one + rows * dy for one in work]
        if tail is None:
            work.append(rows * dy * _TEMPORARIES)
        else:
            kernel = FORMULA.name in model.backend.kernels
            logits = logits_bytes(rows * inner, tail.units, int(model.dtype.itemsize), kernel)
            work.append(rows * dy + logits)
        whole = layout.N * inner * 8
        if model.metrics:  # outputs or their classes, targets and weights
            whole += layout.N * (24 * inner + (dy if tail is None else 0))
    return (kept + np.max(work, axis=0)) * _LENT // 100 + whole


def _unused_bytes(layer: Recurrent, rows: Any) -> Any:
    """What is left over of the last huge page of each block that kernels have for a recurrence."""
    numbers = [*layer.state_widths, len(layer.cell.gates) * layer.units]
    sizes = np.multiply.outer(np.array(numbers) * layer.dtype.itemsize, rows)
    return np.where(sizes < _HUGE, 0, -sizes % _HUGE).sum(axis=0)


def _row_bytes(layer: Layer, shape: Shape | None) -> int:
    """Bytes of a row of that shape; one-hot rows are ids that others hold already."""
    assert shape is not None
    if shape.ids:
        return 8 * math.prod(shape.features)
    return 0 if shape.one_hot else math.prod(shape.features) * int(layer.dtype.itemsize)


def _work_row_bytes(layer: Layer) -> int:
    """What the way back through a layer makes of each row: dx, and what it computes with."""
    dx = 0 if layer.in_shape.ids else _row_bytes(layer, layer.in_shape)  # type: ignore[union-attr]
    if isinstance(layer, TimeDistributed):
        return _work_row_bytes(layer.layer)
    if isinstance(layer, Dense):  # the gradient in front of the activation
        return dx + 2 * _row_bytes(layer, layer.out_shape)
    if not isinstance(layer, Recurrent):
        return dx
    # The states that the recurrent product read; array code makes gradients of all gates besides.
    numbers = layer.state_widths[0]
    if layer.cell.name not in layer.backend.kernels:
        numbers += 2 * len(layer.cell.gates) * layer.units
    elif len(layer.cell.gates) == 1:
        numbers += layer.units
    return (2 if layer.dropout else 1) * dx + numbers * int(layer.dtype.itemsize)


def _body_and_head(model: Any) -> tuple[list[Layer], list[Layer]]:
    """Layers over time, and those behind the one that gives one output a sequence; without the tail."""
    layers = model.layers if tail_of(model) is None else model.layers[:-1]
    ends = [k for k, layer in enumerate(layers, 1) if not layer.out_shape.sequence]
    body = ends[0] if ends else len(layers)
    return layers[:body], layers[body:]


def _check_layer(owner: str, layer: Layer) -> None:
    """Raise where a layer cannot go on from a state."""
    what = f"{owner}: memory_budget cannot be used with {layer}"
    if isinstance(layer, (Masking, Embedding)) and not layer.streams:
        raise ValueError(f"{what}, which drops steps by their values. Give {owner} a mask= instead.")
    if not layer.streams or getattr(layer, "go_backwards", False):
        raise ValueError(f"{what}, which needs the whole sequence at once.")
    by_rows = layer.rowwise or isinstance(layer, _BY_ROWS)
    if not by_rows and type(layer).forward_part is Layer.forward_part:
        raise ValueError(f"{what}, which has no forward_part that begins with given states.")
    if any(type(one).penalty not in (Layer.penalty, TimeDistributed.penalty) for one in layer.whole()):
        raise ValueError(f"{what}, which adds a mean over all steps to the loss.")


class _Pass:
    """One batch, there and back."""

    def __init__(
        self, model: Any, inputs: Inputs, targets: Targets, index: np.ndarray, noise: Noise, where: str,
        layout: Layout,
    ) -> None:  # fmt: skip
        self.model, self.inputs, self.targets, self.index = model, inputs, targets, index
        self.noise, self.where, self.layout = noise, where, layout
        self.body, self.head = _body_and_head(model)
        self.given = inputs.states(index, layout)
        self.found = _Found(model)

    def run(self, parts: list[Layout]) -> Passed:
        """See `training.Gradients`."""
        start = [self.given.get(layer.name) or layer.initial(self.layout) for layer in self.body]
        checkpoints = self.there(parts, start)
        dsT: list[Any] = [None] * len(self.body)
        ended: list[Any] = []
        first = self.layout.N
        for part in reversed(parts):
            first -= part.N
            caches, out, sT = self.forward(part, checkpoints.pop())
            ended = ended or sT
            dy = None
            if out.sequence or part is parts[-1]:
                dy = self.loss(out, first if out.sequence else 0)
            del out
            if not math.isfinite(self.found.sum):
                break
            self.backward(caches, dy, dsT)
        passed = self.found.result()
        if math.isfinite(passed[0]):
            for layer, ds0, states in zip(self.body, dsT, ended, strict=True):
                if isinstance(layer, Recurrent) and layer.learns and layer.name not in self.given:
                    layer.learn(ds0)
                layer.end_in(states, self.layout)
        return passed

    def there(self, parts: list[Layout], start: list[Any]) -> list[list[Any]]:
        """The states of all layers before each part."""
        checkpoints, noise = [start], replace(self.noise, forgets=True)
        deepest = max((k for k, s0 in enumerate(start, 1) if s0), default=0)
        for part in parts[:-1]:
            x, after = self.inputs.part(self.index, part), []
            for layer, s0 in zip(self.body[:deepest], checkpoints[-1], strict=False):
                x, sT, _ = layer.forward_part(x, noise, s0)
                after.append(sT)
            checkpoints.append([*after, *checkpoints[-1][deepest:]])
        return checkpoints

    def forward(self, part: Layout, states: list[Any]) -> tuple[list[Any], Packed, list[Any]]:
        """(caches, output, states after it) of a part."""
        x, caches, after = self.inputs.part(self.index, part), [], []
        for layer, s0 in zip(self.body, states, strict=True):
            if self.wants_logits(layer):
                (x, cache), sT = layer.forward(x, self.noise, logits=True), ()  # type: ignore[call-arg]
            else:
                x, sT, cache = layer.forward_part(x, self.noise, s0)
            caches.append(cache)
            after.append(sT)
        return caches, x, after

    def wants_logits(self, layer: Layer) -> bool:
        """Whether the loss contains this layer's activation."""
        return bool(self.model.fused and layer is self.model.layers[-1])

    def loss(self, out: Packed, first: int) -> Any:
        """dy of the body's output: of rows from `first` on, or of one row a sequence."""
        model, caches = self.model, []
        count = self.layout.N if out.sequence else self.layout.B
        for layer in self.head:
            options: dict[str, Any] = {"logits": True} if self.wants_logits(layer) else {}
            out, cache = layer.forward(out, self.noise, **options)
            caches.append(cache)
        target, weights = self.targets.rows(self.index, out, model.dtype)
        check_target(model, out, target, self.where)
        losses, *read, dy = loss_of_rows(model, out, target, weights, True, count)
        inner = math.prod(out.rows.shape[1:-1])
        self.found.put(first * inner, count * inner, losses, *read)
        for layer, cache in zip(reversed(self.head), reversed(caches), strict=True):
            dy = layer.backward(cache, dy)
        return dy

    def backward(self, caches: list[Any], dy: Any, ds: list[Any]) -> None:
        """The way back through a part; ds: the gradients of the states after it become those before it."""
        for k in reversed(range(len(self.body))):
            cache = caches.pop()
            if dy is None and not ds[k]:
                return
            dy, ds[k] = self.body[k].backward_part(cache, dy, ds[k])


class _Found:
    """The losses of all rows, and what metrics read of them, from parts that come one by one."""

    def __init__(self, model: Any) -> None:
        self.xp, self.keeps = model.backend.xp, bool(model.metrics)
        self.arrays: list[Any] = []
        self.sum = 0.0

    def put(self, first: int, count: int, *rows: Any) -> None:
        """Losses, outputs, targets and weights of the rows from `first` on, of `count`."""
        kept = rows if self.keeps else rows[:1]
        if not self.arrays:
            self.arrays = [a if a is None else self.xp.empty((count, *a.shape[1:]), a.dtype) for a in kept]
        for whole, a in zip(self.arrays, kept, strict=True):
            if a is not None:
                whole[first : first + len(a)] = a
        self.sum += float(rows[0].sum())

    def result(self) -> Passed:
        """See `training.Gradients`; a loss that is not finite is that of the first part which has one."""
        losses, *read = self.arrays
        value = mean(losses) if math.isfinite(self.sum) else self.sum
        y, target, weights = read or (None, None, None)
        return value, len(losses), y, target, weights
