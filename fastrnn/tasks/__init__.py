"""The lecture's chapters as products: one class each, with `fit`, `save` and `load`."""

from .anomaly import AnomalyDetector
from .blank import BlankFiller
from .completion import SentenceCompleter
from .sentiment import SentimentClassifier
from .tagging import PosTagger
from .task import Task

__all__ = ["AnomalyDetector", "BlankFiller", "PosTagger", "SentenceCompleter", "SentimentClassifier", "Task"]
