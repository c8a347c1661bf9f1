"""The command line: ``fastrnn demo | info | bench | inspect`` and the tasks' verbs (`fastrnn.commands`).

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
from typing import Any

import fastrnn as fr

from . import demo, serialization
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

    look = verb("inspect", "describe a saved model", "fastrnn inspect model.fastrnn")
    look.add_argument("file", type=Path, metavar="FILE", help="what save(path) wrote")
    look.add_argument("--json", action="store_true", help="for programs")

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
        own = {"demo": _demo, "info": _info, "bench": _bench, "inspect": _inspect}
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


def describe(path: Path) -> dict[str, Any]:
    """What a model file holds, JSON-able."""
    description, _ = serialization.read(path)
    loaded = fr.load(path)
    model = loaded if isinstance(loaded, fr.Sequential) else loaded.model
    layers = []
    for layer in model.layers:
        params = layer.named_params()
        layers.append(
            {
                "name": layer.name,
                "class": type(layer).__name__,
                "output": str(layer.out_shape),
                "parameters": sum(int(p.size) for p in params.values()),
                "shapes": {name: list(p.shape) for name, p in params.items()},
            }
        )
    compiled = description["compiled"] or {}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "kind": description["kind"],
        "dtype": description["dtype"],
        "input": str(model.layers[0].in_shape),
        "layers": layers,
        "parameters": model.count_params(),
        "optimizer": compiled.get("optimizer"),
        "loss": compiled.get("loss"),
        "epochs_done": description["epochs_done"],
        "steps_done": description["steps_done"],
    }


def _inspect(arguments: argparse.Namespace) -> int:
    found = describe(arguments.file)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"{found['file']}: {found['kind']}, {found['dtype']}, {found['bytes']:,} bytes")
    print(f"input {found['input']}, {found['parameters']:,} parameters")
    print(f"trained for {found['epochs_done']:,} epochs, {found['steps_done']:,} steps")
    for name in ("optimizer", "loss"):
        print(f"{name}: {_words(found[name])}")
    rows = [("layer", "class", "output", "parameters", "shapes")]
    for layer in found["layers"]:
        shapes = ", ".join(f"{name} {shape}" for name, shape in layer["shapes"].items())
        row = (layer["name"], layer["class"], layer["output"], f"{layer['parameters']:,}", shapes)
        rows.append(row)
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    for row in rows:
        left = "  ".join(cell.ljust(w) for cell, w in zip(row[:3], widths[:3], strict=True))
        print(f"{left}  {row[3].rjust(widths[3])}  {row[4]}".rstrip())
    return 0


def _words(config: dict[str, Any] | None) -> str:
    """A configuration in a line: Adam, learning_rate 0.001."""
    if not config:
        return "none, the model was not compiled"
    options = ", ".join(f"{k} {_value(v)}" for k, v in config.items() if k != "name" and v is not None)
    return f"{config.get('name')}{', ' + options if options else ''}"


def _value(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, dict) else str(value)
