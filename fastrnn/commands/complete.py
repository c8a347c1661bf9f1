"""``fastrnn complete``: learn a text and go on with sentences."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

from ..tasks import SentenceCompleter
from ..tasks.completion import CELLS
from ..text.pieces import LEVELS
from .command import STDIN, Command, Record, lines, positive, read, whole


class Complete(Command):
    """The verb `complete`."""

    name = "complete"
    about = "learn a text, then write what follows the beginning of a sentence"
    examples: ClassVar[dict[str, str]] = {
        "train": "fastrnn complete train book.txt --model book.fastrnn --epochs 20 --validation-split 0.1",
        "predict": 'fastrnn complete predict --model book.fastrnn "나는 오늘" --temperature 0.7',
        "evaluate": "fastrnn complete evaluate --model book.fastrnn other.txt",
    }
    task = SentenceCompleter

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE", help='text to learn; "-" is standard input')
        add = parser.add_argument
        add("--level", choices=LEVELS, default="char", help="characters (syllables), or words (eojeol)")
        add("--cell", choices=CELLS, default="lstm", help="of the recurrence (default: lstm)")
        add("--units", type=positive, default=256, help="size of the state (default: 256)")
        add("--layers", type=positive, default=1, help="recurrences on top of each other (default: 1)")
        add("--embedding", type=positive, help="size of a vector for each token (default: one-hot vectors)")
        add("--dropout", type=float, default=0.0, help="share in [0, 1), for small texts (default: 0)")
        add("--recurrent-dropout", type=float, default=0.0, help="likewise from step to step (default: 0)")
        add("--least", type=positive, default=1, help="rarer tokens are unknown (default: 1)")
        add("--most", type=positive, default=20_000, help="size of the vocabulary (default: 20000)")
        add("--batch-size", type=positive, help="streams read side by side (default: by the text's length)")
        add("--steps", type=positive, default=64, help="tokens between updates (default: 64)")
        add("--learning-rate", type=float, default=0.004, help="of the first step (default: 0.004)")
        add("--weight-decay", type=float, default=0.0, help="for small texts (default: 0)")
        add("--validation-split", type=float, default=0.0, metavar="SHARE",
            help="hold out the end of the text and measure on it after each epoch (default: 0)")  # fmt: skip

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        add = parser.add_argument
        add("prompts", nargs="*", metavar="PROMPT", help="without any, the lines of standard input")
        add("--length", type=whole, default=100, help="characters or words to write (default: 100)")
        add("--temperature", type=float, help="0: always the likeliest; 1: as learnt (default); more: bolder")
        add("--top-k", type=positive, help="draw among so many of the likeliest")
        add("--beam", type=positive, help="search for the likeliest continuation, keeping so many")
        add("--stop", metavar="TEXT", help="end where this was written")
        add("--seed", type=whole, default=0, help="of what is drawn (default: 0)")
        add("--next", type=positive, metavar="N", help="instead: the N likeliest next tokens")

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("files", nargs="*", metavar="FILE",
                            help="text to read; without any, standard input")  # fmt: skip

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        chosen = ("level", "cell", "units", "layers", "embedding", "dropout", "recurrent_dropout", "least",
                  "most", "seed")  # fmt: skip
        how = ("batch_size", "steps", "learning_rate", "weight_decay", "validation_split")
        task = SentenceCompleter(**{name: getattr(arguments, name) for name in chosen})
        options = {name: getattr(arguments, name) for name in how}
        if arguments.epochs is not None:
            options["epochs"] = arguments.epochs
        text = [read(file) for file in arguments.files]
        began = time.perf_counter()
        history = task.fit(text, **options, verbose=verbose)
        figures: Record = {
            "level": task.level, "vocabulary": len(task.vocabulary), "parameters": task.model.count_params(),
            "epochs": len(history.epoch), "nats": history.history["loss"][-1],
        }  # fmt: skip
        if "val_loss" in history.history:
            figures["held_out_nats"] = history.history["val_loss"][-1]
        return task, {**figures, "seconds": round(time.perf_counter() - began, 1)}

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterable[tuple[str, Record]]:
        prompts = arguments.prompts or lines((STDIN,))
        if arguments.next:
            for prompt in prompts:
                yield _next(task, prompt, arguments.next)
            return
        if self._shown_as_written(arguments):
            yield from _written(task, arguments)
            return
        for number, prompt in enumerate(prompts):
            found = task.complete(prompt, **_options(arguments, number))
            yield prompt + found, {"prompt": prompt, "completion": found}

    @staticmethod
    def _shown_as_written(arguments: argparse.Namespace) -> bool:
        """Whether somebody is watching one text as it comes."""
        alone = len(arguments.prompts) == 1 and arguments.beam is None
        return alone and not arguments.json and sys.stdout.isatty()

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        text = [read(file) for file in arguments.files or (STDIN,)]
        return {"level": task.level, **task.evaluate(text)}


def _options(arguments: argparse.Namespace, number: int) -> dict[str, Any]:
    """The arguments of `complete`; each prompt has draws of its own."""
    names = ("length", "temperature", "top_k", "beam", "stop")
    found = {name: value for name in names if (value := getattr(arguments, name)) is not None}
    return found if arguments.beam else {**found, "seed": arguments.seed + number}


def _next(task: SentenceCompleter, prompt: str, most: int) -> tuple[str, Record]:
    found = dict(list(task.next_probabilities(prompt).items())[:most])
    shown = [f"{100 * p:6.2f} %  {token!r}" for token, p in found.items()]
    return "\n".join([prompt, *shown]), {"prompt": prompt, "next": found}


def _written(task: SentenceCompleter, arguments: argparse.Namespace) -> Iterator[tuple[str, Record]]:
    """The prompt and what follows it, printed token by token; the last one is left to the caller."""
    prompt = arguments.prompts[0]
    print(prompt, end="", flush=True)
    last = ""
    for text in task.stream(prompt, **_options(arguments, 0)):
        print(last, end="", flush=True)
        last = text
    yield last, {}
