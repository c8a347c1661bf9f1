"""Part-of-speech tagging: for each word of a sentence, the probability of each tag.

A bidirectional LSTM over the sentence reads a vector for each word: a learnt one, and what small LSTMs make
of its characters and, for Korean, of the letters (jamo) of its syllables (Plank, Søgaard and Goldberg 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..callbacks import Callback, EarlyStopping
from ..errors import sentence
from ..layers import LSTM, Bidirectional, Dense, Dropout, Layer
from ..layers.base import check_rate, check_units
from ..layers.words import Words
from ..optimizers import Adam
from ..schedules import PolynomialDecay, check_number
from ..text import Vocabulary
from ..text.spelling import Spelling, check_spellings
from ..text.tagged import check_tokens, tagged_sentences, token_sentences
from .task import Task, as_before_unless_begun

_CLIP = 5.0
Figures = dict[str, Any]


class PosTagger(Task):
    """Give each word of a sentence its part of speech, or any other tag.

    Parameters
    ----------
    units : of the LSTM over the sentence, in each direction
    depth : number of those LSTMs, one on top of the other
    word_dim, character_dim : size of the vectors learnt for words and characters
    character_units : of the LSTMs over characters, in each direction
    spellings : how the characters of a word are given: ("characters",), ("characters", "jamo") or ("jamo",);
        None: with jamo where at least a tenth of the words to learn from have Hangul
    dropout : between the layers
    unknown : share of words that training takes for unknown ones
    seed, dtype, backend : as in `Sequential`

    >>> from fastrnn.samples import tagged
    >>> tagger = PosTagger(units=16, character_units=8, seed=0)
    >>> history = tagger.fit(tagged(150, "en") + tagged(150, "ko"), learning_rate=0.01, verbose=0)
    >>> tagger.tag(["나는", "학교에", "간다", "."])
    ['PRON', 'NOUN', 'VERB', 'PUNCT']
    >>> tagger.probabilities(["The", "dog", "sleeps", "."]).shape == (4, len(tagger.tags))
    True
    """

    def __init__(
        self,
        *,
        units: int = 150,
        depth: int = 1,
        word_dim: int = 100,
        character_dim: int = 32,
        character_units: int = 50,
        spellings: Sequence[str] | None = None,
        dropout: float = 0.4,
        unknown: float = 0.15,
        seed: Any = 0,
        dtype: Any = "float32",
        backend: str | None = None,
    ) -> None:
        given = {"units": units, "depth": depth, "word_dim": word_dim, "character_dim": character_dim,
                 "character_units": character_units}  # fmt: skip
        sizes = {name: check_units("PosTagger", name, size) for name, size in given.items()}
        shares = {"dropout": dropout, "unknown": unknown}
        rates = {name: check_rate("PosTagger", name, share) for name, share in shares.items()}
        chosen = None if spellings is None else check_spellings("PosTagger", spellings)
        super().__init__(seed=seed, dtype=dtype, backend=backend, **sizes, **rates, spellings=chosen)
        self._spelling: Spelling | None = None
        self.tags: list[str] = []

    @property
    def spelling(self) -> Spelling:
        """The words and characters that were learnt from."""
        if self._spelling is None:
            raise RuntimeError("PosTagger: call fit first, or load a saved one.")
        return self._spelling

    # -- what the base class asks for -------------------------------------------------------------

    def layers(self) -> list[Layer]:
        a, spelling = self.arguments, self.spelling
        stack: list[Layer] = [
            Words(
                spelling.words.size, a["word_dim"], alphabets=spelling.sizes, lengths=spelling.lengths,
                character_dim=a["character_dim"], units=a["character_units"], unknown=a["unknown"],
            ),
        ]  # fmt: skip
        for _ in range(a["depth"]):
            stack += [Dropout(a["dropout"]), Bidirectional(LSTM(a["units"], return_sequences=True))]
        return [*stack, Dropout(a["dropout"]), Dense(len(self.tags), activation="softmax")]

    def input_shape(self) -> tuple[Any, ...]:
        return (None, None, self.spelling.width)

    def learnt(self) -> dict[str, Any]:
        return {"spelling": self.spelling.config(), "tags": self.tags}

    def relearn(self, learnt: dict[str, Any]) -> None:
        self._spelling = Spelling(**learnt["spelling"])
        self.tags = Vocabulary(learnt["tags"]).tokens  # which are different strings

    # -- learning ---------------------------------------------------------------------------------

    @as_before_unless_begun
    def fit(
        self,
        sentences: Any,
        tags: Any = None,
        *,
        validation_data: Any = None,
        epochs: int = 15,
        batch_size: int = 16,
        learning_rate: float = 0.002,
        patience: int | None = None,
        callbacks: Sequence[Callback] = (),
        verbose: Any = "auto",
    ) -> Any:
        """Learn from tagged sentences, anew.

        Parameters
        ----------
        sentences : the path of a CoNLL-U file; or sentences of (token, tag); or, with `tags`, of tokens
        tags : sentences of tags, beside tokens
        validation_data : the same, as one thing: a path, sentences of (token, tag), or a tuple (sentences,
            tags).  With it, the weights kept are those of the epoch that tagged it best
        epochs, batch_size : how often to read the sentences, and how many at a time
        learning_rate : of Adam, in the beginning; it falls to zero in a straight line
        patience : stop after so many epochs that tagged `validation_data` no better; None: never
        callbacks, verbose : as in `Sequential.fit`

        Returns
        -------
        History
        """
        tokens, told = tagged_sentences("PosTagger.fit", sentences, tags)
        if not any(tokens):
            raise ValueError(sentence("PosTagger.fit", "sentences", "at least one with words", "none"))
        check_units("PosTagger.fit", "epochs", epochs)
        check_units("PosTagger.fit", "batch_size", batch_size)
        check_number("PosTagger.fit", "learning_rate", learning_rate, 0.0, low_open=True)
        if patience is not None:
            check_units("PosTagger.fit", "patience", patience)
            if validation_data is None:
                raise ValueError("PosTagger.fit: patience needs validation_data, got None.")
        validation = None if validation_data is None else _validation(validation_data)
        self._spelling = Spelling.of(tokens, self.arguments["spellings"])
        known = told if validation is None else told + validation[1]
        self.tags = sorted({tag for one in known for tag in one})
        model = self.make()
        steps = epochs * -(-len(tokens) // batch_size)
        rate = PolynomialDecay(learning_rate, decay_steps=steps, end_learning_rate=0.0)
        model.compile(
            Adam(rate, global_clipnorm=_CLIP), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        watched = None
        if validation is not None:
            watched = self.spelling.encode(validation[0]), self._targets(validation[1])
            wait = epochs if patience is None else patience
            best = EarlyStopping("val_accuracy", patience=wait, restore_best_weights=True)
            if isinstance(callbacks, (list, tuple)):  # the model says what is wrong with anything else
                callbacks = [*callbacks, best]
        return model.fit(
            self.spelling.encode(tokens), self._targets(told), epochs=epochs, batch_size=batch_size,
            validation_data=watched, callbacks=callbacks, verbose=verbose,
        )  # fmt: skip

    def _targets(self, told: list[list[str]]) -> list[np.ndarray]:
        ids = {tag: k for k, tag in enumerate(self.tags)}
        return [np.array([ids[tag] for tag in one], np.int64) for one in told]

    # -- use --------------------------------------------------------------------------------------

    def tag(self, tokens: Any) -> Any:
        """The tag of each word.

        tokens : a sentence, a list of words, or a list of sentences; the answer has the same form

        Raises
        ------
        TypeError : it is no list of words; a text is cut into words with `fastrnn.text.words`
        """
        one, sentences = _sentences("tag", tokens)
        told = [[self.tags[k] for k in p.argmax(axis=1)] for p in self._predict(sentences)]
        return told[0] if one else told

    def probabilities(self, tokens: Any) -> Any:
        """For each word the probability of each tag: [T, K], K in the order of `tags`.

        tokens : as in `tag`; a list of arrays for a list of sentences
        """
        one, sentences = _sentences("probabilities", tokens)
        found = self._predict(sentences)
        return found[0] if one else found

    def _predict(self, sentences: list[list[str]]) -> list[np.ndarray]:
        return [self.model.backend.to_numpy(p) for p in self.model.predict(self.spelling.encode(sentences))]

    def confusion_matrix(self, sentences: Any, tags: Any = None) -> tuple[np.ndarray, list[str]]:
        """(counts [K, K] of words with the tag of the row that were given that of the column, the K tags).

        sentences, tags : as in `fit`; tags that were never learnt come after the others

        ``fr.plot.confusion_matrix(*tagger.confusion_matrix(path))`` draws it.
        """
        tokens, told = tagged_sentences("PosTagger.confusion_matrix", sentences, tags)
        return self._confusion(told, self.tag(tokens))

    def _confusion(self, told: list[list[str]], given: list[list[str]]) -> tuple[np.ndarray, list[str]]:
        labels = [*self.tags, *sorted({tag for one in told for tag in one} - set(self.tags))]
        ids = {tag: k for k, tag in enumerate(labels)}
        matrix = np.zeros((len(labels), len(labels)), np.int64)
        true = [ids[tag] for one in told for tag in one]
        np.add.at(matrix, (true, [ids[tag] for one in given for tag in one]), 1)
        return matrix, labels

    def evaluate(self, sentences: Any, tags: Any = None) -> Figures:
        """How well tagged sentences are tagged.

        sentences, tags : as in `fit`

        Returns
        -------
        words : how many there are
        accuracy : share of words that got their tag
        unknown_words, unknown_accuracy : the same of words that `fit` did not see (letter case and digits do
            not count); the accuracy of no words is None
        sentence_accuracy : share of sentences without an error
        per_tag : tag -> {"words", "accuracy" (recall), "precision", "f1"}
        """
        tokens, told = tagged_sentences("PosTagger.evaluate", sentences, tags)
        if not any(tokens):
            raise ValueError(sentence("PosTagger.evaluate", "sentences", "at least one with words", "none"))
        given = self.tag(tokens)
        right = np.array([a == b for one in zip(told, given, strict=True) for a, b in zip(*one, strict=True)])
        new = np.array([not self.spelling.knows(token) for one in tokens for token in one])
        matrix, labels = self._confusion(told, given)
        return {
            "words": len(right),
            "accuracy": float(right.mean()),
            "unknown_words": int(new.sum()),
            "unknown_accuracy": float(right[new].mean()) if new.any() else None,
            "sentence_accuracy": float(np.mean([a == b for a, b in zip(told, given, strict=True)])),
            "per_tag": {tag: _figures(matrix, k) for k, tag in enumerate(labels) if matrix[k].any()},
        }


def _figures(matrix: np.ndarray, k: int) -> Figures:
    """Of one tag."""
    hits, words, told = int(matrix[k, k]), int(matrix[k].sum()), int(matrix[:, k].sum())
    return {
        "words": words,
        "accuracy": hits / words,
        "precision": hits / told if told else None,
        "f1": 2 * hits / (words + told),
    }


def _validation(given: Any) -> tuple[list[list[str]], list[list[str]]]:
    if isinstance(given, tuple) and len(given) != 2:
        expected = "a CoNLL-U path, sentences of (token, tag), or (sentences, tags)"
        raise ValueError(sentence("PosTagger.fit", "validation_data", expected, given))
    sentences, tags = given if isinstance(given, tuple) else (given, None)
    found = tagged_sentences("PosTagger.fit", sentences, tags, name="validation_data")
    if not any(found[0]):
        expected = "at least one sentence with words"
        raise ValueError(sentence("PosTagger.fit", "validation_data", expected, "none"))
    return found


def _sentences(what: str, tokens: Any) -> tuple[bool, list[list[str]]]:
    """(whether it is one sentence, sentences)."""
    owner = f"PosTagger.{what}"
    if isinstance(tokens, (list, tuple)) and tokens and all(isinstance(t, (list, tuple)) for t in tokens):
        return False, token_sentences(owner, tokens, "tokens")
    return True, [check_tokens(owner, tokens)]
