"""What `fit` shows: a bar on a terminal, one line an epoch elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .errors import sentence


class Silent:
    """Nothing; also what the others are made of."""

    def start(self, epoch: int, batches: int | None) -> None:
        """An epoch of so many batches begins; None: nobody knows how many."""

    def batch(self, k: int, logs: dict[str, float]) -> None:
        """Batch k is done."""

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        """An epoch is done."""

    def close(self) -> None:
        """The training is over, one way or another."""


def _words(logs: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in logs.items())


class Lines(Silent):
    """One line an epoch."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def start(self, epoch: int, batches: int | None) -> None:
        self.began = time.perf_counter()

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        seconds = time.perf_counter() - self.began
        print(f"epoch {epoch + 1}/{self.epochs}  {_words(logs)}  {seconds:.1f} s", flush=True)


class Bar(Lines):
    """A tqdm bar within the epoch, then the epoch's line."""

    def __init__(self, epochs: int, tqdm: Any) -> None:
        super().__init__(epochs)
        self.tqdm = tqdm
        self.bar: Any = None

    def start(self, epoch: int, batches: int | None) -> None:
        super().start(epoch, batches)
        label = f"epoch {epoch + 1}/{self.epochs}"
        self.bar = self.tqdm(total=batches, desc=label, leave=False, dynamic_ncols=True, file=sys.stdout)

    def batch(self, k: int, logs: dict[str, float]) -> None:
        self.bar.set_postfix_str(_words(logs), refresh=False)
        self.bar.update()

    def epoch(self, epoch: int, logs: dict[str, float]) -> None:
        self.close()
        super().epoch(epoch, logs)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


@contextmanager
def progress(verbose: Any, epochs: int) -> Iterator[Silent]:
    """The reporter for `verbose`: "auto", 0 (silent), 1 (bar, lines where tqdm is missing) or 2 (lines)."""
    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(sentence("fit", "verbose", '"auto", 0, 1 or 2', repr(verbose)))
    report: Silent = Lines(epochs)
    if verbose == 0:
        report = Silent()
    elif verbose == 1 or (verbose == "auto" and sys.stdout.isatty()):
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            report = Bar(epochs, tqdm)
    try:
        yield report
    finally:
        report.close()
