"""The products of one time step: rows of h [m, H] by W_hh' [H, 4H], by NumPy's BLAS and by the engine.

``python -m bench.products`` prints GF/s of one thread in float32, the weights packed once.
"""

from __future__ import annotations

import time

import numpy as np

from fastrnn.kernels._panels import multiply
from fastrnn.threads import single_threaded_blas

UNITS = (64, 128, 256, 512, 1024)
ROWS = (1, 2, 4, 8, 16, 32)


def rate(rows: int, units: int, engine: bool) -> float:
    """GF/s, the best of five rounds of about 20 ms."""
    rng = np.random.default_rng(0)
    h = rng.standard_normal((rows, units)).astype(np.float32)
    W = rng.standard_normal((4 * units, units)).astype(np.float32)
    out = np.empty((rows, 4 * units), np.float32)
    work = 2 * rows * units * 4 * units
    repeat = max(2, int(1e9 / work))
    times = []
    for _ in range(5):
        # The difference of two lengths leaves out what happens once a call: packing and allocation.
        spent = []
        for times_over in (repeat, 2 * repeat):
            start = time.perf_counter()
            if engine:
                multiply(h, W.T, repeat=times_over)
            else:
                for _ in range(times_over):
                    np.matmul(h, W.T, out=out)
            spent.append(time.perf_counter() - start)
        times.append((spent[1] - spent[0]) / repeat)
    return work / min(t for t in times if t > 0) / 1e9


def main() -> None:
    print("GF/s, one thread, float32: NumPy's BLAS / the engine")
    print("rows  " + "".join(f"{f'H={units}':>14}" for units in UNITS))
    with single_threaded_blas():
        for rows in ROWS:
            cells = (f"{rate(rows, u, False):.0f} / {rate(rows, u, True):.0f}" for u in UNITS)
            print(f"{rows:4}  " + "".join(f"{cell:>14}" for cell in cells))


if __name__ == "__main__":
    main()
