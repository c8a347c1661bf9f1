"""The exceptions of fastrnn and the one checker that every door calls.

A message reads ``<Layer or function>: <argument> must be <expected>, got <got>. <Next step.>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class ShapeError(ValueError):
    """An array has the wrong rank or size."""


class DtypeError(TypeError):
    """An array has the wrong element type; fastrnn never casts silently."""


class BackendError(RuntimeError):
    """A backend was asked for that this machine cannot run."""


class ModelFormatError(ValueError):
    """A model file is truncated, edited or not a fastrnn model."""


class NonFiniteError(ArithmeticError):
    """A loss became NaN or infinite during training."""


def describe(value: Any) -> str:
    """`value` in the words of a message: shape and dtype for arrays, repr for the rest."""
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{list(value.shape)} {value.dtype}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def sentence(owner: str, name: str, expected: str, got: Any, advice: str = "") -> str:
    """The one form of a message."""
    said = got if isinstance(got, str) else describe(got)
    return f"{owner}: {name} must be {expected}, got {said}.{' ' + advice if advice else ''}"


def check_array(
    owner: str,
    name: str,
    value: Any,
    axes: str,
    sizes: Sequence[int | None],
    dtype: Any = None,
    advice: str = "",
) -> Any:
    """Return `value` if it is an array of the rank, sizes and dtype named, else raise.

    Parameters
    ----------
    owner, name : who asks, and what the argument is called
    value : array (NumPy or CuPy)
    axes : symbolic axes, for example ``"B, T, I"``
    sizes : one number per axis, None where any size is right
    dtype : the dtype the array must have; None accepts float32 and float64
    advice : the sentence that says what to do next

    Raises
    ------
    DtypeError, ShapeError
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        right_dtype = value.dtype in FLOATS if dtype is None else value.dtype == dtype
        right_shape = len(value.shape) == len(sizes) and all(
            n is None or n == m for n, m in zip(sizes, value.shape, strict=True)
        )
        if right_dtype and right_shape:
            return value
    numbers = ", ".join("*" if n is None else str(n) for n in sizes)
    wanted = "float32 or float64" if dtype is None else str(np.dtype(dtype))
    expected = f"[{axes}] = [{numbers}] {wanted}"
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        raise DtypeError(sentence(owner, name, f"an array {expected}", value, advice))
    if not right_dtype:
        hint = f"Convert it with {name}.astype({wanted.split()[0]!r}) if that is what you mean."
        raise DtypeError(sentence(owner, name, expected, value, hint))
    raise ShapeError(sentence(owner, name, expected, value, advice))


def check_dtype(owner: str, dtype: Any) -> np.dtype[Any]:
    """`dtype` as one of the two that fastrnn computes in; DtypeError otherwise."""
    found = np.dtype(object)
    if dtype is not None:  # which NumPy takes for float64
        with suppress(TypeError):
            found = np.dtype(dtype)
    if found not in FLOATS:
        raise DtypeError(sentence(owner, "dtype", "float32 or float64", str(dtype)))
    return found


def check_finite(owner: str, name: str, value: Any, advice: str) -> None:
    """Raise ValueError where a floating array holds NaN or infinity."""
    if value.dtype.kind == "f":
        # The sum is one pass and non-finite whenever an element is; only then look closer.
        with np.errstate(all="ignore"):
            if np.isfinite(value.sum()) or np.isfinite(value).all():
                return
        bad = int(value.size - np.isfinite(value).sum())
        got = f"{bad} of {value.size} values that are NaN or infinite"
        raise ValueError(sentence(owner, name, "finite", got, advice))


def unknown(owner: str, name: str, value: Any, known: Sequence[str]) -> ValueError:
    """The error for a name that is not in a table, with the nearest one that is."""
    near = get_close_matches(str(value), known, n=1)
    advice = f"Did you mean {near[0]!r}?" if near else ""
    return ValueError(sentence(owner, name, f"one of {', '.join(known)}", repr(value), advice))
