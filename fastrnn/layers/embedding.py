"""Integer ids in: as learnt vectors, or as one-hot vectors that are never materialised."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from .. import initializers
from ..backends import Backend
from ..errors import ShapeError, sentence
from ..packed import Packed
from .base import Layer, Shape, check_units
from .noise import Noise


def forward(xp: Any, params: dict[str, Any], ids: Any) -> Any:
    """The rows of W [V, F] that integer ids [N, ...] name, [N, ..., F]; None where one is not in [0, V)."""
    W = params["W"]
    return W[ids] if are_within(ids, len(W)) else None


def backward(xp: Any, params: dict[str, Any], ids: Any, dy: Any) -> dict[str, Any]:
    """{"W": dW}."""
    dW = xp.zeros_like(params["W"])
    # From the last row to the first, as all gradients (fastrnn/kernels/_gradients.pyx).
    xp.add.at(dW, ids.reshape(-1)[::-1], dy.reshape(-1, dy.shape[-1])[::-1])
    return {"W": dW}


def are_within(ids: Any, size: int) -> bool:
    """Whether all of them are in [0, size)."""
    return not ids.size or bool(ids.min() >= 0 and ids.max() < size)


FORMULA = SimpleNamespace(name="embedding", forward=forward, backward=backward)


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
        if not are_within(rows, self.size):
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
        if self.mask_zero:
            x = drop(self.backend.xp, x, x.rows != 0)[0]
        y = self.backend.run(FORMULA, "forward", self.params, x.rows)
        if y is None:
            self.check_ids(x.rows)
        return x.with_rows(y), x.rows if noise is not None else None

    def backward(self, cache: Any, dy: Any) -> Any:
        self.add_grads(self.backend.run(FORMULA, "backward", self.params, cache, dy, into=self.grads))

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
