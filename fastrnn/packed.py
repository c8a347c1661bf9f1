"""The packed batch: sequences of any lengths without a single padded row.

Sequences are sorted by length, longest first.  Step ``t`` owns ``steps[t]`` consecutive rows, one per
sequence that is still running, so the sequences of step ``t`` are the first ``steps[t]`` of the
sequences of step ``t - 1``.  An unpadded batch is the special case ``steps[t] == B``: plain time-major
memory.  Rows are ``N = steps.sum()`` in number; work is proportional to N and never to ``B * T``.

A recurrence keeps its states in a *history* of ``B + N`` rows: the initial states first, then the state
after every row.  ``before[n]`` is the history row that row ``n`` starts from, so no mathematics needs a
special case for the first step, and ``final[j]`` is the history row in which sequence ``j`` ends (its
initial state where its length is 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError, sentence


@dataclass(frozen=True, eq=False)
class Layout:
    """Which row belongs to which sequence and step.

    Attributes
    ----------
    steps : int64 [T], sequences still running at each step, non-increasing, all > 0
    order : int64 [B], position in the packed batch -> the caller's row
    span : time steps of the caller's padded array
    times : int64 [N], the caller's time index of each row; None where it is the step itself
    """

    steps: np.ndarray
    order: np.ndarray
    span: int
    times: np.ndarray | None = None

    @classmethod
    def plain(cls, batch: int, span: int) -> Layout:
        """Every sequence has `span` steps."""
        # Small ones come again and again; large ones would hold their index arrays for ever.
        return _kept(batch, span) if batch * span <= _SMALL else cls._plain(batch, span)

    @classmethod
    def _plain(cls, batch: int, span: int) -> Layout:
        return cls(np.full(span if batch else 0, batch, np.int64), np.arange(batch), span)

    @classmethod
    def from_lengths(cls, lengths: np.ndarray, span: int) -> Layout:
        """Sequence b has its steps at 0 .. lengths[b] - 1; lengths is int [B]."""
        if lengths.size and lengths.min() == lengths.max() == span:
            return cls.plain(lengths.size, span)
        order = np.argsort(-lengths, kind="stable")
        longest = int(lengths.max(initial=0))
        running = np.bincount(lengths, minlength=longest + 1)[::-1].cumsum()[::-1][1:]
        return cls(np.ascontiguousarray(running[:longest], np.int64), order, span)

    @classmethod
    def from_mask(cls, mask: np.ndarray) -> Layout:
        """Sequence b has its steps where the bool array mask [B, T] is True; any pattern is legal."""
        lengths = mask.sum(axis=1)
        layout = cls.from_lengths(lengths, mask.shape[1])
        if all(mask[b, : lengths[b]].all() for b in range(len(mask))):
            return layout
        kept = np.argsort(~mask, axis=1, kind="stable")[layout.order]
        return replace(layout, times=kept[layout.sequence, layout.step])

    @property
    def B(self) -> int:
        return len(self.order)

    @property
    def T(self) -> int:
        return len(self.steps)

    @cached_property
    def N(self) -> int:
        return int(self.steps.sum())

    @cached_property
    def offsets(self) -> np.ndarray:
        """int64 [T]: the first row of each step."""
        return np.concatenate([[0], self.steps.cumsum()])[: self.T].astype(np.int64)

    @cached_property
    def sequence(self) -> np.ndarray:
        """int64 [N]: the packed position of the sequence that owns each row."""
        return np.arange(self.N) - np.repeat(self.offsets, self.steps)

    @cached_property
    def step(self) -> np.ndarray:
        """int64 [N]: the step of each row."""
        return np.repeat(np.arange(self.T), self.steps)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [B], in packed order."""
        return np.bincount(self.sequence, minlength=self.B)

    @cached_property
    def is_plain(self) -> bool:
        """Whether rows are plain time-major memory in the caller's order."""
        full = self.T == self.span or self.B == 0
        whole = full and self.times is None and self.N == self.B * self.T
        return whole and bool((self.order == np.arange(self.B)).all())

    @cached_property
    def before(self) -> np.ndarray:
        """int64 [N]: the history row each row starts from."""
        starts = np.concatenate([[0], self.B + self.offsets])[: self.T]
        return np.repeat(starts, self.steps) + self.sequence

    @cached_property
    def final(self) -> np.ndarray:
        """int64 [B]: the history row in which each sequence ends."""
        starts = np.concatenate([[0], self.B + self.offsets])
        return starts[self.lengths] + np.arange(self.B)

    @cached_property
    def reversal(self) -> np.ndarray:
        """int64 [N]: the row that stands in a row's place when every sequence runs backwards."""
        return self.offsets[self.lengths[self.sequence] - 1 - self.step] + self.sequence

    @cached_property
    def inverse_order(self) -> np.ndarray:
        """int64 [B]: the caller's row -> position in the packed batch."""
        inverse = np.empty_like(self.order)
        inverse[self.order] = np.arange(self.B)
        return inverse

    @cached_property
    def caller(self) -> tuple[np.ndarray, np.ndarray]:
        """(b, t) of each row in the caller's batch-first array, int64 [N] each."""
        return self.order[self.sequence], self.step if self.times is None else self.times

    def flat(self, time_major: bool) -> np.ndarray:
        """int64 [N]: where each row stands among the B * T of the caller's array."""
        b, t = self.caller
        return t * self.B + b if time_major else b * self.span + t

    def walk(self) -> Iterator[tuple[slice, slice, slice]]:
        """Per step: its history rows before, its history rows after, its rows."""
        starts = [0, *(self.B + self.offsets).tolist()]
        for t, n in enumerate(self.steps.tolist()):
            first = starts[t + 1] - self.B
            after = first + self.B
            yield slice(starts[t], starts[t] + n), slice(after, after + n), slice(first, first + n)

    def part(self, first: int, last: int) -> Layout:
        """Steps first .. last - 1, of the same sequences: those that have ended have none."""
        steps = self.steps[first:last]
        if self.times is None:
            times = np.repeat(np.arange(first, last), steps)
        else:
            start = int(self.steps[:first].sum())
            times = self.times[start : start + int(steps.sum())]
        return replace(self, steps=steps, times=times)

    def select(self, keep: np.ndarray) -> tuple[Layout, np.ndarray]:
        """The layout with only the rows where `keep` (bool [N]) is True, and those rows' old indices."""
        rows = np.flatnonzero(keep)
        owner = self.sequence[rows]
        lengths = np.bincount(owner, minlength=self.B)
        order = np.argsort(-lengths, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(self.B)
        # Rows are sorted by step already, so a stable sort by owner lists each sequence in time order.
        by_owner = np.argsort(owner, kind="stable")
        starts = np.concatenate([[0], lengths.cumsum()])
        new_step = np.empty(len(rows), np.int64)
        new_step[by_owner] = np.arange(len(rows)) - starts[owner[by_owner]]
        index = rows[np.lexsort((place[owner], new_step))]
        fresh = Layout.from_lengths(lengths[order], self.span)
        times = (self.step if self.times is None else self.times)[index]
        layout = replace(fresh, order=self.order[order], span=self.span, times=times)
        return layout, index


_SMALL = 1 << 14  # rows of layouts that are kept


@lru_cache(maxsize=16)
def _kept(batch: int, span: int) -> Layout:
    return Layout._plain(batch, span)


@dataclass(eq=False, slots=True)  # frozen, it would take a microsecond to make, and every layer makes one
class Packed:
    """A batch on its way through the layers; nobody changes one that he was given.

    Attributes
    ----------
    rows : [N, F] (sequences) or [B, F] (one vector a sequence, in packed order).  One-hot rows are never
        materialised: they are integer ids [N] with `depth` set.
    layout : Layout
    sequence : whether rows are time steps (True) or one vector per sequence
    depth : the width of one-hot rows given as ids, else None
    states : the final states [B, H] in the caller's order, where a layer returns them
    gradient : whether anybody wants the gradient of the rows: not of a model's input
    """

    rows: Any
    layout: Layout
    sequence: bool = True
    depth: int | None = None
    states: tuple[Any, ...] | None = None
    gradient: bool = True

    def with_rows(self, rows: Any) -> Packed:
        """The same layout with other, materialised rows."""
        return Packed(rows, self.layout, self.sequence)

    def reverse(self, xp: Any) -> Packed:
        """Every sequence from its last step to its first."""
        return replace(self, rows=self.rows[xp.asarray(self.layout.reversal)])


def check_lengths(owner: str, lengths: Any, batch: int, span: int) -> np.ndarray:
    """`lengths` as int64 [B] with 0 <= length <= span."""
    try:
        found = np.asarray(lengths)
    except ValueError:  # a list of lists of different lengths
        raise ShapeError(sentence(owner, "lengths", f"[B] = [{batch}] integers", repr(lengths))) from None
    if found.dtype.kind not in "iu" and found.size:
        raise DtypeError(sentence(owner, "lengths", f"integers [{batch}]", found))
    if found.shape != (batch,):
        raise ShapeError(sentence(owner, "lengths", f"[B] = [{batch}] integers", found))
    if batch and (found.min() < 0 or found.max() > span):
        got = f"values from {found.min()} to {found.max()}"
        raise ValueError(sentence(owner, "lengths", f"between 0 and T = {span}", got))
    return found.astype(np.int64)


def check_mask(owner: str, mask: Any, batch: int, span: int) -> np.ndarray:
    """`mask` as bool [B, T]."""
    found = np.asarray(mask)
    if found.dtype != np.bool_:
        advice = "Pass mask.astype(bool), True where a step counts."
        raise DtypeError(sentence(owner, "mask", f"bool [B, T] = [{batch}, {span}]", found, advice))
    if found.shape != (batch, span):
        raise ShapeError(sentence(owner, "mask", f"bool [B, T] = [{batch}, {span}]", found))
    return found


def layout_of(owner: str, batch: int, span: int, lengths: Any = None, mask: Any = None) -> Layout:
    """The layout of a padded array [B, T, ...]."""
    if lengths is not None and mask is not None:
        raise ValueError(f"{owner}: give lengths or mask, not both.")
    if lengths is not None:
        return Layout.from_lengths(check_lengths(owner, lengths, batch, span), span)
    if mask is not None:
        return Layout.from_mask(check_mask(owner, mask, batch, span))
    return Layout.plain(batch, span)


def pack(xp: Any, x: Any, layout: Layout, time_major: bool = False) -> Any:
    """The rows [N, ...] of a padded array x [B, T, ...] ([T, B, ...] where time_major)."""
    if layout.is_plain:
        rows = x if time_major else x.swapaxes(0, 1)
        return rows.reshape((layout.N, *x.shape[2:]))
    flat = x.reshape((x.shape[0] * x.shape[1], *x.shape[2:]))
    return xp.take(flat, xp.asarray(layout.flat(time_major)), axis=0)


def pack_list(sequences: Sequence[np.ndarray]) -> tuple[np.ndarray, Layout]:
    """The rows and the layout of a list of arrays [T_b, ...]."""
    lengths = np.array([len(s) for s in sequences], np.int64)
    layout = Layout.from_lengths(lengths, int(lengths.max(initial=0)))
    starts = np.concatenate([[0], lengths.cumsum()])
    b, t = layout.caller
    return np.concatenate(sequences)[starts[b] + t], layout


def unpack(xp: Any, rows: Any, layout: Layout, time_major: bool = False) -> Any:
    """The padded array [B, T, ...] of `rows` [N, ...]; zero where there is no row.  Owns its memory."""
    if layout.is_plain:
        y = rows.reshape((layout.span, layout.B, *rows.shape[1:]))
        return (y if time_major else y.swapaxes(0, 1)).copy()
    y = xp.zeros((layout.B * layout.span, *rows.shape[1:]), rows.dtype)
    y[xp.asarray(layout.flat(time_major))] = rows
    leading = (layout.span, layout.B) if time_major else (layout.B, layout.span)
    return y.reshape((*leading, *rows.shape[1:]))


def unpack_list(rows: Any, layout: Layout, lengths: Any) -> list[Any]:
    """A list of arrays [lengths[b], ...]; steps that were masked away are zero."""
    b, t = layout.caller
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    flat = np.zeros((int(starts[-1]), *rows.shape[1:]), rows.dtype)
    flat[starts[b] + t] = rows
    return [flat[starts[i] : starts[i + 1]] for i in range(layout.B)]
