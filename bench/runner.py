"""A run: start the peers, verify and time case after case, keep what was found."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from . import machine, timer
from .cases import BY_NAME, Case
from .peers import OURS, PEERS
from .process import Worker, WorkerError

FORMAT = 1  # of the JSON
TWIN = "twin"  # label of fastrnn on the case named by `Case.twin`


class Run:
    """The workers of a run; a context, which ends them.

    Parameters
    ----------
    peers : names of those beside fastrnn
    one_thread : also time fastrnn at one thread
    say : called with a sentence for each peer that is skipped
    """

    def __init__(
        self, peers: Sequence[str], one_thread: bool = False, say: Callable[[str], None] = print
    ) -> None:
        self.machine = machine.describe()  # first: the load average is to be that of others
        self.workers: list[Worker] = []
        self.skipped: list[str] = []
        self._folder = tempfile.TemporaryDirectory(prefix="fastrnn-bench-")
        try:
            self.ours = self._start(OURS, None)
            if one_thread and self.ours.threads > 1:
                self._start(OURS, 1)
            # Computes what is right; never timed.
            self.reference = Worker("reference", PEERS["numpy"])
            for peer in peers:
                self._start_at_best(peer, say)
        except BaseException:
            self.end()
            raise
        versions = self.machine["versions"]
        for worker in (self.reference, *self.workers):
            versions.update(worker.info["versions"])

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.end()

    def end(self) -> None:
        """End every worker and remove the temporary files."""
        for worker in (*self.workers, *([self.reference] if hasattr(self, "reference") else [])):
            worker.end()
        self._folder.cleanup()

    def _start(self, peer: str, threads: int | None) -> Worker:
        worker = Worker(peer, PEERS[peer], threads)
        if any(worker.label == other.label for other in self.workers):
            worker.end()  # a library that cannot use more threads runs only once
        else:
            self.workers.append(worker)
        return worker

    def _start_at_best(self, peer: str, say: Callable[[str], None]) -> None:
        """Start `peer` at 1, 2 and as many threads as fastrnn has: the better one will count."""
        cores = self.machine["usable_cores"]
        try:
            for threads in sorted({1, min(2, cores), self.ours.threads}):
                self._start(peer, threads)
        except WorkerError as error:
            if error.kind != "missing":
                raise
            self.skipped.append(peer)
            say(f"{peer} is skipped: it cannot be imported ({error}).")

    def case(self, case: Case, plan: timer.Plan) -> dict[str, Any]:
        """Verify and time one case.

        Returns
        -------
        result : dict as it stands in the JSON
        """
        result: dict[str, Any] = {
            "case": asdict(case), "name": case.name, "verified": True, "errors": [],
            "contestants": {}, "ratios": {},
        }  # fmt: skip
        try:
            contestants = self._open(case, result)
            if not any(c.worker is self.ours for c in contestants):
                return result  # nothing to compare with
            timer.measure(contestants, plan)
        finally:
            for worker in (*self.workers, self.reference):
                if worker.process.poll() is None:
                    worker.ask("close")
        for c in contestants:
            entry = result["contestants"][c.label]
            entry.update(calls=c.calls, times=c.times, **timer.summary(c.times))
            if c.cold:
                entry["cold"] = timer.summary(c.cold)
        _ratios(result, self.ours.label)
        return result

    def _open(self, case: Case, result: dict[str, Any]) -> list[timer.Contestant]:
        """Verify every peer; those that passed are the contestants, fastrnn first."""
        jobs = [(worker.label, worker, case) for worker in self.workers]
        if case.twin:
            jobs.insert(1, (TWIN, self.ours, BY_NAME[case.twin]))
        contestants = []
        for label, worker, job in jobs:
            try:
                error = worker.ask("open", case=asdict(job), path=self._expected(job))
            except WorkerError as problem:
                if problem.kind == "died":
                    raise WorkerError("died", f"{case.name}: {problem}") from problem
                if problem.kind != "unsupported":
                    result["verified"] = False
                    result["errors"].append(f"{label}: {problem}")
                continue
            threads = worker.threads
            result["contestants"][label] = {
                "peer": worker.peer if job is case else TWIN, "threads": threads, "error": error,
            }  # fmt: skip
            contestants.append(timer.Contestant(label, worker, job.name))
        for path in Path(self._folder.name).iterdir():
            path.unlink()
        return contestants

    def _expected(self, case: Case) -> str:
        """The file with what is right for `case`."""
        path = Path(self._folder.name, f"{case.name}.npz")
        if not path.exists():
            self.reference.ask("reference", case=asdict(case), path=str(path))
        return str(path)


def _ratios(result: dict[str, Any], ours: str) -> None:
    """Per peer, the ratio to fastrnn of its better thread count."""
    contestants = result["contestants"]
    if ours not in contestants:
        return
    best: dict[str, str] = {}
    for label, entry in contestants.items():
        peer = entry["peer"]
        if peer != OURS and (
            peer not in best or entry["median"] < contestants[best[peer]]["median"]
        ):
            best[peer] = label
    for peer, label in best.items():
        found = timer.ratio(contestants[label]["times"], contestants[ours]["times"])
        result["ratios"][peer] = {"threads": contestants[label]["threads"], **found}
