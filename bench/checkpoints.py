"""What back-propagation within a memory budget costs: peak memory and time of a step, beside the plain one.

``python -m bench.checkpoints`` trains on sequences of 10,000 steps, plainly and with a tenth of the memory
that this took, in two processes that take turns.  It prints by how much each has grown at its largest, the
time of a step, and the ratios.  Linux only: it reads /proc.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from statistics import median
from typing import Any

import numpy as np

from . import ROOT

T = 10_000
# name -> (B, I or V, H, cells, whether the inputs are ids and each step is classified)
CASES = {
    "lstm-regression": (16, 16, 128, 1, False),
    "lstm-two-layers": (16, 16, 64, 2, False),
    "lstm-language-model": (16, 64, 128, 1, True),
    "lstm-one-sequence": (1, 16, 128, 1, False),
}
SHARE, ROUNDS, STEPS = 10, 5, 2


def problem(name: str) -> tuple[Any, Any, Any]:
    """(model, x, y)."""
    import fastrnn as fr

    B, width, H, depth, ids = CASES[name]
    rng = np.random.default_rng(0)
    layers = [fr.LSTM(H, return_sequences=True) for _ in range(depth)]
    if ids:
        x = y = rng.integers(0, width, (B, T))
        model = fr.Sequential([fr.OneHot(width), *layers, fr.Dense(width, activation="softmax")], seed=0)
    else:
        x = rng.standard_normal((B, T, width)).astype("float32")
        y = rng.standard_normal((B, T, 1)).astype("float32")
        model = fr.Sequential([*layers, fr.Dense(1)], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy" if ids else "mse")
    model.train_on_batch(x[:, :100], y[:, :100])
    return model, x, y


def kilobytes(name: str) -> int:
    """A number of /proc/self/status."""
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


def work(name: str, budget: int | None) -> None:
    """A process: measures once for every line that it reads, and answers with bytes, seconds and the loss."""
    model, x, y = problem(name)
    gc.collect()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as file:
        file.write("5")  # the peak begins anew
    before = kilobytes("VmRSS")
    for _ in sys.stdin:
        spent = []
        for _ in range(STEPS):
            start = time.perf_counter()
            loss = model.train_on_batch(x, y, memory_budget=budget)
            spent.append(time.perf_counter() - start)
        grown = 1024 * (kilobytes("VmHWM") - before)
        print(json.dumps([grown, min(spent), loss]), flush=True)


class Process:
    """`work` in a process of its own."""

    def __init__(self, name: str, budget: int | None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.checkpoints", name, str(budget or 0)],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def measure(self) -> tuple[int, float, float]:
        """(bytes, seconds, loss)."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        grown, seconds, loss = json.loads(self.process.stdout.readline())
        return grown, seconds, loss

    def end(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()


def main() -> None:
    for name in CASES:
        plain = Process(name, None)
        first = plain.measure()
        bounded = Process(name, first[0] // SHARE)
        if bounded.measure()[2] != first[2]:
            raise SystemExit(f"{name}: the losses differ")
        rounds = [(plain.measure(), bounded.measure()) for _ in range(ROUNDS)]
        for one, two in rounds:
            if one[2] != two[2]:
                raise SystemExit(f"{name}: the losses differ")
        (memory, _, _), (less, _, _) = rounds[-1]
        times = [min(pair[k][1] for pair in rounds) for k in (0, 1)]
        ratio = median(two[1] / one[1] for one, two in rounds)
        print(
            f"{name}: plain {memory / 1e6:.1f} MB, {times[0]:.2f} s a step; "
            f"within {first[0] / SHARE / 1e6:.1f} MB {less / 1e6:.1f} MB, {times[1]:.2f} s; "
            f"memory {less / memory:.3f}, time {ratio:.2f}",
            flush=True,
        )
        plain.end()
        bounded.end()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        work(sys.argv[1], int(sys.argv[2]) or None)
    else:
        main()
