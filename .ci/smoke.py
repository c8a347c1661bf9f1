"""One LSTM step forwards and backwards with an installed fastrnn, away from its sources."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import numpy as np

import fastrnn as fr

B, T, I, H = 2, 3, 4, 5

place = Path(fr.__file__).resolve()
if Path(sysconfig.get_path("platlib")).resolve() not in place.parents:
    raise SystemExit(f"imported {place}, not the installed package")

rng = np.random.default_rng(0)
x = rng.standard_normal((B, T, I)).astype(np.float32)
params = {
    "W_ih": rng.standard_normal((4 * H, I)).astype(np.float32),
    "W_hh": rng.standard_normal((4 * H, H)).astype(np.float32),
    "b": rng.standard_normal(4 * H).astype(np.float32),
}
y, (h, _), cache = fr.functional.lstm_forward(x, params, training=True)
dx, _, dparams = fr.functional.lstm_backward(np.ones_like(y), cache)
if y.shape != (B, T, H) or not np.array_equal(h, y[:, -1]):
    raise SystemExit("the LSTM's last state is not its last output")
if dx.shape != x.shape or any(dparams[name].shape != params[name].shape for name in params):
    raise SystemExit("a gradient has another shape than what it belongs to")
if not all(np.isfinite(value).all() and value.any() for value in (y, dx, *dparams.values())):
    raise SystemExit("a result is zero or not finite")
print(f"fastrnn {fr.__version__}: an LSTM ran forwards and backwards from {place.parent}")
