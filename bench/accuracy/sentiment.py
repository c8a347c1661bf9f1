"""Sentiment of English snippets: `SentimentClassifier` with its defaults, beside naive Bayes.

The test set is a tenth of the texts, those whose SHA-256 is a multiple of ten: equal texts are on one side.
Nothing was chosen by it: the classifier holds out a tenth of its own training texts to know when to stop.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import fastrnn as fr
from fastrnn.text import read_labelled, read_text, words

Examples = list[tuple[str, str]]


def english(data: Path, seed: int) -> dict[str, Any]:
    """rt_polarity: snippets of film reviews."""
    examples = []
    for name, label in (("pos", "positive"), ("neg", "negative")):
        lines = read_text(data / "rt_polarity" / f"rt-polarity.{name}").split("\n")
        examples += [(line.strip(), label) for line in lines if line.strip()]
    return measured(examples, seed)


def tiny(data: Path, seed: int) -> dict[str, Any]:
    """sentiment_labelled: a thousand sentences each on phones, films and restaurants, one model for all."""
    folder, examples = data / "sentiment_labelled", []
    for name in ("amazon_cells", "imdb", "yelp"):
        examples += list(zip(*read_labelled(folder / f"{name}_labelled.txt"), strict=True))
    return measured(examples, seed)


def measured(examples: Examples, seed: int) -> dict[str, Any]:
    """Train on nine tenths, measure on the last."""
    train = [(text, label) for text, label in examples if not held_out(text)]
    test = [(text, label) for text, label in examples if held_out(text)]
    classifier = fr.tasks.SentimentClassifier(seed=seed)
    history = classifier.fit(*columns(train), verbose=0)
    found = classifier.evaluate(*columns(test))
    return {
        "accuracy": found["accuracy"],
        "log_loss": found["log_loss"],
        "naive_bayes_words": naive_bayes(train, test, pairs=False),
        "naive_bayes_words_and_pairs": naive_bayes(train, test, pairs=True),
        "epochs": len(history.history["loss"]),
        "train": len(train),
        "test": len(test),
    }


def held_out(text: str) -> bool:
    """Whether a text belongs to the test set; depends on nothing but the text."""
    return int(hashlib.sha256(" ".join(text.split()).encode()).hexdigest(), 16) % 10 == 0


def columns(examples: Examples) -> tuple[list[str], list[str]]:
    """(texts, labels)."""
    return [text for text, _ in examples], [label for _, label in examples]


def naive_bayes(train: Examples, test: Examples, pairs: bool) -> float:
    """Accuracy of naive Bayes on which words, and pairs of neighbours, occur; counts from one."""

    def features(text: str) -> set[str]:
        found = words(text.lower())
        return set(found) | {f"{a} {b}" for a, b in pairwise(found) if pairs}

    counts: dict[str, Counter[str]] = {label: Counter() for _, label in train}
    for text, label in train:
        counts[label].update(features(text))
    known = set().union(*counts.values())
    logs = {
        label: {one: math.log((n[one] + 1) / (n.total() + len(known))) for one in known}
        for label, n in counts.items()
    }
    prior = Counter(label for _, label in train)

    def guess(text: str) -> str:
        there = [one for one in features(text) if one in known]
        return max(
            logs, key=lambda label: math.log(prior[label]) + math.fsum(logs[label][one] for one in there)
        )

    return sum(guess(text) == label for text, label in test) / len(test)
