"""An autoencoder that finds outliers, and whose codes are features."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..autoencoder import Autoencoder, SequenceAutoencoder
from ..errors import sentence
from ..layers.base import check_units
from ..optimizers import Adam
from ..schedules import check_number
from .inputs import read, read_weights


class AutoencoderDetector(ClassNamePrefixFeaturesOutMixin, TransformerMixin, OutlierMixin, BaseEstimator):
    """Examples that come badly through a narrow code are outliers; the codes are features.

    Parameters
    ----------
    units : size of the code; for a table also sizes from the first layer to the code, as in
        `fastrnn.Autoencoder`
    cell : of the recurrences, for sequences: "lstm", "gru", "rnn_tanh" or "rnn_relu"
    contamination : share of outliers in the data, in (0, 0.5]; it sets the threshold
    epochs, batch_size, learning_rate : as in `SequenceClassifier`, with Adam at a constant rate
    random_state, dtype, verbose : as in `SequenceClassifier`

    Attributes
    ----------
    offset_ : what `decision_function` takes from `score_samples`; below zero is an outlier
    n_features_in_ : size of the last axis of X
    feature_names_in_ : names of the columns, where X was a table that had them
    autoencoder_ : the trained `fastrnn.Autoencoder`, or `SequenceAutoencoder` for sequences
    history_ : name -> list of values, one an epoch

    A table [B, F] is B vectors; a list of [T_b, F] or an array [B, T, F] is sequences.  Scale the numbers,
    for example with `StandardScaler` in a `Pipeline`: the error is that of X as it is given.

    >>> import numpy as np, fastrnn as fr
    >>> rng = np.random.default_rng(0)
    >>> t = rng.uniform(0, 1, (300, 1))
    >>> X = np.hstack([t, 1 - t, 2 * t])
    >>> X[0] = [1, 1, 0]
    >>> detector = fr.estimators.AutoencoderDetector(2, contamination=0.01, random_state=0).fit(X)
    >>> int(detector.predict(X)[0]), detector.transform(X).shape
    (-1, (300, 2))
    """

    def __init__(
        self,
        units: Any = 16,
        *,
        cell: str = "lstm",
        contamination: float = 0.1,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        random_state: Any = None,
        dtype: Any = "float32",
        verbose: Any = 0,
    ) -> None:
        self.units = units
        self.cell = cell
        self.contamination = contamination
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # codes have the dtype that is asked for
        return tags

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> AutoencoderDetector:
        """Learn anew.

        Parameters
        ----------
        X : a table [B, F], a list of [T_b, F], or an array [B, T, F]
        y : not used
        sample_weight : [B], of the training; the threshold counts all examples alike
        """
        owner = type(self).__name__
        check_number(owner, "contamination", self.contamination, 0.0, 0.5, low_open=True, high_open=False)
        check_number(owner, "learning_rate", self.learning_rate, 0.0, low_open=True)
        epochs = check_units(owner, "epochs", self.epochs)
        size = check_units(owner, "batch_size", self.batch_size)
        given = read(self, X, reset=True)
        weights = read_weights(self, sample_weight, given)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        options: dict[str, Any] = {"optimizer": Adam(self.learning_rate), "seed": seed, "dtype": self.dtype}
        model: Any
        if self._table:
            model = Autoencoder(self.units, **options)
        else:
            model = SequenceAutoencoder(self.units, self.cell, **options)
        history = model.fit(
            given, epochs=epochs, batch_size=size, sample_weight=weights, verbose=self.verbose
        )
        self.autoencoder_, self.history_ = model, history.history
        self.offset_ = float(np.percentile(-model.score_samples(given), 100.0 * self.contamination))
        return self

    @property
    def _n_features_out(self) -> int:
        """For the names of the codes' columns."""
        units = self.autoencoder_.units
        return int(units[-1] if isinstance(units, tuple) else units)

    def _given(self, X: Any) -> Any:
        check_is_fitted(self)
        return read(self, X, reset=False)

    def transform(self, X: Any) -> np.ndarray:
        """The codes of X, [B, units]."""
        given = self._given(X)
        codes: np.ndarray = self.autoencoder_.encode(given)
        return codes

    def score_samples(self, X: Any) -> np.ndarray:
        """Minus the mean squared error with which each example comes back, float64 [B]: larger is usual."""
        given = self._given(X)
        scores: np.ndarray = -self.autoencoder_.score_samples(given)
        return scores

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` less `offset_`: below zero where an example is an outlier."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """-1 for outliers, 1 for the others, [B]."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`, by which a search finds the best reconstruction."""
        found = self.score_samples(X)
        if not len(found):
            raise ValueError(sentence(type(self).__name__, "X", "at least one example", "none"))
        return float(found.mean())
