"""One dataclass and one dispatch: a formula runs as a kernel where there is one, else as array code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..threads import get_num_threads, single_threaded_blas


class Cache:
    """What a forward pass keeps for its backward pass.  It is used once: backward overwrites parts of it."""

    __slots__ = ("content",)

    def __init__(self, content: Any) -> None:
        self.content = content

    def take(self) -> Any:
        """The content; a second call raises RuntimeError."""
        if self.content is None:
            raise RuntimeError("backward: this cache was used already. Run forward again for a new one.")
        content, self.content = self.content, None
        return content


@dataclass(frozen=True)
class Backend:
    """Where arrays live and which formulas have kernels.

    Attributes
    ----------
    name : "cpu", "reference" or "cupy"
    xp : the array module
    kernels : name of a formula (a cell's, or "dense") -> object with forward and backward
    """

    name: str
    xp: Any
    kernels: Mapping[str, Any] = field(default_factory=dict)

    def run(
        self, formula: Any, direction: str, *args: Any, threads: int | None = None, **options: Any
    ) -> Any:
        """Run `formula.forward` or `formula.backward`: array code, or the kernel of the same name.

        options : what kernels alone make use of.  `into`: gradients of parameters so far, by name, to go on
            from: what comes back are then the same arrays.  `last`: nobody wants a recurrence's y but its
            final states, so y may be None
        """
        kernel = self.kernels.get(formula.name)
        if kernel is None:
            with single_threaded_blas():
                return getattr(formula, direction)(self.xp, *args)
        return getattr(kernel, direction)(*args, threads=get_num_threads(threads), **options)

    def asarray(self, array: Any) -> Any:
        """`array` where this backend computes; a copy only where it has to move."""
        return self.xp.asarray(array)

    def to_numpy(self, array: Any) -> Any:
        """`array` in the host's memory."""
        return array.get() if hasattr(array, "get") else array
