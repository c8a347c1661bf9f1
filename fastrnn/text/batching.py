"""One long text as parallel streams of windows, for truncated back-propagation through time."""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError, sentence
from ..layers.base import check_units


def stream_windows(
    ids: np.ndarray, batch_size: int, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """A text cut into streams that are read side by side, a window of each at a time.

    The ids are cut into B streams of equal length (but for one step), and each stream into windows.  Batch k
    holds window k of every stream: a stateful network that takes the batches in this order, B rows each,
    reads every stream from its beginning to its end.  Gradients stop at the beginning of a window.  Each id
    but the first is predicted exactly once.

    Parameters
    ----------
    ids : int64 [n], n >= 2
    batch_size : streams; fewer where each would not fill a window
    steps : the longest window; windows are shorter where that makes them more equal

    Returns
    -------
    x, y : int64 [windows * B, steps], y is one id ahead of x
    lengths : int64 [windows * B], the part of each row that is text; all of it but in the last batch
    B : the number of streams

    Raises
    ------
    ShapeError : fewer than two ids

    >>> x, y, lengths, B = stream_windows(np.arange(14), batch_size=2, steps=4)
    >>> x[0], x[B], y[0], y[B]  # the first stream: its first window and its second
    (array([0, 1, 2, 3]), array([4, 5, 6, 0]), array([1, 2, 3, 4]), array([5, 6, 7, 0]))
    >>> lengths
    array([4, 4, 3, 2])
    """
    batch_size = check_units("stream_windows", "batch_size", batch_size)
    steps = check_units("stream_windows", "steps", steps)
    if ids.ndim != 1 or len(ids) < 2:
        raise ShapeError(sentence("stream_windows", "ids", "[n] with n >= 2", ids))
    n = len(ids) - 1
    B = max(1, min(batch_size, n // steps))
    size, longer = divmod(n, B)  # the first `longer` streams have a step more
    longest = size + bool(longer)
    windows = -(-longest // steps)
    steps = -(-longest // windows)
    starts = np.arange(B) * size + np.minimum(np.arange(B), longer)
    left = size + (np.arange(B) < longer)
    lengths = np.clip(left - steps * np.arange(windows)[:, None], 0, steps)
    x, y = np.zeros((2, windows, B, steps), np.int64)
    for b, (start, length) in enumerate(zip(starts, left, strict=True)):
        for part, first in ((x, start), (y, start + 1)):
            stream = np.zeros(windows * steps, np.int64)
            stream[:length] = ids[first : first + length]
            part[:, b] = stream.reshape(windows, steps)
    flat = (windows * B, steps)
    return x.reshape(flat), y.reshape(flat), lengths.reshape(-1).astype(np.int64), B
