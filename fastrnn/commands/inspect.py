"""``fastrnn inspect FILE``: what a model file holds, whoever wrote it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastrnn as fr

from .. import serialization
from ..interop import files
from ..interop.gates import ORDERS
from .command import Record, Verb


class Inspect(Verb):
    """Layers, shapes, the order of the gates, the proof of an import, and the size."""

    name = "inspect"
    about = "describe a model file: fastrnn's own, .pt, .safetensors, .keras, .weights.h5 or .onnx"
    example = "fastrnn inspect model.fastrnn"

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="the file")
        parser.add_argument("--json", action="store_true", help="for programs")

    def run(self, arguments: argparse.Namespace) -> int:
        found = describe(arguments.file)
        if arguments.json:
            print(json.dumps(found, indent=1))
        else:
            print("\n".join(_page(found)))
        return 0


def describe(path: Path) -> Record:
    """What a model file holds, JSON-able."""
    kind = files.kind_of(path)
    description: Record = {"kind": "Sequential", "compiled": None, "epochs_done": 0, "steps_done": 0}
    if kind == files.FASTRNN:
        description = serialization.read(path)[0]
        loaded = fr.load(path)
        model = loaded if isinstance(loaded, fr.Sequential) else loaded.model
    else:
        model = files.READERS[kind](path)
    compiled = description["compiled"] or {}
    return {
        "file": str(path),
        "bytes": path.stat().st_size,
        "format": kind,
        "kind": description["kind"],
        "dtype": str(model.dtype),
        "input": str(model.layers[0].in_shape),
        "layers": [_layer(layer) for layer in model.layers],
        "parameters": model.count_params(),
        "optimizer": compiled.get("optimizer"),
        "loss": compiled.get("loss"),
        "epochs_done": description["epochs_done"],
        "steps_done": description["steps_done"],
        "proof": evidence(model),
    }


def _layer(layer: Any) -> Record:
    params = layer.named_params()
    gates = {one.cell.gates for one in layer.whole() if isinstance(one, fr.Recurrent)}
    return {
        "name": layer.name,
        "class": type(layer).__name__,
        "output": str(layer.out_shape),
        "parameters": sum(int(p.size) for p in params.values()),
        "gates": " ".join(sorted(gates)) or None,
        "shapes": {name: list(p.shape) for name, p in params.items()},
    }


def evidence(model: Any) -> Record | None:
    """The figures of a model's proof, JSON-able."""
    proof = model.proof
    if proof is None:
        return None
    names = ("source", "reference", "difference", "ulps", "tolerance")
    return {**{name: getattr(proof, name) for name in names}, "holds": proof.holds(model)}


def _page(found: Record) -> Iterator[str]:
    """The lines of the answer for a person."""
    yield f"{found['file']}: {found['kind']}, {found['dtype']}, {found['bytes']:,} bytes"
    yield f"format {found['format']}"
    yield f"input {found['input']}, {found['parameters']:,} parameters"
    if found["format"] == files.FASTRNN:
        yield f"trained for {found['epochs_done']:,} epochs, {found['steps_done']:,} steps"
        for name in ("optimizer", "loss"):
            yield f"{name}: {_words(found[name])}"
    else:
        orders = (f"{what} {' '.join(order[found['format']])}" for what, order in ORDERS.items()
                  if found["format"] in order)  # fmt: skip
        yield f"order of the gates in the file: {', '.join(orders)}; below, as they are here"
    if found["proof"] is None:
        yield "proof: none, the model is no import"
    else:
        yield f"proof: {in_words(found['proof'])}"
    rows = [("layer", "class", "output", "parameters", "gates", "shapes")]
    for layer in found["layers"]:
        shapes = ", ".join(f"{name} {shape}" for name, shape in layer["shapes"].items())
        count = f"{layer['parameters']:,}"
        rows.append((layer["name"], layer["class"], layer["output"], count, layer["gates"] or "", shapes))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    for row in rows:
        cells = [
            cell.rjust(width) if k == 3 else cell.ljust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  ".join([*cells, row[5]]).rstrip()


def in_words(proof: Record) -> str:
    """The figures of a proof in a line."""
    said = (
        f"from {proof['source']}, compared with {proof['reference']}: largest difference "
        f"{proof['difference']:.2g} ({proof['ulps']} ulp), tolerance {proof['tolerance']:g}"
    )
    return said if proof["holds"] else f"{said}; trained on since"


def _words(config: Record | None) -> str:
    """A configuration in a line: Adam, learning_rate 0.001."""
    if not config:
        return "none, the model was not compiled"
    options = ", ".join(f"{k} {_value(v)}" for k, v in config.items() if k != "name" and v is not None)
    return f"{config.get('name')}{', ' + options if options else ''}"


def _value(value: Any) -> str:
    return f"({_words(value)})" if isinstance(value, dict) else str(value)
