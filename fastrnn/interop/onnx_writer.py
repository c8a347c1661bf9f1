"""A graph of ONNX while it is written: operators, constants, and the bytes of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._version import __version__
from .protobuf import encode

OPSET, IR_VERSION = 15, 8  # of ONNX 1.10 (2021), the first in which Shape gives one axis
_ELEMENTS = {"float32": 1, "int32": 6, "int64": 7, "bool": 9, "float64": 11}
_BYTES_AT_MOST = (1 << 31) - 1  # of a file; Protocol Buffers' own limit


class Writer:
    """The graph so far.

    Attributes
    ----------
    dtype : of the model
    scope : what the names of operators and constants begin with: the layer that is being written
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.scope = ""
        self._nodes: list[dict[str, Any]] = []
        self._constants: dict[str, np.ndarray] = {}
        self._taken: set[str] = {""}

    def __call__(
        self, op: str, *inputs: str, name: str = "", outputs: int | None = None, **attributes: Any
    ) -> Any:
        """Add an operator; the name of its output, or of all with `outputs`, a number.

        name : of the output, or of the first, instead of one made from scope and operator
        """
        stem = self._free(f"{self.scope}/{op}".lstrip("/"))
        names = [name or stem, *(f"{stem}_{k}" for k in range(1, outputs or 1))]
        self._nodes.append({
            "input": list(inputs), "output": names, "name": stem, "op_type": op,
            "attribute": [_attribute(k, v) for k, v in attributes.items()],
        })  # fmt: skip
        return names[0] if outputs is None else names

    def constant(self, name: str, array: Any) -> str:
        """An array of weights or sizes; its name."""
        full = self._free(f"{self.scope}/{name}".lstrip("/"))
        self._constants[full] = np.asarray(array)
        return full

    def sizes(self, *numbers: int) -> str:
        """A list of whole numbers, as operators take axes and shapes."""
        for name, array in self._constants.items():
            if array.dtype == np.int64 and array.ndim == 1 and array.tolist() == list(numbers):
                return name
        scope, self.scope = self.scope, ""
        name = self.constant(f"sizes/{'_'.join(map(str, numbers))}", np.array(numbers, np.int64))
        self.scope = scope
        return name

    def number(self, value: float) -> str:
        """A number in the model's dtype."""
        return self.constant("number", np.array(value, self.dtype))

    def _free(self, name: str) -> str:
        base, k = name, 1
        while name in self._taken:
            name, k = f"{base}_{k}", k + 1
        self._taken.add(name)
        return name

    def model(self, inputs: Sequence[Value], outputs: Sequence[Value]) -> bytes:
        """The file.

        Raises
        ------
        ValueError : it would be larger than 2 GiB
        """
        size = sum(array.nbytes for array in self._constants.values())
        graph = {
            "node": self._nodes,
            "name": "fastrnn",
            "initializer": [_tensor(name, array) for name, array in self._constants.items()],
            "input": [value.info() for value in inputs],
            "output": [value.info() for value in outputs],
        }
        if size < _BYTES_AT_MOST:
            data = encode("Model", {
                "ir_version": IR_VERSION,
                "producer_name": "fastrnn",
                "producer_version": __version__,
                "graph": graph,
                "opset_import": [{"domain": "", "version": OPSET}],
            })  # fmt: skip
            if len(data) <= _BYTES_AT_MOST:
                return data
        raise ValueError(f"to_onnx: a file of ONNX holds 2 GiB at most, the weights have {size:,} bytes.")


class Value:
    """An input or output of the graph: its name, dtype, and axes: sizes, or names where they are free."""

    def __init__(self, name: str, dtype: Any, axes: Sequence[int | str]) -> None:
        self.name, self.dtype, self.axes = name, np.dtype(dtype), axes

    def info(self) -> dict[str, Any]:
        """As a message."""
        axes = [{"dim_param": a} if isinstance(a, str) else {"dim_value": a} for a in self.axes]
        tensor = {"elem_type": _ELEMENTS[self.dtype.name], "shape": {"dim": axes}}
        return {"name": self.name, "type": {"tensor_type": tensor}}


def _attribute(name: str, value: Any) -> dict[str, Any]:
    many = isinstance(value, (list, tuple))
    kind = type(value[0] if many else value)
    field, number = {float: ("f", 1), int: ("i", 2), str: ("s", 3)}[kind]
    if kind is str:
        value = [one.encode() for one in value] if many else value.encode()
    if many:
        field, number = {"f": "floats", "i": "ints", "s": "strings"}[field], number + 5
    return {"name": name, field: value, "type": number}


def _tensor(name: str, array: np.ndarray) -> dict[str, Any]:
    little = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    return {
        "dims": list(array.shape), "data_type": _ELEMENTS[array.dtype.name], "name": name,
        "raw_data": little.tobytes(),
    }  # fmt: skip
