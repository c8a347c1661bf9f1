"""What every loss is: a function of rows, and the checks of targets; see `fastrnn.losses`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from fastrnn.errors import check_array, check_finite, sentence

Rows = Callable[[Any, Any, Any, Any], tuple[Any, Any]]


@dataclass(frozen=True)
class Loss:
    """A loss: subclasses give `name`, `rows` and, where targets differ, `check`."""

    name: ClassVar[str] = "loss"
    #: The output activation that `forward_logits` contains: "softmax", "sigmoid" or None.
    fuses: ClassVar[str | None] = None

    def forward(
        self, xp: Any, y: Any, target: Any, weights: Any = None, *, needs_gradient: bool = True
    ) -> tuple[float, Any]:
        """The loss of the rows, and its gradient.

        Parameters
        ----------
        xp : the array module, NumPy or CuPy
        y : [N, F] or [N] float32 or float64, not modified
        target : as `y`, or [N] or [N, 1] integer class ids where the loss takes ids
        weights : [N] or None
        needs_gradient : False skips the gradient

        Returns
        -------
        value : float; 0.0 where N is 0
        dy : as `y`, a new array; None without `needs_gradient`
        """
        losses, dy = self.each(xp, y, target, weights, needs_gradient=needs_gradient)
        return mean(losses), dy

    def each(
        self, xp: Any, y: Any, target: Any, weights: Any = None, *, count: int | None = None,
        needs_gradient: bool = True,
    ) -> tuple[Any, Any]:  # fmt: skip
        """As `forward`, of some rows of a batch of `count`: the loss is the `mean` over all of them.

        Returns
        -------
        losses : [N] float64, weighted
        dy : their part of the gradient of the mean over `count` rows; None without `needs_gradient`
        """
        return weighted_rows(self.rows, xp, y, target, weights, count, needs_gradient)

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        """Losses of the rows [N] float64 and, unless `scale` [N, 1] is None, `scale * dl/dy`."""
        raise NotImplementedError

    def check(
        self,
        owner: str,
        y_shape: tuple[int | None, ...],
        target: Any,
        dtype: Any = None,
        name: str = "y",
    ) -> None:
        """Raise unless `target` fits predictions of `y_shape` (None: any size) and `dtype`.

        Any number of leading axes is right, so it serves rows and batches alike. Raises
        ShapeError, DtypeError, or ValueError for values out of range.
        """
        check_shape(owner, name, y_shape, target, dtype)
        check_finite(
            owner,
            name,
            target,
            "Drop the rows without a target, or weight them 0 and fill them with 0.",
        )

    def config(self) -> dict[str, Any]:
        """A JSON-able description that `get` turns back into the loss."""
        return {"name": self.name, **asdict(self)}


def mean(losses: Any) -> float:
    """The loss of a batch from the losses of its rows [N]; 0.0 where N is 0."""
    with np.errstate(all="ignore"):
        return float(losses.sum()) / max(1, len(losses))


def weighted_rows(
    rows: Rows, xp: Any, y: Any, target: Any, weights: Any, count: int | None, needs_gradient: bool
) -> tuple[Any, Any]:
    """The weighted losses of the rows, and the gradient of the mean over `count` rows (None: over these)."""
    n = int(y.shape[0])
    if n == 0:
        return xp.zeros(0), xp.zeros_like(y) if needs_gradient else None
    scale = None
    if needs_gradient:
        scale = xp.full((n, 1), 1.0 / (n if count is None else count), dtype=y.dtype)
        if weights is not None:
            scale *= weights.astype(y.dtype, copy=False)[:, None]
    # A loss that overflows is reported by the training loop, which knows epoch and batch.
    with np.errstate(all="ignore"):
        losses, dy = rows(xp, y.reshape(n, -1), target, scale)
        if weights is not None:
            losses = losses * weights
        return losses, None if dy is None else dy.reshape(y.shape)


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def axes_text(rank: int) -> str:
    """Names for the axes of an array of targets."""
    return {1: "N", 2: "N, F", 3: "B, T, F"}.get(rank, ", ".join("*" * rank))


def check_shape(
    owner: str,
    name: str,
    y_shape: tuple[int | None, ...],
    target: Any,
    dtype: Any,
    labels: bool = False,
    advice: str = "",
) -> None:
    """Targets have the shape of the predictions; a last axis of size 1 may be left out."""
    sizes = y_shape
    if len(y_shape) > 1 and y_shape[-1] == 1 and len(getattr(target, "shape", ())) < len(y_shape):
        sizes = y_shape[:-1]
    if labels and getattr(getattr(target, "dtype", None), "kind", "") in ("b", "i", "u"):
        dtype = target.dtype
    advice = advice or "Targets have the shape of the model's output."
    check_array(owner, name, target, axes_text(len(sizes)), sizes, dtype, advice)


def check_unit_interval(owner: str, name: str, target: Any) -> None:
    """Raise where a target is not a probability; NaN is not."""
    if target.size:
        low, high = float(target.min()), float(target.max())
        if not (low >= 0.0 and high <= 1.0):
            raise ValueError(
                sentence(
                    owner,
                    name,
                    "values in [0, 1]",
                    f"values from {low:g} to {high:g}",
                    "They are probabilities or labels 0 and 1.",
                )
            )
