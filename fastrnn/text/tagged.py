"""Sentences of words and their tags, however they are given: a file, pairs, or two lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..errors import describe
from .conllu import UNTAGGED, read_conllu

Sentences = list[list[str]]


def tagged_sentences(
    owner: str, sentences: Any, tags: Any = None, name: str = "sentences"
) -> tuple[Sentences, Sentences]:
    """(tokens, tags), a list of each for every sentence.

    sentences : the path of a CoNLL-U file; sentences of (token, tag); or, with `tags`, of tokens
    owner, name : who asks, and what he calls it

    Raises
    ------
    TypeError, ValueError : it is something else, or a word has no tag; the place is named

    >>> tagged_sentences("fit", [[("나는", "PRON"), ("간다", "VERB")]])
    ([['나는', '간다']], [['PRON', 'VERB']])
    """
    if isinstance(sentences, (str, os.PathLike)):
        if tags is not None:
            raise ValueError(f"{owner}: tags must be None beside the path of a file, got {describe(tags)}.")
        return _from_file(owner, sentences)
    if tags is not None:
        tokens = token_sentences(owner, sentences, name)
        told = token_sentences(owner, tags, "tags")
        if len(told) != len(tokens):
            raise ValueError(
                f"{owner}: tags must be {len(tokens)} sentences, as many as {name}, got {len(told)}."
            )
        for k, (one, other) in enumerate(zip(tokens, told, strict=True)):
            if len(one) != len(other):
                raise ValueError(f"{owner}: tags[{k}] must be {len(one)} tags, one a word, got {len(other)}.")
        return tokens, told
    expected = "a CoNLL-U path, or sentences of (token, tag)"
    if not _is_list(sentences):
        raise TypeError(f"{owner}: {name} must be {expected}, got {describe(sentences)}.")
    for k, one in enumerate(sentences):
        if not _is_list(one):
            raise TypeError(f"{owner}: {name}[{k}] must be a list of (token, tag), got {describe(one)}.")
        for t, pair in enumerate(one):
            if not _is_list(pair) or len(pair) != 2 or not all(map(_is_word, pair)):
                advice = " Give tags beside sentences of tokens." if isinstance(pair, str) else ""
                raise TypeError(
                    f"{owner}: {name}[{k}][{t}] must be (token, tag), two strings that are not empty, got "
                    f"{describe(pair)}.{advice}"
                )
    return [[token for token, _ in one] for one in sentences], [[tag for _, tag in one] for one in sentences]


def token_sentences(owner: str, sentences: Any, name: str = "sentences") -> Sentences:
    """Sentences of tokens, checked: lists of strings that are not empty."""
    if not _is_list(sentences):
        raise TypeError(f"{owner}: {name} must be a list of sentences, got {describe(sentences)}.")
    return [check_tokens(owner, one, f"{name}[{k}]") for k, one in enumerate(sentences)]


def check_tokens(owner: str, tokens: Any, name: str = "tokens") -> list[str]:
    """One sentence, a list of strings that are not empty."""
    if not _is_list(tokens):
        advice = " Cut it into words first, with fastrnn.text.words." if isinstance(tokens, str) else ""
        raise TypeError(f"{owner}: {name} must be a list of words, got {describe(tokens)}.{advice}")
    for t, token in enumerate(tokens):
        if not _is_word(token):
            raise TypeError(
                f"{owner}: {name}[{t}] must be a string that is not empty, got {describe(token)}."
            )
    return list(tokens)


def _from_file(owner: str, path: Any) -> tuple[Sentences, Sentences]:
    found = read_conllu(path)
    for one in found:
        for token, tag in zip(one.tokens, one.tags, strict=True):
            if tag == UNTAGGED:
                raise ValueError(
                    f"{owner}: {path}, the sentence from line {one.line}: every word must have a tag "
                    f"(column 4), got none for {token!r}."
                )
    return [one.tokens for one in found], [one.tags for one in found]


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
