"""Thread counts, forked children, many Python threads at once, and the limit on BLAS."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BIG, assert_same_bits, random_params
from threadpoolctl import threadpool_info, threadpool_limits

import fastrnn as fr
from fastrnn.cells import CELLS

module = importlib.import_module("fastrnn.threads")  # fr.threads is the context of that name
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Any:
    """No count is set, whatever the machine that runs the tests has set."""
    for name in ("FASTRNN_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    yield
    fr.set_num_threads(None)


def in_a_process(code: str, **environment: str) -> str:
    """What `code` prints in a Python of its own; it may warn, but must end within a minute."""
    kept = {
        k: v for k, v in os.environ.items() if k not in ("FASTRNN_NUM_THREADS", "OMP_NUM_THREADS")
    }
    kept["PYTHONPATH"] = os.pathsep.join([str(HERE), *(p for p in sys.path if p)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60,
        env={**kept, **environment},
    )  # fmt: skip
    assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.stdout.strip()


# ---------------------------------------------------------------------- the count


def test_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argument, innermost context, set_num_threads, FASTRNN_, OMP_, the machine."""
    assert fr.get_num_threads() == module.available_cpus() >= 1
    monkeypatch.setenv("OMP_NUM_THREADS", "11,2")  # a list is a count per level of nesting
    assert fr.get_num_threads() == 11
    monkeypatch.setenv("FASTRNN_NUM_THREADS", "12")
    assert fr.get_num_threads() == 12
    fr.set_num_threads(13)
    assert fr.get_num_threads() == 13
    with fr.threads(14):
        assert fr.get_num_threads() == 14
        with fr.threads(15):
            assert fr.get_num_threads() == 15
            assert fr.get_num_threads(16) == 16
        assert fr.get_num_threads() == 14
    with pytest.raises(KeyError), fr.threads(15):
        raise KeyError
    assert fr.get_num_threads() == 13
    fr.set_num_threads(None)
    assert fr.get_num_threads() == 12
    monkeypatch.delenv("FASTRNN_NUM_THREADS")
    assert fr.get_num_threads() == 11


def test_a_context_belongs_to_its_thread() -> None:
    fr.set_num_threads(3)
    with fr.threads(5), ThreadPoolExecutor(1) as pool:
        assert pool.submit(fr.get_num_threads).result() == 3


@pytest.mark.parametrize("bad", [0, -1, 1.0, True, "2", np.float64(2)])
def test_bad_counts(bad: Any) -> None:
    for name, call in (
        ("the number of threads", fr.set_num_threads),
        ("threads", lambda n: fr.threads(n).__enter__()),
        ("threads", fr.get_num_threads),
    ):
        with pytest.raises(ValueError) as caught:
            call(bad)
        assert str(caught.value) == (
            f"fastrnn: {name} must be a whole number from 1 to 1024, got {bad!r}."
        )


def test_bad_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours is refused; OpenMP's own variable, which OpenMP ignores as well, is passed over."""
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert fr.get_num_threads() == module.available_cpus()
    for bad in ("many", "0", "-1", "1.5"):
        monkeypatch.setenv("FASTRNN_NUM_THREADS", bad)
        with pytest.raises(ValueError) as caught:
            fr.get_num_threads()
        assert str(caught.value) == (
            "fastrnn: FASTRNN_NUM_THREADS must be a whole number from 1 to 1024, "
            f"got {bad!r}. Correct or unset it."
        )
    monkeypatch.setenv("FASTRNN_NUM_THREADS", "")
    assert fr.get_num_threads() == module.available_cpus()


