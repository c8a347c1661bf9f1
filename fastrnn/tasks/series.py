"""Series of numbers: checked, on one scale, cut into overlapping windows, and put together again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DtypeError, ShapeError, check_finite, sentence

_BATCH = 128  # windows at a time
_ADVICE = "Leave those steps out or fill them in first."


def check_numbers(owner: str, name: str, x: Any) -> Any:
    """x if it is an array of finite numbers, else DtypeError or ValueError."""
    if not hasattr(x, "shape") or getattr(getattr(x, "dtype", None), "kind", "") not in ("f", "i", "u"):
        advice = "Convert it with numpy.asarray(x, dtype='float64') if that is what you mean."
        got = repr(x) if isinstance(x, str) else x
        raise DtypeError(sentence(owner, name, "an array of numbers", got, advice))
    check_finite(owner, name, x, _ADVICE)
    return x


def first_form(owner: str, name: str, x: Any, window: int | None) -> np.ndarray:
    """x, of which nothing is known yet, as windows [N, T, F] or as a series [T, F].

    Two-dimensional x is a series where `window` is given and is not its second axis.
    """
    x = check_numbers(owner, name, x)
    right = window is None or x.ndim < 2 or x.shape[1] == window
    if x.ndim not in (1, 2, 3) or (x.ndim == 3 and not right):
        expected = f"windows [N, {window or 'T'}, F] or [N, {window or 'T'}], or a series [T] or [T, F]"
        raise ShapeError(sentence(owner, name, expected, x))
    found = x[..., None] if x.ndim == 1 or (x.ndim == 2 and right) else x
    if not found.shape[-1] or (found.ndim == 3 and found.shape[1] < 2):
        raise ShapeError(sentence(owner, name, "windows of at least 2 steps, at least one feature", x))
    return found


def known_form(owner: str, name: str, x: Any, T: int, F: int, series: bool = False) -> np.ndarray:
    """x as windows [N, T, F] or as a series [., F]; `series`: as a series alone."""
    x = check_numbers(owner, name, x)
    if x.ndim == 3 and x.shape[1:] == (T, F) and not series:
        return x
    if F == 1 and x.ndim == 2 and x.shape[1] == T and not series:
        return x[..., None]
    if x.ndim == 2 and x.shape[1] == F:
        return x
    if F == 1 and x.ndim == 1:
        return x[:, None]
    expected = "a series [T] or [T, 1]" if F == 1 else f"a series [T, {F}]"
    if not series:
        expected = f"windows [N, {T}, {F}]{f' or [N, {T}]' if F == 1 else ''}, or {expected}"
    raise ShapeError(sentence(owner, name, expected, x))


def check_together(owner: str, arrays: list[np.ndarray]) -> None:
    """Raise unless arrays that came as a list are one or more series [T, F] with the same F."""
    if not arrays:
        raise ValueError(sentence(owner, "x", "an array, or a list of at least one series", "an empty list"))
    if not all(series.ndim == 2 for series in arrays):
        advice = "Join windows to one array."
        raise ShapeError(sentence(owner, "x", "a list of series", "a list with windows in it", advice))
    found = sorted({series.shape[1] for series in arrays})
    if len(found) > 1:
        got = f"{' and '.join(map(str, found))} features"
        raise ShapeError(sentence(owner, "x", "series with the same features", got))


def hold_out(
    owner: str, arrays: list[np.ndarray], window: int, share: float, rng: np.random.Generator
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """(to learn from, to hold out): of windows a random choice, of each series its end, at least a window."""
    if arrays[0].ndim == 3:
        x = arrays[0]
        if len(x) < 2:
            raise ValueError(sentence(owner, "x", "at least 2 windows", f"{len(x)}"))
        order = rng.permutation(len(x))
        held = max(1, round(len(x) * share))
        return [x[np.sort(order[held:])]], [x[np.sort(order[:held])]]
    train, out = [], []
    for series in arrays:
        held = max(window, round(len(series) * share))
        if len(series) - held < window:
            expected = f"series of at least two windows, {2 * window} steps"
            advice = "Give more, or a smaller window."
            raise ValueError(sentence(owner, "x", expected, f"{len(series)} steps", advice))
        train.append(series[:-held])
        out.append(series[-held:])
    return train, out


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each feature, float64 [F].

    A feature that never changes keeps its unit: its standard deviation counts as 1.

    >>> import numpy as np
    >>> scale = Scale.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scale.apply(np.array([[2.0, 5.0], [3.0, 6.0]]))
    array([[0., 0.],
           [1., 1.]])
    """

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray) -> Scale:
        """Of x [..., F], over all axes but the last."""
        rows = np.asarray(x, np.float64).reshape(-1, x.shape[-1])
        std = rows.std(axis=0)
        # Rounding leaves a constant column a standard deviation of a few ulp, not of zero.
        constant = std <= 1e-12 * np.maximum(np.abs(rows).max(axis=0), 1e-300)
        return cls(rows.mean(axis=0), np.where(constant, 1.0, std))

    def apply(self, x: np.ndarray) -> np.ndarray:
        """(x - mean) / std, float64."""
        return (x - self.mean) / self.std

    def undo(self, x: np.ndarray) -> np.ndarray:
        """x std + mean, float64."""
        return x * self.std + self.mean


