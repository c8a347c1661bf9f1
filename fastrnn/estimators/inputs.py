"""X as users of scikit-learn give it, checked: a table, an array of sequences, or a list of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_array, validate_data

from ..errors import ShapeError, check_dtype, sentence


def read(estimator: Any, X: Any, *, reset: bool) -> Any:
    """X as a model takes it, in the estimator's dtype: [B, F], [B, T, F] or a list of [T_b, F].

    reset : whether X is the one to fit to.  Then `n_features_in_`, the size of the last axis, is set, and
        whether X is a table; otherwise X must be like that

    Raises
    ------
    ValueError, TypeError : in scikit-learn's words, where it is a table
    ShapeError, ValueError : it is no sequences, or not like the X of fit
    """
    owner, dtype = type(estimator).__name__, check_dtype(type(estimator).__name__, estimator.dtype)
    ragged = _ragged(X)
    table = not ragged and _axes(X) != 3
    if not reset and table is not estimator._table:
        expected = "a table [B, F]" if estimator._table else "sequences: a list of [T, F], or [B, T, F]"
        raise ShapeError(sentence(owner, "X", f"{expected}, as in fit", _said(X)))
    made: Any
    if table:
        made = validate_data(estimator, X, dtype=dtype, reset=reset)
    else:
        if ragged:
            made = [_sequence(owner, k, x, dtype) for k, x in enumerate(X)]
        else:
            made = check_array(X, dtype=dtype, allow_nd=True, estimator=owner, input_name="X")
        widths = sorted({x.shape[-1] for x in made})
        if len(widths) > 1:
            raise ShapeError(sentence(owner, "X", "sequences of the same features", f"{widths} features"))
        _count(estimator, owner, widths[0], reset)
    estimator._table = table
    return made


def read_ids(estimator: Any, X: Any, *, reset: bool) -> Any:
    """X as integer ids: [B, T] or a list of [T_b]."""
    owner = type(estimator).__name__
    ragged = isinstance(X, (list, tuple)) or (_axes(X) == 1 and X.dtype == np.dtype(object))
    made = [_ids(owner, f"X[{k}]", x, 1) for k, x in enumerate(X)] if ragged else _ids(owner, "X", X, 2)
    if not len(made):
        raise ValueError(sentence(owner, "X", "at least one sequence", "none"))
    _count(estimator, owner, 1, reset)
    return made


def read_weights(estimator: Any, sample_weight: Any, X: Any) -> np.ndarray | None:
    """The weight of each example, or None."""
    if sample_weight is None:
        return None
    weights: np.ndarray = _check_sample_weight(sample_weight, X, dtype=estimator.dtype)
    if not (weights >= 0).all() or not weights.any():
        expected = "weights of at least 0, not all of them zero"
        raise ValueError(sentence(type(estimator).__name__, "sample_weight", expected, weights))
    return weights


def _ragged(X: Any) -> bool:
    """Whether X is a list of sequences, in whatever wrapping, and not a table of rows."""
    wrapped = getattr(X, "ndim", 0) == 1 and X.dtype == np.dtype(object)
    if not (wrapped or isinstance(X, (list, tuple))) or not len(X):
        return False
    inner = [_axes(x) for x in X]
    different = set(inner) == {1} and len({len(x) for x in X}) > 1
    return 2 in inner or different  # the latter are no rows of a table: it will be said what they lack


def _axes(x: Any) -> int | None:
    """How many axes x has; None where it is nothing that NumPy takes."""
    if hasattr(x, "ndim"):
        return int(x.ndim)
    try:
        return np.asarray(x).ndim
    except ValueError:  # lists of different lengths
        return None


def _said(X: Any) -> str:
    return f"a list of {len(X)}" if _ragged(X) else str(list(np.asarray(X).shape))


def _sequence(owner: str, k: int, x: Any, dtype: Any) -> np.ndarray:
    array = np.asarray(x)
    if array.ndim != 2 or not array.shape[1]:
        advice = "Write x[:, None] where a step has one number."
        raise ShapeError(sentence(owner, f"X[{k}]", "[T, F]", array, advice))
    found: np.ndarray = check_array(
        array, dtype=dtype, ensure_min_samples=0, estimator=owner, input_name=f"X[{k}]"
    )
    return found


def _ids(owner: str, name: str, x: Any, axes: int) -> np.ndarray:
    array = np.asarray(x)
    if not array.size and array.ndim == axes:  # an empty list is one of floats
        return array.astype(np.int64)
    if array.ndim != axes or array.dtype.kind not in "iu":
        expected = f"integer ids [{'T' if axes == 1 else 'B, T'}], since vocabulary is set"
        raise ShapeError(sentence(owner, name, expected, array))
    return array.astype(np.int64)


def _count(estimator: Any, owner: str, features: int, reset: bool) -> None:
    if reset:
        estimator.n_features_in_ = features
        if hasattr(estimator, "feature_names_in_"):  # of a table that was fitted before
            del estimator.feature_names_in_
    elif features != estimator.n_features_in_:
        expected = f"expecting {estimator.n_features_in_} features as input"
        raise ShapeError(f"X has {features} features, but {owner} is {expected}.")
