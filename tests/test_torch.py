"""The numbers of PyTorch: stored ones always, live ones where it is installed."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, NAMES, assert_close, call, call_back

import fastrnn as fr
from fastrnn.cells import CELLS

GOLDEN = Path(__file__).with_name("golden")


def compare(name: str, g: dict[str, np.ndarray], **options: Any) -> None:
    """One recurrence against the arrays of `g`, to 1e-10."""
    cell = CELLS[name]
    biases = ("b_ih", "b_hh") if name == "gru" else ("b",)
    keys = ("W_ih", "W_hh", *biases)
    params, states = {k: g[k] for k in keys}, cell.states
    s0, dsT = (tuple(g[k.format(s)] for s in states) for k in ("{}0", "d{}T"))
    y, sT, cache = call(
        cell, g["x"], params, s0, lengths=g.get("lengths"), training=True, **options
    )
    dx, ds0, dparams = call_back(cell, g["dy"], cache, dsT)
    wanted = (g["y"], [g[f"{s}T"] for s in states], g["dx"], [g[f"d{s}0"] for s in states])
    assert_close((y, sT, dx, ds0), wanted, 1e-10)
    assert_close(dparams, {k: g[f"d{k}"] for k in keys}, 1e-10)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["plain", "ragged"])
@pytest.mark.parametrize("size", ["small", "wide"])
@pytest.mark.parametrize("name", NAMES)
def test_golden(name: str, size: str, kind: str, backend: str) -> None:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as stored:
        prefix = f"{size}/{kind}/"
        found = {k.removeprefix(prefix): stored[k] for k in stored.files if k.startswith(prefix)}
    assert ("lengths" in found) == (kind == "ragged")
    with fr.use_backend(backend):
        compare(name, found)


def test_golden_is_small() -> None:
    assert sum(p.stat().st_size for p in GOLDEN.glob("*.npz")) < 200_000


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("ragged", [False, True], ids=["plain", "ragged"])
@pytest.mark.parametrize("name", NAMES)
def test_live(name: str, ragged: bool, seed: int) -> None:
    """Random sizes, every output, state and gradient."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own, on import and elsewhere
        pytest.importorskip("torch")
        spec = importlib.util.spec_from_file_location("make_golden", GOLDEN / "make_golden.py")
        assert spec is not None and spec.loader is not None
        make_golden = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(make_golden)
        rng = np.random.default_rng([seed, ragged, NAMES.index(name)])
        B, T, I, H = (int(n) for n in rng.integers(1, (20, 30, 70, 70)))
        lengths = rng.integers(1, T + 1, B) if ragged else None
        found = make_golden.run_torch(name, B, T, I, H, lengths, seed)
    if ragged:
        found["lengths"] = lengths
    for backend in BACKENDS:
        with fr.use_backend(backend):
            compare(name, found)
