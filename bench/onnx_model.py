"""A recurrence as an ONNX model in memory, for the runtimes that read one.

Time-major (layout 0), which is the form the runtimes have kernels for; the batch-first cases have the two
transpositions in the graph, as part of what is timed. Static shapes, initial state zero.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from .cases import Case
from .peers import Unsupported

OPSET, IR = 14, 8  # old enough for every release that the extra admits
# Where gate k of ONNX (iofc, zrh, one) stands in ours (i f g o, r z n, a; i g o of coupled gates, where -1
# is the gate that is not there).
ORDER = {
    "lstm": (0, 3, 1, 2), "lstm_peephole": (0, 3, 1, 2), "lstm_coupled": (0, 2, -1, 1), "gru": (1, 0, 2),
    "gru_before": (1, 0, 2), "rnn": (0,),
}  # fmt: skip
OPTIONS: dict[str, dict[str, Any]] = {"gru": {"linear_before_reset": 1}, "lstm_coupled": {"input_forget": 1}}


def build(case: Case, given: dict[str, Any]) -> bytes:
    """The model of a case.

    Inputs are x and, where there are lengths, sequence_lens int32 [B]; a stream has h0 and c0 [1, 1, H] as
    well. Outputs are y (time-major [T, 1, B, H], batch-first [B, T, H]), h and, for the LSTM, c
    [1, B, H].

    Raises
    ------
    Unsupported : the case trains, or is no single recurrence
    """
    if case.training:
        raise Unsupported("inference only.")
    if case.subject not in ("recurrent", "ragged", "stream", "variants") or case.cell not in ORDER:
        raise Unsupported("single recurrences that ONNX has.")
    stream = case.subject == "stream"
    T, B, I, H = case.T, case.B, case.I, case.H
    first = not case.time_major and not stream
    x_shape = (B, T, I) if first else (T, B, I)
    y_shape = (B, T, H) if first else (T, 1, B, H)
    kind = case.cell.partition("_")[0]
    states = ["h", "c"] if kind == "lstm" else ["h"]
    arrays = _weights(case, given["params"])
    constants = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x_shape)]
    lengths, initial = "", []
    if given["lengths"] is not None:
        lengths = "sequence_lens"
        inputs.append(helper.make_tensor_value_info(lengths, TensorProto.INT32, (B,)))
    if stream:
        initial = [f"{name}0" for name in states]
        inputs += [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, B, H)) for n in initial]
    peepholes = ["", "", "P"] if "P" in arrays else []  # behind the initial states
    rows, out = ("x_steps", "y_steps") if first else ("x", "y")
    nodes = [
        helper.make_node(
            kind.upper(), [rows, "W", "R", "B", lengths, *(initial or peepholes)], [out, *states],
            hidden_size=H, **OPTIONS.get(case.cell, {}),
        )
    ]  # fmt: skip
    if first:
        constants.append(numpy_helper.from_array(np.array([1], np.int64), "directions"))
        nodes = [
            helper.make_node("Transpose", ["x"], [rows], perm=(1, 0, 2)),
            *nodes,
            helper.make_node("Squeeze", [out, "directions"], ["y_rows"]),
            helper.make_node("Transpose", ["y_rows"], ["y"], perm=(1, 0, 2)),
        ]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, y_shape)]
    outputs += [helper.make_tensor_value_info(n, TensorProto.FLOAT, (1, B, H)) for n in states]
    graph = helper.make_graph(nodes, "recurrence", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def feed(case: Case, given: dict[str, Any]) -> dict[str, Any]:
    """The inputs of one call by name; of a stream, those of the first step from a zero state."""
    if case.subject == "stream":
        zero = np.zeros((1, case.B, case.H), np.float32)
        return {"x": given["x"][:1], "h0": zero, "c0": zero.copy()}
    inputs = {"x": given["x"]}
    if given["lengths"] is not None:
        inputs["sequence_lens"] = given["lengths"].astype(np.int32)
    return inputs


def read(case: Case, found: list[Any]) -> dict[str, Any]:
    """The outputs of one call as `bench.recurrent.expected` names and shapes them."""
    y, *states = found
    result = {"y": y[:, 0] if y.ndim == 4 else y}
    result.update({name: state[0] for name, state in zip(("h", "c"), states, strict=False)})
    return result


def _weights(case: Case, params: dict[str, Any]) -> dict[str, Any]:
    """W [1, G, I], R [1, G, H], B [1, 2G] and, with peepholes, P [1, 3H] in ONNX's order of gates."""
    order = ORDER[case.cell]

    def reorder(array: Any) -> Any:
        blocks = np.split(array, max(order) + 1)
        return np.concatenate([blocks[k] if k >= 0 else 0 * blocks[0] for k in order])

    both = [params["b_ih"], params["b_hh"]] if case.cell == "gru" else [params["b"], 0 * params["b"]]
    arrays = {
        "W": reorder(params["W_ih"])[None], "R": reorder(params["W_hh"])[None],
        "B": np.concatenate([reorder(b) for b in both])[None],
    }  # fmt: skip
    if "p" in params:
        i, f, o = np.split(params["p"], 3)
        arrays["P"] = np.concatenate([i, o, f])[None]
    return arrays
