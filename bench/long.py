"""Very long sequences: the peak memory and the time of training on a memory map, at two lengths.

``python -m bench.long`` trains an LSTM on windows (`fit(..., bptt=)`) of sequences of 100,000 and of
1,000,000 steps, each in a process of its own, with a target a step and with one a sequence, and prints what
the processes took at most, Python and NumPy included.  Needs Linux.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from . import ROOT

LENGTHS = (100_000, 1_000_000)
WINDOW, BATCH, INPUTS, UNITS, CLASSES = 1000, 2, 16, 64, 4
PART = 50_000  # steps written at a time


def write(folder: Path, steps: int) -> None:
    """x.npy [BATCH, steps, INPUTS], and y.npy [BATCH, steps]: the running mean of which input leads."""
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", np.float32, (BATCH, steps, INPUTS))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", np.int64, (BATCH, steps))
    mean = np.zeros((BATCH, CLASSES))
    for start in range(0, steps, PART):
        part = rng.standard_normal((BATCH, min(PART, steps - start), INPUTS)).astype("float32")
        x[:, start : start + PART] = part
        for t in range(part.shape[1]):
            mean += 0.1 * (part[:, t, :CLASSES] - mean)
            y[:, start + t] = mean.argmax(axis=1)
    x.flush()
    y.flush()


def train(folder: Path, every_step: bool) -> None:
    """One epoch, printed as JSON: peak in MiB, seconds, updates, loss; runs alone in a process."""
    import fastrnn as fr

    x = np.load(folder / "x.npy", mmap_mode="r")
    y = np.load(folder / "y.npy", mmap_mode="r")
    layers = [fr.LSTM(UNITS, return_sequences=every_step), fr.Dense(CLASSES, activation="softmax")]
    model = fr.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    start = time.perf_counter()
    history = model.fit(x, y if every_step else y[:, -1], bptt=WINDOW, verbose=0)
    seconds = time.perf_counter() - start
    # Not ru_maxrss, which remembers what the parent had when it started this process.
    status = Path("/proc/self/status").read_text().split()
    peak = int(status[status.index("VmHWM:") + 1]) / 1024
    print(json.dumps([peak, seconds, model.steps_done, history.history["loss"][0]]))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        for steps in LENGTHS:
            write(Path(name), steps)
            for every_step in (True, False):
                call = f"train(Path({name!r}), {every_step})"
                code = f"from pathlib import Path; from bench.long import train; {call}"
                done = subprocess.run(
                    [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
                )
                peak, seconds, updates, loss = json.loads(done.stdout)
                target = "a target a step" if every_step else "one target a sequence"
                rate = BATCH * steps / seconds
                print(f"T = {steps:,}, {target}: {peak:.0f} MiB, {seconds:.1f} s ({rate:,.0f} steps/s), "
                      f"{updates} updates, loss {loss:.3f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
