"""Labels for sequences: one for each (`SequenceClassifier`), or one for each step (`SequenceTagger`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, validate_data

from ..errors import ShapeError, sentence
from .sequences import SequenceEstimator


class _Labels(SequenceEstimator):
    def __init__(
        self, units: int = 32, *, cell: str = "lstm", layers: int = 1, bidirectional: bool = False,
        vocabulary: int | None = None, dropout: float = 0.0, epochs: int = 50, batch_size: int = 32,
        learning_rate: float = 0.01, class_weight: Any = None, random_state: Any = None,
        dtype: Any = "float32", verbose: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            units, cell=cell, layers=layers, bidirectional=bidirectional, vocabulary=vocabulary,
            dropout=dropout, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate,
            random_state=random_state, dtype=dtype, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def _learn_labels(self, X: Any, ids: Any, flat: np.ndarray, sample_weight: Any, steps: bool) -> None:
        """Train on class ids: an array, or a list of arrays; `flat` has the labels of all."""
        K = len(self.classes_)
        weights = None
        if self.class_weight is not None:
            found = compute_class_weight(self.class_weight, classes=self.classes_, y=flat)
            weights = dict(enumerate(found.tolist()))
        self._learn(
            X, ids, K, "softmax", "sparse_categorical_crossentropy", sample_weight,
            every_step=steps, class_weight=weights,
        )  # fmt: skip


class SequenceClassifier(ClassifierMixin, _Labels):
    """A label for each sequence: a recurrent network, and softmax on its last state.

    Parameters
    ----------
    units : of each recurrence, in each direction
    cell : "lstm", "gru" or "rnn"
    layers : recurrences on top of each other
    bidirectional : read sequences from both ends
    vocabulary : None: X holds numbers.  n: X holds ids in [0, n), [B, T] or a list of [T_b], each of which
        learns a vector of `units` numbers
    dropout : share of each recurrence's output that training drops
    epochs, batch_size : how often to read the data, and how many sequences at a time
    learning_rate : of Adam, in the beginning; it falls to zero in a straight line
    class_weight : None, "balanced", or {label: weight}
    random_state : int, RandomState or None.  An int gives the same bits for any number of threads
    dtype : "float32" or "float64", in which X is computed
    verbose : as in `Sequential.fit`

    Attributes
    ----------
    classes_ : the labels, sorted
    n_features_in_ : size of the last axis of X; 1 for ids
    feature_names_in_ : names of the columns, where X was a table that had them
    model_ : the trained `fastrnn.Sequential`
    history_ : name -> list of values, one an epoch

    A table [B, F] is read as B series of F steps of one number; scale them, for example with
    `StandardScaler` in a `Pipeline`.

    >>> import numpy as np, fastrnn as fr
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.standard_normal((n, 2)) + s for n, s in zip(rng.integers(4, 9, 60), [-1, 1] * 30)]
    >>> y = ["low", "high"] * 30
    >>> model = fr.estimators.SequenceClassifier(8, epochs=10, random_state=0).fit(X, y)
    >>> model.predict(X[:3]).tolist(), model.predict_proba(X).shape
    (['low', 'high', 'low'], (60, 2))
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SequenceClassifier:
        """Learn anew.

        Parameters
        ----------
        X : a list of [T_b, F], an array [B, T, F], or a table [B, F]; with `vocabulary`, ids
        y : labels [B], numbers or strings
        sample_weight : [B]
        """
        y = validate_data(self, y=y)
        check_classification_targets(y)
        given = self._read(X, reset=True)
        check_consistent_length(given, y)
        self.classes_, ids = np.unique(y, return_inverse=True)
        self._learn_labels(given, ids.astype(np.int64), y, sample_weight, steps=False)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """The probability of each label, float64 [B, K], in the order of `classes_`."""
        return _normalised(self._outputs(X))

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each sequence, [B]."""
        best = self.predict_proba(X).argmax(axis=1)
        chosen: np.ndarray = self.classes_[best]
        return chosen


class SequenceTagger(_Labels):
    """A label for each step of each sequence: a recurrent network, and softmax on each of its states.

    Parameters and attributes are those of `SequenceClassifier`; `bidirectional` is the default here.  X is a
    list of [T_b, F], or an array [B, T, F]; with `vocabulary`, ids.  `score` is the share of steps that get
    their label.

    >>> import numpy as np, fastrnn as fr
    >>> X = [np.array([1, 0, 2, 1]), np.array([2, 1]), np.array([0, 0, 1])] * 10
    >>> y = [["odd" if k % 2 else "even" for k in ids] for ids in X]
    >>> tagger = fr.estimators.SequenceTagger(8, vocabulary=3, epochs=20, random_state=0).fit(X, y)
    >>> [labels.tolist() for labels in tagger.predict(X[1:3])]
    [['even', 'odd'], ['even', 'even', 'odd']]
    """

    def __init__(
        self, units: int = 32, *, cell: str = "lstm", layers: int = 1, bidirectional: bool = True,
        vocabulary: int | None = None, dropout: float = 0.0, epochs: int = 50, batch_size: int = 32,
        learning_rate: float = 0.01, class_weight: Any = None, random_state: Any = None,
        dtype: Any = "float32", verbose: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__(
            units, cell=cell, layers=layers, bidirectional=bidirectional, vocabulary=vocabulary,
            dropout=dropout, epochs=epochs, batch_size=batch_size, learning_rate=learning_rate,
            class_weight=class_weight, random_state=random_state, dtype=dtype, verbose=verbose,
        )  # fmt: skip

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False  # a table comes with one label a row, not one a step
        tags.input_tags.three_d_array = True
        return tags

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        given = super()._read(X, reset=reset)
        if self.vocabulary is None and self._table:
            advice = "Write X[:, :, None] where a step has one number."
            expected = "sequences: a list of [T, F], or [B, T, F]"
            raise ShapeError(sentence("SequenceTagger", "X", expected, str(list(given.shape[:2])), advice))
        return given

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SequenceTagger:
        """Learn anew.

        Parameters
        ----------
        X : a list of [T_b, F], or an array [B, T, F]; with `vocabulary`, ids
        y : a list of label sequences [T_b], or an array [B, T]
        sample_weight : [B]
        """
        if y is None:
            raise ValueError(sentence("SequenceTagger", "y", "a list of label sequences", None))
        given = self._read(X, reset=True)
        told = self._labels(given, y)
        flat = np.concatenate(told)
        if not len(flat):
            raise ValueError(sentence("SequenceTagger", "X", "sequences with at least one step", "none"))
        check_classification_targets(flat)
        self.classes_, ids = np.unique(flat, return_inverse=True)
        cuts = np.cumsum([len(one) for one in told])[:-1]
        targets: Any = np.split(ids.astype(np.int64), cuts)
        if not isinstance(given, list):
            targets = np.stack(targets)
        self._learn_labels(given, targets, flat, sample_weight, steps=True)
        return self

    def _labels(self, given: Any, y: Any) -> list[np.ndarray]:
        """y as one array of labels for each sequence."""
        check_consistent_length(given, y)
        told = [np.asarray(one) for one in y]
        for k, (x, labels) in enumerate(zip(given, told, strict=True)):
            if labels.shape != (len(x),):
                expected = f"{len(x)} labels, as many as X[{k}] has steps"
                raise ShapeError(sentence("SequenceTagger", f"y[{k}]", expected, str(list(labels.shape))))
        return told

    def predict_proba(self, X: Any) -> Any:
        """The probability of each label at each step: a list of float64 [T_b, K], or [B, T, K] for arrays."""
        found = self._outputs(X)
        return [_normalised(one) for one in found] if isinstance(found, list) else _normalised(found)

    def predict(self, X: Any) -> Any:
        """The most probable label of each step: a list of [T_b], or [B, T] for arrays."""
        found = self.predict_proba(X)
        if isinstance(found, list):
            return [self.classes_[one.argmax(axis=1)] for one in found]
        return self.classes_[found.argmax(axis=2)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of steps that get their label; each step counts as much as its sequence weighs."""
        given = self._read(X)
        told = self._labels(given, y)
        weights = np.ones(len(told)) if sample_weight is None else _check_sample_weight(sample_weight, told)
        hits = [(a == b).sum() for a, b in zip(told, self.predict(X), strict=True)]
        return float(np.dot(weights, hits) / np.dot(weights, [len(one) for one in told]))


def _normalised(p: np.ndarray) -> np.ndarray:
    """Probabilities that were computed in float32 add up to one in float64."""
    return p / p.sum(axis=-1, keepdims=True) if p.size else p
