"""``fastrnn blank``: the word that belongs at ``___``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, ClassVar

from ..tasks import BlankFiller
from ..tasks.blank import CELLS
from ..text import read_labelled, read_text
from .command import Command, Record, lines, positive


class Blank(Command):
    """`BlankFiller` on texts with ``___``, a tab and the answer on each line, or on running text."""

    name = "blank"
    about = "fill the blank in a text with one of a few words, such as he or she"
    examples: ClassVar[dict[str, str]] = {
        "train": "fastrnn blank train stories.txt --model m.fastrnn --candidates he,him,his she,her,hers",
        "predict": "echo 'Mary smiled, because ___ won.' | fastrnn blank predict --model m.fastrnn --trace",
        "evaluate": "fastrnn blank evaluate --model m.fastrnn test.tsv",
    }
    task = BlankFiller

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        _file(parser)
        parser.add_argument("--candidates", nargs="+", required=True, metavar="WORD", type=_forms,
                            help="to choose from; after a comma, forms that count as the word")  # fmt: skip
        parser.add_argument("--cell", choices=tuple(CELLS), default="lstm", help="(default: lstm)")
        parser.add_argument("--units", type=positive, default=64, help="size of the state (default: 64)")
        parser.add_argument("--memory", type=positive, metavar="WORDS",
                            help="distance over which the gates keep something from the start")  # fmt: skip
        parser.add_argument("--left-only", action="store_true", help="read no words behind the blank")

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE",
                            help="texts with ___, one a line; - is standard input")  # fmt: skip
        parser.add_argument("--trace", action="store_true", help="show the memory, word by word")

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        _file(parser)

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        task = BlankFiller(
            arguments.candidates, cell=arguments.cell, units=arguments.units, memory=arguments.memory,
            bidirectional=not arguments.left_only, seed=arguments.seed,
        )  # fmt: skip
        texts, answers = _examples(arguments.file)
        chosen = {} if arguments.epochs is None else {"epochs": arguments.epochs}
        history = task.fit(texts, answers, verbose=verbose, **chosen).history
        return task, {
            "texts": len(texts), "candidates": ", ".join(task.candidates),
            "tokens": len(task.vocabulary.tokens), "epochs": len(history["loss"]),
            "loss": history["loss"][-1], "accuracy": history["accuracy"][-1],
        }  # fmt: skip

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterator[tuple[str, Record]]:
        for text in lines(arguments.files):
            chances = task.probabilities(text)
            answer = max(chances, key=chances.__getitem__)
            filled = task.filled(text, answer)
            record: Record = {"text": filled, "answer": answer, "probabilities": chances}
            said = f"{filled}\t{', '.join(f'{word} {p:.3f}' for word, p in chances.items())}"
            if arguments.trace:
                found = task.memory_trace(text)
                said += f"\n{found}\n"
                unit = found.units[0]
                index, values = found.carried(unit)
                record["trace"] = {
                    "unit": unit, "tokens": [found.tokens[k] for k in index], "state": values.tolist(),
                }  # fmt: skip
            yield said, record

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        figures: Record = task.evaluate(*_examples(arguments.file))
        return figures


def _file(parser: argparse.ArgumentParser) -> None:
    about = "a text with ___, a tab and the answer on each line; or running text with the candidates in it"
    parser.add_argument("file", metavar="FILE", help=about)


def _examples(path: str) -> tuple[list[str], list[str] | None]:
    """(texts, answers), or (paragraphs of running text, None) where the file has no ``___``."""
    text = read_text(path)
    if "___" in text:
        return read_labelled(path)
    return [line.strip() for line in text.split("\n") if line.strip()], None


def _forms(text: str) -> list[str]:
    return [form.strip() for form in text.split(",")]
