"""Which implementation runs, and what is said where one cannot."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cases import (
    NAMES,
    assert_close,
    call,
    call_back,
    holes,
    numpy_of,
    random_params,
    random_states,
)

import fastrnn as fr
from fastrnn.backends import Backend, Cache, cupy, get_backend
from fastrnn.cells import CELLS
from fastrnn.optimizers import OPTIMIZERS

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTRNN_BACKEND", raising=False)


def in_a_process(code: str, **environment: str) -> str:
    """What `code` prints in a Python of its own."""
    path = os.pathsep.join([str(HERE), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": path, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, context, environment, cpu."""
    assert get_backend().name == "cpu"
    monkeypatch.setenv("FASTRNN_BACKEND", "reference")
    assert get_backend().name == "reference"
    with fr.use_backend("cpu"):
        assert get_backend().name == "cpu"
        with fr.use_backend("reference"):
            assert get_backend().name == "reference"
            assert get_backend("cpu").name == "cpu"
        assert get_backend().name == "cpu"
    with pytest.raises(KeyError), fr.use_backend("cpu"):
        raise KeyError
    assert get_backend().name == "reference"
    assert get_backend("cpu") is get_backend("cpu")


def test_choice_from_here_on() -> None:
    code = """
import fastrnn as fr
fr.use_backend("reference")
print(fr.get_backend().name)
with fr.use_backend("cpu"):
    print(fr.get_backend().name)
print(fr.get_backend().name)
"""
    assert in_a_process(code).split() == ["reference", "cpu", "reference"]
    code = "import fastrnn; print(fastrnn.get_backend().name)"
    assert in_a_process(code, FASTRNN_BACKEND="reference") == "reference"


