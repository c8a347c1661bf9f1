"""Long sequences a window at a time: nothing is read, checked or copied but the window that is asked for.

A window is a batch of its own, some steps of some sequences, that begins with the states in which the window
before it has ended.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .batches import Inputs, Targets, is_array
from .errors import DtypeError, ShapeError, sentence
from .layers import Embedding, Masking, Recurrent
from .packed import Layout
from .threads import get_num_threads, threads


class States:
    """The states of a group of sequences, in the caller's order.

    model : its recurrent layers are those that have states
    batch : B, sequences of the group
    given : layer name -> states [B, H] to begin with.  Other layers begin at their own: a stateful one where
        it stands
    """

    def __init__(self, model: Any, batch: int, given: dict[str, tuple[Any, ...]]) -> None:
        self.xp = model.backend.xp
        self.layers = [layer for layer in model.layers if isinstance(layer, Recurrent)]
        self.first: dict[str, tuple[Any, ...] | None] = {}
        self.now: dict[str, tuple[Any, ...]] = {}
        for layer in self.layers:
            stands = layer.initial(Layout.plain(batch, 1)) if layer.stateful and layer.state else None
            self.first[layer.name] = given.get(layer.name, stands)
            zeros = self.xp.zeros
            self.now[layer.name] = tuple(zeros((batch, n), layer.dtype) for n in layer.state_widths)

    @contextmanager
    def carried(self, rows: np.ndarray, begins: bool) -> Iterator[None]:
        """Inside, layers go on with the states of those sequences, which are kept when the block has ended.

        The layers are then as they were, but for the states of stateful ones.
        """
        where = self.xp.asarray(rows)
        before = [(layer, layer.stateful, layer.state) for layer in self.layers]
        source: Any = self.first if begins else self.now
        done = False
        try:
            for layer in self.layers:
                states = source[layer.name]
                layer.stateful = True
                layer.state = None if states is None else tuple(s[where] for s in states)
            yield
            for layer in self.layers:
                assert layer.state is not None
                for whole, part in zip(self.now[layer.name], layer.state, strict=True):
                    whole[where] = part
            done = True
        finally:
            for layer, stateful, state in before:
                layer.stateful = stateful
                goes_on = stateful and done
                layer.state = tuple(s.copy() for s in self.now[layer.name]) if goes_on else state


@dataclass(frozen=True)
class Window:
    """Some steps of some sequences of a group.

    Attributes
    ----------
    inputs, targets : what `Sequential` takes; targets None: there is nothing to learn
    states : those of the group
    rows : which sequences of the group
    examples : what they are in the data
    start : the step at which the window begins
    ends : whether the model's outputs count: always where it gives every step, else where sequences end
    """

    inputs: Inputs
    targets: Targets | None
    states: States
    rows: np.ndarray
    examples: np.ndarray
    start: int
    begins: bool
    ends: bool

    def carried(self) -> Any:
        """See `States.carried`."""
        return self.states.carried(self.rows, self.begins)


def check_layers(owner: str, model: Any) -> None:
    """Raise ValueError where a layer cannot run in windows."""
    for layer in model.layers:
        # These two only drop steps, which a window can do as well as a whole sequence.
        drops = isinstance(layer, (Masking, Embedding))
        if getattr(layer, "go_backwards", False):
            reason = f"{layer} runs backwards, from the end of the sequence"
        elif not layer.streams and not drops:
            reason = f"{layer} needs the whole sequence"
        else:
            continue
        raise ValueError(
            f"{owner}: windows of a sequence are not possible with the layer {layer.name!r}: {reason}. "
            "Train it on whole sequences."
        )


class Sequences:
    """x, y and weights as `Sequential.fit` takes them, memory maps included, to be read in windows.

    Parameters
    ----------
    model : is built here where it is not
    owner : who asks, for messages
    x, y, sample_weight, class_weight, lengths, mask, initial_state : see `Sequential.fit`; y may be None
    size : k, steps of a window

    Raises
    ------
    ValueError, ShapeError, DtypeError : here for what can be seen without reading, later at the window that
        holds the wrong values
    """

    def __init__(
        self, model: Any, owner: str, x: Any, y: Any, size: int, *, sample_weight: Any = None,
        class_weight: Any = None, lengths: Any = None, mask: Any = None, initial_state: Any = None,
    ) -> None:  # fmt: skip
        check_layers(owner, model)
        self.model, self.owner, self.size, self.class_weight = model, owner, size, class_weight
        self.inputs = model.inputs(owner, x, lengths, mask, initial_state, reads=False)
        assert self.inputs.shape is not None
        if not self.inputs.shape.sequence:
            raise ShapeError(sentence(owner, "x", "sequences [B, T, F], to be cut into windows", x))
        self.ragged, self.lengths, self.mask = self.inputs.ragged, self.inputs.lengths, self.inputs.mask
        if self.mask is not None:  # a sequence ends at the last step that counts
            last = self.mask.shape[1] - np.argmax(self.mask[:, ::-1], axis=1)
            self.lengths = np.where(self.mask.any(axis=1), last, 0)
        self.span = int(self.lengths.max(initial=0)) if self.ragged else x.shape[1]
        #: Whether the model gives every step.
        self.every_step = model.layers[-1].out_shape.sequence
        self.y, self.weight = y, None if sample_weight is None else np.asanyarray(sample_weight)
        if y is not None:
            self._check_targets()

    def __len__(self) -> int:
        return len(self.lengths)

    def _check_targets(self) -> None:
        """What can be seen of y and sample_weight without reading them."""
        y, weight = self.y, self.weight
        if weight is not None and weight.ndim == 2:
            if not self.every_step:
                expected = "[B]: the model gives one output a sequence"
                raise ShapeError(sentence(self.owner, "sample_weight", expected, weight))
            if weight.shape[1] != self.span:
                expected = f"numbers [B] or [B, T] with T = {self.span}"
                raise ShapeError(sentence(self.owner, "sample_weight", expected, weight))
            weight = weight[:, :0]
        Targets(self.owner, y, self.inputs, weight, self.class_weight)
        if self.every_step and isinstance(y, (list, tuple)):
            wanted = self.lengths if self.mask is None else np.full(len(self), self.span)
            for i, (one, n) in enumerate(zip(y, wanted, strict=True)):
                if one.ndim == 0 or len(one) != n:
                    raise ShapeError(sentence(self.owner, f"y[{i}]", f"{n} steps, as many as x[{i}]", one))
        elif self.every_step and (y.ndim < 2 or y.shape[1] != self.span):
            expected = f"[B, T, ...] with T = {self.span}: the model gives every step"
            advice = "Set return_sequences=False in the last recurrence for one target a sequence."
            raise ShapeError(sentence(self.owner, "y", expected, y, advice))

    def updates(self, index: np.ndarray) -> int:
        """Windows with an output among those of the examples of `index`."""
        ends = self._ends(index)
        return int(ends.max(initial=0)) if self.every_step else len(np.unique(ends))

    def _ends(self, index: np.ndarray) -> np.ndarray:
        """How many windows each example has: one at least, for one of length 0 has an output, too."""
        return -(-np.maximum(self.lengths[index], 1) // self.size)

    def windows(self, index: np.ndarray, states: States | None = None) -> Iterator[Window]:
        """The windows of a group of examples, in the order of time.

        states : those in which these sequences begin, where their first steps were elsewhere
        """
        begins = states is None
        if states is None:
            given = {name: tuple(a[index] for a in arrays) for name, arrays in self.inputs.initial.items()}
            states = States(self.model, len(index), given)
        ends = self._ends(index)
        for w in range(int(ends.max(initial=0))):
            parts = [(np.arange(len(index)), True)]
            if not self.every_step:  # those that go on first: with the weights that this window began with
                parts = [(np.flatnonzero(ends > w + 1), False), (np.flatnonzero(ends == w + 1), True)]
            for rows, counts in parts:
                if len(rows) and (w == 0 or self._has_steps(index[rows], w * self.size)):
                    yield self._window(states, rows, index[rows], w * self.size, begins and w == 0, counts)

    def _has_steps(self, index: np.ndarray, start: int) -> bool:
        """Whether a mask leaves anything of a window; without one there is always something."""
        return self.mask is None or bool(self.mask[index, start : start + self.size].any())

    def _window(
        self, states: States, rows: np.ndarray, index: np.ndarray, start: int, begins: bool, ends: bool
    ) -> Window:
        stop = min(start + self.size, max(int(self.lengths[index].max()), start))
        owner = self.owner
        if not begins or stop < self.span:
            owner += f", steps {start} to {stop - 1}"
        whole, given = self.inputs, self.inputs.given_lengths
        assert whole.shape is not None
        inputs = Inputs(
            owner, _read(whole.x, index, start, stop), replace(whole.shape, length=None), whole.ids,
            whole.dtype, whole.backend,
            None if given is None else np.clip(given[index] - start, 0, stop - start),
            None if self.mask is None else self.mask[index, start:stop],
        )  # fmt: skip
        targets = None
        if ends and self.y is not None:
            steps = (start, stop) if self.every_step else ()
            weight = self.weight
            if weight is not None:
                weight = _read(weight, index, *(steps if weight.ndim == 2 else ()))
            targets = Targets(owner, _read(self.y, index, *steps), inputs, weight, self.class_weight)
        return Window(inputs, targets, states, rows, index, start, begins, ends)


class Chunks:
    """Windows out of an iterable of chunks (x, y) or (x, y, sample_weight), each the next steps of the same
    sequences; None between two chunks says that new sequences begin.

    source : an iterable, or a function that gives one; called or iterated over once a pass
    passes : how often that will be
    """

    def __init__(
        self, model: Any, owner: str, source: Any, size: int, class_weight: Any = None, passes: int = 1
    ) -> None:
        check_layers(owner, model)
        self.model, self.owner, self.source, self.size = model, owner, source, size
        self.class_weight = class_weight
        if passes > 1 and not callable(source) and iter(source) is source:
            expected = f"iterable {passes} times, once an epoch"
            advice = "Give a list-like object, or the function that makes the generator, uncalled."
            raise TypeError(sentence(owner, "x", expected, f"{type(source).__name__}", advice))

    def windows(self) -> Iterator[Window]:
        """The windows of all chunks, in order."""
        states, batch, learnt = None, 0, False
        for n, item in enumerate(self.source() if callable(self.source) else self.source, 1):
            if item is None:
                states = None
                continue
            owner = f"{self.owner}, chunk {n}"
            if not isinstance(item, (tuple, list)) or len(item) not in (2, 3):
                expected = "(x, y), (x, y, sample_weight) or None"
                raise TypeError(sentence(owner, "a chunk", expected, item))
            x, y, *weight = item
            steps = Sequences(
                self.model, owner, x, y, self.size, class_weight=self.class_weight,
                sample_weight=weight[0] if weight else None,
            )  # fmt: skip
            if states is not None and len(steps) != batch:
                advice = "Give None where new sequences begin."
                expected = f"{batch} sequences, as in the chunk before"
                raise ShapeError(sentence(owner, "x", expected, str(len(steps)), advice))
            everyone, batch = np.arange(len(steps)), len(steps)
            for window in steps.windows(everyone, states):
                states, learnt = window.states, learnt or window.targets is not None
                yield window
        if not learnt:
            raise ValueError(f"{self.owner}: there is nothing to learn from: x gave no chunk with targets.")


def in_groups(data: Sequences, examples: np.ndarray, size: int) -> Iterator[Window]:
    """The windows of those examples, so many of them side by side."""
    for k in range(0, len(examples), size):
        yield from data.windows(examples[k : k + size])


def carry(model: Any, window: Window) -> None:
    """Bring the states to the end of a window, as `predict` would."""
    depth = max((k for k, layer in enumerate(model.layers, 1) if isinstance(layer, Recurrent)), default=0)
    with threads(get_num_threads()), window.carried():
        x = window.inputs.batch(np.arange(len(window.inputs)))
        for layer in model.layers[:depth]:
            x, _ = layer.forward(x, None)


def is_chunked(owner: str, x: Any) -> bool:
    """Whether x is an iterable of chunks and not data itself."""
    if is_array(x) or isinstance(x, (list, tuple)):
        return False
    if callable(x) or hasattr(x, "__iter__"):
        return True
    expected = "an array, a list of arrays, or an iterable of chunks (x, y)"
    raise DtypeError(sentence(owner, "x", expected, x))


def _read(source: Any, index: np.ndarray, *steps: int) -> Any:
    """The examples of `index`, or the steps from .. to of them, in memory of their own."""
    if isinstance(source, (list, tuple)):
        parts = [np.array(source[i][slice(*steps)]) if steps else source[i] for i in index]
        for i in index:
            _release(source[i])
        return parts
    part = source[(index, slice(*steps)) if steps else index]
    _release(source)
    return part


def _release(array: Any) -> None:
    """Hand the pages of a memory map back: the file holds them, and they would count as this process's memory
    until the system wants them.
    """
    owner = array
    while isinstance(owner, np.ndarray):
        if isinstance(owner, np.memmap) and owner.mode == "c":
            return  # what was written into such a map is nowhere else
        owner = owner.base
    if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise"):
        owner.madvise(mmap.MADV_DONTNEED)
