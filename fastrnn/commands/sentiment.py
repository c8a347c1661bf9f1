"""``fastrnn sentiment``: labels of texts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from ..tasks import SentimentClassifier
from ..text import read_labelled, read_text
from .command import Command, Failed, Record, lines, positive

_LINES = "a text, a tab and its label on each line"
_BATCH = 64  # lines of files that are answered at a time; those of standard input one by one


class Sentiment(Command):
    """`SentimentClassifier` on files with a text, a tab and its label on each line."""

    name = "sentiment"
    about = "tell the sentiment of texts, or any other label of theirs"
    examples: ClassVar[dict[str, str]] = {
        "train": "fastrnn sentiment train reviews.tsv --model m.fastrnn",
        "predict": "echo 'Not bad at all.' | fastrnn sentiment predict --model m.fastrnn --explain",
        "evaluate": "fastrnn sentiment evaluate --model m.fastrnn test.tsv",
    }
    task = SentimentClassifier

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", metavar="FILE", help=_LINES)
        for label in ("positive", "negative"):
            about = f"instead of FILE: texts labelled {label}, one a line"
            parser.add_argument(f"--{label}", metavar="FILE", help=about)
        parser.add_argument("--level", choices=("auto", "word", "char"), default="auto",
                            help="what a token is (default: auto, char for Korean)")  # fmt: skip
        parser.add_argument("--units", type=positive, default=64, help="size of the LSTM (default: 64)")

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE", help="texts, one a line; - is standard input")
        parser.add_argument("--explain", action="store_true", help="show the probability after each token")

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help=_LINES)

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        texts, labels = self._examples(arguments)
        task = SentimentClassifier(level=arguments.level, units=arguments.units, seed=arguments.seed)
        chosen = {} if arguments.epochs is None else {"epochs": arguments.epochs}
        history = task.fit(texts, labels, verbose=verbose, **chosen).history
        figures: Record = {
            "texts": len(texts), "classes": task.classes, "level": task.level,
            "tokens": len(task.vocabulary), "epochs": len(history["loss"]),
        }  # fmt: skip
        if "val_loss" in history:
            best = min(range(len(history["val_loss"])), key=history["val_loss"].__getitem__)
            figures |= {"best_epoch": best + 1, "accuracy_held_out": history["val_accuracy"][best]}
        return task, figures

    @staticmethod
    def _examples(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
        by_label = {"positive": arguments.positive, "negative": arguments.negative}
        given = [path for path in by_label.values() if path is not None]
        if (arguments.file is None) != (len(given) == 2) or len(given) == 1:
            raise Failed("sentiment train: give a FILE, or both --positive FILE and --negative FILE.")
        if arguments.file is not None:
            return read_labelled(arguments.file)
        texts, labels = [], []
        for label, path in by_label.items():
            found = [line.strip() for line in read_text(Path(path)).split("\n") if line.strip()]
            texts += found
            labels += [label] * len(found)
        return texts, labels

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterator[tuple[str, Record]]:
        at_once = _BATCH if arguments.files and "-" not in arguments.files else 1
        texts: list[str] = []
        for text in lines(arguments.files):
            texts.append(text)
            if len(texts) == at_once:
                yield from self._answers(task, texts, arguments.explain)
                texts = []
        yield from self._answers(task, texts, arguments.explain)

    @staticmethod
    def _answers(task: Any, texts: list[str], explain: bool) -> Iterator[tuple[str, Record]]:
        for text, found in zip(texts, task.predict_proba(texts), strict=True):
            chances = {str(label): float(p) for label, p in zip(task.classes, found, strict=True)}
            label = task.classes[int(found.argmax())]
            shown = f"{label}\t{found.max():.3f}\t{text}"
            record: Record = {"text": text, "label": label, "probabilities": chances}
            if explain:
                running = task.explain(text)
                shown += f"\n{running}\n"
                record["tokens"] = running.tokens
                record["running"] = {str(one): running.of(one).tolist() for one in task.classes}
            yield shown, record

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        figures: Record = task.evaluate(arguments.file)
        if arguments.json:
            return figures
        shown = {name: figures[name] for name in ("examples", "accuracy", "log_loss")}
        for label, row in figures["per_class"].items():
            shown[f"label {label}"] = ", ".join(f"{name} {value:.4g}" for name, value in row.items())
        return shown
