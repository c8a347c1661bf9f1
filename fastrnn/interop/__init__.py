"""Models of other frameworks, in and out, exact; no other framework is needed to read a file."""

from .keras import from_keras, to_keras_weights
from .onnx import from_onnx
from .onnx_export import to_onnx
from .torch import from_torch, to_torch_state_dict

__all__ = [
    "from_keras",
    "from_onnx",
    "from_torch",
    "to_keras_weights",
    "to_onnx",
    "to_torch_state_dict",
]
