"""An ONNX file as a graph of small records: nodes, constants, inputs, outputs.

Every count, offset and size is checked against the bytes that are there before anything is made of it.  What
a recurrent model does not need (sub-graphs, functions, sparse tensors, operators of other domains, strings
as data) is refused by name.  Errors are ValueErrors that name the node or tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .onnx_tensors import DTYPES, RANK_AT_MOST, Tensors, known, mapped
from .protobuf import decode

OPSETS = range(1, 29)  # those of the default domain whose operators this reader knows
_ATTRIBUTES = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}


@dataclass(frozen=True)
class Node:
    """One operator.

    Attributes
    ----------
    op : "LSTM"
    name : what messages call it
    inputs, outputs : names; "" where an optional one is not there
    attributes : name -> int, float, str, list of these, or array
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        """The value of an attribute, which is taken away; a list of `kind` where the default is a list."""
        value = self.attributes.pop(name, default)
        many = isinstance(default, list)
        right = isinstance(value, list) and all(isinstance(one, kind) for one in value)
        if value is not default and not (right if many else isinstance(value, kind)):
            raise ValueError(f"{self}: the attribute {name!r} is of the wrong kind")
        return value

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Value:
    """An input of the graph: name, dtype, and the size of each axis, None where it is free."""

    name: str
    dtype: np.dtype[Any]
    sizes: tuple[int | None, ...]


@dataclass(frozen=True)
class Graph:
    """A graph whose names are given once and used after they are given.

    Attributes
    ----------
    opset : the version of the operators
    nodes : in the order in which they run
    constants : the weights, name -> array
    inputs : the values that a caller gives
    outputs : names
    """

    opset: int
    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]
    inputs: tuple[Value, ...]
    outputs: tuple[str, ...]


