"""From the nodes of a graph to layers.

What computes becomes a layer of the `Chain` (`onnx_layers`); what moves axes about is done to `Data`, and
what can be computed now to constants (`onnx_axes`).  Operators that layers in a row cannot say are refused by
name.
"""

from __future__ import annotations

from typing import Any

from ..layers import Layer, Shape
from .onnx_axes import AXES
from .onnx_chain import Chain, Reading
from .onnx_folding import ARITHMETIC, Folding
from .onnx_formulas import FORMULA_OPERATORS, settled
from .onnx_graph import Graph, Node, Value
from .onnx_layers import LAYERS
from .onnx_padding import PADDING
from .onnx_values import Axis, Constant, Data

_OPERATORS = {**AXES, **LAYERS, **PADDING, **FORMULA_OPERATORS}
_OF_EACH_NUMBER = {*ARITHMETIC, *FORMULA_OPERATORS}  # what can go on with a formula
_BEYOND = 100_000  # numbers that a graph may make beside rearranging its weights a few times


def lower(graph: Graph) -> tuple[list[tuple[Layer, dict[str, Any]]], Shape, Any]:
    """(layers with their arrays, shape of the input, dtype) of a graph.

    Raises
    ------
    ValueError : it says something that layers in a row do not; names the node
    """
    constants = {name: Constant.of(array, name) for name, array in graph.constants.items()}
    sizes = {name: constant.numbers for name, constant in constants.items()}
    numbers = 8 * sum(constant.array.size for constant in constants.values()) + _BEYOND
    run = Reading(graph.opset, Chain(sizes), Folding(numbers))
    inputs = {value.name: _input(value) for value in graph.inputs}
    values: dict[str, Any] = {**constants, **inputs}  # None is what may not be read
    for node in graph.nodes:
        found = _read(run, node, [_value(node, name, values) for name in node.inputs])
        for name, value in zip(node.outputs, found, strict=False):
            values[name] = value
            if node.op == "Constant":
                sizes[name] = value.numbers
    run.chain.finish([(name, settled(run, values[name])) for name in graph.outputs])
    used = {name for node in graph.nodes for name in node.inputs}
    left = [name for name in values if (name in constants or name in inputs) and name not in used]
    if left:
        raise ValueError(f"nothing uses {left}")
    if run.chain.dtype is None:
        raise ValueError("none of its layers has weights")
    return [d.part() for d in run.chain.drafts], run.chain.shape(inputs[run.chain.source]), run.chain.dtype


def _input(value: Value) -> Data:
    axes = [Axis(f"axis {k} of {value.name}", size) for k, size in enumerate(value.sizes)]
    return Data(0, "x", tuple((axis,) for axis in axes), ids=value.dtype.kind == "i", source=value.name)


def _value(node: Node, name: str, values: dict[str, Any]) -> Any:
    if name and values[name] is None:
        raise ValueError(f"{node} reads {name!r}, a mask, which layers do not give")
    return values[name] if name else None


def _read(run: Reading, node: Node, inputs: list[Any]) -> tuple[Any, ...]:
    """The values of a node's outputs."""
    if node.op not in _OPERATORS:
        raise ValueError(
            f"{node}: {node.op} is no operator that is read; docs/interop.md lists those that are"
        )
    least, most, read = _OPERATORS[node.op]
    if not least <= len(inputs) <= most or any(x is None for x in inputs[:least]):
        raise ValueError(f"{node} has {len(inputs)} inputs")
    rest = [None] * (most - len(inputs)) if node.op != "Concat" else []
    try:
        if node.op not in _OF_EACH_NUMBER:
            inputs = [settled(run, x) for x in inputs]
        found = read(run, node, *inputs, *rest)
    except ValueError as error:
        raise ValueError(f"{node}: {error}") from error
    if node.attributes:
        raise ValueError(f"{node} has attributes that are not known: {sorted(node.attributes)}")
    outputs = found if isinstance(found, tuple) else (found,)
    if len(node.outputs) > len(outputs):
        raise ValueError(f"{node} has {len(node.outputs)} outputs")
    return outputs
