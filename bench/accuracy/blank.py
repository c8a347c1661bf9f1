"""Fill in the blank: he or she, in GAP's paragraphs and in stories over a growing distance."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn.samples import stories
from fastrnn.text import words

PRONOUNS = [["he", "him", "his"], ["she", "her", "hers"]]
OTHERS = {"himself": "he", "herself": "she"} | {form: forms[0] for forms in PRONOUNS for form in forms}


def paragraphs(path: Path) -> tuple[list[str], list[str], list[str]]:
    """(texts, the same with ``___`` for the pronoun in question, those pronouns) of a file of GAP.

    Webster et al. 2018, "Mind the GAP".
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts, blanked, answers = [], [], []
    for row in rows:
        text, pronoun, at = row["Text"], row["Pronoun"], int(row["Pronoun-offset"])
        assert text[at : at + len(pronoun)] == pronoun, row["ID"]
        texts.append(text)
        blanked.append(f"{text[:at]}___{text[at + len(pronoun) :]}")
        answers.append(OTHERS[pronoun.lower()])
    return texts, blanked, answers


def nearest(text: str, otherwise: str) -> str:
    """The gender of the gendered pronoun with the fewest words between it and the blank.

    `otherwise` where there is none, or where one of each is as near.
    """
    tokens = re.findall(r"\w+", text.lower())
    blank = tokens.index("___")
    found = [(abs(k - blank), OTHERS[word]) for k, word in enumerate(tokens) if word in OTHERS]
    near = {gender for distance, gender in found if distance == min(found)[0]}
    return near.pop() if len(near) == 1 else otherwise


def share(found: Sequence[str], answers: Sequence[str]) -> float:
    return sum(a == b for a, b in zip(found, answers, strict=True)) / len(answers)


def gap(data: Path, seed: int) -> dict[str, Any]:
    """Train on every pronoun of GAP's development paragraphs, test on the one asked for in validation."""
    texts, _, _ = paragraphs(data / "gap" / "gap-development.tsv")
    _, blanked, answers = paragraphs(data / "gap" / "gap-validation.tsv")
    # Chosen by five-fold cross-validation of the development paragraphs, as was the number of epochs.
    filler = fr.tasks.BlankFiller(
        PRONOUNS, units=32, embedding=16, dropout=0.5, token_dropout=0.1, learning_rate=0.002, seed=seed
    )
    filler.fit(texts, epochs=3, verbose=0)
    every = Counter(OTHERS[word] for text in texts for word in words(text.lower()) if word in OTHERS)
    majority = every.most_common(1)[0][0]
    return {
        "accuracy": filler.evaluate(blanked, answers)["accuracy"],
        "nearest_pronoun": share([nearest(text, majority) for text in blanked], answers),
        "majority": share([majority] * len(answers), answers),
        "paragraphs": len(answers),
    }


DISTANCES = (20, 50, 100, 150, 200)
SPAN = (min(DISTANCES), max(DISTANCES))


def distance(data: Path, seed: int) -> dict[str, Any]:
    """Stories in which three sentences name somebody else, of either gender."""
    return _by_distance(seed, distractors=3)


def distance_alone(data: Path, seed: int) -> dict[str, Any]:
    """Stories in which nobody else is named."""
    return _by_distance(seed, distractors=0)


def _by_distance(seed: int, distractors: int) -> dict[str, Any]:
    """Stories of 20 to 200 words: the same stories and as many steps for every network.

    rnn : a plain RNN, whose recurrent matrix is a random one (Glorot and Bengio 2010)
    rnn_orthogonal : the RNN of fastrnn, which starts with an orthogonal matrix
    rnn_curriculum : the same, taught with short stories before longer ones: what it can hold when shown how
    lstm, gru : with gates that start open for up to 200 words; lstm_forget_bias_1 : without that

    The first two get the best of three learning rates on stories held out, the others the default.
    """

    def told(count: int, span: Any, number: int, split: str = "train") -> tuple[list[str], list[str]]:
        return stories(count, span, distractors=distractors, seed=1000 * number + seed, split=split)

    train, held = told(4000, SPAN, 0), told(400, SPAN, 1)

    def trained(cell: str, orthogonal: bool = True, **options: Any) -> fr.tasks.BlankFiller:
        filler = fr.tasks.BlankFiller(cell=cell, bidirectional=False, seed=seed, **options)
        if not orthogonal:
            filler.fit(*train, epochs=0, verbose=0)
            rng = np.random.default_rng([seed, 0x4E4E])
            with filler.model.writing() as params:
                W_hh = params["rnn/W_hh"]
                W_hh[...] = fr.initializers.GlorotUniform()(rng, W_hh.shape, W_hh.dtype)
        filler.fit(*train, epochs=10, verbose=0)
        return filler

    def best(**options: Any) -> fr.tasks.BlankFiller:
        several = [trained("rnn", learning_rate=rate, **options) for rate in (0.0001, 0.0003, 0.001)]
        return max(several, key=lambda filler: filler.evaluate(*held)["accuracy"])

    taught = fr.tasks.BlankFiller(cell="rnn", bidirectional=False, learning_rate=0.001, seed=seed)
    for stage, most in enumerate((10, 50, 100, 200), 2):
        taught.fit(*told(4000, (0, most), stage), epochs=4, verbose=0)
    found = {
        "lstm": trained("lstm", memory=SPAN[1]),
        "gru": trained("gru", memory=SPAN[1]),
        "lstm_forget_bias_1": trained("lstm"),
        "rnn": best(orthogonal=False),
        "rnn_orthogonal": best(),
        "rnn_curriculum": taught,
    }
    figures = {}
    for between in DISTANCES:
        test = told(1000, between, 0, split="test")
        figures |= {f"{name}_{between}": one.evaluate(*test)["accuracy"] for name, one in found.items()}
    return figures