def open_graph(source: Any, given: dict[str, np.ndarray]) -> Graph:
    """The graph of a file or of bytes.

    Parameters
    ----------
    source : path, or bytes
    given : values for graph inputs that have none in the file

    Raises
    ------
    ValueError : it is not a whole ONNX model, or holds what is not read here
    FileNotFoundError
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return read_graph(decode("Model", source), Tensors(None), given)
    path = Path(source)
    return read_graph(decode("Model", mapped(path)), Tensors(path.parent), given)


def read_graph(model: dict[str, Any], tensors: Tensors, given: dict[str, np.ndarray]) -> Graph:
    """The graph of a decoded message."""
    if "graph" not in model:
        raise ValueError("it is no ONNX model: it holds no graph")
    graph = model["graph"]
    if model.get("functions"):
        raise ValueError("it holds functions, which are not read; inline them first")
    if graph.get("sparse_initializer"):
        raise ValueError("it holds sparse initializers, which are not read")
    constants: dict[str, np.ndarray] = {}
    for tensor in graph.get("initializer", []):
        name = tensor.get("name", "")
        _once(name, constants, "initializers")
        constants[name] = tensors.read(tensor)
    inputs: dict[str, Value | None] = {}
    for value in graph.get("input", []):
        name = value.get("name", "")
        _once(name, inputs, "inputs")
        inputs[name] = None if name in constants else _value(value)
    tensors.check_apart()
    for name, array in given.items():
        if inputs.get(name) is None:
            free = ", ".join(k for k, v in inputs.items() if v is not None)
            raise ValueError(f"constants must name inputs of the graph, of {free or 'none'}, got {name!r}")
        constants[name], inputs[name] = np.asarray(array), None
    nodes = tuple(_node(k, node, tensors) for k, node in enumerate(graph.get("node", [])))
    outputs = tuple(value.get("name", "") for value in graph.get("output", []))
    if not outputs:
        raise ValueError("the graph has no outputs")
    _check_names(nodes, {*inputs, *constants}, outputs)
    values = tuple(value for value in inputs.values() if value is not None)
    return Graph(_opset(model), nodes, constants, values, outputs)


def _once(name: str, there: Any, what: str) -> None:
    if not name:
        raise ValueError(f"one of the {what} has no name")
    if name in there:
        raise ValueError(f"two {what} have the name {name!r}")


def _opset(model: dict[str, Any]) -> int:
    found = [one.get("version", 0) for one in model.get("opset_import", []) if _is_default(one)]
    if len(found) != 1:
        raise ValueError(f"it must say one version of the ONNX operators, got {found}")
    if found[0] not in OPSETS:
        raise ValueError(
            f"its operators have version {found[0]}, versions {OPSETS[0]} to {OPSETS[-1]} are read; "
            "export it with one of these"
        )
    return int(found[0])


def _is_default(message: dict[str, Any]) -> bool:
    return message.get("domain", "") in ("", "ai.onnx")


def _check_names(nodes: Sequence[Node], known: set[str], outputs: Sequence[str]) -> None:
    """Each name is given once, and before it is used; every node leads to an output."""
    for node in nodes:
        for name in node.inputs:
            if name and name not in known:
                raise ValueError(
                    f"{node} reads {name!r}, which nothing before it gives: the graph has a cycle, lacks "
                    "a node or an input, or its nodes are out of order"
                )
        for name in node.outputs:
            if name in known:
                raise ValueError(f"{node} gives {name!r}, which is given already")
            known.update([name] if name else [])
    for name in outputs:
        if name not in known:
            raise ValueError(f"the output {name!r} is given by nothing")
    wanted = set(outputs)
    for node in reversed(nodes):
        if not wanted.intersection(node.outputs):
            raise ValueError(f"nothing uses what {node} gives; a model is read whole or not at all")
        wanted.update(name for name in node.inputs if name)


# -- records ------------------------------------------------------------------------------------------


def _value(message: dict[str, Any]) -> Value:
    name, kind = message["name"], message.get("type", {})
    if "tensor_type" not in kind:
        raise ValueError(f"the input {name!r} is no tensor")
    tensor = kind["tensor_type"]
    number = tensor.get("elem_type", 0)
    if number not in DTYPES:
        raise ValueError(f"the input {name!r} has the element type {number}; {known()}")
    if "shape" not in tensor:
        raise ValueError(f"the input {name!r} has no shape")
    sizes = []
    for axis in tensor["shape"].get("dim", []):
        size = axis.get("dim_value")
        if size is not None and size < 0:
            raise ValueError(f"the input {name!r} has an axis of size {size}")
        sizes.append(size or None)  # some exporters write 0 for a free axis
    if len(sizes) > RANK_AT_MOST:
        raise ValueError(f"the input {name!r} has {len(sizes)} axes")
    return Value(name, DTYPES[number], tuple(sizes))


def _node(index: int, message: dict[str, Any], tensors: Tensors) -> Node:
    op = message.get("op_type", "")
    outputs = tuple(message.get("output", []))
    name = f"{op} node {message.get('name') or index!r}"
    if not _is_default(message) or message.get("overload"):
        raise ValueError(f"{name} is of the domain {message.get('domain')!r}; only ONNX's own are read")
    attributes: dict[str, Any] = {}
    for attribute in message.get("attribute", []):
        key = attribute.get("name", "")
        _once(key, attributes, f"attributes of {name}")
        try:
            attributes[key] = _attribute(attribute, tensors)
        except ValueError as error:
            raise ValueError(f"{name}: the attribute {key!r}: {error}") from error
    if not any(outputs):
        raise ValueError(f"{name} gives nothing")
    return Node(op, name, tuple(message.get("input", [])), outputs, attributes)


def _attribute(message: dict[str, Any], tensors: Tensors) -> Any:
    if message.get("ref_attr_name"):
        raise ValueError("it refers to an attribute of a function")
    fields = message.keys() - {"name", "type", "ref_attr_name"}
    number = message.get("type", 0)
    if number == 0 and len(fields) == 1:  # files before IR version 2 do not say it
        number = next((n for n, field in _ATTRIBUTES.items() if field in fields), 0)
    if number not in _ATTRIBUTES:
        raise ValueError("it is a sub-graph, or of another kind that is not read")
    field = _ATTRIBUTES[number]
    if fields - {field}:
        raise ValueError(f"it must be {field}, but {', '.join(sorted(fields - {field}))} is there too")
    if field == "t":
        return tensors.read(message.get("t", {}))
    value = message.get(field, {"f": 0.0, "i": 0, "s": b""}.get(field, []))
    if field in ("f", "floats") and not np.isfinite(value).all():
        raise ValueError("it holds NaN or infinity")
    if field == "floats":
        return [float(one) for one in value]
    if field == "strings":
        return [str(one, "utf-8") for one in value]
    return str(value, "utf-8") if field == "s" else value
