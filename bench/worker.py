"""One peer in a process of its own: ``python -m bench.worker MODULE THREADS``, driven by `process`.

Requests and answers are lines of JSON on the standard input and output. A request is
``{"do": ..., ...}``, an answer ``{"ok": ...}`` or ``{"error": kind, "message": sentence}``.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
from typing import Any

from .cases import Case
from .peers import Unsupported, Work


class Bench:
    """The prepared cases of one peer, and what can be asked about them."""

    def __init__(self, module: str, threads: int | None) -> None:
        self.peer: Any = importlib.import_module(module)
        self.info: dict[str, Any] = self.peer.start(threads)
        self.works: dict[str, Work] = {}
        gc.freeze()  # what a library made at its import is never collected: `close` takes no time

    def peak(self) -> float | None:
        """The machine's FLOP/s in float32 at the peer's threads; only fastrnn measures it."""
        found: float | None = self.peer.peak(self.info["threads"])
        return found

    def reference(self, case: dict[str, Any], path: str) -> None:
        """Compute what is right with the reference cell and write it to `path` (.npz)."""
        import numpy as np

        from . import verify

        chosen = Case.from_dict(case)
        np.savez(path, **verify.subject(chosen).expected(chosen))

    def open(self, case: dict[str, Any], path: str) -> float:
        """Prepare a case and verify it against `path`; its distance from the reference."""
        import numpy as np

        from . import verify

        chosen = Case.from_dict(case)
        work = self.peer.setup(chosen, verify.subject(chosen).data(chosen))
        with np.load(path) as reference:
            error = verify.check(chosen, work.outputs(), dict(reference))
        self.works[chosen.name] = work
        return error

    def time(self, case: str, calls: int) -> float:
        """Seconds a call, over `calls` calls in a row."""
        call = self.works[case].call
        if calls > 1:
            call()  # the caches hold the other peers' data, and threads may sleep
        started = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - started) / calls

    def cold(self, case: str, pause: float) -> float:
        """Seconds of one call after a pause."""
        call = self.works[case].call
        time.sleep(pause)
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    def close(self) -> None:
        """Forget all cases."""
        self.works.clear()
        gc.collect()


def answer(bench: Bench, request: dict[str, Any]) -> dict[str, Any]:
    """The answer to one request; every exception becomes an answer, too."""
    from .verify import Mismatch

    kinds: tuple[tuple[type[Exception], str], ...] = (
        (Mismatch, "mismatch"), (Unsupported, "unsupported"), (Exception, "failed"),
    )  # fmt: skip
    try:
        return {"ok": getattr(bench, request.pop("do"))(**request)}
    except Exception as error:
        kind = next(name for cls, name in kinds if isinstance(error, cls))
        text = str(error) if kind != "failed" else f"{type(error).__name__}: {error}"
        return {"error": kind, "message": text}


def main(module: str, threads: str) -> None:
    """Answer requests until the standard input ends."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    gc.disable()  # a collection would hit one round of one peer; `close` collects
    try:
        bench = Bench(module, int(threads) or None)
    except ImportError as error:
        answers.write(json.dumps({"error": "missing", "message": str(error)}) + "\n")
        return
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        answers.write(json.dumps({"error": "failed", "message": said}) + "\n")
        return
    answers.write(json.dumps({"ok": bench.info}) + "\n")
    for line in sys.stdin:
        try:
            answers.write(json.dumps(answer(bench, json.loads(line))) + "\n")
        except BrokenPipeError:
            os._exit(1)  # the parent was killed: nobody reads a traceback


if __name__ == "__main__":
    main(*sys.argv[1:])
