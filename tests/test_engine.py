"""The step engine: its levels, a row's bits whatever stands beside it, its memory, and its threads.

`test_every_level` runs this file and its siblings again for every other SIMD level, in a process of its own.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import NAMES, THREADS, assert_same_bits, call, call_back, flat, random_params, random_states

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.cells import CELLS
from fastrnn.kernels import _engine
from fastrnn.packed import Layout, Packed

DTYPES = (np.float32, np.float64)
HERE = Path(__file__).parent
cpu = get_backend("cpu")


def in_a_process(*command: str, timeout: float = 60, **environment: str) -> subprocess.CompletedProcess[str]:
    """Python with these arguments and no other settings of ours than `environment`."""
    ours = ("FASTRNN_", "OMP_", "GOMP_", "MALLOC_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours) and k != "PYTEST_ADDOPTS"}
    return subprocess.run(
        [sys.executable, *command], env={**kept, **environment},
        capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


# ---------------------------------------------------------------------- levels


def test_the_variable_lowers_the_level_and_never_raises_it() -> None:
    code = "from fastrnn.kernels import _engine; print(_engine.LEVEL)"
    supported, levels = _engine.supported(), _engine.LEVELS
    assert "portable" in supported and _engine.LEVEL in supported
    for wish in ("", *levels, " PORTABLE "):
        asked = wish.strip().lower() or levels[-1]
        below = [name for name in supported if levels.index(name) <= levels.index(asked)]
        done = in_a_process("-c", code, FASTRNN_SIMD=wish)
        assert done.stdout.strip() == below[-1], (wish, done.stderr)


def test_a_level_that_does_not_exist_is_an_error() -> None:
    done = in_a_process("-c", "import fastrnn; fastrnn.Sequential()", FASTRNN_SIMD="avx1024")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ValueError: fastrnn: FASTRNN_SIMD must be one of portable, neon, avx2, avx512, got 'avx1024'. "
        "Correct or unset it."
    )


@pytest.mark.skipif("FASTRNN_SIMD" in os.environ, reason="one level was asked for")
@pytest.mark.parametrize("level", sorted({*_engine.supported()} - {_engine.LEVEL}))
def test_every_level(level: str) -> None:
    """The tests of the kernels at a lower level; the highest has them in this process."""
    names = ("kernels", "kernel_bits", "engine", "extremes", "stream", "tails")
    files = [str(HERE / f"test_{name}.py") for name in names]
    same = "sizes_of_zero or variable or does_not_exist or busy or fresh_memory or smaller_team"
    command = ["-m", "pytest", "-p", "no:cacheprovider", "-k", f"not ({same})"]
    done = in_a_process(*command, *files, timeout=600, FASTRNN_SIMD=level)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


# ---------------------------------------------------------------------- batch mates


def sequences(name: str, B: int, T: int, I: int, H: int, dtype: Any, ragged: bool) -> Any:
    """(params, one (x, states, dy, dstates) a sequence): weights small enough for long sums."""
    cell, rng = CELLS[name], np.random.default_rng([B, T, I, H])
    params = {k: v / 2 for k, v in random_params(cell, I, H, rng, dtype).items()}
    lengths = rng.integers(1, T + 1, B) if ragged else np.full(B, T)
    made = []
    for n in lengths:
        states = [random_states(cell, 1, H, rng, dtype) for _ in range(2)]
        x, dy = (rng.standard_normal((n, size)).astype(dtype) for size in (I, H))
        made.append((x, states[0], dy, states[1]))
    return params, made


def together(name: str, params: Any, chosen: Any, threads: int) -> list[Any]:
    """(y, states, dx, gradients of the initial states) of each sequence, from one training call for all."""
    cell, B = CELLS[name], len(chosen)
    lengths = np.array([len(one[0]) for one in chosen])
    x, dy = (np.zeros((B, lengths.max(), chosen[0][k].shape[1]), chosen[0][k].dtype) for k in (0, 2))
    for b, one in enumerate(chosen):
        x[b, : lengths[b]], dy[b, : lengths[b]] = one[0], one[2]
    parts = [list(zip(*(one[k] for one in chosen), strict=True)) for k in (1, 3)]
    s0, dsT = (tuple(np.concatenate(s) for s in part) for part in parts)
    y, sT, cache = call(cell, x, params, s0, lengths=lengths, training=True, threads=threads)
    assert_same_bits(call(cell, x, params, s0, lengths=lengths, threads=threads)[:2], (y, sT))
    dx, ds0, _ = call_back(cell, dy, cache, dsT)
    results = [(y[b, :n], [s[b] for s in sT], dx[b, :n], [d[b] for d in ds0]) for b, n in enumerate(lengths)]
    if lengths.min() == lengths.max():  # the way without a layout, both orders of axes
        assert_same_bits(call(cell, x, params, s0, threads=threads)[:2], (y, sT))
        turned = np.ascontiguousarray(x.transpose(1, 0, 2))
        other, states, _ = call(cell, turned, params, s0, threads=threads, time_major=True)
        assert_same_bits((np.ascontiguousarray(other.transpose(1, 0, 2)), states), (y, sT))
    return results


@pytest.mark.parametrize("ragged", [False, True], ids=["plain", "ragged"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_mates_of_small_sequences(name: str, dtype: Any, ragged: bool) -> None:
    """Alone and in batches of every size, in any order."""
    rng = np.random.default_rng(0)
    for T, I, H in ((1, 1, 1), (5, 3, 5), (4, 20, 16), (3, 2, 33), (6, 40, 65)):
        params, made = sequences(name, 17, T, I, H, dtype, ragged)
        alone = [together(name, params, [one], 1)[0] for one in made]
        for B in (2, 3, 5, 8, 9, 13, 17):
            order = rng.permutation(17)[:B]
            found = together(name, params, [made[k] for k in order], 1)
            assert_same_bits(found, [alone[k] for k in order])


@pytest.mark.parametrize("ragged", [False, True], ids=["plain", "ragged"])
@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_mates_and_threads_of_large_sequences(name: str, dtype: Any, ragged: bool) -> None:
    """Threads share units or rows; a ragged batch goes over from one to the other (`plan` in _doors.pyx)."""
    units = 600 if name.startswith("rnn") else 256
    T = 24 if name.startswith("rnn") else 32
    params, made = sequences(name, 13, T, 8, units, dtype, ragged)
    alone = [together(name, params, [one], 1)[0] for one in made]
    rng = np.random.default_rng(1)
    for B in (1, 2, 3, 4, 5, 12, 13):
        order = rng.permutation(13)[:B]
        for threads in THREADS if B in (1, 5, 13) else (2, 3):
            found = together(name, params, [made[k] for k in order], threads)
            assert_same_bits(found, [alone[k] for k in order])


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("name", NAMES)
def test_every_door_gives_the_same_bits(name: str, dtype: Any) -> None:
    """A dict, Weights, training, masks, a model, a model's batches, a stream."""
    B, T, I, H = 7, 5, 6, 21
    cell, kind = CELLS[name], name.partition("_")
    params, made = sequences(name, B, T, I, H, dtype, False)
    x = np.stack([one[0] for one in made])
    y, sT, _ = call(cell, x, params)
    weights = fr.Weights(params)
    for _ in range(2):
        assert_same_bits(call(cell, x, weights)[:2], (y, sT))
    assert_same_bits(call(cell, x, weights, training=True)[:2], (y, sT))
    assert_same_bits(call(cell, x, weights, mask=np.ones((B, T), bool))[:2], (y, sT))
    holes = np.ones((B, T + 2), bool)
    holes[:, [1, 4]] = False
    wide = np.full((B, T + 2, I), np.nan, dtype)
    wide[holes] = x.reshape(-1, I)
    found, states, _ = call(cell, wide, weights, mask=holes)
    assert_same_bits((found[holes].reshape(y.shape), states), (y, sT))
    layers = {"rnn": fr.RNN, "lstm": fr.LSTM, "gru": fr.GRU}
    options = {"activation": kind[2]} if kind[2] else {}
    layer = layers[kind[0]](H, return_sequences=True, **options)
    model = fr.Sequential([fr.Input((None, I)), layer], dtype=np.dtype(dtype).name)
    model.set_weights([params[key.partition("/")[2]] for key in model.named_params()])
    for batch_size in (1, 3, 128):
        assert_same_bits(model.predict(x, batch_size=batch_size), y)
    assert_same_bits(model.predict([one[0] for one in made])[3], y[3])
    for rows in (slice(0, 7), slice(2, 3)):
        stream = model.stream(len(x[rows]))
        for t in range(T):
            assert_same_bits(stream.step(x[rows, t]), y[rows, t])


