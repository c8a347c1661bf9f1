"""Fill in the blank: which of a few words stands in a text at ``___``.

The words around the blank decide, however far away: who "she" is may have been said a hundred words before.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import sentence, unknown
from ..initializers import Chrono
from ..layers import GRU, LSTM, RNN, Bidirectional, Dense, Dropout, Embedding, Layer
from ..layers.base import check_rate, check_units
from ..optimizers import Adam
from ..schedules import check_number
from ..text import WordsAndEndings, words
from .memory import BLANK, MemoryTrace, trace
from .task import Task, as_before_unless_begun

CELLS: dict[str, type[Any]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
# Between the end of a text and its beginning.  It is a control character, so it stands in no text.
_EDGE = "\x1c"
_ENDS = re.compile(r"(?:^|[.!?…]['\"’”)]*)\s*$")  # what stands before a new sentence

Sides = tuple[str, str]
Example = tuple[list[str], list[str]]


class BlankFiller(Task):
    """Choose the word that belongs at ``___``.

    The words before the blank are read from the left and, with `bidirectional`, those behind it from the
    right: each direction comes to the blank last, and its state there decides.  So that both directions end
    at the blank, a text is read as a ring: from the blank to the end of the text, then from its beginning to
    the blank.

    Words that occur fewer than `least` times are known by their ending (`fastrnn.text.WordsAndEndings`): a
    name never seen before still has its last letters, a Korean eojeol its particle.

    Parameters
    ----------
    candidates : the words to choose from, two or more.  In place of a word, a list of forms that count as its
        first one: [["he", "him", "his"], ["she", "her", "hers"]] finds all of them in running text, and fills
        a blank with "he" or "she"
    cell : "lstm", "gru" or "rnn"
    units : H, size of the state, for each direction
    embedding : size of a word's vector
    bidirectional : read the words behind the blank, too
    memory : words over which the gates of an LSTM or GRU keep something from the start
        (`fastrnn.initializers.Chrono`); None starts with the layer's own biases.  An RNN has no gates
    context : words read on each side of the blank; None reads all
    least : words that occur less often are known by their ending
    dropout : share of the numbers of a word's vector, and of the state at the blank, set to zero in training
    token_dropout : share of words that training leaves out
    learning_rate : of Adam, which clips gradients at a global norm of 1
    seed, dtype, backend : as in `Sequential`

    >>> import fastrnn as fr
    >>> texts = ["Tom came in and ___ sat down.", "Mary came in and ___ sat down."] * 20
    >>> filler = fr.tasks.BlankFiller(("he", "she"), units=8, seed=0)
    >>> history = filler.fit(texts, ["he", "she"] * 20, epochs=20, verbose=0)
    >>> filler.fill("Mary came in and then ___ sat down.")
    'Mary came in and then she sat down.'
    """

    def __init__(
        self, candidates: Sequence[str | Sequence[str]] = ("he", "she"), *, cell: str = "lstm",
        units: int = 64, embedding: int = 32, bidirectional: bool = True, memory: int | None = None,
        context: int | None = None, least: int = 2, dropout: float = 0.0, token_dropout: float = 0.0,
        learning_rate: float = 0.003, seed: Any = 0, dtype: Any = "float32", backend: str | None = None,
    ) -> None:  # fmt: skip
        self.forms = _check_candidates(candidates)
        if cell not in CELLS:
            raise unknown("BlankFiller", "cell", cell, tuple(CELLS))
        self.cell = cell
        self.units = check_units("BlankFiller", "units", units)
        self.embedding = check_units("BlankFiller", "embedding", embedding)
        self.bidirectional = bool(bidirectional)
        self.memory = None if memory is None else check_units("BlankFiller", "memory", memory, 2)
        self.context = None if context is None else check_units("BlankFiller", "context", context)
        self.least = check_units("BlankFiller", "least", least)
        self.dropout = check_rate("BlankFiller", "dropout", dropout)
        self.token_dropout = check_rate("BlankFiller", "token_dropout", token_dropout)
        self.learning_rate = check_number("BlankFiller", "learning_rate", learning_rate, 0.0, low_open=True)
        super().__init__(
            seed=seed, dtype=dtype, backend=backend, candidates=list(self.forms.values()), cell=cell,
            units=self.units, embedding=self.embedding, bidirectional=self.bidirectional,
            memory=self.memory, context=self.context, least=self.least, dropout=self.dropout,
            token_dropout=self.token_dropout, learning_rate=self.learning_rate,
        )  # fmt: skip
        self._known: WordsAndEndings | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The words to choose from."""
        return tuple(self.forms)

    # -- the model and its file -------------------------------------------------------------------

    @property
    def vocabulary(self) -> WordsAndEndings:
        """The words that have a vector; it exists once `fit` saw texts."""
        if self._known is None:
            raise RuntimeError("BlankFiller: call fit first, or load a saved one.")
        return self._known

    def layers(self) -> list[Layer]:
        bias = None if self.memory is None or self.cell == "rnn" else Chrono(self.memory)
        reader = CELLS[self.cell](self.units, bias_initializer=bias)
        return [
            Embedding(self.vocabulary.size, self.embedding),
            Dropout(self.token_dropout, noise_shape=(None, None, 1)),
            Dropout(self.dropout),
            Bidirectional(reader) if self.bidirectional else reader,
            Dropout(self.dropout),
            Dense(len(self.forms), "softmax"),
        ]

    def learnt(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary.tokens}

    def relearn(self, learnt: dict[str, Any]) -> None:
        self._known = WordsAndEndings(learnt["vocabulary"])
        if _EDGE not in self._known.tokens:
            raise ValueError("the vocabulary has no sign for the edge of a text")

    # -- training ---------------------------------------------------------------------------------

    @as_before_unless_begun
    def fit(
        self, texts: Sequence[str], answers: Sequence[str] | None = None, *, epochs: int = 10,
        batch_size: int = 32, validation_data: Any = None, bucketing: bool = True, **options: Any,
    ) -> Any:  # fmt: skip
        """Learn from texts; called again, it goes on from where it was.

        Parameters
        ----------
        texts : strings.  With answers, each has one ``___``.  Without, every place where a candidate stands
            in the running text is an example: that word is blanked, the others stay
        answers : what belongs at each ``___``, a candidate or one of its forms; or None
        validation_data : (texts, answers)
        options : those of `Sequential.fit`

        Returns
        -------
        History

        Raises
        ------
        ValueError : a text without its ``___``, an answer that is no candidate, nothing to learn from
        TypeError : not lists of strings
        """
        examples, targets = self._examples("fit", texts, answers)
        if not examples:
            raise ValueError(
                f"BlankFiller.fit: none of {', '.join(self.forms)} stands in texts. Give texts in which they "
                f"occur, or texts with {BLANK} and answers."
            )
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                expected = "(texts, answers)"
                raise ValueError(sentence("BlankFiller.fit", "validation_data", expected, validation_data))
            held, held_targets = self._examples("fit (validation)", *validation_data)
        if not self.fitted:
            tokens = (word for text in texts for side in text.split(BLANK) for word in words(side))
            self._known = WordsAndEndings.of([*tokens, *[_EDGE] * self.least], least=self.least)
            self.make().compile(
                Adam(self.learning_rate, global_clipnorm=1.0), "sparse_categorical_crossentropy",
                metrics=["accuracy"],
            )  # fmt: skip
        if validation_data is not None:
            options["validation_data"] = (self._encode(held), held_targets)
        options = {"epochs": epochs, "batch_size": batch_size, "bucketing": bucketing, **options}
        return self.model.fit(self._encode(examples), targets, **options)

    def evaluate(self, texts: Sequence[str], answers: Sequence[str] | None = None) -> dict[str, float]:
        """How often the likeliest candidate is the answer; texts and answers are as in `fit`.

        Returns
        -------
        dict : "accuracy"; "log_loss", the mean of -log p(answer) in nats; "majority", the accuracy of always
            giving the commonest answer; "examples", their number
        """
        examples, targets = self._examples("evaluate", texts, answers)
        if not examples:
            raise ValueError("BlankFiller.evaluate: there is no blank in texts, and no candidate.")
        p = self._predict(examples).astype(np.float64)
        right = np.maximum(p[np.arange(len(targets)), targets], np.finfo(np.float32).tiny)
        return {
            "accuracy": float((p.argmax(axis=1) == targets).mean()),
            "log_loss": float(-np.log(right).mean()),
            "majority": float(np.bincount(targets).max() / len(targets)),
            "examples": len(targets),
        }

    # -- use --------------------------------------------------------------------------------------

    def probabilities(self, text: str) -> dict[str, float]:
        """Candidate -> probability that it belongs at the blank."""
        return self._chances(self._near(_split("BlankFiller.probabilities", text)))

    def fill(self, text: str) -> str:
        """The text with the likeliest candidate at its blank, with a capital where a sentence begins."""
        sides = _split("BlankFiller.fill", text)
        p = self._chances(self._near(sides))
        return self.filled(text, max(p, key=p.__getitem__))

    @staticmethod
    def filled(text: str, word: str) -> str:
        """The text with that word at its blank, with a capital where a sentence begins."""
        left, right = _split("BlankFiller.filled", text)
        return left + (word[:1].upper() + word[1:] if _ENDS.search(left) else word) + right

    def memory_trace(self, text: str) -> MemoryTrace:
        """The states of the network as it reads the text, word by word; see `MemoryTrace`."""
        example = self._near(_split("BlankFiller.memory_trace", text))
        reader: Any
        embedding, _, _, reader, _, output = self.model.layers
        readers = (reader.forward_layer, reader.backward_layer) if self.bidirectional else (reader,)
        x = embedding.params["W"][self._encode([example])[0]]
        weights = self.model.backend.to_numpy(output.params["W"])
        return trace(readers, x, *example, self._chances(example), weights)

    # -- texts as ids -----------------------------------------------------------------------------

    def _examples(
        self, caller: str, texts: Sequence[str], answers: Sequence[str] | None
    ) -> tuple[list[Example], np.ndarray]:
        """The words before and behind each blank, and the numbers of the candidates."""
        owner = f"BlankFiller.{caller}"
        texts = _strings(owner, "texts", texts)
        number = {_plain(form): k for k, forms in enumerate(self.forms.values()) for form in forms}
        if answers is None:
            found = [one for k, text in enumerate(texts) for one in _occurrences(owner, text, k, number)]
            examples = [self._near(sides) for sides, _ in found]
            return examples, np.array([target for _, target in found], np.int64)
        answers = _strings(owner, "answers", answers)
        if len(answers) != len(texts):
            expected = f"one a text, {len(texts)} words"
            raise ValueError(sentence(owner, "answers", expected, f"{len(answers)}"))
        for k, answer in enumerate(answers):
            if _plain(answer) not in number:
                raise unknown(owner, f"answers[{k}]", answer, tuple(number))
        examples = [self._near(_split(owner, text, f"texts[{k}]")) for k, text in enumerate(texts)]
        return examples, np.array([number[_plain(answer)] for answer in answers], np.int64)

    def _near(self, sides: Sides) -> Example:
        """The words that are read."""
        left, right = words(sides[0]), words(sides[1]) if self.bidirectional else []
        n = self.context
        return (left, right) if n is None else (left[-n:], right[:n])

    def _encode(self, examples: list[Example]) -> list[np.ndarray]:
        """Ids in the order in which a text is read: behind the blank, the edge, before the blank."""
        return [self.vocabulary.encode([*right, _EDGE, *left]) for left, right in examples]

    def _predict(self, examples: list[Example]) -> np.ndarray:
        model = self.model
        return np.asarray(model.backend.to_numpy(model.predict(self._encode(examples))))

    def _chances(self, example: Example) -> dict[str, float]:
        p = self._predict([example])[0]
        return {word: float(value) for word, value in zip(self.forms, p, strict=True)}


