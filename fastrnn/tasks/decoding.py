"""How the next tokens are chosen from their probabilities: drawn, or searched for."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import sentence
from ..layers.base import check_units
from ..schedules import check_number
from ..streaming import Stream

_TINY = float(np.finfo(np.float32).tiny)  # a softmax of floats may have underflown to 0


def known(p: Any) -> np.ndarray:
    """Probabilities [..., V] of the tokens that can be written: without id 0, the unknown one."""
    p = np.maximum(p, _TINY, dtype=np.float64)
    p[..., 0] = 0
    return p / p.sum(axis=-1, keepdims=True)


class Sampling:
    """How tokens are drawn, and when to stop.

    Parameters
    ----------
    owner : who asks, for messages
    temperature : tokens are drawn in proportion to p^(1 / temperature); 0 takes the likeliest
    top_k : draw among so many of the likeliest, or None
    seed : int, `numpy.random.Generator` or None
    stop : the text that ends it, or None
    """

    def __init__(self, owner: str, temperature: Any, top_k: Any, seed: Any, stop: Any) -> None:
        self.temperature = check_number(owner, "temperature", temperature, 0.0)
        self.top_k = None if top_k is None else check_units(owner, "top_k", top_k)
        if seed is not None and not isinstance(seed, np.random.Generator):
            seed = [check_units(owner, "seed", seed, 0), 0x636F6D70]  # apart from those of the weights
        self.rng = np.random.default_rng(seed)
        self.stop = check_stop(owner, stop)
        self._tail = ""

    def draw(self, p: np.ndarray) -> int:
        """One id; p is float64 [V], as of `known`."""
        if self.temperature == 0:
            return int(p.argmax())
        weights = (p / p.max()) ** (1 / self.temperature)  # the largest is 1, however cold it is
        if self.top_k is not None and self.top_k < len(p):
            # Stable, so that among equals the first ids are kept on every machine.
            weights[np.argsort(-weights, kind="stable")[self.top_k :]] = 0
        sums = weights.cumsum()
        place = int(np.searchsorted(sums, self.rng.random() * sums[-1], side="right"))
        return place if place < len(p) else int(p.argmax())  # a product may round up to the whole sum

    def ended(self, text: str) -> bool:
        """Whether what was written so far, with this text behind it, has the stop in it."""
        if self.stop is None:
            return False
        self._tail += text
        if self.stop in self._tail:
            return True
        self._tail = self._tail[max(0, len(self._tail) - len(self.stop) + 1) :]
        return False


def check_stop(owner: str, stop: Any) -> str | None:
    """`stop` where it is text or None."""
    if stop is not None and (not isinstance(stop, str) or not stop):
        raise ValueError(sentence(owner, "stop", "text that is not empty, or None", repr(stop)))
    return None if stop is None else unicodedata.normalize("NFC", stop)  # as all text that is written


def beam_search(
    stream: Stream,
    p: np.ndarray,
    length: int,
    ends: Callable[[Sequence[int]], bool],
    to_numpy: Callable[[Any], np.ndarray],
) -> list[int]:
    """The likeliest continuation that a beam finds: `length` ids, or fewer where it `ends` before.

    Of every step the B likeliest beginnings are kept.  Continuations that end are compared with those that go
    on by their probability as it is: both are complete, so there is nothing to make up for length.

    Parameters
    ----------
    stream : B rows, all in the state after the prompt
    p : float64 [V], the probabilities of the first id, as of `known`
    """
    width = len(stream.state[0][0])
    scores = np.full((width, len(p)), -np.inf)
    with np.errstate(divide="ignore"):
        scores[0] = np.log(p)  # one beginning so far; the other rows wait
    beams: list[list[int]] = [[] for _ in range(width)]
    best, found = -np.inf, []
    for n in range(1, length + 1):
        flat = scores.ravel()
        places = np.argsort(-flat, kind="stable")[:width]
        parents, ids = np.divmod(places, len(p))
        beams = [[*beams[parent], int(k)] for parent, k in zip(parents, ids, strict=True)]
        totals = flat[places]
        for row, beam in enumerate(beams):
            if totals[row] > -np.inf and (n == length or ends(beam)):
                if totals[row] > best:
                    best, found = totals[row], beam
                totals[row] = -np.inf
        if totals.max() <= best:  # what goes on can only become less likely
            break
        stream.reset(tuple(tuple(s[parents] for s in states) for states in stream.state))
        step = known(to_numpy(stream.step(ids.astype(np.int64))))
        with np.errstate(divide="ignore"):
            scores = totals[:, None] + np.log(step)
    return found