@pytest.mark.parametrize("name", NAMES)
def test_mates_of_one_hot_sequences(name: str) -> None:
    """Also where there are more rows than a quarter of the ids, and fewer."""
    cell, rng = CELLS[name], np.random.default_rng(0)
    for depth in (5, 500):
        params = random_params(cell, depth, 20, rng, np.float32)
        ids, s0 = rng.integers(0, depth, (9, 4)), random_states(cell, 9, 20, rng, np.float32)

        def run(rows: Any, params: Any = params, ids: Any = ids, s0: Any = s0, depth: int = depth) -> Any:
            packed = np.ascontiguousarray(ids[rows].T).ravel()
            x = Packed(packed, Layout.plain(len(ids[rows]), 4), depth=depth)
            y, sT, _ = cpu.run(cell, "forward", params, x, tuple(s[rows] for s in s0), False)
            return y.reshape(4, -1, 20), sT

        y, sT = run(slice(0, 9))
        for b in range(9):
            alone = run(slice(b, b + 1))
            assert_same_bits(alone, (y[:, b : b + 1], [s[b : b + 1] for s in sT]))


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("activation", ["linear", "relu", "tanh", "sigmoid", "softmax"])
def test_mates_in_dense(activation: str, dtype: Any) -> None:
    """y and dx of a row, alone and among others, for any team."""
    kernel, rng = cpu.kernels["dense"], np.random.default_rng(0)

    def run(params: Any, rows: Any, dy: Any, threads: int) -> Any:
        x = Packed(rows, Layout.plain(len(rows), 1))
        y = kernel.forward(params, x, activation, threads=threads)
        return y, kernel.backward(params, x, activation, y, dy, threads=threads)[0]

    for N, I, U in ((9, 3, 5), (40, 70, 33), (300, 150, 129), (100, 1100, 70)):
        params = {"W": rng.standard_normal((U, I)) / I**0.5, "b": rng.standard_normal(U)}
        params = {k: v.astype(dtype) for k, v in params.items()}
        rows, dy = (rng.standard_normal((N, size)).astype(dtype) for size in (I, U))
        y, dx = run(params, rows, dy, 1)
        for threads in THREADS[1:]:
            assert_same_bits(run(params, rows, dy, threads), (y, dx))
        for begin, end in ((0, 1), (N - 1, N), (2, 5), (1, 8), (N // 2, N)):
            assert_same_bits(run(params, rows[begin:end], dy[begin:end], 2), (y[begin:end], dx[begin:end]))


# ---------------------------------------------------------------------- memory and threads


def digest(threads: int) -> str:
    """A hash over results of every kernel and every way through it."""
    total = hashlib.sha256()
    for name in NAMES:
        cell = CELLS[name]
        for B, T, I, H in ((1, 3, 2, 5), (6, 9, 30, 70), (1, 40, 8, 300), (3, 40, 8, 300), (13, 20, 8, 256)):
            params, made = sequences(name, B, T, I, H, np.float32, B > 3)
            weights = fr.Weights(params)
            results = together(name, params, made, threads) + together(name, weights, made, threads)
            x = np.stack([np.resize(one[0], (T, I)) for one in made])
            y, _, cache = call(cell, x, params, training=True, threads=threads)
            results.append(call_back(cell, y, cache))
            for array in flat(results):
                total.update(np.ascontiguousarray(array).tobytes())
    layers = [fr.Input((None, 3)), fr.LSTM(33, return_sequences=True), fr.Dense(5, "tanh")]
    model = fr.Sequential(layers, seed=1)
    stream = model.stream(2)
    with fr.threads(threads):
        for t in range(5):
            total.update(stream.step(np.full((2, 3), t / 4, np.float32)).tobytes())
    return total.hexdigest()


def digest_in_a_process(threads: int, **environment: str) -> str:
    code = f"from test_engine import digest; print(digest({threads}))"
    done = in_a_process("-c", code, timeout=120, FASTRNN_SIMD=_engine.LEVEL, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("fill", ["1", "127", "255"])
def test_fresh_memory_is_never_read(fill: str) -> None:
    """glibc fills what it hands out and takes back; numbers of all bytes 255 are NaN."""
    found = digest_in_a_process(3, MALLOC_PERTURB_=fill, PYTHONMALLOC="malloc")
    assert found == digest(1)


@pytest.mark.parametrize(
    "environment",
    [
        {"OMP_THREAD_LIMIT": "1"},
        {"OMP_THREAD_LIMIT": "2"},
        {"OMP_DYNAMIC": "true"},
        {"OMP_THREAD_LIMIT": "3", "OMP_DYNAMIC": "true"},
        {"OMP_WAIT_POLICY": "active"},
        {"OMP_WAIT_POLICY": "passive"},
    ],
    ids=lambda e: " ".join(f"{k}={v}" for k, v in e.items()),
)
def test_a_smaller_team(environment: dict[str, str]) -> None:
    """Fewer threads than were asked for: nobody waits for one who is not there, and no bit changes."""
    assert digest_in_a_process(7, **environment) == digest(1)


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    """Processes that want a core each."""
    command = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for other in others:
            assert other.stdout is not None
            other.stdout.readline()
        yield
    finally:
        for other in others:
            other.kill()
            other.communicate()


def test_busy_neighbours_stop_nobody() -> None:
    """All cores are wanted by others: calls of two threads with a barrier a step end, with the same bits."""
    wanted = digest(1)
    with busy_neighbours(os.cpu_count() or 1):
        assert digest_in_a_process(2) == wanted
