"""Sentiment of texts, or any other label of a whole text: an LSTM reads the tokens, its last state decides.

Many-to-one.  Little data and many words mean that regularisation decides: words are left out while training
(Iyyer et al. 2015), numbers of their vectors are dropped, weights decay (Loshchilov and Hutter 2019), and the
epoch is kept that was best on texts held out of the training.  Word vectors start large: training then
changes them little beside what they are.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..callbacks import EarlyStopping
from ..errors import describe, sentence, unknown
from ..initializers import Uniform
from ..layers import GRU, LSTM, RNN, Bidirectional, Dense, Dropout, Embedding, Layer
from ..layers.base import check_rate, check_units
from ..optimizers import AdamW
from ..schedules import check_number
from ..text import Vocabulary, words
from ..text.labelled import Label, check_texts, classes_of, labelled_pair, labelled_texts, places
from .running import RunningProbability
from .task import Task, as_before_unless_begun

_CELLS: dict[str, type[Any]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
_KOREAN = 0.2  # share of Hangul among the letters; a syllable stands beside two or three Latin letters
_SPREAD = 0.5  # word vectors start in [-0.5, 0.5)
_FEWEST = 20  # texts that say which epoch was best; with fewer, chance would
_STEPS = 20_000  # steps of a batch of prefixes

LEVELS: dict[str, Callable[[str], list[str]]] = {
    "word": lambda text: words(text.lower()),
    "char": lambda text: list(" ".join(unicodedata.normalize("NFC", text).lower().split())),
}


class SentimentClassifier(Task):
    """Tell the label of a text: positive or negative, stars, a topic; two labels or more.

    Parameters
    ----------
    level : what a token is: "word", "char" (in Korean a syllable), or "auto": "char" where at least a fifth
        of the letters to learn from are Hangul, for Korean words have too many forms to be learnt one by one
    cell : "lstm", "gru" or "rnn"
    units : H, size of the state, for each direction
    embedding : size of a token's vector
    bidirectional : read the text from its end, too
    least : tokens that occur less often are the unknown token
    dropout : share of the numbers of a token's vector, and of the last state, set to zero in training
    token_dropout : share of tokens that training leaves out
    learning_rate, weight_decay : of AdamW, which clips gradients at a global norm of 1
    seed, dtype, backend : as in `Sequential`

    >>> import fastrnn as fr
    >>> texts, labels = fr.samples.reviews(400, "en")
    >>> classifier = fr.tasks.SentimentClassifier(
    ...     units=16, embedding=16, dropout=0.2, token_dropout=0, learning_rate=0.01, seed=0
    ... )
    >>> history = classifier.fit(texts, labels, epochs=20, verbose=0)
    >>> classifier.predict(["The plot was not bad at all.", "The plot was not good at all."])
    ['positive', 'negative']
    """

    def __init__(
        self, *, level: str = "auto", cell: str = "lstm", units: int = 64, embedding: int = 100,
        bidirectional: bool = True, least: int = 2, dropout: float = 0.5, token_dropout: float = 0.3,
        learning_rate: float = 0.001, weight_decay: float = 0.3, seed: Any = 0, dtype: Any = "float32",
        backend: str | None = None,
    ) -> None:  # fmt: skip
        owner = "SentimentClassifier"
        for name, value, known in (("level", level, ("auto", *LEVELS)), ("cell", cell, tuple(_CELLS))):
            if value not in known:
                raise unknown(owner, name, value, known)
        self.level, self.cell, self.bidirectional = level, cell, bool(bidirectional)
        self.units = check_units(owner, "units", units)
        self.embedding = check_units(owner, "embedding", embedding)
        self.least = check_units(owner, "least", least)
        self.dropout = check_rate(owner, "dropout", dropout)
        self.token_dropout = check_rate(owner, "token_dropout", token_dropout)
        self.learning_rate = check_number(owner, "learning_rate", learning_rate, 0.0, low_open=True)
        self.weight_decay = check_number(owner, "weight_decay", weight_decay, 0.0)
        super().__init__(
            seed=seed, dtype=dtype, backend=backend, level=level, cell=cell, units=self.units,
            embedding=self.embedding, bidirectional=self.bidirectional, least=self.least,
            dropout=self.dropout, token_dropout=self.token_dropout, learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
        )  # fmt: skip
        self.classes: list[Label] = []
        self.vocabulary = Vocabulary(())

    # -- the model and its file -------------------------------------------------------------------

    def layers(self) -> list[Layer]:
        start = Uniform(-_SPREAD, _SPREAD)
        reader = _CELLS[self.cell](self.units)
        return [
            Embedding(self.vocabulary.size, self.embedding, embeddings_initializer=start),
            Dropout(self.token_dropout, noise_shape=(None, None, 1), name="token_dropout"),
            Dropout(self.dropout),
            Bidirectional(reader) if self.bidirectional else reader,
            Dropout(self.dropout),
            Dense(len(self.classes), "softmax"),
        ]

    def learnt(self) -> dict[str, Any]:
        return {"level": self.level, "tokens": self.vocabulary.tokens, "classes": self.classes}

    def relearn(self, learnt: dict[str, Any]) -> None:
        level, classes = learnt["level"], learnt["classes"]
        if level not in LEVELS or self.level not in ("auto", level):
            raise ValueError(f"the level is {level!r}")
        if not isinstance(classes, list) or classes_of("load", classes) != classes:
            raise ValueError("the classes are not different labels in order")
        self.level, self.classes, self.vocabulary = level, classes, Vocabulary(learnt["tokens"])

    # -- training ---------------------------------------------------------------------------------

    @as_before_unless_begun
    def fit(
        self, texts: Any, labels: Any = None, *, epochs: int = 30, batch_size: int = 32,
        validation_data: Any = None, held_out: float = 0.1, patience: int | None = 4,
        bucketing: bool = True, **options: Any,
    ) -> Any:  # fmt: skip
        """Learn from texts; called again, it goes on from where it was.

        Parameters
        ----------
        texts : strings; or the path of a file with a text, a tab and its label on each line
        labels : one a text, all of them strings or all of them whole numbers; None beside a path
        epochs : at most so many
        validation_data : (texts, labels) or a path, to tell the best epoch by; None holds texts out
        held_out : share of texts held out to tell the best epoch by, chosen by a hash of the text, so that
            equal texts are on the same side.  Where fewer than 20 would be held out, none are
        patience : epochs without a better loss on those texts before the training stops and the weights of
            the best epoch come back; None runs all epochs and keeps the last
        options : those of `Sequential.fit`

        Returns
        -------
        History

        Raises
        ------
        ValueError : no texts, an empty one, fewer than two labels, or one that an earlier `fit` did not see
        TypeError : not lists of strings, and of strings or whole numbers
        """
        owner = "SentimentClassifier.fit"
        texts, labels = labelled_texts(owner, texts, labels, self.classes)
        check_number(owner, "held_out", held_out, 0.0, 1.0)
        if patience is not None:
            check_units(owner, "patience", patience)
        classes = self.classes or classes_of(owner, labels)
        y = places(owner, labels, classes)
        checks: tuple[list[str], np.ndarray] | None = None
        if validation_data is not None:
            held, known = labelled_pair(owner, validation_data, classes)
            checks = held, places(owner, known, classes)
        elif patience is not None:
            out = np.array([_share(text) < held_out for text in texts])
            if out.sum() >= _FEWEST and len(set(y[~out])) == len(set(y)):
                checks = _where(texts, out), y[out]
                texts, y = _where(texts, ~out), y[~out]
        if not self.fitted:
            self._make(owner, texts, classes)
        if checks is not None:
            options["validation_data"] = (self._encode(checks[0]), checks[1])
            if patience is not None:
                best = EarlyStopping("val_loss", patience=patience, restore_best_weights=True)
                options["callbacks"] = [*(options.get("callbacks") or ()), best]
        options = {"epochs": epochs, "batch_size": batch_size, "bucketing": bucketing, **options}
        return self.model.fit(self._encode(texts), y, **options)

    def _make(self, owner: str, texts: list[str], classes: list[Label]) -> None:
        """The model for the tokens of these texts and these classes."""
        level = _level(texts) if self.level == "auto" else self.level
        tokens = (token for text in texts for token in LEVELS[level](text))
        vocabulary = Vocabulary.of(tokens, least=self.least)
        if not vocabulary.tokens:
            advice = "Give more texts, or a smaller least."
            expected = f"with a {level} that occurs {self.least} times"
            raise ValueError(sentence(owner, "texts", expected, "none", advice))
        self.level, self.classes, self.vocabulary = level, classes, vocabulary
        self.make().compile(
            AdamW(self.learning_rate, self.weight_decay, global_clipnorm=1.0),
            "sparse_categorical_crossentropy", metrics=["accuracy"],
        )  # fmt: skip

    # -- use --------------------------------------------------------------------------------------

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities [B, K] of the K labels in `classes`."""
        return self._probabilities(check_texts("SentimentClassifier.predict_proba", texts))

    def predict(self, texts: Sequence[str]) -> list[Label]:
        """The likeliest label of each text."""
        found = self._probabilities(check_texts("SentimentClassifier.predict", texts))
        return [self.classes[k] for k in found.argmax(axis=1)]

    def explain(self, text: str) -> RunningProbability:
        """How the probabilities move while the text is read: after each token, those of the text up to there.

        Every beginning of the text is read as a text of its own, so the last step is the answer of
        `predict_proba`, whichever directions the model reads in.
        """
        owner = "SentimentClassifier.explain"
        if not isinstance(text, str):
            raise TypeError(sentence(owner, "text", "a string", describe(text)))
        model = self.model
        tokens = LEVELS[self.level](check_texts(owner, [text])[0])
        ids = self.vocabulary.encode(tokens)
        prefixes = [ids[: k + 1] for k in range(len(ids))]
        found = model.predict(prefixes, batch_size=max(1, _STEPS // len(ids)))
        return RunningProbability(tokens, list(self.classes), model.backend.to_numpy(found))

    def evaluate(self, texts: Any, labels: Any = None) -> dict[str, Any]:
        """Figures on texts with known labels, or on a file of them, as in `fit`.

        Returns
        -------
        dict : "examples"; "accuracy"; "log_loss", the mean of -log p(label) in nats; "classes";
            "confusion" [K][K], true labels down and told ones across; "per_class", label -> "precision",
            "recall", "f1" (0 where they divide by nothing) and "examples"
        """
        owner = "SentimentClassifier.evaluate"
        texts, labels = labelled_texts(owner, texts, labels, self.classes)
        found = self._probabilities(texts).astype(np.float64)
        true = places(owner, labels, self.classes)
        right = np.maximum(found[np.arange(len(true)), true], np.finfo(np.float32).tiny)
        K, told = len(self.classes), found.argmax(axis=1)
        confusion = np.zeros((K, K), np.int64)
        np.add.at(confusion, (true, told), 1)
        return {
            "examples": len(true),
            "accuracy": float((told == true).mean()),
            "log_loss": float(-np.log(right).mean()),
            "classes": list(self.classes),
            "confusion": confusion.tolist(),
            "per_class": {label: _figures(confusion, k) for k, label in enumerate(self.classes)},
        }

    def _probabilities(self, texts: list[str]) -> np.ndarray:
        model = self.model
        if not texts:
            return np.zeros((0, len(self.classes)), model.dtype)
        return np.asarray(model.backend.to_numpy(model.predict(self._encode(texts))))

    def _encode(self, texts: list[str]) -> list[np.ndarray]:
        return [self.vocabulary.encode(LEVELS[self.level](text)) for text in texts]


def _figures(confusion: np.ndarray, k: int) -> dict[str, float]:
    """Precision, recall and f1 of class k."""
    hits, told, true = (int(n) for n in (confusion[k, k], confusion[:, k].sum(), confusion[k].sum()))
    precision, recall = hits / max(told, 1), hits / max(true, 1)
    f1 = 2 * hits / max(told + true, 1)
    return {"precision": precision, "recall": recall, "f1": f1, "examples": true}


def _level(texts: list[str]) -> str:
    """Characters for Korean, words for the rest."""
    letters = [c for text in texts for c in unicodedata.normalize("NFC", text) if c.isalpha()]
    hangul = sum("\uac00" <= c <= "\ud7a3" for c in letters)
    return "char" if hangul and hangul >= _KOREAN * len(letters) else "word"


def _share(text: str) -> float:
    """A number in [0, 1) that depends on the text alone, not on white space or capitals."""
    digest = hashlib.sha256(" ".join(text.lower().split()).encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _where(values: list[Any], kept: np.ndarray) -> list[Any]:
    return [value for value, keep in zip(values, kept, strict=True) if keep]