def test_a_context_belongs_to_its_thread() -> None:
    with fr.use_backend("reference"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(lambda: get_backend().name).result() == "cpu"


def test_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    text = r"^fastrnn: backend must be one of cpu, reference, cupy, got 'cpy'\. Did you mean 'cpu'\?$"
    with pytest.raises(ValueError, match=text.replace("'cpu'", "'(cpu|cupy)'")):
        fr.use_backend("cpy")
    assert get_backend().name == "cpu"
    monkeypatch.setenv("FASTRNN_BACKEND", "gpu")
    with pytest.raises(ValueError, match=r"cpu, reference, cupy, got 'gpu'\."):
        get_backend()


def test_dispatch() -> None:
    """A kernel of the formula's name, else its array code with the backend's module."""

    def formula(xp: Any, *args: Any) -> Any:
        return "array code", xp, args

    def kernel(*args: Any, threads: int) -> Any:
        return "kernel", threads, args

    mine = SimpleNamespace(name="mine", forward=formula, backward=formula)
    plain = Backend("plain", np)
    assert plain.run(mine, "backward", 1, 2) == ("array code", np, (1, 2))
    fast = Backend("fast", np, {"mine": SimpleNamespace(forward=kernel, backward=kernel)})
    assert fast.run(mine, "forward", 1, 2, threads=3) == ("kernel", 3, (1, 2))
    with fr.threads(5):
        assert fast.run(mine, "forward") == ("kernel", 5, ())


def test_every_plain_cell_has_a_kernel() -> None:
    kernels = set(get_backend("cpu").kernels)
    assert kernels >= {*NAMES, "dense", "embedding", "crossentropy", *OPTIMIZERS}
    assert kernels <= {*CELLS, "lstm_projected", "dense", "embedding", "crossentropy", *OPTIMIZERS}
    assert not get_backend("reference").kernels


def test_cache() -> None:
    cache = Cache((1, 2))
    assert cache.take() == (1, 2)
    with pytest.raises(RuntimeError, match=r"^backward: this cache was used already\. Run forward "):
        cache.take()


def test_arrays_move_once() -> None:
    a = np.zeros(3)
    for name in ("cpu", "reference"):
        backend = get_backend(name)
        assert backend.asarray(a) is a and backend.to_numpy(a) is a
    assert get_backend().to_numpy(SimpleNamespace(get=lambda: a)) is a


def test_missing_kernels() -> None:
    """The import works, the first call says what to do, and the array code is there."""
    code = """
import sys
sys.modules["fastrnn.kernels.lstm"] = None
import fastrnn as fr
try:
    fr.get_backend()
except fr.BackendError as error:
    print(error)
with fr.use_backend("reference"):
    print(fr.get_backend().name)
"""
    said, name = in_a_process(code).splitlines()
    assert said.startswith("fastrnn: the compiled kernels cannot be loaded (")
    assert said.endswith(
        ". Reinstall with `pip install --force-reinstall fastrnn`, build them in a source tree with "
        "`python setup.py build_ext --inplace`, or choose the slow array code with "
        "FASTRNN_BACKEND=reference."
    )
    assert name == "reference"


def test_missing_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(fr.BackendError) as caught:
        cupy.create()
    said = str(caught.value)
    assert said.startswith("fastrnn: the cupy backend needs CuPy, which cannot be imported (")
    assert said.endswith(
        "Install it with `pip install 'fastrnn[cuda12]'` or `pip install 'fastrnn[cuda13]'`, "
        "or use the cpu backend."
    )


@pytest.mark.parametrize("broken", [True, False], ids=["driver", "none"])
def test_missing_gpu(broken: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy is installed, and finds no driver, or a driver without a GPU."""

    class CUDARuntimeError(RuntimeError):
        pass

    def count() -> int:
        if broken:
            raise CUDARuntimeError("no driver")
        return 0

    runtime = SimpleNamespace(getDeviceCount=count, CUDARuntimeError=CUDARuntimeError)
    fake = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    monkeypatch.setitem(sys.modules, "cupy", fake)
    with pytest.raises(fr.BackendError) as caught:
        cupy.create()
    said = "fastrnn: the cupy backend found no GPU. Use the cpu backend."
    if broken:
        said = (
            "fastrnn: the cupy backend found no usable GPU (no driver). "
            "Check the driver with `nvidia-smi`, or use the cpu backend."
        )
    assert str(caught.value) == said


# ---------------------------------------------------------------------- on a GPU, where there is one


@pytest.mark.parametrize("reverse", [False, True], ids=["", "reverse"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_cupy(name: str, dtype: Any, reverse: bool) -> None:
    """The array code on a GPU equals the array code on NumPy, for every kind of batch."""
    try:
        xp = get_backend("cupy").xp
    except fr.BackendError as error:
        pytest.skip(str(error))
    rng, cell = np.random.default_rng(0), CELLS[name]
    B, T, I, H = 7, 6, 5, 9
    x = rng.standard_normal((B, T, I)).astype(dtype)
    params = random_params(cell, I, H, rng, dtype)
    s0, dsT = (random_states(cell, B, H, rng, dtype) for _ in range(2))
    dy = rng.standard_normal((B, T, H)).astype(dtype)
    for given in ({}, {"lengths": [3, 6, 0, 1, 6, 2, 5]}, {"mask": holes(B, T)}):
        for major in (False, True):
            options = {**given, "reverse": reverse, "time_major": major, "training": True}
            found = []
            for backend, move in (("reference", np.asarray), ("cupy", xp.asarray)):
                turn = (lambda a: a.swapaxes(0, 1)) if major else (lambda a: a)
                with fr.use_backend(backend):
                    y, sT, cache = call(
                        cell, move(turn(x)), {k: move(v) for k, v in params.items()},
                        tuple(move(s) for s in s0), **options,
                    )  # fmt: skip
                    back = call_back(cell, move(turn(dy)), cache, tuple(move(d) for d in dsT))
                assert all(isinstance(a, type(move(dy))) for a in (y, *sT, back[0]))
                found.append(numpy_of((y, sT, back)))
            assert_close(found[1], found[0], 1e-12 if dtype == np.float64 else 1e-5, of_array=True)
