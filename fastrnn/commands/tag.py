"""``fastrnn tag``: parts of speech, of text or of CoNLL-U files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from .. import plot
from ..tasks import PosTagger
from ..text import words
from ..text.conllu import parse_conllu
from .command import STDIN, Command, Record, lines, positive, read

_DIGITS = 6  # of a probability in JSON


class Tag(Command):
    """Part-of-speech tagging; the task is `fastrnn.tasks.PosTagger`."""

    name = "tag"
    about = "tag each word of a sentence with its part of speech"
    examples: ClassVar[dict[str, str]] = {
        "train": "fastrnn tag train train.conllu --dev dev.conllu --model tagger.fastrnn",
        "predict": 'echo "나는 학교에 간다." | fastrnn tag predict --model tagger.fastrnn',
        "evaluate": "fastrnn tag evaluate test.conllu --model tagger.fastrnn --plot confusion.png",
    }
    task = PosTagger

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="TRAIN", help="tagged sentences, CoNLL-U")
        parser.add_argument("--dev", metavar="FILE",
                            help="CoNLL-U; the epoch is kept that tags it best")  # fmt: skip
        parser.add_argument("--units", type=positive, default=150,
                            help="size of the LSTM over the sentence, each way (default: 150)")  # fmt: skip
        parser.add_argument("--patience", type=positive, metavar="N",
                            help="stop after N epochs that did not tag --dev better")  # fmt: skip

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE",
                            help="text, a sentence a line; - is standard input")  # fmt: skip
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--tokenized", action="store_true", help="words are what stands between spaces")
        form.add_argument("--conllu", action="store_true",
                          help="CoNLL-U in, and out again with the tags in column 4")  # fmt: skip

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", metavar="TEST", help="tagged sentences, CoNLL-U")
        parser.add_argument("--plot", type=Path, metavar="FILE",
                            help="draw the confusion matrix, .png .svg or .pdf")  # fmt: skip

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        task = PosTagger(units=arguments.units, seed=arguments.seed)
        chosen: Record = {} if arguments.epochs is None else {"epochs": arguments.epochs}
        dev, patience = arguments.dev, arguments.patience
        history = task.fit(
            arguments.file, validation_data=dev, patience=patience, verbose=verbose, **chosen
        ).history
        figures: Record = {"epochs": len(history["loss"]), "training_accuracy": history["accuracy"][-1]}
        if arguments.dev:
            figures["dev_accuracy"] = max(history["val_accuracy"])
        return task, {**figures, "tags": len(task.tags), "known_words": len(task.spelling.words)}

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterator[tuple[str, Record]]:
        if arguments.conllu:
            for path in arguments.files or (STDIN,):
                for sentence in parse_conllu(read(path), path):
                    told, record = _answer(task, sentence.tokens)
                    yield str(sentence.tagged(told)), record
            return
        for line in lines(arguments.files):
            tokens = line.split() if arguments.tokenized else words(line)
            told, record = _answer(task, tokens)
            yield " ".join(f"{token}/{tag}" for token, tag in zip(tokens, told, strict=True)), record

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        self.check_plot(arguments.plot)
        figures = task.evaluate(arguments.file)
        if arguments.plot is not None:
            plot.confusion_matrix(*task.confusion_matrix(arguments.file)).figure.savefig(arguments.plot)
            figures["plot"] = str(arguments.plot)
        if arguments.json:
            return figures
        for tag, of_tag in figures.pop("per_tag").items():
            figures[tag] = "  ".join(_figure(name, value) for name, value in of_tag.items())
        return figures


def _answer(task: Any, tokens: list[str]) -> tuple[list[str], Record]:
    """(tags, record) of a sentence."""
    p = task.probabilities(tokens)
    told = [task.tags[k] for k in p.argmax(axis=1)]
    of_words = [
        {tag: round(float(one), _DIGITS) for tag, one in zip(task.tags, row, strict=True)} for row in p
    ]
    return told, {"tokens": tokens, "tags": told, "probabilities": of_words}


def _figure(name: str, value: Any) -> str:
    text = f"{value:6d}" if isinstance(value, int) else "     -" if value is None else f"{value:.4f}"
    return f"{name} {text}"
