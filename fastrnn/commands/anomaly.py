"""``fastrnn anomaly``: what is not normal in a series, from a CSV file."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import plot
from ..tasks import AnomalyDetector
from ..tasks.series import stretches
from ..text import read_text
from ..text.tables import Rows, read_table
from .command import STDIN, Command, Record, positive, whole

_DIGITS = 6  # significant ones of a score


class Anomaly(Command):
    """Anomalies in series; the task is `fastrnn.tasks.AnomalyDetector`."""

    name = "anomaly"
    about = "find what is not normal in a series of numbers, a CSV file with a header"
    examples: ClassVar[dict[str, str]] = {
        "train": "fastrnn anomaly train normal.csv --model m.fastrnn --column value --kind lstm --window 64",
        "predict": "fastrnn anomaly predict new.csv --model m.fastrnn --stretches --plot scores.png",
        "evaluate": "fastrnn anomaly evaluate labelled.csv --model m.fastrnn --label-column anomaly",
    }
    task = AnomalyDetector

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help="CSV of normal data, a step a line")
        parser.add_argument("--column", action="append", metavar="NAME",
                            help="a column to learn, and again for more (default: all numbers)")  # fmt: skip
        parser.add_argument("--first", type=positive, metavar="N", help="learn from the first N steps alone")
        parser.add_argument("--kind", choices=("dense", "lstm", "gru", "rnn"), default="lstm",
                            help="of autoencoder (default: lstm)")  # fmt: skip
        parser.add_argument("--window", type=positive, default=64, help="steps of a window (default: 64)")
        parser.add_argument("--quantile", type=float, default=0.99,
                            help="share of held-out normal steps below the threshold (0.99)")  # fmt: skip
        _add_time(parser)

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default=STDIN, metavar="FILE",
                            help="CSV; - is standard input, scored as it comes")  # fmt: skip
        parser.add_argument("--threshold", type=float, help="in place of the model's")
        parser.add_argument("--stretches", action="store_true",
                            help="print anomalous stretches in place of every step")  # fmt: skip
        parser.add_argument("--gap", type=whole, default=0, metavar="N",
                            help="stretches at most N normal steps apart are one (default: 0)")  # fmt: skip
        parser.add_argument("--plot", type=Path, metavar="FILE",
                            help="draw series and scores over time, .png .svg or .pdf")  # fmt: skip
        _add_time(parser)

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="CSV with labels")
        parser.add_argument("--label-column", required=True, metavar="NAME",
                            help="column of 0, normal, and 1, an anomaly")  # fmt: skip
        parser.add_argument("--threshold", type=float, help="in place of the model's")

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        series: list[np.ndarray] = []
        columns: Sequence[str] | None = arguments.column
        for path in arguments.files:
            table = read_table(path, columns=columns, time=arguments.time_column)
            columns = table.columns
            series.append(table.values[: arguments.first])
        task = AnomalyDetector(
            arguments.kind, window=arguments.window, quantile=arguments.quantile, seed=arguments.seed
        )
        history = task.fit(series, epochs=arguments.epochs, verbose=verbose).history
        task.columns = tuple(columns or ())
        return task, {
            "columns": list(task.columns), "steps": sum(map(len, series)), "epochs": len(history["loss"]),
            "loss": history["loss"][-1], "val_loss": history["val_loss"][-1], "threshold": task.threshold,
        }  # fmt: skip

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterator[tuple[str, Record]]:
        self.check_plot(arguments.plot)
        if arguments.threshold is not None:
            task.threshold = arguments.threshold
        if arguments.file == STDIN:
            rows = Rows(sys.stdin, "standard input", columns=task.columns, time=arguments.time_column, size=1)
        else:
            lines = read_text(arguments.file).split("\n")
            rows = Rows(lines, arguments.file, columns=task.columns, time=arguments.time_column)
        if not arguments.stretches and arguments.plot is None:
            yield from _steps(_scored(task, rows), rows, header=not arguments.json)
            return
        steps = list(_scored(task, rows))
        if arguments.stretches:
            yield from _stretches(steps, arguments.gap)
        else:
            yield from _steps(steps, rows, header=not arguments.json)
        if arguments.plot is not None:
            _draw(task, steps, rows, arguments.gap, arguments.plot)

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        if arguments.threshold is not None:
            task.threshold = arguments.threshold
        table = read_table(arguments.file, columns=task.columns, label=arguments.label_column)
        return {**task.evaluate(table.values, table.labels), "threshold": task.threshold}


class _Step(NamedTuple):
    number: int
    time: str | None
    values: list[float]
    score: float
    flag: bool


def _add_time(parser: argparse.ArgumentParser) -> None:
    about = "the column that says when; without it, the first one that is called so or is no number"
    parser.add_argument("--time-column", metavar="NAME", help=about)


def _scored(task: AnomalyDetector, rows: Rows) -> Iterator[_Step]:
    """Every step with its score, as soon as that is final; only the steps before that are kept."""
    waiting: deque[tuple[str | None, list[float]]] = deque()

    def values() -> Iterator[np.ndarray]:
        for table in rows:
            times: Sequence[str | None] = table.times or [None] * len(table.values)
            waiting.extend(zip(times, table.values.tolist(), strict=True))
            yield table.values

    number = 0
    for scores in task.stream(values()):
        for score, flag in zip(scores.tolist(), task.flags(scores).tolist(), strict=True):
            yield _Step(number, *waiting.popleft(), score, flag)
            number += 1


def _steps(steps: Iterable[_Step], rows: Rows, header: bool) -> Iterator[tuple[str, Record]]:
    """A CSV line a step: time, values, score, anomaly."""
    if header:
        yield _csv([rows.time or "step", *rows.columns, "score", "anomaly"]), {}
    for step in steps:
        when = step.number if step.time is None else step.time
        cells = [when, *step.values, f"{step.score:.{_DIGITS}g}", int(step.flag)]
        record = {
            "step": step.number, "time": step.time, "score": step.score, "anomaly": step.flag,
            "values": dict(zip(rows.columns, step.values, strict=True)),
        }  # fmt: skip
        yield _csv(cells), record


def _stretches(steps: list[_Step], gap: int) -> Iterator[tuple[str, Record]]:
    for start, stop in stretches([step.flag for step in steps], gap):
        first, last = steps[start], steps[stop - 1]
        highest = max(step.score for step in steps[start:stop])
        where = f"steps {start} to {stop - 1}"
        said = where if first.time is None else f"{first.time} to {last.time}  ({where})"
        record = {
            "start": start, "stop": stop, "first_time": first.time, "last_time": last.time, "score": highest,
        }  # fmt: skip
        yield f"{said}  highest score {highest:.{_DIGITS}g}", record


def _draw(task: AnomalyDetector, steps: list[_Step], rows: Rows, gap: int, path: Path) -> None:
    try:
        times = [datetime.fromisoformat(step.time or "") for step in steps]
    except ValueError:  # no times, or such as only their owner reads: then steps are counted
        times = None
    ax = plot.anomaly_scores(
        [step.score for step in steps], task.threshold, [step.values for step in steps], times=times,
        intervals=stretches([step.flag for step in steps], gap), ylabel=", ".join(rows.columns),
    )  # fmt: skip
    ax.figure.savefig(path)


def _csv(cells: Iterable[Any]) -> str:
    """One line of a CSV file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
