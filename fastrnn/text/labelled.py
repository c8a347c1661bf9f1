"""Texts and their labels, however they are given: a file, or two lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import describe, sentence
from .readers import read_labelled

Label = Any  # str or int
Labelled = tuple[list[str], list[Label]]


def labelled_texts(owner: str, texts: Any, labels: Any, classes: Sequence[Label] = ()) -> Labelled:
    """(texts, labels), checked, one of each or more.

    Parameters
    ----------
    owner : who asks, for messages
    texts : strings; or, with labels None, the path of a file with a text, a tab and its label on each line
    labels : strings, or whole numbers
    classes : labels that are known; those of a file are compared with them as text

    Raises
    ------
    TypeError, ValueError : it is something else; the place is named

    >>> labelled_texts("fit", ["좋다", "not bad"], [1, 1])
    (['좋다', 'not bad'], [1, 1])
    """
    if isinstance(texts, (str, os.PathLike)) and labels is None:
        texts, labels = read_labelled(texts)
        known = {str(label): label for label in classes}  # a file cannot say that 1 is a number
        labels = [known.get(label, label) for label in labels]
    elif labels is None:
        raise TypeError(sentence(owner, "labels", "one a text, or None beside the path of a file", None))
    texts, labels = check_texts(owner, texts), check_labels(owner, labels)
    if not texts:
        raise ValueError(sentence(owner, "texts", "one text or more", "none"))
    if len(labels) != len(texts):
        expected = f"{len(texts)}, as many as texts"
        raise ValueError(sentence(owner, "labels", expected, f"{len(labels)}"))
    return texts, labels


def labelled_pair(owner: str, given: Any, classes: Sequence[Label]) -> Labelled:
    """`labelled_texts` of what stands in one argument, `validation_data`: a path, or (texts, labels)."""
    if isinstance(given, (str, os.PathLike)):
        return labelled_texts(owner, given, None, classes)
    if not isinstance(given, (tuple, list)) or len(given) != 2:
        expected = "(texts, labels) or the path of a file"
        raise TypeError(sentence(owner, "validation_data", expected, describe(given)))
    return labelled_texts(owner, given[0], given[1], classes)


def check_texts(owner: str, texts: Any) -> list[str]:
    """Strings that are not empty."""
    if not isinstance(texts, (list, tuple, np.ndarray)):
        raise TypeError(sentence(owner, "texts", "a list of strings", describe(texts)))
    for k, text in enumerate(texts):
        if not isinstance(text, str):
            raise TypeError(sentence(owner, f"texts[{k}]", "a string", describe(text)))
        if not text.strip():
            raise ValueError(sentence(owner, f"texts[{k}]", "a text that is not empty", repr(text)))
    return [str(text) for text in texts]


def check_labels(owner: str, labels: Any) -> list[Label]:
    """Labels as Python's own strings or whole numbers, all of one kind."""
    if not isinstance(labels, (list, tuple, np.ndarray)):
        raise TypeError(sentence(owner, "labels", "a list of strings or of whole numbers", describe(labels)))
    for k, label in enumerate(labels):
        if isinstance(label, bool) or not isinstance(label, (str, int, np.integer)):
            raise TypeError(sentence(owner, f"labels[{k}]", "a string or a whole number", describe(label)))
    found = [str(label) if isinstance(label, str) else int(label) for label in labels]
    if len({type(label) for label in found}) > 1:
        raise TypeError(sentence(owner, "labels", "all strings or all whole numbers", "both"))
    return found


def classes_of(owner: str, labels: Any) -> list[Label]:
    """The different labels, in order; two or more."""
    classes = sorted(set(check_labels(owner, labels)))
    if len(classes) < 2:
        raise ValueError(sentence(owner, "labels", "of two kinds or more", describe(classes)))
    return classes


def places(owner: str, labels: Sequence[Label], classes: Sequence[Label]) -> np.ndarray:
    """int64 [number of labels]: the place of each in `classes`; ValueError names one that is not there."""
    place = {label: k for k, label in enumerate(classes)}
    for k, label in enumerate(labels):
        if label not in place:
            expected = f"one of {', '.join(map(repr, classes))}"
            raise ValueError(sentence(owner, f"labels[{k}]", expected, repr(label)))
    return np.array([place[label] for label in labels], np.int64)
