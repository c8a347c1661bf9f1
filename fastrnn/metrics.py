"""Metrics: numbers collected batch by batch over a whole pass.

``reset()``, then ``update(xp, y, target, weights)`` for every batch of rows, then ``result()``.
y [N, F] or [N] are predictions, weights [N] or None. Sums are kept in float64 and a result is the
weighted mean over all rows, 0 / 0 being NaN. `exact` says that the result does not depend on how
the pass was cut into batches.

`needs_probabilities` is False where logits, of which the probabilities are an increasing
function, give the same result: a model that has only logits need not compute the rest.
`takes_classes` is True where the class of the largest output is enough: y may then be integers [N].
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np

from fastrnn.errors import DtypeError, ShapeError, describe, sentence, unknown


class Metric:
    """A weighted mean over rows; subclasses give `rows`, and what they are called."""

    kind: ClassVar[str] = "metric"
    needs_probabilities = True
    takes_classes = False
    exact = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.reset()

    def reset(self) -> None:
        """Forget every batch."""
        self._total = 0.0
        self._weight = 0.0

    def update(self, xp: Any, y: Any, target: Any, weights: Any = None) -> None:
        """Add a batch of rows."""
        if y.shape[0] == 0:
            return
        # A broken model's NaN and infinity belong in the result, not in warnings.
        with np.errstate(all="ignore"):
            values = self.rows(xp, y.reshape(y.shape[0], -1), target).astype(xp.float64)
        if weights is None:
            self._weight += values.shape[0]
        else:
            values = values * weights
            self._weight += float(weights.sum(dtype=xp.float64))
        self._total += float(values.sum())

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        """The value of each row [N], of predictions [N, F]."""
        raise NotImplementedError

    def result(self) -> float:
        """The value over all rows since `reset`; NaN where there are none."""
        return self._total / self._weight if self._weight else math.nan

    def config(self) -> dict[str, Any] | None:
        """A JSON-able description that `get` turns back into the metric; None for functions."""
        return {"kind": self.kind, "name": self.name}


class SparseCategoricalAccuracy(Metric):
    """The share of rows whose largest output is the class id."""

    kind = "sparse_categorical_accuracy"
    needs_probabilities = False
    takes_classes = True

    def __init__(self, name: str = "sparse_categorical_accuracy") -> None:
        super().__init__(name)

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        best = y[:, 0] if y.dtype.kind == "i" and y.shape[1] == 1 else y.argmax(axis=1)
        return best == _ids(self.name, y, target)


class CategoricalAccuracy(Metric):
    """The share of rows whose largest output is the largest of the one-hot target."""

    kind = "categorical_accuracy"
    needs_probabilities = False

    def __init__(self, name: str = "categorical_accuracy") -> None:
        super().__init__(name)

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        return y.argmax(axis=1) == _like(self.name, y, target).argmax(axis=1)


class BinaryAccuracy(Metric):
    """The share of elements on the right side of `threshold`: the mean over F, then over rows."""

    kind = "binary_accuracy"

    def __init__(self, threshold: float = 0.5, name: str = "binary_accuracy") -> None:
        super().__init__(name)
        self.threshold = threshold

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        right = (y > self.threshold) == (_like(self.name, y, target) > 0.5)
        return right.mean(axis=1, dtype=xp.float64)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "threshold": self.threshold}


class Accuracy(Metric):
    """The accuracy that fits the shapes of a batch.

    Binary where y has one column, categorical where the target is as wide as y, sparse otherwise.
    `get("accuracy", loss)` gives the one that fits the loss instead.
    """

    kind = "accuracy"

    def __init__(self, name: str = "accuracy") -> None:
        super().__init__(name)

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        if y.shape[1] == 1:
            return BinaryAccuracy(name=self.name).rows(xp, y, target)
        if target.shape == y.shape:
            return CategoricalAccuracy(self.name).rows(xp, y, target)
        return SparseCategoricalAccuracy(self.name).rows(xp, y, target)


class TopKCategoricalAccuracy(Metric):
    """The share of rows whose class is among the k largest outputs; ids or one-hot targets.

    Ties with the k-th count as among them.
    """

    kind = "top_k_categorical_accuracy"
    needs_probabilities = False

    def __init__(self, k: int = 5, name: str = "top_k_categorical_accuracy") -> None:
        super().__init__(name)
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            expected = "a whole number from 1"
            raise ValueError(sentence("TopKCategoricalAccuracy", "k", expected, describe(k)))
        self.k = k

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        one_hot = target.shape == y.shape and y.shape[1] > 1
        ids = target.argmax(axis=1) if one_hot else _ids(self.name, y, target)
        score = y[xp.arange(y.shape[0]), ids]
        # Nothing is larger than NaN: without the second factor a broken model would be perfect.
        return ((y > score[:, None]).sum(axis=1) < self.k) & xp.isfinite(score)

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "k": self.k}


class MeanSquaredError(Metric):
    """The mean squared error; `root` takes the square root of the mean over the whole pass."""

    kind = "mse"

    def __init__(self, root: bool = False, name: str | None = None) -> None:
        super().__init__(name or ("rmse" if root else "mse"))
        self.root = root

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        error = y - _like(self.name, y, target)
        return (error * error).mean(axis=1, dtype=xp.float64)

    def result(self) -> float:
        mean = super().result()
        return math.sqrt(mean) if self.root else mean

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "root": self.root}


class MeanAbsoluteError(Metric):
    """The mean absolute error."""

    kind = "mae"

    def __init__(self, name: str = "mae") -> None:
        super().__init__(name)

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        return xp.abs(y - _like(self.name, y, target)).mean(axis=1, dtype=xp.float64)


class Perplexity(Metric):
    """exp of the mean of ``-log p[class id]`` over the whole pass.

    Probabilities that underflowed to 0 count as the smallest normal number of their dtype.
    """

    kind = "perplexity"

    def __init__(self, from_logits: bool = False, name: str = "perplexity") -> None:
        super().__init__(name)
        self.from_logits = from_logits

    def rows(self, xp: Any, y: Any, target: Any) -> Any:
        at = xp.arange(y.shape[0]), _ids(self.name, y, target)
        if self.from_logits:
            shifted = y - y.max(axis=1, keepdims=True)
            return xp.log(xp.exp(shifted).sum(axis=1, dtype=xp.float64)) - shifted[at]
        return -xp.log(xp.maximum(y[at], xp.finfo(y.dtype).tiny))

    def result(self) -> float:
        mean = super().result()
        return math.exp(mean) if mean < 709.0 else mean * math.inf  # exp(710) overflows

    def config(self) -> dict[str, Any]:
        return {"kind": self.kind, "name": self.name, "from_logits": self.from_logits}


class AUROC(Metric):
    """The area under the ROC curve, by ranks: the chance that a positive row scores above a
    negative one, ties counting one half.

    y [N], [N, 1], or [N, 2] with the positive class second; targets 0 and 1. Scores are kept
    (24 bytes a row) until `reset`. NaN where a class has no weight or a score is NaN.
    """

    kind = "auroc"
    needs_probabilities = False

    def __init__(self, name: str = "auroc") -> None:
        super().__init__(name)

    def reset(self) -> None:
        self._batches: list[Any] = []

    def update(self, xp: Any, y: Any, target: Any, weights: Any = None) -> None:
        n = y.shape[0]
        wide = y.reshape(n, -1) if n else y
        if n and wide.shape[1] > 2:
            raise ShapeError(sentence(self.name, "y", "[N], [N, 1] or [N, 2]", y))
        if n == 0:
            return
        # The difference orders probabilities and logits alike, the second column does not.
        score = wide[:, 0] if wide.shape[1] == 1 else wide[:, 1] - wide[:, 0]
        label = target.reshape(-1)
        if wide.shape == target.shape == (n, 2):
            label = target[:, 1]
        if label.shape[0] != n:
            raise ShapeError(sentence(self.name, "target", f"[N] = [{n}]", target))
        weight = xp.ones(n) if weights is None else weights
        columns = [column.astype(xp.float64) for column in (score, label, weight)]
        batch = xp.stack(columns)
        self._batches.append(batch.get() if hasattr(batch, "get") else batch)

    def result(self) -> float:
        if not self._batches:
            return math.nan
        score, label, weight = np.concatenate(self._batches, axis=1)
        if np.isnan(score).any():
            return math.nan
        _, group = np.unique(score, return_inverse=True)
        positive = np.bincount(group, weight * (label > 0.5))
        negative = np.bincount(group, weight * (label <= 0.5))
        pairs = positive.sum() * negative.sum()
        if pairs == 0:
            return math.nan
        below = np.cumsum(negative) - 0.5 * negative
        return float((positive * below).sum() / pairs)


class FunctionMetric(Metric):
    """A user's ``f(y_true, y_pred) -> [N] or a number`` (the order of arguments is Keras').

    Values of rows are averaged over the pass. A number is averaged over batches by their rows
    (sample weights do not reach the function), so it depends on the batch size: `exact` is False.
    """

    exact = False

    def __init__(self, function: Callable[[Any, Any], Any], name: str | None = None) -> None:
        super().__init__(name or str(getattr(function, "__name__", type(function).__name__)))
        self.function = function

    def update(self, xp: Any, y: Any, target: Any, weights: Any = None) -> None:
        n = y.shape[0]
        if n == 0:
            return
        value = self.function(target, y)
        shape = getattr(value, "shape", ())
        if shape not in ((), (n,)):
            raise ShapeError(sentence(self.name, "the result", f"a number or [N] = [{n}]", value))
        if shape == (n,):
            weight = xp.ones(n) if weights is None else weights
            self._total += float((value * weight).sum(dtype=xp.float64))
            self._weight += float(weight.sum(dtype=xp.float64))
        else:
            self._total += float(value) * n
            self._weight += n

    def config(self) -> None:
        return None


def _ids(owner: str, y: Any, target: Any) -> Any:
    """The class ids [N] of a target, which must be integers, one for each row."""
    n = y.shape[0]
    if target.shape not in ((n,), (n, 1)):
        raise ShapeError(
            sentence(
                owner,
                "target",
                f"class ids [N] = [{n}]",
                target,
                "For one-hot targets use 'categorical_accuracy'.",
            )
        )
    if target.dtype.kind not in "biu":
        raise DtypeError(sentence(owner, "target", "integer class ids", target))
    return target.reshape(-1).astype(np.intp)


def _like(owner: str, y: Any, target: Any) -> Any:
    """The target in the shape [N, F] of the predictions."""
    n, features = y.shape
    if target.shape != y.shape and not (features == 1 and target.shape == (n,)):
        raise ShapeError(sentence(owner, "target", f"[N, F] = [{n}, {features}]", target))
    return target.reshape(y.shape)


METRICS: dict[str, Callable[..., Metric]] = {
    "accuracy": Accuracy,
    "acc": Accuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "sparse_top_k_categorical_accuracy": TopKCategoricalAccuracy,
    "mse": MeanSquaredError,
    "mean_squared_error": MeanSquaredError,
    "rmse": lambda **options: MeanSquaredError(root=True, **options),
    "root_mean_squared_error": lambda **options: MeanSquaredError(root=True, **options),
    "mae": MeanAbsoluteError,
    "mean_absolute_error": MeanAbsoluteError,
    "perplexity": Perplexity,
    "auroc": AUROC,
    "auc": AUROC,
}


def get(metric: str | Metric | Mapping[str, Any] | Callable[..., Any], loss: Any = None) -> Metric:
    """The metric of a name, a `config()` or a function ``f(y_true, y_pred)``, or the metric itself.

    `loss`, a `fastrnn.losses.Loss` or None, decides what "accuracy" means and whether the
    predictions are logits. A metric is called in logs what it was asked for by.
    """
    if isinstance(metric, Metric):
        return metric
    name: Any
    options: dict[str, Any]
    if isinstance(metric, Mapping):
        options = dict(metric)
        name = options.pop("kind", options.get("name"))
    elif callable(metric):
        return FunctionMetric(metric)
    else:
        name, options = metric, {"name": metric}
    if not isinstance(name, str):
        expected = "the name of a metric, a function or a fastrnn.metrics.Metric"
        raise TypeError(sentence("metrics.get", "metric", expected, name))
    if name not in METRICS:
        raise unknown("metrics.get", "metric", name, tuple(METRICS))
    logits = bool(getattr(loss, "from_logits", False))
    make = METRICS[name]
    if make is Accuracy:
        by_loss: dict[str, type[Metric]] = {
            "sparse_categorical_crossentropy": SparseCategoricalAccuracy,
            "categorical_crossentropy": CategoricalAccuracy,
            "binary_crossentropy": BinaryAccuracy,
        }
        make = by_loss.get(getattr(loss, "name", ""), Accuracy)
    if make is BinaryAccuracy and logits:
        options.setdefault("threshold", 0.0)  # the logit of one half
    if make is Perplexity and logits:
        options.setdefault("from_logits", True)
    return make(**options)
