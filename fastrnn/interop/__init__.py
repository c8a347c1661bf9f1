"""Models of other frameworks, in and out, exact; no other framework is needed to read a file.

The readers are imported when the first of them is asked for, so that `import fastrnn` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_WHERE = {
    "from_keras": ".keras",
    "from_onnx": ".onnx",
    "from_torch": ".torch",
    "to_keras_weights": ".keras",
    "to_onnx": ".onnx_export",
    "to_torch_state_dict": ".torch",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_WHERE[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
