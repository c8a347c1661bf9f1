"""Estimators that follow scikit-learn: for its pipelines, searches and cross-validation.

X is a list of sequences [T_b, F] of any lengths, an array [B, T, F], or a plain table [B, F].  The
`Sequence...` estimators read a row of a table as a series of F steps of one number; `AutoencoderDetector`
reads it as a vector.  scikit-learn is imported when the first estimator is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .detector import AutoencoderDetector
    from .labels import SequenceClassifier, SequenceTagger
    from .regressor import SequenceRegressor

__all__ = ["AutoencoderDetector", "SequenceClassifier", "SequenceRegressor", "SequenceTagger"]

_WHERE = {
    "AutoencoderDetector": ".detector",
    "SequenceClassifier": ".labels",
    "SequenceRegressor": ".regressor",
    "SequenceTagger": ".labels",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from sklearn.utils.validation import validate_data  # noqa: F401, new in 1.6
    except ImportError as error:
        advice = "Install it: pip install 'fastrnn[sklearn]'"
        raise ImportError(f"fastrnn.estimators.{name} needs scikit-learn 1.6 or newer. {advice}") from error
    return getattr(import_module(_WHERE[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
