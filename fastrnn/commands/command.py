"""What a verb of a task is: train, predict, evaluate, with the arguments that all of them share."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import fastrnn as fr

from ..text import read_text

Record = dict[str, Any]
STDIN = "-"
PICTURES = (".png", ".svg", ".pdf")


class Failed(RuntimeError):
    """A verb cannot do what was asked; the message is for the user."""


class Verb:
    """One verb of the command line.

    Attributes
    ----------
    name, about : the verb, and half a sentence on what it does
    example : a command line
    """

    name: ClassVar[str]
    about: ClassVar[str]
    example: ClassVar[str]

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare its arguments."""
        raise NotImplementedError

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it; the exit code."""
        raise NotImplementedError

    def add_to(self, verbs: Any) -> None:
        """Add the verb to the parser's subparsers."""
        about = self.about[0].upper() + self.about[1:] + "."
        parser = verbs.add_parser(
            self.name, help=self.about, description=about, epilog=f"example:  {self.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        parser.set_defaults(command=self)
        self.arguments(parser)


class Command(Verb):
    """The verb of a task.  A task's own file says its names, its arguments and what is done.

    Attributes
    ----------
    name, about : the verb, and half a sentence on what it does
    examples : action -> a command line
    task : the class whose files it reads
    """

    name: ClassVar[str]
    about: ClassVar[str]
    examples: ClassVar[dict[str, str]]
    task: ClassVar[Any]

    def train_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Arguments of `train` besides ``--model --seed --epochs --json``."""

    def predict_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Arguments of `predict` besides ``--model --json``."""

    def evaluate_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Arguments of `evaluate` besides ``--model --json``."""

    def train(self, arguments: argparse.Namespace, verbose: Any) -> tuple[Any, Record]:
        """(the fitted task, figures to print).  `verbose` is for `fit`; `arguments.epochs` may be None."""
        raise NotImplementedError

    def predict(self, task: Any, arguments: argparse.Namespace) -> Iterable[tuple[str, Record]]:
        """What to print, one answer at a time: (as text, as a record)."""
        raise NotImplementedError

    def evaluate(self, task: Any, arguments: argparse.Namespace) -> Record:
        """Figures to print."""
        raise NotImplementedError

    # -- shared by all ----------------------------------------------------------------------------

    def add_to(self, verbs: Any) -> None:
        """Add the verb and its three actions to the parser's subparsers."""
        about = self.about[0].upper() + self.about[1:] + "."
        top = verbs.add_parser(
            self.name, help=self.about, description=about, epilog=self._example(*self.examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        top.set_defaults(command=self)
        actions = top.add_subparsers(dest="action", required=True, metavar="train | predict | evaluate")
        for name, what, declare in (
            ("train", "learn from a file and save the model", self.train_arguments),
            ("predict", "answer with a saved model; files or standard input", self.predict_arguments),
            ("evaluate", "measure a saved model", self.evaluate_arguments),
        ):
            action = actions.add_parser(
                name, help=what, description=f"{what[0].upper()}{what[1:]}.", epilog=self._example(name),
                formatter_class=argparse.RawDescriptionHelpFormatter,
            )  # fmt: skip
            use = "to write" if name == "train" else "that train wrote"
            action.add_argument("--model", type=Path, required=True, metavar="FILE", help=f"the model {use}")
            action.add_argument("--json", action="store_true", help="for programs: one JSON object a line")
            if name == "train":
                action.add_argument("--seed", type=whole, default=0, help="of everything random (default: 0)")
                action.add_argument("--epochs", type=positive, help="times to read the data")
            declare(action)

    def _example(self, *actions: str) -> str:
        lines = [self.examples[action] for action in actions]
        return "example:  " + "\n          ".join(lines)

    def run(self, arguments: argparse.Namespace) -> int:
        """Do one action and print what came out."""
        try:
            with _standard_input(arguments):
                self._run(arguments)
            return 0
        except UnicodeDecodeError as error:
            raise Failed(
                f"{self.name} {arguments.action}: standard input is not UTF-8 ({error.reason}). Convert it, "
                "for example with: iconv -f CP949 -t UTF-8"
            ) from error
        except (ValueError, TypeError) as error:  # the library's own sentence about what it was given
            raise Failed(f"{self.name} {arguments.action}: {error}") from error

    def _run(self, arguments: argparse.Namespace) -> None:
        if arguments.action == "train":
            folder = arguments.model.parent
            # Said before the training, not after it.
            if arguments.model.is_dir():
                raise Failed(f"{self.name}: {arguments.model} is a folder. Name a file in it.")
            if not folder.is_dir():
                raise Failed(f"{self.name}: there is no folder {folder}. Make it first.")
            task, figures = self.train(arguments, 0 if arguments.json else "auto")
            task.save(arguments.model)
            show({**figures, "model": str(arguments.model)}, arguments.json)
            return
        task = self.load(arguments.model)
        if arguments.action == "evaluate":
            show(self.evaluate(task, arguments), arguments.json)
            return
        for text, record in self.predict(task, arguments):
            print(json.dumps(record, ensure_ascii=False) if arguments.json else text, flush=True)

    def check_plot(self, path: Path | None) -> None:
        """Say what would go wrong with a picture for `path` before all the work; None is no picture."""
        if path is None:
            return
        if importlib.util.find_spec("matplotlib") is None:
            install = 'pip install "fastrnn[plot]"'
            raise Failed(f"{self.name}: --plot needs matplotlib. Install it with: {install}")
        if not path.parent.is_dir():
            raise Failed(f"{self.name}: there is no folder {path.parent}. Make it first.")
        if path.suffix not in PICTURES:
            raise Failed(f"{self.name}: --plot must end in {', '.join(PICTURES)}, got {str(path)!r}.")

    def load(self, path: Path) -> Any:
        """The task in a file; another kind of model is an error that names the verb for it."""
        found = fr.load(path)
        if not isinstance(found, self.task):
            raise Failed(
                f"{self.name}: {path} holds a {type(found).__name__}, this verb needs a {self.task.__name__}."
            )
        return found


@contextmanager
def _standard_input(arguments: argparse.Namespace) -> Iterator[None]:
    """To train and to evaluate, tasks read files: where one is "-", standard input becomes a file.

    `predict` reads it line by line, as it comes.
    """
    if arguments.action == "predict":
        yield
        return
    with TemporaryDirectory() as folder:
        path = Path(folder) / "standard input"

        def there(value: Any) -> Any:
            if isinstance(value, list):
                return [there(one) for one in value]
            if str(value) != STDIN:
                return value
            if not path.exists():
                path.write_text(sys.stdin.read(), encoding="utf-8")
            return type(value)(path)

        for name in ("file", "files", "dev", "positive", "negative"):
            if hasattr(arguments, name):
                setattr(arguments, name, there(getattr(arguments, name)))
        yield


def show(figures: Record, as_json: bool) -> None:
    """Print figures: a line each, or one JSON object."""
    if as_json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    width = max((len(name) for name in figures), default=0)
    for name, value in figures.items():
        text = f"{value:.4g}" if isinstance(value, float) else f"{value}"
        print(f"{name.replace('_', ' '):<{width}}  {text}")


def read(path: str) -> str:
    """The text of a file, or of standard input where path is "-"."""
    return sys.stdin.read() if path == STDIN else read_text(path)


def lines(paths: Iterable[str]) -> Iterator[str]:
    """The lines of files or of standard input that are not empty, each as soon as it is there."""
    for path in paths or (STDIN,):
        source = sys.stdin if path == STDIN else read_text(path).split("\n")
        for line in source:
            if line.strip():
                yield line.strip()


def whole(text: str) -> int:
    """A whole number of at least 0."""
    return _whole(text, 0)


def positive(text: str) -> int:
    """A whole number of at least 1."""
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least {least}, got {text!r}")
    return number