def _check_candidates(candidates: Any) -> dict[str, list[str]]:
    """Word -> its forms, all different; the word is the first of them."""
    expected = "two different words or more, each a string or a list of its forms"
    wrong = sentence("BlankFiller", "candidates", expected, repr(candidates))
    if not isinstance(candidates, (list, tuple)):
        raise TypeError(wrong)
    groups = [[one] if isinstance(one, str) else one for one in candidates]
    if not all(isinstance(forms, (list, tuple)) for forms in groups):
        raise TypeError(wrong)
    every = [form for forms in groups for form in forms]
    if not all(isinstance(form, str) for form in every):
        raise TypeError(wrong)
    different = len(set(map(_plain, every))) == len(every)
    if len(groups) < 2 or not all(groups) or not different or not all(map(_writable, every)):
        raise ValueError(wrong)
    return {forms[0]: list(forms) for forms in groups}


def _writable(word: str) -> bool:
    return bool(words(word)) and word == word.strip() and BLANK not in word


def _plain(word: str) -> str:
    """What two words have in common that differ in capitals, or in how their Hangul is coded."""
    return unicodedata.normalize("NFC", word).strip().casefold()


def _strings(owner: str, name: str, value: Any) -> list[str]:
    if not isinstance(value, (list, tuple, np.ndarray)):
        raise TypeError(sentence(owner, name, "a list of strings", value))
    for k, one in enumerate(value):
        if not isinstance(one, str):
            raise TypeError(sentence(owner, f"{name}[{k}]", "a string", one))
    return list(value)


