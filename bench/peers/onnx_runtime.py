"""ONNX Runtime on the CPU: one LSTM, GRU or RNN node, or the file that PyTorch wrote. It infers only.

A stream carries its state by hand: the states that one call returns are the inputs of the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from .. import onnx_model
from ..cases import Case
from ..machine import usable_cores
from . import Unsupported, Work

options = onnxruntime.SessionOptions()


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    used = threads or usable_cores()
    options.intra_op_num_threads = used
    options.inter_op_num_threads = 1
    return {"threads": used, "versions": {"onnxruntime": onnxruntime.__version__}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "classifier":
        return _classifier(case, given)
    model = onnx_model.build(case, given)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    run, inputs = session.run, onnx_model.feed(case, given)
    if case.subject == "stream":
        state = dict(inputs)

        def step() -> Any:
            y, state["h0"], state["c0"] = run(None, state)
            return y

        def steps() -> dict[str, Any]:
            state.update(inputs)
            found = []
            for x in given["x"]:
                state["x"] = x[None]
                found.append(step()[0, 0])
            return {"y": np.stack(found)}

        return Work(step, steps)
    return Work(lambda: run(None, inputs), lambda: onnx_model.read(case, run(None, inputs)))


def _classifier(case: Case, given: dict[str, Any]) -> Work:
    try:
        from . import torch_classifier  # here alone: the other cases do without PyTorch
    except ImportError as error:
        raise Unsupported(f"the file is written by PyTorch, which cannot be imported ({error}).") from error
    model = torch_classifier.exported(case, given)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    run, inputs = session.run, {"x": given["x"]}
    return Work(lambda: run(None, inputs), lambda: {"y": run(None, inputs)[0]})
