"""The lecture's chapters as products: one class each, with `fit`, `save` and `load`."""

from .task import Task

__all__ = ["Task"]
