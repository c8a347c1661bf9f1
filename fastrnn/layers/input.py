"""The first line of a model that wants to be built before it sees data."""

from __future__ import annotations

from typing import Any

from ..errors import sentence
from ..packed import Packed
from .base import Layer, Shape, check_units
from .noise import Noise


class Input(Layer):
    """The shape of one example, without the batch.

    shape : (features,) for vectors, (T or None, features) for sequences, (T or None,) with
        dtype="int" for ids
    dtype : "float" or "int" (ids)

    >>> import fastrnn as fr
    >>> fr.Sequential([fr.Input((None, 8)), fr.LSTM(4)], seed=0).count_params()
    208
    """

    takes_ids = True
    passes = True

    def __init__(self, shape: Any, dtype: str = "float", name: str | None = None) -> None:
        super().__init__(name)
        if not isinstance(shape, (tuple, list)) or not shape:
            raise ValueError(sentence("Input", "shape", "a tuple such as (None, 8)", shape))
        if dtype not in ("float", "int"):
            raise ValueError(sentence("Input", "dtype", '"float" or "int"', repr(dtype)))
        if dtype == "int" and len(shape) != 1:
            expected = '(T,) or (None,) with dtype="int"'
            raise ValueError(sentence("Input", "shape", expected, shape))
        self.given = tuple(shape)
        self.kind = dtype
        features = self.given if dtype == "float" and len(shape) == 1 else self.given[1:]
        for n in features:
            check_units("Input", "a size of shape", n)
        sequence = len(features) < len(self.given)
        if sequence and self.given[0] is not None:
            check_units("Input", "T", self.given[0], 0)
        self.declared = Shape(features, sequence, self.given[0] if sequence else None, ids=dtype == "int")

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        return x, None

    def backward(self, cache: Any, dy: Any) -> Any:
        return dy

    def config(self) -> dict[str, Any]:
        return {**super().config(), "shape": list(self.given), "dtype": self.kind}