def _split(owner: str, text: Any, name: str = "text") -> Sides:
    """What stands before the blank, and what behind it."""
    if not isinstance(text, str):
        raise TypeError(sentence(owner, name, f"a string with one {BLANK}", text))
    left, blank, right = text.partition(BLANK)
    if not blank or "_" in (right[:1], left[-1:]) or BLANK in right:
        advice = f"Mark the place with three underscores, {BLANK}."
        raise ValueError(sentence(owner, name, f"a string with one {BLANK}", repr(text), advice))
    return left, right


def _occurrences(owner: str, text: str, k: int, number: dict[str, int]) -> Iterator[tuple[Sides, int]]:
    """Every place where a form stands as a word of its own, the longest one where two begin alike."""
    if BLANK in text:
        advice = "Give its answer, or the text as it is."
        raise ValueError(
            sentence(owner, f"texts[{k}]", f"without {BLANK} where answers is None", repr(text), advice)
        )
    forms = "|".join(re.escape(form) for form in sorted(number, key=len, reverse=True))
    text = unicodedata.normalize("NFC", text)
    for match in re.finditer(rf"(?<!\w)(?:{forms})(?!\w)", text, re.IGNORECASE):
        if _plain(match.group()) in number:  # re takes a few letters more for equal, such as a dotted I
            yield (text[: match.start()], text[match.end() :]), number[_plain(match.group())]
