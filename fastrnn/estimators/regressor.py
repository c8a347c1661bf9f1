"""A number, or several, for each sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_consistent_length, validate_data

from .sequences import SequenceEstimator


class SequenceRegressor(RegressorMixin, SequenceEstimator):
    """Numbers for each sequence: a recurrent network, a dense layer on its last state, squared errors.

    Parameters and attributes are those of `SequenceClassifier`, without labels and their weights.  Scale y
    where it is far from 1, for example with `TransformedTargetRegressor`.

    >>> import numpy as np, fastrnn as fr
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 1)) for n in rng.integers(3, 7, 40)]
    >>> y = [x.mean() for x in X]
    >>> model = fr.estimators.SequenceRegressor(8, epochs=40, random_state=0).fit(X, y)
    >>> model.predict(X[:5]).shape, model.score(X, y) > 0.8
    ((5,), True)
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SequenceRegressor:
        """Learn anew.

        Parameters
        ----------
        X : a list of [T_b, F], an array [B, T, F], or a table [B, F]; with `vocabulary`, ids
        y : numbers [B] or [B, K]
        sample_weight : [B]
        """
        y = validate_data(self, y=y, multi_output=True, y_numeric=True)
        given = self._read(X, reset=True)
        check_consistent_length(given, y)
        self._single = y.ndim == 1
        targets = y.reshape(len(y), -1).astype(self.dtype)
        self._learn(given, targets, targets.shape[1], None, "mse", sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The numbers for each sequence, float64, [B] or [B, K] as y was."""
        found: np.ndarray = self._outputs(X)
        return found[:, 0] if self._single else found
