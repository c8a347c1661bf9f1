"""The log losses, of probabilities or of logits; see `fastrnn.losses`.

The end of a classifier, a dense layer, softmax and the loss of class ids, is also a formula of its own,
`FORMULA`: its kernel never holds the [N, V] logits.

    logits = x W' + b;  l = log sum_v exp(logits_v) - logits_target;  the loss is sum w l / N
    dlogits = w / N * (softmax(logits) - onehot(target));  dx = dlogits W;  dW = dlogits' x;  db = sum dlogits
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np

from fastrnn.errors import DtypeError, check_array, describe, sentence
from fastrnn.loss import Loss, axes_text, check_shape, check_unit_interval, is_number, mean, weighted_rows

EPSILON = 1e-7  # Keras' backend.epsilon(); 1 - 1e-7 is still below 1 in float32


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
        losses, dy = self.each_logits(xp, logits, target, weights, needs_gradient=needs_gradient)
        return mean(losses), dy

    def each_logits(
        self, xp: Any, logits: Any, target: Any, weights: Any = None, *, count: int | None = None,
        needs_gradient: bool = True,
    ) -> tuple[Any, Any]:  # fmt: skip
        """As `each`, of the inputs of the activation instead of its outputs."""
        return weighted_rows(self.logit_rows, xp, logits, target, weights, count, needs_gradient)

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
        check_shape(owner, name, y_shape, target, dtype, labels=True)
        check_unit_interval(owner, name, target)


@dataclass(frozen=True)
class CategoricalCrossentropy(_LogLoss):
    """``l = -sum_f t log p``, t one-hot or probabilities [N, C].

    `label_smoothing` s replaces t by ``(1 - s) t + s / C``. Probabilities are taken to sum to 1.
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "categorical_crossentropy"

    def __post_init__(self) -> None:
        if not is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
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
        check_shape(owner, name, y_shape, target, dtype, labels=True, advice=advice)
        check_unit_interval(owner, name, target)


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
        check_array(owner, name, target, axes_text(len(sizes)), sizes, target.dtype, advice)
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


def forward(xp: Any, params: dict[str, Any], x: Any, target: Any, weights: Any) -> tuple[Any, Any]:
    """The losses of a dense layer's logits.

    Parameters
    ----------
    params : W [V, H], b [V]
    x : [N, H], the layer's input
    target : [N] or [N, 1] integer class ids
    weights : [N] or None

    Returns
    -------
    losses : [N] float64, weighted; the loss is their mean
    best : [N] integers, the class of the largest logit
    """
    logits = x @ params["W"].T + params["b"]
    losses, _ = _LOSS.each_logits(xp, logits, target, weights, needs_gradient=False)
    return losses, logits.argmax(axis=1)


def backward(
    xp: Any, params: dict[str, Any], x: Any, target: Any, weights: Any, count: int | None = None
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """As `forward`, and the gradients: (losses, best, dx [N, H], {"W": dW, "b": db}).

    count : the rows of the batch, where x has only some of them: the loss is the mean over all
    """
    logits = x @ params["W"].T + params["b"]
    losses, da = _LOSS.each_logits(xp, logits, target, weights, count=count)
    return losses, logits.argmax(axis=1), da @ params["W"], {"W": da.T @ x, "b": da.sum(axis=0)}


_CHUNK, _LEAST = 1 << 21, 128  # of the kernel: logits at a time, and rows at least


def logits_bytes(rows: Any, classes: int, itemsize: int, kernel: bool) -> Any:
    """Bytes of the logits of so many rows that exist at a time, and of what each row has beside them."""
    if not kernel:
        return rows * classes * itemsize * 3
    at_once = np.minimum(rows, max(_LEAST, _CHUNK // classes))
    return at_once * (classes * itemsize + 24 * (1 + classes // 512)) + rows * 32


_LOSS = SparseCategoricalCrossentropy()
FORMULA = SimpleNamespace(name="crossentropy", forward=forward, backward=backward)