def cut(x: np.ndarray, window: int, stride: int) -> np.ndarray:
    """Windows [N, window, F] of x [T, F], `stride` apart, and one more at the end where steps would be left.

    >>> import numpy as np
    >>> cut(np.arange(8)[:, None], 3, 2)[..., 0]
    array([[0, 1, 2],
           [2, 3, 4],
           [4, 5, 6],
           [5, 6, 7]])
    """
    last = len(x) - window
    starts = np.arange(0, last + 1, stride)
    if starts[-1] != last:
        starts = np.append(starts, last)
    return x[starts[:, None] + np.arange(window)]


class Overlap:
    """What `run` says about each step of a series, averaged over the windows that the step is in.

    The windows are those of `cut`.  Steps are given out as soon as no window to come can contain them, so the
    memory needed does not depend on the length of the series, and how it came in pieces changes no bit.

    Parameters
    ----------
    window, stride : as in `cut`; stride is at most window, so that each step is in a window
    run : [N, window, F] -> float64 [N, window, K]
    """

    def __init__(self, window: int, stride: int, run: Callable[[np.ndarray], np.ndarray]) -> None:
        self.window, self.stride, self.run = window, stride, run
        self.length = 0  # steps seen
        self.start = 0  # of the next window, counted from the first step that is kept
        self.steps: np.ndarray | None = None  # that have not been given out
        self.sums: np.ndarray | None = None  # over windows, for the first steps of those
        self.counts = np.zeros((0, 1))

    def push(self, chunk: np.ndarray) -> np.ndarray:
        """Take the next steps [n, F]; give [m, K] for those that became final."""
        self.length += len(chunk)
        self.steps = chunk.copy() if self.steps is None else np.concatenate([self.steps, chunk])
        starts = np.arange(self.start, len(self.steps) - self.window + 1, self.stride)
        if not len(starts):
            return np.zeros((0, 0 if self.sums is None else self.sums.shape[1]))
        self._add(starts)
        self.start = self.stride
        # The last window of the series, not known yet, may begin one step behind the last one here.
        return self._give(int(starts[-1]))

    def end(self, owner: str) -> np.ndarray:
        """Nothing more comes: the rest, [m, K].  ValueError where there were fewer steps than a window."""
        if self.steps is None or self.length < self.window:
            expected = f"a series of at least one window, {self.window} steps"
            raise ValueError(sentence(owner, "x", expected, f"{self.length} steps"))
        last = len(self.steps) - self.window
        if last:
            self._add(np.array([last]))
        return self._give(len(self.steps))

    def _add(self, starts: np.ndarray) -> None:
        assert self.steps is not None
        for k in range(0, len(starts), _BATCH):
            some = starts[k : k + _BATCH]
            values = self.run(self.steps[some[:, None] + np.arange(self.window)])
            if self.sums is None:
                self.sums = np.zeros((0, values.shape[2]))
            new = len(self.steps) - len(self.sums)
            self.sums = np.concatenate([self.sums, np.zeros((new, self.sums.shape[1]))])
            self.counts = np.concatenate([self.counts, np.zeros((new, 1))])
            for first, value in zip(some, values, strict=True):
                self.sums[first : first + self.window] += value
                self.counts[first : first + self.window] += 1

    def _give(self, n: int) -> np.ndarray:
        assert self.steps is not None and self.sums is not None
        given = self.sums[:n] / self.counts[:n]
        self.steps, self.sums, self.counts = self.steps[n:], self.sums[n:], self.counts[n:]
        return given


def stretches(flags: Any, gap: int = 0) -> list[tuple[int, int]]:
    """(start, stop) of each run of True, stop not included; runs with at most `gap` steps between are one.

    >>> stretches([False, True, True, False, True])
    [(1, 3), (4, 5)]
    >>> stretches([False, True, True, False, True], gap=1)
    [(1, 5)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(flags, np.int8), [0]])))
    found: list[tuple[int, int]] = []
    for start, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and start - found[-1][1] <= gap:
            start = found.pop()[0]
        found.append((start, stop))
    return found
