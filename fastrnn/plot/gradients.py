"""How large a gradient is at every step back in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import COLORS, Axes, finish, new_axes, shown


def gradient_norms(
    norms: Mapping[str, Any], ax: Axes = None, *, ylabel: str = "mean norm of dL/dh",
    xlabel: str = "time step; the loss is that of step 0",
) -> Axes:  # fmt: skip
    """Norms over time on a log axis; the last step stands at the right, and the gradient travels to the left.

    norms : name -> [T], the norm of dL/dh_t for t = 0 .. T - 1
    """
    ax = new_axes() if ax is None else ax
    span = 0
    for k, (name, text) in enumerate(zip(norms, shown(norms), strict=True)):
        values = np.asarray(norms[name])
        if values.ndim != 1:
            raise ShapeError(sentence("gradient_norms", name, "[T]", values))
        style = {"color": COLORS[k % len(COLORS)], "linestyle": ("-", "--", ":")[k // len(COLORS) % 3]}
        ax.plot(np.arange(len(values)) - len(values) + 1, values, label=text, **style)
        span = max(span, len(values))
    ax.set_yscale("log")
    ax.set_xlim(1 - max(span, 2), 0)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(alpha=0.3)
    if norms:
        ax.legend()
    return finish(ax)
