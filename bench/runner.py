"""A run: start the peers, verify and time case after case, keep what was found."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from . import machine, timer, work
from .cases import BY_NAME, Case
from .goals import TWIN
from .peers import FEW_IN_QUICK, NONE_IN_QUICK, OURS, PEERS
from .process import Worker, WorkerError

FORMAT = 1  # of the JSON


def takes_part(peer: str, case: Case, sparing: bool) -> bool:
    """Whether `peer` is asked for `case`; sparing: without those whose compiling would take minutes."""
    if sparing and peer in NONE_IN_QUICK:
        return case.group == "tiny"
    return case.few or not (sparing and peer in FEW_IN_QUICK)


class Run:
    """The workers of a run; a context, which ends them.

    Parameters
    ----------
    peers : names of those beside fastrnn
    selected : the cases that will be run
    one_thread : also time fastrnn at one thread
    sparing : leave out what `takes_part` says
    say : called with a sentence for each peer that is skipped
    """

    def __init__(
        self, peers: Sequence[str], selected: Sequence[Case], one_thread: bool = False,
        sparing: bool = False, say: Callable[[str], None] = print,
    ) -> None:  # fmt: skip
        self.machine = machine.describe()  # first: the load average is to be that of others
        self.workers: list[Worker] = []
        self.skipped: list[str] = []
        self.one_thread, self.sparing = one_thread, sparing
        self._folder = tempfile.TemporaryDirectory(prefix="fastrnn-bench-")
        self._started: list[Worker] = []  # all processes, for `end`
        try:
            # Computes what is right; never timed.
            self.reference = self._launch("numpy", None)
            self.ours = self._launch(OURS, None)
            self.workers.append(self.ours)
            self.single = self.ours  # at one thread
            if self.ours.threads > 1 and (one_thread or any(c.threads == 1 for c in selected)):
                self.single = self._launch(OURS, 1)
                self.workers.append(self.single)
            # One, two and as many threads as fastrnn has: the better one will count.
            counts = sorted({1, min(2, self.machine["usable_cores"]), self.ours.threads})
            active = [p for p in peers if any(takes_part(p, case, sparing) for case in selected)]
            launched = {p: [self._launch(p, threads) for threads in counts] for p in active}
            for peer, workers in launched.items():
                self._admit(peer, workers, say)
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
        for worker in self._started:
            worker.end()
        self._folder.cleanup()

    def _launch(self, peer: str, threads: int | None) -> Worker:
        worker = Worker(peer, PEERS[peer], threads)
        self._started.append(worker)
        return worker

    def _admit(self, peer: str, workers: list[Worker], say: Callable[[str], None]) -> None:
        """Take the processes of a peer once they are ready; one that cannot start is skipped."""
        for worker in workers:
            try:
                known = {other.label for other in self.workers}
                if worker.label in known:
                    worker.end()  # a library that cannot use more threads runs only once
                else:
                    self.workers.append(worker)
            except WorkerError as error:
                missing = error.kind == "missing"
                reason = f"cannot be imported ({error})" if missing else f"does not start: {error}"
                say(f"{peer} is skipped: it {reason.rstrip('.')}.")
                self.skipped.append(peer)
                self.workers = [other for other in self.workers if other.peer != peer]
                return

    def ours_for(self, case: Case) -> Worker:
        """The process of fastrnn that a case is about."""
        return self.single if case.threads == 1 else self.ours

    def case(self, case: Case, plan: timer.Plan) -> dict[str, Any]:
        """Verify and time one case.

        Returns
        -------
        result : dict as it stands in the JSON
        """
        result: dict[str, Any] = {
            "case": asdict(case), "name": case.name, "verified": True, "errors": [], "left_out": {},
            "contestants": {}, "ratios": {},
        }  # fmt: skip
        contestants: list[timer.Contestant] = []
        ours, started = self.ours_for(case), time.monotonic()
        try:
            contestants = self._open(case, result)
            result["took"] = {"verifying": time.monotonic() - started}
            if not any(c.worker is ours for c in contestants):
                return result  # nothing to compare with
            timer.measure(contestants, plan)
            peak = ours.ask("peak")
            result["took"]["timing"] = time.monotonic() - started - result["took"]["verifying"]
        finally:
            self._close(contestants)
        for c in contestants:
            entry = result["contestants"][c.label]
            entry.update(calls=c.calls, times=c.times, **timer.summary(c.times))
            if c.cold:
                entry["cold"] = timer.summary(c.cold)
        _ratios(result, ours.label)
        seconds = result["contestants"][ours.label]["median"]
        result["work"] = {**_work(case, seconds, peak), "threads": ours.threads}
        return result

    def _taking_part(self, case: Case) -> list[Worker]:
        """The processes asked for `case`; fastrnn's own first."""
        ours = self.ours_for(case)
        asked = [ours]
        for worker in self.workers:
            if worker is ours or case.threads not in (0, worker.threads):
                continue
            if worker.peer == OURS:
                if self.one_thread and worker is self.single:
                    asked.append(worker)
            elif takes_part(worker.peer, case, self.sparing):
                asked.append(worker)
        return asked

    def _open(self, case: Case, result: dict[str, Any]) -> list[timer.Contestant]:
        """Verify every peer, all at once; those that passed are the contestants, fastrnn first."""
        jobs = [(worker.label, worker, case) for worker in self._taking_part(case)]
        contestants = []
        path = self._expected(case)
        for _, worker, _ in jobs:
            worker.send("open", case=asdict(case), path=path)
        answers = [self._answer(worker) for _, worker, _ in jobs]
        if case.twin:
            twin = BY_NAME[case.twin]
            jobs.insert(1, (TWIN, self.ours, twin))
            self.ours.send("open", case=asdict(twin), path=self._expected(twin))
            answers.insert(1, self._answer(self.ours))
        for (label, worker, job), answer in zip(jobs, answers, strict=True):
            if isinstance(answer, WorkerError):
                if answer.kind == "unsupported":
                    result["left_out"][label] = str(answer)
                    continue
                result["verified"] = False
                result["errors"].append(f"{label}: {answer}")
                if answer.kind == "died":
                    if worker.peer == OURS:
                        raise WorkerError("died", f"{case.name}: {answer}") from answer
                    self.workers.remove(worker)
                continue
            peer = worker.peer if job is case else TWIN
            entry = {"peer": peer, "threads": worker.threads, "error": answer}
            result["contestants"][label] = entry
            stays = peer in (OURS, TWIN)  # everybody is paired with us in every round
            contestants.append(timer.Contestant(label, worker, job.name, "" if stays else peer))
        for file in Path(self._folder.name).iterdir():
            file.unlink()
        return contestants

    @staticmethod
    def _answer(worker: Worker) -> float | WorkerError:
        try:
            error: float = worker.receive()
        except WorkerError as problem:
            return problem
        return error

    def _close(self, contestants: Sequence[timer.Contestant]) -> None:
        """Let everybody forget what was opened."""
        workers = {id(c.worker): c.worker for c in contestants if isinstance(c.worker, Worker)}
        alive = [w for w in (*workers.values(), self.reference) if w.process.poll() is None]
        for worker in alive:
            worker.send("close")
        for worker in alive:
            worker.receive()

    def _expected(self, case: Case) -> str:
        """The file with what is right for `case`."""
        path = Path(self._folder.name, f"{case.name}.npz")
        if not path.exists():
            self.reference.ask("reference", case=asdict(case), path=str(path))
        return str(path)


def _work(case: Case, seconds: float, peak: float | None) -> dict[str, Any]:
    """What a case computes, and how fast fastrnn did; the peak was measured right after its rounds."""
    flops = work.flops(case)
    return {
        "flops": flops, "intensity": work.intensity(case), "weight_bytes": work.weight_bytes(case),
        "seconds": seconds, "gflops": flops / seconds / 1e9,
        "peak": None if peak is None else peak / 1e9, "share": None,  # by `work.shares`, at the end
    }  # fmt: skip


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
