"""The form of every message, and the checkers that raise them."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn.errors import (
    NonFiniteError,
    check_array,
    check_finite,
    describe,
    sentence,
    unknown,
)


def test_families() -> None:
    """Who catches Python's own exceptions catches ours."""
    assert issubclass(fr.ShapeError, ValueError)
    assert issubclass(fr.DtypeError, TypeError)
    assert issubclass(fr.BackendError, RuntimeError)
    assert issubclass(fr.ModelFormatError, ValueError)
    assert issubclass(NonFiniteError, ArithmeticError)


def test_describe() -> None:
    assert describe(np.zeros((2, 3), np.float32)) == "[2, 3] float32"
    assert describe(np.float64(1)) == "[] float64"
    assert describe("a") == "'a'" and describe(None) == "None"
    long = describe("x" * 100)
    assert len(long) == 60 and long.endswith("...")
    assert describe("x" * 58) == repr("x" * 58)


def test_sentence() -> None:
    assert sentence("LSTM", "x", "good", "bad") == "LSTM: x must be good, got bad."
    assert sentence("f", "x", "a", 3, "Do so.") == "f: x must be a, got 3. Do so."


def test_unknown() -> None:
    error = unknown("f", "loss", "mes", ("mse", "mae"))
    assert isinstance(error, ValueError)
    assert str(error) == "f: loss must be one of mse, mae, got 'mes'. Did you mean 'mse'?"
    assert str(unknown("f", "loss", 7, ("mse",))) == "f: loss must be one of mse, got 7."


def test_check_array_returns_the_array_itself() -> None:
    for dtype in (np.float32, np.float64):
        a = np.zeros((2, 0), dtype)
        assert check_array("f", "a", a, "B, H", (None, 0)) is a
        assert check_array("f", "a", a, "B, H", (2, None), dtype) is a
    ids = np.zeros(3, np.int64)
    assert check_array("f", "ids", ids, "N", (3,), np.int64) is ids
    # Byte order and subclasses are NumPy's business: what equals the dtype is accepted.
    assert check_array("f", "a", a.view(np.memmap), "B, H", (2, 0)) is not None


@pytest.mark.parametrize(
    ("value", "dtype", "error", "text"),
    [
        (np.zeros(3), None, fr.ShapeError,
         "L: x must be [B, F] = [*, 2] float32 or float64, got [3] float64. Next."),
        (np.zeros((3, 1)), None, fr.ShapeError,
         "L: x must be [B, F] = [*, 2] float32 or float64, got [3, 1] float64. Next."),
        (np.zeros((3, 2), int), None, fr.DtypeError,
         "L: x must be [B, F] = [*, 2] float32 or float64, got [3, 2] int64. "
         "Convert it with x.astype('float32') if that is what you mean."),
        (np.zeros((3, 2)), np.float32, fr.DtypeError,
         "L: x must be [B, F] = [*, 2] float32, got [3, 2] float64. "
         "Convert it with x.astype('float32') if that is what you mean."),
        ([[1.0, 2.0]], None, fr.DtypeError,
         "L: x must be an array [B, F] = [*, 2] float32 or float64, got [[1.0, 2.0]]. Next."),
    ],
)  # fmt: skip
def test_check_array_messages(value: Any, dtype: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        check_array("L", "x", value, "B, F", (None, 2), dtype, "Next.")


def test_check_finite() -> None:
    check_finite("f", "x", np.zeros((2, 0)), "Clean it.")
    check_finite("f", "ids", np.array([1, 2]), "Clean it.")
    # The sum overflows although every number is finite.
    check_finite("f", "x", np.full(4, np.finfo(np.float32).max), "Clean it.")
    for bad, count in (([1, np.nan], 1), ([np.inf, -np.inf], 2), ([np.nan, np.inf], 2)):
        text = f"f: x must be finite, got {count} of 2 values that are NaN or infinite. Clean it."
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            check_finite("f", "x", np.array(bad), "Clean it.")
