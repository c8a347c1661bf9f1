"""OpenVINO on the CPU: the ONNX model of `bench.onnx_model`, compiled for latency. It infers only.

Precision is held to float32: on some processors the library would choose bfloat16 by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino

from .. import onnx_model
from ..cases import Case
from ..machine import usable_cores
from . import Unsupported, Work

settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    used = threads or usable_cores()
    settings["INFERENCE_NUM_THREADS"] = used
    version = openvino.__version__.split("-")[0]
    return {"threads": used, "versions": {"openvino": version}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "variants":
        raise Unsupported("ONNX Runtime and PyTorch stand for other frameworks' recurrences.")
    if case.subject == "stream":
        raise Unsupported("ONNX Runtime and PyTorch stand for single steps with a state carried by hand.")
    core = openvino.Core()
    model = core.read_model(onnx_model.build(case, given))
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    inputs = onnx_model.feed(case, given)
    count = len(model.outputs)

    def call() -> Any:
        request.infer(inputs, share_inputs=True)
        # The request owns its outputs and overwrites them at the next call: a user has to copy them.
        return [np.array(request.get_output_tensor(k).data) for k in range(count)]

    return Work(call, lambda: onnx_model.read(case, call()))
