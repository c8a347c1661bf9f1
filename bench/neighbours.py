"""What a busy machine costs: an LSTM on two threads while two other processes keep both cores busy.

``python -m bench.neighbours`` prints, for one sequence and for a batch, the time of a call when nobody else
runs and when both cores are shared, and the mean as a multiple of the fair share: twice the first.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from statistics import mean, median
from typing import Any

import numpy as np

import fastrnn as fr

SHAPES = ((1, 100, 128, 256), (32, 100, 128, 256))  # B, T, I, H
SECONDS = 1.0  # of calls, alone


def call(B: int, T: int, I: int, H: int) -> Callable[[], Any]:
    """A forward call with weights that stay packed."""
    rng = np.random.default_rng(0)
    shapes = {"W_ih": (4 * H, I), "W_hh": (4 * H, H), "b": (4 * H,)}
    weights = fr.Weights({k: rng.uniform(-1, 1, s).astype("float32") / H**0.5 for k, s in shapes.items()})
    x = rng.standard_normal((B, T, I)).astype("float32")
    return lambda: fr.functional.lstm_forward(x, weights, threads=2)


def times(function: Callable[[], Any], count: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(count):
        start = time.perf_counter()
        function()
        found.append(1e3 * (time.perf_counter() - start))
    return found


def main() -> None:
    for shape in SHAPES:
        function = call(*shape)
        once = median(times(function, 10))
        alone = times(function, max(20, int(1e3 * SECONDS / once)))
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
        try:
            time.sleep(0.5)
            shared = times(function, len(alone))
        finally:
            for other in others:
                other.kill()
                other.wait()
        fair = 2 * median(alone)
        print(
            f"{'x'.join(map(str, shape))}: alone {median(alone):.2f} ms; both cores busy: "
            f"mean {mean(shared):.2f} ms, median {median(shared):.2f} ms, longest {max(shared):.1f} ms; "
            f"mean / fair share {mean(shared) / fair:.2f}"
        )


if __name__ == "__main__":
    main()
