"""Dropout masks from a counter-based generator.

Whether one number of one row is kept is a hash of (model seed, training step, layer, the caller's row, time,
feature).  So a mask depends neither on the number of threads, nor on how sequences were sorted, nor on which
other rows are in the batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import sentence

_GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / golden ratio: consecutive counters land far apart


def mix(*words: int) -> int:
    """A 64-bit hash of whole numbers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), chained."""
    z = 0
    for word in words:
        z = (z + word + _GOLDEN) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        z ^= z >> 31
    return z


def _scramble(xp: Any, z: Any) -> Any:
    """The 32-bit finaliser of MurmurHash3 (Appleby 2008), in place."""
    z ^= z >> xp.uint32(16)
    z *= xp.uint32(0x85EBCA6B)
    z ^= z >> xp.uint32(13)
    z *= xp.uint32(0xC2B2AE35)
    z ^= z >> xp.uint32(16)
    return z


@dataclass(frozen=True)
class Noise:
    """The noise of one training step.

    forgets : whether this pass is run again before anybody asks for its caches, so that it need not keep any
    """

    key: int
    forgets: bool = False

    @classmethod
    def of(cls, seed: int, step: int) -> Noise:
        return cls(mix(seed, step))

    def words(self, xp: Any, layer: int, rows: Any, times: Any, features: int) -> Any:
        """uint32 [len(rows), features], uniform; rows and times are int64 [n] (times may be None)."""
        key = mix(self.key, layer)
        z = xp.asarray(rows).astype(xp.uint32) + xp.uint32(key & 0xFFFFFFFF)
        z = _scramble(xp, z)
        if times is not None:
            z += xp.asarray(times).astype(xp.uint32) * xp.uint32(0x9E3779B1)
            z = _scramble(xp, z)
        columns = xp.arange(features, dtype=xp.uint32) * xp.uint32(0x9E3779B1)
        columns += xp.uint32(key >> 32)
        return _scramble(xp, z[:, None] ^ _scramble(xp, columns)[None, :])

    def dropout(
        self, xp: Any, layer: int, rows: Any, times: Any, features: int, rate: float, dtype: Any
    ) -> Any:
        """[len(rows), features]: 0 with probability `rate`, else 1 / (1 - rate)."""
        kept = self.words(xp, layer, rows, times, features) >= xp.uint32(rate * 2**32)
        return kept.astype(dtype) * xp.asarray(1 / (1 - rate), dtype)

    def normal(self, xp: Any, layer: int, rows: Any, times: Any, features: int, dtype: Any) -> Any:
        """[len(rows), features] standard normal (Box and Muller 1958)."""
        u = (self.words(xp, 2 * layer, rows, times, features).astype(xp.float64) + 0.5) * 2.0**-32
        v = self.words(xp, 2 * layer + 1, rows, times, features) * (2 * xp.pi * 2.0**-32)
        return (xp.sqrt(-2 * xp.log(u)) * xp.cos(v)).astype(dtype)


def seed_of(seed: Any) -> int:
    """A model's argument `seed` as the number from which everything random follows."""
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> 1)
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**63 - 1))
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        expected = "a whole number of at least 0, a numpy.random.Generator or None"
        raise ValueError(sentence("Sequential", "seed", expected, repr(seed)))
    return int(seed)
