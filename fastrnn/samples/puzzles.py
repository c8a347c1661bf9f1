"""Puzzles for long memories: what a sequence said at its beginning decides the answer at its end.

Both are from Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9(8), 1997, where a
network saw each sequence once.  Nothing near the end of a sequence helps, so that a network whose gradient
does not reach the beginning cannot learn them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import check_dtype, sentence

SYMBOLS = tuple("EBabcdXY")  # ids of `temporal_order`: start, end, distractors, the two that count
CLASSES = ("XX", "XY", "YX", "YY")


def _check(owner: str, **numbers: Any) -> None:
    least = {"n": 1, "T": 20, "seed": 0}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least[name]:
            raise ValueError(sentence(owner, name, f"a whole number of at least {least[name]}", repr(value)))


def adding_problem(
    n: int, T: int = 100, seed: int = 0, dtype: Any = "float32"
) -> tuple[list[np.ndarray], np.ndarray]:
    """Add the two marked numbers of a long sequence (experiment 4).

    Each step is a pair: a number X drawn from [-1, 1], and a mark.  Two steps are marked 1, one of the first
    ten and another of the first T / 2 - 1; the first and the last step are marked -1, all others 0.  Where
    the first step is one of the two, its mark stays 1 and its number is 0.

    Parameters
    ----------
    n : number of sequences
    T : the shortest length, at least 20; lengths are drawn from T to T + T / 10
    seed : the same gives the same sequences
    dtype : "float32" or "float64"

    Returns
    -------
    x : list of n arrays [T_b, 2]
    y : [n], 0.5 + (X1 + X2) / 4, in [0, 1].  Who always says 0.5 has a mean squared error of 1/24 = 0.042

    >>> x, y = adding_problem(3, T=20)
    >>> marked = x[0][x[0][:, 1] == 1, 0]
    >>> bool(np.isclose(y[0], 0.5 + marked.sum() / 4))
    True
    """
    _check("adding_problem", n=n, T=T, seed=seed)
    dtype = check_dtype("adding_problem", dtype)
    rng = np.random.default_rng([seed, 4])
    sequences, targets = [], np.empty(n, dtype)
    for k in range(n):
        x = np.zeros((rng.integers(T, T + T // 10 + 1), 2))
        x[:, 0] = rng.uniform(-1, 1, len(x))
        one = rng.integers(10)
        two = rng.choice([t for t in range(T // 2 - 1) if t != one])
        x[[0, -1], 1] = -1
        x[[one, two], 1] = 1
        if 0 in (one, two):
            x[0, 0] = 0
        targets[k] = 0.5 + (x[one, 0] + x[two, 0]) / 4
        sequences.append(x.astype(dtype))
    return sequences, targets


def temporal_order(n: int, T: int = 100, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Tell in which order two symbols came, among many others (experiment 6a).

    A sequence starts with E, ends with B, and is made of random a, b, c, d, but for two places that hold X or
    Y: one in [T / 10, T / 5], the other in [T / 2, 6 T / 10] (counted from 0).  The class is X, X or X, Y or
    Y, X or Y, Y.

    Parameters
    ----------
    n : number of sequences
    T : the shortest length, at least 20; lengths are drawn from T to T + T / 10
    seed : the same gives the same sequences

    Returns
    -------
    x : list of n arrays of ids [T_b], int64, of `SYMBOLS`
    y : [n] int64, of `CLASSES`

    >>> x, y = temporal_order(3, T=20)
    >>> CLASSES[y[0]] == "".join(SYMBOLS[i] for i in x[0] if SYMBOLS[i] in "XY")
    True
    """
    _check("temporal_order", n=n, T=T, seed=seed)
    rng = np.random.default_rng([seed, 6])
    start, end, a, X = (SYMBOLS.index(s) for s in "EBaX")
    sequences, classes = [], rng.integers(len(CLASSES), size=n)
    for kind in classes:
        x = rng.integers(a, a + 4, rng.integers(T, T + T // 10 + 1))
        x[0], x[-1] = start, end
        x[rng.integers(T // 10, T // 5 + 1)] = X + kind // 2
        x[rng.integers(T // 2, 6 * T // 10 + 1)] = X + kind % 2
        sequences.append(x)
    return sequences, classes
