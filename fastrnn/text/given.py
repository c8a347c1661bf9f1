"""Text as users give it: a string, a file, or several of those."""

from __future__ import annotations

import os
import unicodedata
from typing import Any

from ..errors import sentence
from .readers import read_text


def string_of(owner: str, name: str, value: Any) -> str:
    """A string, in Unicode's form NFC."""
    if not isinstance(value, str):
        raise TypeError(sentence(owner, name, "a string", value))
    return unicodedata.normalize("NFC", value)


def text_of(owner: str, name: str, value: Any) -> str:
    """A string; what a file holds, where it is a path; those of a list, with a line end between them.  NFC.

    Raises
    ------
    TypeError : it is something else
    ValueError : it is a string with the name of a file in it, and no path
    OSError
    """
    if isinstance(value, (list, tuple)):
        return "\n".join(text_of(owner, f"{name}[{k}]", one) for k, one in enumerate(value))
    if isinstance(value, os.PathLike):
        return string_of(owner, name, read_text(value))
    if not isinstance(value, str):
        expected = "a string, a pathlib.Path of a text file, or a list of those"
        raise TypeError(sentence(owner, name, expected, value))
    if 0 < len(value) < 200 and "\n" not in value and os.path.isfile(value):
        advice = f"To read the file give pathlib.Path({value!r})."
        raise ValueError(sentence(owner, name, "the text itself", "the name of a file", advice))
    return string_of(owner, name, value)
