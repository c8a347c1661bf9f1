"""`.keras` files that must be refused, and the builder of ones that must not.

KINDS : name -> builds such a file in a folder and gives its path
READ : the call that must refuse it
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from fastrnn.interop import from_keras

READ: Callable[[Path], Any] = from_keras


def write_h5(target: Any, layers: list[dict[str, Any]], arrays: list[dict[str, np.ndarray]]) -> None:
    """The arrays of layers in the groups that Keras 3 gives them."""
    seen: dict[str, int] = {}
    with h5py.File(target, "w") as file:
        file.create_group("vars")
        file.create_group("layers")
        for one, own in zip(layers, arrays, strict=True):
            stem = re.sub(r"([a-z])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", one["class_name"]).lower()
            k = seen[stem] = seen.get(stem, -1) + 1
            group = file.create_group(f"layers/{stem}{f'_{k}' if k else ''}")
            group.create_group("vars").attrs["name"] = str(one["config"].get("name"))
            for place, array in own.items():
                group[place] = array


def describe(layers: list[dict[str, Any]], batch_shape: list[Any]) -> dict[str, Any]:
    """The description of a Sequential."""
    first = {"module": "keras.layers", "class_name": "InputLayer", "config": {
        "name": "in", "batch_shape": batch_shape, "dtype": "float32"
    }}  # fmt: skip
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "s", "layers": [first, *layers]},
    }


def write_zip(
    path: Path, config: str, weights: bytes, version: str = "3.15.1", method: int = zipfile.ZIP_STORED,
    more: dict[str, bytes] | None = None,
) -> Path:  # fmt: skip
    members = {
        "metadata.json": json.dumps({"keras_version": version, "date_saved": "2024-01-01@00:00:00"}).encode(),
        "config.json": config.encode(),
        "model.weights.h5": weights,
        **(more or {}),
    }
    with zipfile.ZipFile(path, "w", method) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def write_keras(
    path: Path, layers: list[dict[str, Any]], arrays: list[dict[str, np.ndarray]], batch_shape: list[Any],
    version: str = "3.15.1",
) -> Path:  # fmt: skip
    """A `.keras` file, as Keras writes a Sequential of these layers."""
    content = io.BytesIO()
    write_h5(content, layers, arrays)
    return write_zip(path, json.dumps(describe(layers, batch_shape)), content.getvalue(), version)


def dense(**options: Any) -> dict[str, Any]:
    config = {"name": "d", "units": 2, "activation": "linear", "use_bias": True, **options}
    return {"module": "keras.layers", "class_name": "Dense", "config": config}


def dense_arrays() -> dict[str, np.ndarray]:
    return {"vars/0": np.arange(6, dtype="float32").reshape(3, 2), "vars/1": np.ones(2, "float32")}


def whole(path: Path) -> Path:
    """A file that is read."""
    return write_keras(path, [dense()], [dense_arrays()], [None, 3])


KINDS: dict[str, Callable[[Path], Path]] = {}


def kind(build: Callable[[Path], Path]) -> Callable[[Path], Path]:
    KINDS[build.__name__] = lambda folder: build(folder / f"{build.__name__}.keras")
    return build


def model(path: Path, *layers: dict[str, Any], arrays: list[dict[str, np.ndarray]] | None = None) -> Path:
    return write_keras(path, list(layers), arrays or [{} for _ in layers], [None, 3])


def layer(class_name: str, module: str | None = "keras.layers", **config: Any) -> dict[str, Any]:
    return {"module": module, "class_name": class_name, "config": {"name": "x", **config}}


@kind
def lambda_with_code(path: Path) -> Path:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAAAAAAAAEAAAADAAAA", "defaults": None}}
    return model(path, layer("Lambda", function=code))


@kind
def activation_with_code(path: Path) -> Path:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAAAAAAAAEAAAADAAAA", "defaults": None}}
    return model(path, dense(activation=code), arrays=[dense_arrays()])


@kind
def class_of_another_module(path: Path) -> Path:
    return model(path, layer("Dense", module="os", units=2))


@kind
def registered_class(path: Path) -> Path:
    return model(path, {**layer("Dense", units=2), "registered_name": "mine>Dense"})


@kind
def function_of_another_module(path: Path) -> Path:
    named = {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "function"}
    return model(path, dense(activation=named), arrays=[dense_arrays()])


@kind
def deep_json(path: Path) -> Path:
    return write_zip(path, "[" * 400_000, _some_h5())


@kind
def deep_json_objects(path: Path) -> Path:
    return write_zip(path, '{"config":' * 100_000, _some_h5())


@kind
def large_json(path: Path) -> Path:
    return write_zip(path, '{"config": [' + "1," * 3_000_000 + "1]}", b"")


@kind
def nested_models(path: Path) -> Path:
    inner = dense()
    for _ in range(60):
        inner = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    return model(path, inner)


@kind
def many_layers(path: Path) -> Path:
    return write_zip(path, json.dumps(describe([layer("Dropout", rate=0.1)] * 20_000, [None, 3])), _some_h5())


def _some_h5() -> bytes:
    content = io.BytesIO()
    write_h5(content, [dense()], [dense_arrays()])
    return content.getvalue()


@kind
def huge_units(path: Path) -> Path:
    return model(path, dense(units=10**12), arrays=[dense_arrays()])


@kind
def negative_units(path: Path) -> Path:
    return model(path, dense(units=-2), arrays=[dense_arrays()])


@kind
def huge_repeat(path: Path) -> Path:
    return model(path, dense(), layer("RepeatVector", n=10**10), arrays=[dense_arrays(), {}])


@kind
def units_as_text(path: Path) -> Path:
    return model(path, dense(units="2"), arrays=[dense_arrays()])


@kind
def duplicate_keys(path: Path) -> Path:
    text = json.dumps(describe([dense()], [None, 3])).replace('"units": 2', '"units": 2, "units": 3')
    return write_zip(path, text, _some_h5())


@kind
def infinite_number(path: Path) -> Path:
    text = json.dumps(describe([dense()], [None, 3])).replace('"units": 2', '"units": Infinity')
    return write_zip(path, text, _some_h5())


@kind
def unknown_layer(path: Path) -> Path:
    return model(path, layer("Conv1D", filters=3))


@kind
def cyclic_graph(path: Path) -> Path:
    def named(name: str, source: str) -> dict[str, Any]:
        history = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
        return {**dense(name=name), "name": name, "inbound_nodes": [{"args": [history], "kwargs": {}}]}

    config = {"name": "f", "layers": [named("a", "b"), named("b", "a")], "input_layers": ["a", 0, 0],
              "output_layers": ["b", 0, 0]}  # fmt: skip
    return write_zip(path, json.dumps({"class_name": "Functional", "config": config}), _some_h5())


@kind
def nan_weights(path: Path) -> Path:
    return model(path, dense(), arrays=[{**dense_arrays(), "vars/1": np.array([1, np.nan], "float32")}])


@kind
def missing_array(path: Path) -> Path:
    return model(path, dense(), arrays=[{"vars/0": dense_arrays()["vars/0"]}])


@kind
def array_too_many(path: Path) -> Path:
    return model(path, dense(), arrays=[{**dense_arrays(), "vars/2": np.ones(2, "float32")}])


@kind
def other_shape(path: Path) -> Path:
    return model(path, dense(), arrays=[{**dense_arrays(), "vars/1": np.ones(3, "float32")}])


@kind
def other_dtype(path: Path) -> Path:
    return model(path, dense(dtype="mixed_float16"), arrays=[dense_arrays()])


@kind
def old_keras(path: Path) -> Path:
    return write_keras(path, [dense()], [dense_arrays()], [None, 3], version="1.2.2")


@kind
def compressed_members(path: Path) -> Path:
    """A bomb: a hundred megabytes of zeros in a hundred kilobytes."""
    text = json.dumps(describe([dense()], [None, 3])) + " " * 10_000_000
    return write_zip(path, text, b"", method=zipfile.ZIP_DEFLATED)


@kind
def path_that_leads_out(path: Path) -> Path:
    return write_zip(path, json.dumps(describe([dense()], [None, 3])), _some_h5(), more={"../evil": b"1"})


@kind
def member_too_many(path: Path) -> Path:
    return write_zip(path, json.dumps(describe([dense()], [None, 3])), _some_h5(), more={"assets/x.py": b"1"})


@kind
def duplicate_members(path: Path) -> Path:
    write_zip(path, json.dumps(describe([dense()], [None, 3])), _some_h5(), more={"config.jsoM": b"{}"})
    return _patched(path, b"config.jsoM", b"config.json")


@kind
def size_that_is_not_there(path: Path) -> Path:
    """The list of members says that the weights have four gigabytes."""
    whole(path)
    content = bytearray(path.read_bytes())
    at = content.rfind(b"model.weights.h5") - 46
    struct.pack_into("<2I", content, at + 20, 0xFFFFFFF0, 0xFFFFFFF0)
    path.write_bytes(content)
    return path


@kind
def encrypted(path: Path) -> Path:
    whole(path)
    content = bytearray(path.read_bytes())
    content[content.rfind(b"config.json") - 46 + 8] |= 1
    path.write_bytes(content)
    return path


@kind
def truncated(path: Path) -> Path:
    content = whole(path).read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    return path


@kind
def damaged_weights(path: Path) -> Path:
    return _patched(whole(path), b"TREE", b"TREF")


def _patched(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path