def test_environment_of_a_process() -> None:
    code = "import fastrnn; print(fastrnn.get_num_threads())"
    assert in_a_process(code, OMP_NUM_THREADS="5") == "5"
    assert in_a_process(code, OMP_NUM_THREADS="5", FASTRNN_NUM_THREADS="6") == "6"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity() -> None:
    """A process that may use one CPU uses one thread."""
    code = (
        "import os; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])\n"
        "import fastrnn; print(fastrnn.get_num_threads())"
    )
    assert in_a_process(code) == "1"


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({"/sys/fs/cgroup/cpu.max": "max 100000"}, 8),
        ({"/sys/fs/cgroup/cpu.max": "150000 100000"}, 2),
        ({"/sys/fs/cgroup/cpu.max": "50000 100000"}, 1),
        ({"/sys/fs/cgroup/cpu.max": "9900000 100000"}, 8),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000",
          "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 3),
        ({"/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
          "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000"}, 8),
        ({}, 8),
    ],
)  # fmt: skip
def test_quota(files: dict[str, str], cpus: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's share of the machine, as version 2 and version 1 of cgroups write it."""

    def read_text(path: Path) -> str:
        if path.as_posix() not in files:
            raise FileNotFoundError(path)
        return files[path.as_posix()] + "\n"

    monkeypatch.setattr(Path, "read_text", read_text)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    module.available_cpus.cache_clear()
    try:
        assert module.available_cpus() == cpus
    finally:
        monkeypatch.undo()
        module.available_cpus.cache_clear()


# ---------------------------------------------------------------------- the work


def work(threads: int | None = None, seed: int = 0) -> Any:
    """A training call that is large enough for a team of threads."""
    B, T, I, H = BIG
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((B, T, I), np.float32)
    params = random_params(CELLS["lstm"], I, H, rng, np.float32)
    y, state, cache = fr.functional.lstm_forward(x, params, training=True, threads=threads)
    return y, state, fr.functional.lstm_backward(y, cache)


FORK = """
import os, signal, sys, warnings
from test_threads import work
import fastrnn as fr
from cases import flat
bits = lambda result: b"".join(a.tobytes() for a in flat(result))
wanted = bits(work(2))
child = os.fork()
if child == 0:
    signal.alarm(30)  # a hang ends here, with another status
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        same = all(bits(work(n)) == wanted for n in (2, 1, None))
        count = fr.get_num_threads(7)
    text = [str(w.message) for w in caught if w.category is RuntimeWarning]
    right = same and count == 1 and len(text) == 1
    right = right and text[0].startswith("fastrnn runs on one thread in a forked process. Start")
    os._exit(0 if right else 3)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert bits(work(2)) == wanted and fr.get_num_threads(7) == 7  # the parent is as before
print(status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_after_a_parallel_region() -> None:
    """The child works on one thread, says so once, computes the same bits and never hangs."""
    assert in_a_process(FORK, PYTHONWARNINGS="ignore::DeprecationWarning") == "0"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_while_another_thread_is_inside() -> None:
    """The lock that a thread of the parent holds is not held for ever in the child."""
    code = """
import os, signal
from fastrnn.threads import single_threaded_blas
from test_threads import work
blas = single_threaded_blas()
with blas, blas.lock:
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        work(1)
        os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert in_a_process(code, PYTHONWARNINGS="ignore") == "0"


def test_many_python_threads_at_once() -> None:
    wanted = [work(1, seed) for seed in range(2)]
    barrier = threading.Barrier(4)

    def one(k: int) -> Any:
        barrier.wait(30)
        return [work(1 + k % 2, seed) for seed in range(2)]

    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(one, range(4)):
            assert_same_bits(found, wanted)


# ---------------------------------------------------------------------- BLAS


def blas_threads() -> list[int]:
    """The thread count of every BLAS that is loaded."""
    return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]


def test_blas_has_one_thread_inside_and_its_own_number_after() -> None:
    work(1)  # loads what a call loads
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert before and 2 in before
        blas = module.single_threaded_blas()
        with blas:
            assert set(blas_threads()) == {1}
            with blas:
                assert set(blas_threads()) == {1}
                work(2)
            assert set(blas_threads()) == {1}
        assert blas_threads() == before
        work(2)
        assert blas_threads() == before
        with pytest.raises(KeyError), blas:
            raise KeyError
        assert blas_threads() == before


def test_blas_is_restored_by_the_last_thread_out() -> None:
    """Threads that overlap: the limit stays while one is inside, whoever came first."""
    work(1)
    blas = module.single_threaded_blas()
    entered, leave = threading.Event(), threading.Event()

    def stay() -> None:
        with blas:
            entered.set()
            leave.wait(30)

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        other = threading.Thread(target=stay)
        with blas:
            other.start()
            assert entered.wait(30)
        assert set(blas_threads()) == {1}
        leave.set()
        other.join()
        assert blas_threads() == before


def test_every_thread_can_limit_blas() -> None:
    """Also one that is not the first to do so, while the first is still alive."""
    work(1)
    blas = module.single_threaded_blas()

    def inside() -> tuple[list[int], list[int]]:
        with blas:
            seen = blas_threads()
        return seen, blas_threads()

    with threadpool_limits(2, user_api="blas"), ThreadPoolExecutor(1) as pool:
        before = blas_threads()
        assert inside() == ([1 for _ in before], before)
        assert pool.submit(inside).result() == ([1 for _ in before], before)


def test_a_kernel_that_raises_restores_blas() -> None:
    work(1)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ValueError, match="whole number"):
            work(0)
        assert blas_threads() == before


def test_openmp_is_loaded_with_short_spins_and_the_environment_left_alone() -> None:
    code = (
        "import os\n"
        "seen = {}\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'fastrnn.kernels.lstm':\n"
        "            seen['spin'] = os.environ.get('GOMP_SPINCOUNT')\n"
        "import sys; sys.meta_path.insert(0, Watch())\n"
        "import fastrnn as fr; fr.get_backend('cpu')\n"
        "print(seen['spin'], os.environ.get('GOMP_SPINCOUNT'))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    clean.pop("FASTRNN_BACKEND", None)
    for extra, expected in (
        ({}, "1000 None"),
        ({"OMP_WAIT_POLICY": "active"}, "None None"),
        ({"GOMP_SPINCOUNT": "7"}, "7 7"),
    ):
        run = subprocess.run(
            [sys.executable, "-c", code], env={**clean, **extra}, capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == expected
