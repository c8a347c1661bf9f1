"""How many threads a call may use, and the two ways threads go wrong: forks and BLAS workers.

The count never changes a result: work is cut by shapes alone and threads only pick the pieces.
It is, in this order: the ``threads=`` argument, the innermost `threads` context, `set_num_threads`,
``FASTRNN_NUM_THREADS``, ``OMP_NUM_THREADS``, the CPUs this process may use (affinity and cgroup quota).
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

MOST_THREADS = 1024  # a slip such as 10**9 would ask for terabytes of scratch
_context: ContextVar[int | None] = ContextVar("fastrnn_threads", default=None)
_default: int | None = None
_forked = False
_warned = False


def _check(n: Any, name: str) -> int:
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or not 1 <= n <= MOST_THREADS:
        expected = f"a whole number from 1 to {MOST_THREADS}"
        raise ValueError(f"fastrnn: {name} must be {expected}, got {n!r}.")
    return int(n)


def _from_environment(name: str) -> int | None:
    given = os.environ.get(name)
    return _read(name, given) if given else None


@lru_cache(maxsize=8)
def _read(name: str, given: str) -> int | None:
    text = given.split(",")[0].strip()
    if not text:
        return None
    if not text.isdigit() or not 1 <= int(text) <= MOST_THREADS:
        if name.startswith("FASTRNN"):
            raise ValueError(
                f"fastrnn: {name} must be a whole number from 1 to {MOST_THREADS}, got {text!r}. "
                "Correct or unset it."
            )
        return None  # OMP_NUM_THREADS belongs to others; OpenMP itself ignores what it cannot read.
    return int(text)


@lru_cache(maxsize=1)
def available_cpus() -> int:
    """CPUs this process may use: its affinity, cut by the quota of its cgroup (version 2 or 1)."""
    affinity = getattr(os, "sched_getaffinity", None)
    cpus = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        base = Path("/sys/fs/cgroup/cpu")
        try:
            quota = (base / "cpu.cfs_quota_us").read_text().strip()
            period = (base / "cpu.cfs_period_us").read_text().strip()
        except OSError:
            return cpus
    if quota.isdigit() and int(quota) > 0:
        cpus = min(cpus, max(1, -(-int(quota) // int(period))))
    return cpus


def get_num_threads(threads: int | None = None) -> int:
    """The thread count of a call that was given the argument `threads`."""
    if _forked:
        _warn_forked()
        return 1
    if threads is not None:
        return _check(threads, "threads")
    chosen = _context.get() or _default
    if chosen is None:
        chosen = _from_environment("FASTRNN_NUM_THREADS") or _from_environment("OMP_NUM_THREADS")
    return chosen or available_cpus()


def set_num_threads(n: int | None) -> None:
    """Set the thread count of this process; None returns to the environment's.

    Raises
    ------
    ValueError : n is not a whole number of at least 1
    """
    global _default
    _default = None if n is None else _check(n, "the number of threads")


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Use `n` threads inside the block, in this thread or task only.

    >>> import fastrnn as fr
    >>> with fr.threads(1):
    ...     fr.get_num_threads()
    1
    """
    token = _context.set(_check(n, "threads"))
    try:
        yield
    finally:
        _context.reset(token)


# An OpenMP runtime whose team was started by the parent waits in a forked child for threads that do not
# exist.  One thread always works.
def _after_fork() -> None:
    global _forked
    _forked = True
    _blas.renew()


def _warn_forked() -> None:
    global _warned
    if not _warned:
        _warned = True
        warnings.warn(
            "fastrnn runs on one thread in a forked process. Start workers with the 'spawn' or "
            "'forkserver' method to use more.",
            RuntimeWarning,
            stacklevel=3,
        )


@contextmanager
def short_spins() -> Iterator[None]:
    """Load OpenMP inside this block, so that its threads wait in a spin for microseconds only.

    GNU OpenMP's own choice is milliseconds.  Where another process wants the CPU, a spinning thread holds
    up the very one it waits for: 9 ms instead of 4 for a small training step beside one busy process
    (docs/performance.md).  The environment is read once, when the library is loaded, and is left as it
    was; a user's own OMP_WAIT_POLICY or GOMP_SPINCOUNT is respected.
    """
    chosen = any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"))
    if not chosen:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        if not chosen:
            del os.environ["GOMP_SPINCOUNT"]


class _SingleThreadedBlas:
    """Holds every BLAS of the process to one thread while at least one caller is inside.

    All parallelism is ours: BLAS workers would spin for a tenth of a second after each call and steal the
    cores.  The limit is process-wide, so it is counted: the first one in sets it, the last one out
    restores it.
    """

    def __init__(self) -> None:
        self.controller: Any = None
        self.renew()

    def renew(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.limiter: Any = None

    def take_control(self) -> None:
        """From threadpoolctl 3.8 on only one Python thread may set OpenBLAS' limit; the lock is ours."""
        for library in self.controller.lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                if self.controller is None:
                    from threadpoolctl import ThreadpoolController

                    self.controller = ThreadpoolController().select(user_api="blas")
                self.take_control()
                self.limiter = self.controller.limit(limits=1)
            self.inside += 1

    def __exit__(self, *exc: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.take_control()
                self.limiter.restore_original_limits()
                self.take_control()
                self.limiter = None


_blas = _SingleThreadedBlas()


def single_threaded_blas() -> _SingleThreadedBlas:
    """A context in which BLAS uses one thread; cheap to enter again inside itself."""
    return _blas


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
