"""Losses: the mean over rows of `weight * l`, and its gradient with respect to the predictions.

Every loss works on rows: predictions `y` [N, F] (or [N]) float32 or float64, targets of the same
shape and dtype (labels may be integers), `weights` [N] or None. The value is the sum of
``weights[n] * l[n]`` over rows, divided by N (not by the sum of the weights), as in Keras;
``l[n]`` is the mean over F of the element losses, or the log loss of the row. It is accumulated in
float64. Array code only; the array module is passed in as `xp`.

The log losses take probabilities, clipped to ``[EPSILON, 1 - EPSILON]``, or logits. A model whose
last activation is the one a loss names in `fuses` skips that activation and calls
`forward_logits`, which neither overflows nor loses digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from fastrnn.errors import DtypeError, check_array, check_finite, describe, sentence, unknown

EPSILON = 1e-7  # Keras' backend.epsilon(); 1 - 1e-7 is still below 1 in float32

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
        return _reduce(self.rows, xp, y, target, weights, needs_gradient)

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
        _check_shape(owner, name, y_shape, target, dtype)
        check_finite(
            owner,
            name,
            target,
            "Drop the rows without a target, or weight them 0 and fill them with 0.",
        )

    def config(self) -> dict[str, Any]:
        """A JSON-able description that `get` turns back into the loss."""
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """``l = mean_f (y - target)^2``."""

    name: ClassVar[str] = "mse"

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        losses = (error * error).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        error *= scale * (2.0 / y.shape[1])
        return losses, error


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """``l = mean_f |y - target|``; the gradient at 0 is 0."""

    name: ClassVar[str] = "mae"

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        losses = xp.abs(error).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        return losses, xp.sign(error) * (scale * (1.0 / y.shape[1]))


@dataclass(frozen=True)
class Huber(Loss):
    """``e^2 / 2`` where ``|e| <= delta``, ``delta (|e| - delta / 2)`` beyond; the mean over F."""

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        if not _is_number(self.delta) or not 0 < self.delta < math.inf:
            raise ValueError(sentence("Huber", "delta", "a positive number", describe(self.delta)))

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        error = y - target.reshape(y.shape)
        clipped = xp.clip(error, -self.delta, self.delta)
        # One formula for both branches: c (e - c / 2) with c = clip(e).
        losses = (clipped * (error - 0.5 * clipped)).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        clipped *= scale * (1.0 / y.shape[1])
        return losses, clipped


@dataclass(frozen=True)
class _LogLoss(Loss):
    """What the log losses share: probabilities or logits."""

    from_logits: bool = False
    activation: ClassVar[str] = "softmax"

    @property
    def fuses(self) -> str | None:  # type: ignore[override]
        """None where the predictions are logits already."""
        return None if self.from_logits else self.activation

    def rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        rows = self.logit_rows if self.from_logits else self.probability_rows
        return rows(xp, y, target, scale)

    def forward_logits(
        self,
        xp: Any,
        logits: Any,
        target: Any,
        weights: Any = None,
        *,
        needs_gradient: bool = True,
    ) -> tuple[float, Any]:
        """As `forward`, of the inputs of the activation instead of its outputs."""
        return _reduce(self.logit_rows, xp, logits, target, weights, needs_gradient)

    def probability_rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        raise NotImplementedError

    def logit_rows(self, xp: Any, logits: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class BinaryCrossentropy(_LogLoss):
    """``l = -mean_f (t log p + (1 - t) log(1 - p))``; targets in [0, 1], labels may be integers."""

    name: ClassVar[str] = "binary_crossentropy"
    activation: ClassVar[str] = "sigmoid"

    def probability_rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        t = target.reshape(y.shape).astype(y.dtype, copy=False)
        p = xp.clip(y, EPSILON, 1.0 - EPSILON)
        losses = -(t * xp.log(p) + (1.0 - t) * xp.log1p(-p)).mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        dy = (p - t) / (p * (1.0 - p)) * (scale * (1.0 / y.shape[1]))
        dy *= p == y  # where the clip holds, the function is flat
        return losses, dy

    def logit_rows(self, xp: Any, logits: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        t = target.reshape(logits.shape).astype(logits.dtype, copy=False)
        small = xp.exp(-xp.abs(logits))  # never above 1
        elements = xp.maximum(logits, 0.0) - logits * t + xp.log1p(small)
        losses = elements.mean(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        sigmoid = xp.where(logits >= 0, 1.0, small) / (1.0 + small)
        sigmoid = sigmoid.astype(logits.dtype, copy=False)
        sigmoid -= t
        sigmoid *= scale * (1.0 / logits.shape[1])
        return losses, sigmoid

    def check(
        self,
        owner: str,
        y_shape: tuple[int | None, ...],
        target: Any,
        dtype: Any = None,
        name: str = "y",
    ) -> None:
        _check_shape(owner, name, y_shape, target, dtype, labels=True)
        _check_unit_interval(owner, name, target)


@dataclass(frozen=True)
class CategoricalCrossentropy(_LogLoss):
    """``l = -sum_f t log p``, t one-hot or probabilities [N, C].

    `label_smoothing` s replaces t by ``(1 - s) t + s / C``. Probabilities are taken to sum to 1.
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "categorical_crossentropy"

    def __post_init__(self) -> None:
        if not _is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            raise ValueError(
                sentence(
                    "CategoricalCrossentropy",
                    "label_smoothing",
                    "a number in [0, 1)",
                    describe(self.label_smoothing),
                )
            )

    def smooth(self, target: Any, dtype: Any) -> Any:
        """The targets [N, C] as `dtype`, smoothed."""
        t = target.astype(dtype, copy=False)
        if self.label_smoothing:
            t = t * (1.0 - self.label_smoothing) + self.label_smoothing / target.shape[1]
        return t

    def probability_rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        t = self.smooth(target, y.dtype)
        p = xp.clip(y, EPSILON, 1.0 - EPSILON)
        losses = -(t * xp.log(p)).sum(axis=1, dtype=xp.float64)
        if scale is None:
            return losses, None
        dy = t / p * -scale
        dy *= p == y
        return losses, dy

    def logit_rows(self, xp: Any, logits: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        t = self.smooth(target, logits.dtype)
        mass = t.sum(axis=1, dtype=xp.float64)  # 1 for probabilities; exact for any targets
        dy = logits - logits.max(axis=1, keepdims=True)
        losses = -(t * dy).sum(axis=1, dtype=xp.float64)
        xp.exp(dy, out=dy)
        total = dy.sum(axis=1, dtype=xp.float64)
        losses += mass * xp.log(total)
        if scale is None:
            return losses, None
        dy *= scale * (mass / total)[:, None].astype(dy.dtype)
        dy -= t * scale
        return losses, dy

    def check(
        self,
        owner: str,
        y_shape: tuple[int | None, ...],
        target: Any,
        dtype: Any = None,
        name: str = "y",
    ) -> None:
        advice = "For class ids use the loss 'sparse_categorical_crossentropy'."
        _check_shape(owner, name, y_shape, target, dtype, labels=True, advice=advice)
        _check_unit_interval(owner, name, target)


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(_LogLoss):
    """``l = -log p[target]``, targets [N] or [N, 1] integer class ids."""

    name: ClassVar[str] = "sparse_categorical_crossentropy"

    def probability_rows(self, xp: Any, y: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        at = xp.arange(y.shape[0]), target.reshape(-1).astype(xp.intp)
        raw = y[at]
        p = xp.clip(raw, EPSILON, 1.0 - EPSILON)
        losses = -xp.log(p).astype(xp.float64)
        if scale is None:
            return losses, None
        dy = xp.zeros_like(y)
        dy[at] = -scale[:, 0] / p * (p == raw)
        return losses, dy

    def logit_rows(self, xp: Any, logits: Any, target: Any, scale: Any) -> tuple[Any, Any]:
        at = xp.arange(logits.shape[0]), target.reshape(-1).astype(xp.intp)
        dy = logits - logits.max(axis=1, keepdims=True)  # the one [N, C] array made here
        losses = -dy[at].astype(xp.float64)
        xp.exp(dy, out=dy)
        total = dy.sum(axis=1, dtype=xp.float64)
        losses += xp.log(total)
        if scale is None:
            return losses, None
        dy *= scale / total[:, None].astype(dy.dtype)
        dy[at] -= scale[:, 0]
        return losses, dy

    def check(
        self,
        owner: str,
        y_shape: tuple[int | None, ...],
        target: Any,
        dtype: Any = None,
        name: str = "y",
    ) -> None:
        expected = "an array of integer class ids"
        if getattr(getattr(target, "dtype", None), "kind", "") not in ("b", "i", "u"):
            hint = f"Convert it with {name}.astype('int64') if that is what you mean."
            raise DtypeError(sentence(owner, name, expected, target, hint))
        lead, classes = y_shape[:-1], y_shape[-1]
        sizes = (*lead, 1) if len(target.shape) == len(y_shape) else lead
        advice = "For one-hot targets use the loss 'categorical_crossentropy'."
        check_array(owner, name, target, _axes(len(sizes)), sizes, target.dtype, advice)
        if classes is None or target.size == 0:
            return
        low, high = int(target.min()), int(target.max())
        if low < 0 or high >= classes:
            raise ValueError(
                sentence(
                    owner,
                    name,
                    f"class ids from 0 to {classes - 1}",
                    f"ids from {low} to {high}",
                    f"The last layer has {classes} outputs; ids start at 0.",
                )
            )


def _reduce(
    rows: Rows, xp: Any, y: Any, target: Any, weights: Any, needs_gradient: bool
) -> tuple[float, Any]:
    """The mean of the row losses and the gradient of it."""
    n = int(y.shape[0])
    if n == 0:
        return 0.0, xp.zeros_like(y) if needs_gradient else None
    scale = None
    if needs_gradient:
        scale = xp.full((n, 1), 1.0 / n, dtype=y.dtype)
        if weights is not None:
            scale *= weights.astype(y.dtype, copy=False)[:, None]
    # A loss that overflows is reported by the training loop, which knows epoch and batch.
    with np.errstate(all="ignore"):
        losses, dy = rows(xp, y.reshape(n, -1), target, scale)
        if weights is not None:
            losses = losses * weights
        return float(losses.sum()) / n, None if dy is None else dy.reshape(y.shape)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _axes(rank: int) -> str:
    """Names for the axes of an array of targets."""
    return {1: "N", 2: "N, F", 3: "B, T, F"}.get(rank, ", ".join("*" * rank))


def _check_shape(
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
    check_array(owner, name, target, _axes(len(sizes)), sizes, dtype, advice)


def _check_unit_interval(owner: str, name: str, target: Any) -> None:
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


_CLASSES: tuple[type[Loss], ...] = (
    MeanSquaredError,
    MeanAbsoluteError,
    Huber,
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
LOSSES: dict[str, type[Loss]] = {
    **{c.name: c for c in _CLASSES},
    "mean_squared_error": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
}


def get(loss: str | Loss | Mapping[str, Any]) -> Loss:
    """The loss of a name, of a `config()`, or the loss itself."""
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, Mapping):
        options = dict(loss)
        name = options.pop("name", None)
    else:
        name, options = loss, {}
    if not isinstance(name, str):
        expected = "the name of a loss or a fastrnn.losses.Loss"
        raise TypeError(sentence("losses.get", "loss", expected, name))
    if name not in LOSSES:
        raise unknown("losses.get", "loss", name, tuple(LOSSES))
    return LOSSES[name](**options)
