"""``fastrnn convert IN OUT``: a model from one framework's file to another's, proven on both sides."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn as fr

from ..interop import files
from ..proof import Example
from .command import Failed, Verb, show
from .inspect import evidence, in_words

ENDINGS = ".fastrnn (or any other name), .onnx, .safetensors (PyTorch), .weights.h5 (Keras)"


class Convert(Verb):
    """Read a file of any framework, prove the import, write another, and read that back."""

    name = "convert"
    about = "turn a model file into one of another framework, and prove that the numbers are the same"
    example = "fastrnn convert model.onnx model.fastrnn --example example.npz"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("source", type=Path, metavar="IN",
                            help="fastrnn's own, .pt, .safetensors, .keras, .h5 or .onnx")  # fmt: skip
        parser.add_argument("target", type=Path, metavar="OUT", help=f"what to write: {ENDINGS}")
        parser.add_argument("--example", type=Path, metavar="FILE",
                            help=".npz with x and y: an input, batch first, and what the other framework "
                            "gives for it (and lengths, if there are)")  # fmt: skip
        parser.add_argument("--tolerance", type=float,
                            help="largest difference, in parts of the largest number of y (default: 1e-5, "
                            "1e-10 in float64)")  # fmt: skip
        parser.add_argument("--json", action="store_true", help="for programs: one JSON object")

    def run(self, arguments: argparse.Namespace) -> int:
        source, target = arguments.source, arguments.target
        if not target.parent.is_dir():
            raise Failed(f"convert: there is no folder {target.parent}. Make it first.")
        if target.is_dir():
            raise Failed(f"convert: {target} is a folder. Name a file in it.")
        try:
            example = None if arguments.example is None else _example(arguments.example)
            model = _read(source, example, arguments.tolerance)
            files.write(model, target)
            files.check(model, target)
        except fr.ModelFormatError:
            raise
        except (ValueError, TypeError, ImportError) as error:  # the library's own sentence
            raise Failed(f"convert: {error}") from error
        proof = evidence(model)
        figures = {"wrote": str(target), "bytes": target.stat().st_size, "parameters": model.count_params()}
        said = "none, the model is fastrnn's own" if proof is None else in_words(proof)
        show({**figures, "proof": proof if arguments.json else said}, arguments.json)
        return 0


def _read(path: Path, example: Example | None, tolerance: float | None) -> Any:
    kind = files.kind_of(path)
    if kind != files.FASTRNN:
        return files.READERS[kind](path, example=example, tolerance=tolerance)
    model = fr.load(path)
    if not isinstance(model, fr.Sequential):
        raise Failed(f"convert: {path} holds a {type(model).__name__}; only a Sequential has other formats.")
    if example is not None:
        raise Failed("convert: --example is for files of other frameworks.")
    return model


def _example(path: Path) -> Example:
    """The arrays x, y and lengths of an .npz file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, EOFError, AttributeError) as error:
        raise Failed(f"convert: {path} is no .npz file of arrays: {error}") from error
    if not {"x", "y"} <= arrays.keys() <= {"x", "y", "lengths"}:
        raise Failed(f"convert: {path} must hold x and y, and lengths or not, got {', '.join(arrays)}.")
    return Example(**arrays)
