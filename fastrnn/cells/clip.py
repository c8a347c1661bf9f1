"""The clip of ONNX's recurrent operators: what enters an activation is held in [-bound, bound].

::

    y = f(min(max(a, -bound), bound)),    f'(a) is 0 where abs(a) >= bound

It holds for the gates, with all that is added up in them, peepholes included.  It does not hold for the
memory on its way into the output's activation, as in ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .activations import Function


@dataclass(frozen=True)
class Clipped:
    """An activation behind a clip; used as a `Function` is."""

    function: Function
    bound: float

    name = "clipped"
    reads_input = True

    def value(self, xp: Any, a: Any) -> Any:
        """y = f(clip(a))."""
        return self.function.value(xp, xp.clip(a, -self.bound, self.bound))

    def slope(self, xp: Any, a: Any, y: Any) -> Any:
        """f'(a) inside the bounds, else 0."""
        return self.function.slope(xp, a, y) * (xp.abs(a) < self.bound)


def clipped(function: Function, bound: float | None) -> Any:
    """`function`, behind a clip where there is one."""
    return function if bound is None else Clipped(function, float(bound))
