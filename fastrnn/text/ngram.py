"""The peer of the character LSTM: an interpolated character n-gram model.

Witten and Bell (1991): with n(hc) the count of character c after the context h, N(h) that of h, and K(h) the
number of different characters seen after h,

    p(c | h) = (n(hc) + K(h) p(c | h without its first character)) / (N(h) + K(h))

down to the empty context, below which every one of the `size` characters is equally likely.
"""

from __future__ import annotations

import math
from collections import Counter


class NGram:
    """Characters predicted from the `order` - 1 before them.

    Parameters
    ----------
    text : what to count
    order : 3 looks at two characters of context
    size : number of characters there are, unknown ones included

    >>> model = NGram("abab", order=2, size=3)
    >>> round(model.probability("a", "b"), 4)  # (2 + 1 * p(b)) / (2 + 1), p(b) = (2 + 2/3) / (4 + 2)
    0.8148
    """

    def __init__(self, text: str, order: int, size: int) -> None:
        self.order, self.size = order, size
        self.counts: Counter[str] = Counter()
        for n in range(1, order + 1):
            self.counts.update(text[k : k + n] for k in range(len(text) - n + 1))
        self.total: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()
        for gram, count in self.counts.items():
            self.total[gram[:-1]] += count
            self.kinds[gram[:-1]] += 1

    def probability(self, context: str, character: str) -> float:
        """p(character | the last order - 1 characters of context)."""
        p = 1 / self.size
        for n in range(min(len(context), self.order - 1) + 1):
            h = context[len(context) - n :]
            total, kinds = self.total[h], self.kinds[h]
            if not total:
                break
            p = (self.counts[h + character] + kinds * p) / (total + kinds)
        return p

    def loss(self, text: str) -> float:
        """Mean of -log p over all characters but the first, in nats, each with its context in `text`."""
        n = self.order - 1
        logs = [math.log(self.probability(text[max(0, k - n) : k], text[k])) for k in range(1, len(text))]
        return -math.fsum(logs) / max(1, len(logs))
