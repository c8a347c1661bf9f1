"""Integer ids in: as learnt vectors, or as one-hot vectors that are never materialised."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import initializers
from ..backends import Backend
from ..errors import ShapeError, sentence
from ..packed import Packed
from .base import Layer, Shape, check_units
from .noise import Noise


class _FromIds(Layer):
    """A layer whose input is integer ids [B, T], 0 <= id < size."""

    takes_ids = True
    size: int

    def build(self, in_shape: Shape, rng: np.random.Generator, dtype: Any, backend: Backend) -> Shape:
        if not in_shape.ids:
            advice = f"Give integers [B, T] in [0, {self.size})."
            raise ShapeError(sentence(str(self), "input", "integer ids [B, T]", str(in_shape), advice))
        return super().build(in_shape, rng, dtype, backend)

    def check_ids(self, rows: Any) -> None:
        """Raise ValueError where an id is not in [0, size)."""
        if rows.size and not (rows.min() >= 0 and rows.max() < self.size):
            got = f"ids from {int(rows.min())} to {int(rows.max())}"
            raise ValueError(sentence(str(self), "x", f"ids in [0, {self.size})", got))


class Embedding(_FromIds):
    """A learnt vector for every id.

    Parameters
    ----------
    input_dim : V, number of ids
    output_dim : size of a vector
    mask_zero : id 0 is padding; its steps are dropped from the batch
    embeddings_initializer : name, object or function

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.Embedding(10, 4)], seed=0).predict(np.array([[1, 2, 3]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        mask_zero: bool = False,
        embeddings_initializer: Any = "uniform",
        name: str | None = None,
    ) -> None:
        super().__init__(name)
        self.size = self.input_dim = input_dim
        self.output_dim = output_dim
        self.size = self.input_dim = check_units("Embedding", "input_dim", input_dim)
        self.output_dim = check_units("Embedding", "output_dim", output_dim)
        self.mask_zero = bool(mask_zero)
        self.streams = not self.mask_zero  # type: ignore[misc]
        self.embeddings_initializer = initializers.get(embeddings_initializer)

    def make_params(self, in_shape: Shape, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
        return {"W": self.embeddings_initializer(rng, (self.input_dim, self.output_dim), dtype)}

    def shape(self, in_shape: Shape) -> Shape:
        return Shape((self.output_dim,), True, None if self.mask_zero else in_shape.length)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        self.check_ids(x.rows)
        if self.mask_zero:
            x = drop(self.backend.xp, x, x.rows != 0)[0]
        y = x.with_rows(self.params["W"][x.rows])
        return y, x.rows if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        xp = self.backend.xp
        dW = self.grads.get("W")
        if dW is None:
            dW = xp.zeros_like(self.params["W"])
        # From the last row to the first, so that parts of a batch go on with the same sums (`backward_part`).
        xp.add.at(dW, cache[::-1], dy[::-1])
        self.add_grads({"W": dW})

    def config(self) -> dict[str, Any]:
        return {
            **super().config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "mask_zero": self.mask_zero,
            # A function cannot be saved, and weights that are there need none.
            "embeddings_initializer": self.embeddings_initializer.config() or {"name": "uniform"},
        }

    def __str__(self) -> str:
        return f"Embedding({self.input_dim}, {self.output_dim})"


class OneHot(_FromIds):
    """One-hot vectors of width `depth`, given as ids and never materialised.

    The layer behind it, a recurrence or Dense, gathers columns of its weights forwards and adds into them
    backwards, so memory does not depend on `depth` but for those weights.

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.OneHot(100_000), fr.LSTM(2)], seed=0)
    >>> model.predict(np.array([[3, 99_999]])).shape
    (1, 2)
    """

    def __init__(self, depth: int, name: str | None = None) -> None:
        super().__init__(name)
        self.size = self.depth = depth
        self.size = self.depth = check_units("OneHot", "depth", depth)

    def shape(self, in_shape: Shape) -> Shape:
        return Shape((self.depth,), True, in_shape.length, one_hot=True)

    def forward(self, x: Packed, noise: Noise | None) -> tuple[Packed, Any]:
        self.check_ids(x.rows)
        return replace(x, depth=self.depth), None

    def backward(self, cache: Any, dy: Any) -> Any:
        return None

    def config(self) -> dict[str, Any]:
        return {**super().config(), "depth": self.depth}

    def __str__(self) -> str:
        return f"OneHot({self.depth})"


def drop(xp: Any, x: Packed, keep: Any) -> tuple[Packed, Any]:
    """x without the rows where `keep` [N] is False, and the indices of the rows that stay."""
    keep = keep.get() if hasattr(keep, "get") else keep
    layout, kept = x.layout.select(keep)
    index = xp.asarray(kept)
    return replace(x, rows=x.rows[index], layout=layout), index
