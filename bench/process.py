"""The parent's end of a worker: start it, ask it, and keep it still while others are timed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import cached_property
from typing import Any

from . import ROOT

# Where a process cannot be stopped: OpenBLAS's threads spin for about 0.1 s after a call.
SETTLE = 0.1
# Every thread pool that a peer may bring.
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS",
             "VECLIB_MAXIMUM_THREADS", "NUMEXPR_NUM_THREADS", "FASTRNN_NUM_THREADS")  # fmt: skip


class WorkerError(RuntimeError):
    """A worker answered with an error; `kind` is one of those in `bench.worker`, or "died"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Worker:
    """A peer in a process of its own.

    It starts at once and is waited for at the first use, so that several load their libraries side by side.
    Between two requests the process is stopped (SIGSTOP), not only blocked: the threads of some
    libraries spin for a while after each call and would take a core from the peer that is timed
    next.

    Parameters
    ----------
    peer : its name in `bench.peers.PEERS`
    module : the module that is the peer
    threads : threads to hold it to; None leaves the library and the environment to decide

    Raises
    ------
    WorkerError : at the first use; kind "missing" where the library is not installed
    """

    def __init__(self, peer: str, module: str, threads: int | None = None) -> None:
        self.peer = peer
        environment = dict(os.environ)
        environment.pop("PYTHONSAFEPATH", None)  # `-m` has to find this package in the root
        if threads is not None:
            environment.update(dict.fromkeys(VARIABLES, str(threads)))
        options: dict[str, Any] = {}
        if os.name == "posix":
            # A group of its own: where this process is killed, the kernel wakes and hangs up the
            # stopped members of the group that is orphaned, and an interrupt reaches us alone.
            options["preexec_fn"] = os.setpgrp
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench.worker", module, str(threads or 0)],
            cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, **options,
        )  # fmt: skip

    @cached_property
    def info(self) -> dict[str, Any]:
        """What the peer's `start` says; waits for it."""
        try:
            info: dict[str, Any] = self._read()
        except WorkerError:
            self.end()
            raise
        self._stop()
        return info

    @property
    def threads(self) -> int:
        """Threads the peer uses, as it says itself."""
        return int(self.info["threads"])

    @property
    def label(self) -> str:
        """For reports: ``peer@threads``."""
        return f"{self.peer}@{self.threads}"

    def ask(self, do: str, **arguments: Any) -> Any:
        """Send a request, wait for the answer, and stop the process again.

        Raises
        ------
        WorkerError : the answer is an error
        """
        self.send(do, **arguments)
        return self.receive()

    def send(self, do: str, **arguments: Any) -> None:
        """Send a request; `receive` must follow before the next one."""
        assert self.info and self.process.stdin is not None
        if hasattr(signal, "SIGCONT"):
            self.process.send_signal(signal.SIGCONT)
        with suppress(BrokenPipeError):  # it died, and `receive` says so
            self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self.process.stdin.flush()

    def receive(self) -> Any:
        """The answer to the request that was sent."""
        try:
            return self._read()
        finally:
            self._stop()

    def end(self) -> None:
        """End the process."""
        if self.process.poll() is None:
            self.process.kill()  # works on a stopped process; a worker has nothing to save
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):  # closing writes what a dead worker never read
                    pipe.close()

    def _read(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise WorkerError("died", f"the process of {self.peer} ended with code {code}.")
        answer = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"], answer["message"])
        return answer["ok"]

    def _stop(self) -> None:
        if hasattr(signal, "SIGSTOP"):
            self.process.send_signal(signal.SIGSTOP)
        else:
            time.sleep(SETTLE)
