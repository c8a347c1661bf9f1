"""What denormal numbers cost: a call on inputs, weights and states all denormal, and on ordinary ones.

``python -m bench.denormals`` prints the ratio of the two times, the median of interleaved rounds.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np

import fastrnn as fr

B, T, I, H = 8, 50, 64, 64
ROUNDS, CALLS = 31, 5
TINY = np.float32(1e-40)


def call(cell: str, gates: int, tiny: bool, training: bool) -> Any:
    """A call; with `tiny` every number that it is given is denormal."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> Any:
        values = rng.uniform(-1, 1, shape).astype("float32")
        return values * (TINY if tiny else np.float32(H**-0.5))

    biases = ("b_ih", "b_hh") if cell == "gru" else ("b",)
    params = {"W_ih": numbers(gates * H, I), "W_hh": numbers(gates * H, H)}
    params.update({name: numbers(gates * H) for name in biases})
    state = (numbers(B, H), numbers(B, H)) if cell == "lstm" else numbers(B, H)
    x, dy = numbers(B, T, I), numbers(B, T, H)
    forward, backward = (getattr(fr.functional, f"{cell}_{way}") for way in ("forward", "backward"))
    if not training:
        return lambda: forward(x, params, state)
    return lambda: backward(dy, forward(x, params, state, training=True)[2])


def main() -> None:
    for cell, gates in (("lstm", 4), ("gru", 3), ("rnn", 1)):
        for training in (False, True):
            ratios = []
            pair = [call(cell, gates, tiny, training) for tiny in (True, False)]
            for _ in range(ROUNDS):
                spent = []
                for function in pair:
                    start = time.perf_counter()
                    for _ in range(CALLS):
                        function()
                    spent.append(time.perf_counter() - start)
                ratios.append(spent[0] / spent[1])
            print(f"{cell} {'training' if training else 'inference'}: {median(ratios):.2f}")


if __name__ == "__main__":
    main()
