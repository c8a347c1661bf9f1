"""The command line: ``fastrnn demo | info | bench`` and the verbs of `fastrnn.commands`.

Exit codes: 0, 1 (failed, one line on stderr), 2 (usage), 130 (Ctrl-C), 141 (the reader of a pipe has left).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import fastrnn as fr

from . import demo
from .commands import COMMANDS, Failed
from .commands.command import whole

FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(
        prog="fastrnn", description="Recurrent networks and autoencoders that train and run fast on CPUs."
    )
    top.add_argument("--version", action="version", version=f"fastrnn {fr.__version__}")
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, about: str, example: str) -> argparse.ArgumentParser:
        return verbs.add_parser(
            name, help=about, description=about[0].upper() + about[1:] + ".", epilog=f"example:  {example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip

    about = "train on real data that is on this machine already, and write a page with pictures"
    show = verb("demo", about, "fastrnn demo --out my-demo --seed 1")
    show.add_argument("--out", type=Path, default=Path("fastrnn-demo"), metavar="DIR",
                      help="folder for the page and the pictures (default: fastrnn-demo)")  # fmt: skip
    show.add_argument("--seed", type=whole, default=0, help="seed of everything random (default: 0)")
    show.add_argument("--quick", action="store_true", help="train much shorter, to see that it works")

    info = verb("info", "say what this installation is made of", "fastrnn info --json")
    info.add_argument("--json", action="store_true", help="for programs")

    about = "time fastrnn beside other libraries, in a clone of its source"
    bench = verb("bench", about, "fastrnn bench run --quick    (all arguments go to: python -m bench)")
    bench.add_argument("arguments", nargs=argparse.REMAINDER, help="of the bench: list, run or compare")

    for command in COMMANDS:
        command.add_to(verbs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8-sig")  # as all files are, whatever the locale
    for stream in (sys.stdout, sys.stderr):  # a console without a character shows "?" and goes on
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as ended:  # a caller inside Python gets the code, too
        return int(ended.code or 0)
    try:
        command = getattr(arguments, "command", None)
        own = {"demo": _demo, "info": _info, "bench": _bench}
        code = command.run(arguments) if command else own[arguments.verb](arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("\nfastrnn: interrupted.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit; let that go nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except (Failed, demo.MissingPackages, fr.BackendError, fr.ModelFormatError, OSError) as error:
        print(f"fastrnn: {' '.join(str(error).split())}", file=sys.stderr)
        return FAILED


def _demo(arguments: argparse.Namespace) -> int:
    demo.run(arguments.out, arguments.seed, arguments.quick)
    return 0


def _info(arguments: argparse.Namespace) -> int:
    if arguments.json:
        print(json.dumps(fr.config.config(), indent=1))
    else:
        fr.show_config()
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    here = Path.cwd()
    if not (here / "bench" / "__main__.py").is_file() or not (here / "fastrnn" / "cells").is_dir():
        raise Failed(
            "bench: the bench is part of the source, not of the package. Clone the repository and run "
            "this in its folder."
        )
    return subprocess.run([sys.executable, "-m", "bench", *arguments.arguments], check=False).returncode
