"""Sentence completion: what comes next, one character or one word after the other.

A token enters the network as a one-hot vector x, all zeros but for a one at the token's place, and the first
thing that happens to it is A = W x + b.  Such a product is a column of W, so that it is looked up and never
multiplied out:

>>> import numpy as np, fastrnn as fr
>>> tokens = "나는 학교에 간다".split()
>>> vocabulary = fr.text.Vocabulary.of(tokens)
>>> ids = vocabulary.encode(tokens)  # 0 is kept for words that are not in the vocabulary
>>> x = np.eye(vocabulary.size)[ids]
>>> x
array([[0., 1., 0., 0.],
       [0., 0., 1., 0.],
       [0., 0., 0., 1.]])
>>> W, b = np.array([[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]), np.array([0.5, -0.5])
>>> W @ x[1] + b  # 학교에
array([2.5, 5.5])
>>> W[:, ids[1]] + b
array([2.5, 5.5])

`OneHot` is the layer that does so; the rows of x never exist:

>>> model = fr.Sequential([fr.OneHot(4), fr.Dense(2)], dtype="float64")
>>> model.build((None, None))
>>> model.set_weights([W, b])
>>> bool((model.predict(ids[None])[0] == x @ W.T + b).all())
True
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..callbacks import Callback, History
from ..errors import sentence, unknown
from ..initializers import Uniform
from ..layers import GRU, LSTM, RNN, Dense, Dropout, Embedding, Layer, OneHot
from ..layers.base import check_rate, check_units
from ..optimizers import AdamW
from ..schedules import CosineDecay, check_number
from ..text import Vocabulary
from ..text.batching import stream_windows
from ..text.given import string_of, text_of
from ..text.pieces import LEVELS
from .decoding import Sampling, check_stop
from .prompt import Prompt
from .task import Task, as_before_unless_begun

CELLS: dict[str, type[Any]] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
# Glorot's weights are small because many inputs add up; of a one-hot vector one column alone arrives.
_COLUMNS = Uniform(-1.0, 1.0)
_AT_ONCE = 1 << 20  # probabilities that exist at a time while a text is scored


class SentenceCompleter(Task):
    """Learn a text, then go on from where a sentence stops.

    Parameters
    ----------
    level : "char" for characters (of Korean: syllables), or "word" for words (of Korean: eojeol) and signs,
        see `fastrnn.text.pieces`
    cell : "lstm", "gru" or "rnn"
    units : H, size of the state
    layers : recurrences on top of each other
    embedding : None gives the recurrence one-hot vectors; a number gives it a learnt vector of that size
    dropout : share of what each recurrence (and the embedding) gives that is set to zero in training
    recurrent_dropout : likewise of the state on its way into the next step
    least, most : tokens that occur fewer than `least` times, or are not among the `most` most frequent ones,
        are unknown
    seed, dtype, backend : as in `Sequential`

    Text is compared in Unicode's form NFC, so that it does not matter how Hangul was typed.

    >>> import fastrnn as fr
    >>> text = "나는 학교에 간다. 너는 집에 간다. I go to school. You go home. " * 20
    >>> completer = fr.tasks.SentenceCompleter(cell="gru", units=32, seed=0)
    >>> history = completer.fit(text, epochs=10, learning_rate=0.02, verbose=0)
    >>> completer.complete("나는 ", length=8, temperature=0)
    '학교에 간다. '
    >>> completer.complete("You ", beam=3, stop=".")
    'go home.'
    >>> next(iter(completer.next_probabilities("I go to sch")))
    'o'
    >>> completer.perplexity(text) < 1.1
    True
    """

    def __init__(
        self, level: str = "char", *, cell: str = "lstm", units: int = 256, layers: int = 1,
        embedding: int | None = None, dropout: float = 0.0, recurrent_dropout: float = 0.0, least: int = 1,
        most: int | None = 20_000, seed: Any = 0, dtype: Any = "float32", backend: str | None = None,
    ) -> None:  # fmt: skip
        owner = "SentenceCompleter"
        for name, value, table in (("level", level, LEVELS), ("cell", cell, CELLS)):
            if not isinstance(value, str) or value not in table:
                raise unknown(owner, name, value, tuple(table))
        self.level, self.cell = level, cell
        self.units = check_units(owner, "units", units)
        self.depth = check_units(owner, "layers", layers)
        self.embedding = None if embedding is None else check_units(owner, "embedding", embedding)
        self.dropout = check_rate(owner, "dropout", dropout)
        self.recurrent_dropout = check_rate(owner, "recurrent_dropout", recurrent_dropout)
        self.least = check_units(owner, "least", least)
        self.most = None if most is None else check_units(owner, "most", most)
        super().__init__(
            seed=seed, dtype=dtype, backend=backend, level=level, cell=cell, units=self.units,
            layers=self.depth, embedding=self.embedding, dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout, least=self.least, most=self.most,
        )  # fmt: skip
        self._vocabulary: Vocabulary | None = None
        self._unseen = 0.0

    # -- the model and its file -------------------------------------------------------------------

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens that can be read and written; it exists once `fit` saw text."""
        if self._vocabulary is None:
            raise RuntimeError("SentenceCompleter: call fit first, or load a saved one.")
        return self._vocabulary

    def layers(self) -> list[Layer]:
        size = self.vocabulary.size
        stack: list[Layer] = [OneHot(size)]
        if self.embedding is not None:
            stack = [Embedding(size, self.embedding), Dropout(self.dropout)]
        for _ in range(self.depth):
            recurrence = CELLS[self.cell](
                self.units, return_sequences=True, stateful=True, recurrent_dropout=self.recurrent_dropout,
                kernel_initializer=_COLUMNS if isinstance(stack[-1], OneHot) else None,
            )  # fmt: skip
            stack += [recurrence, Dropout(self.dropout)]
        return [*stack, Dense(size, activation="softmax")]

    def learnt(self) -> dict[str, Any]:
        return {"vocabulary": self.vocabulary.tokens, "unseen": self._unseen}

    def relearn(self, learnt: dict[str, Any]) -> None:
        self._vocabulary = Vocabulary(learnt["vocabulary"])
        self._unseen = check_rate("SentenceCompleter", "unseen", learnt["unseen"])

    # -- training ---------------------------------------------------------------------------------

    @as_before_unless_begun
    def fit(
        self, text: Any, *, epochs: int = 10, batch_size: int | None = None, steps: int = 64,
        learning_rate: float = 0.004, weight_decay: float = 0.0, validation_split: float = 0.0,
        validation_text: Any = None, callbacks: Sequence[Callback] = (), verbose: Any = "auto",
    ) -> History:  # fmt: skip
        """Learn a text by truncated back-propagation through time; called again, go on with the weights.

        The text is cut into `batch_size` streams that are read side by side, `steps` tokens at a time.  The
        state is carried on from one batch to the next, through the whole text; the gradient ends at the
        beginning of a batch.  Memory grows with `batch_size` and `steps` and does not depend on the text's
        length, but for the ids of its tokens.  Adam's learning rate falls along half a cosine to a hundredth,
        and gradients are clipped at a global norm of 1.

        Parameters
        ----------
        text : a string; a `pathlib.Path` of a file in UTF-8; or a list of those, which count as one text
            with a line end between them
        epochs : times to read it
        batch_size : streams, as far as each fills `steps`; None: 32, but fewer for a short text, so that
            there are about a hundred updates each time it is read
        steps : tokens between updates, and the farthest that a gradient reaches
        learning_rate : of the first step
        weight_decay : as in `AdamW`; 0 is Adam
        validation_split : share of the text, its end, that is held out
        validation_text : held-out text, given like `text`
        callbacks, verbose : as in `Sequential.fit`

        Returns
        -------
        History : "loss", and where text is held out "val_loss", its `nats` after each epoch

        Raises
        ------
        TypeError, ValueError : no text, or too little
        """
        owner = "SentenceCompleter.fit"
        epochs = check_units(owner, "epochs", epochs, 0)
        steps = check_units(owner, "steps", steps)
        if batch_size is not None:
            batch_size = check_units(owner, "batch_size", batch_size)
        check_number(owner, "learning_rate", learning_rate, 0.0, low_open=True)
        check_number(owner, "weight_decay", weight_decay, 0.0)
        tokens, held = self._tokens(text_of(owner, "text", text)), None
        if validation_text is not None:
            held = self._tokens(text_of(owner, "validation_text", validation_text))
        if check_rate(owner, "validation_split", validation_split):
            if held is not None:
                raise ValueError(f"{owner}: give validation_split or validation_text, not both.")
            cut = len(tokens) - round(len(tokens) * validation_split)
            tokens, held = tokens[:cut], tokens[cut:]
        if len(tokens) < 2:
            expected = "at least two tokens to learn from"
            raise ValueError(sentence(owner, "text", expected, f"{len(tokens)}"))
        if held is not None and len(held) < 2:
            raise ValueError(f"{owner}: the held-out text must have at least two tokens. Hold out more.")
        if not self.fitted:
            self._learn_vocabulary(tokens)
            self.make()
        if batch_size is None:
            batch_size = min(32, max(1, len(tokens) // (100 * steps)))
        held_out = None if held is None else self.vocabulary.encode(held)
        x, y, lengths, B = stream_windows(self.vocabulary.encode(tokens), batch_size, steps)
        del tokens, held  # of a long text nothing is kept but the ids
        rate = CosineDecay(float(learning_rate), max(1, epochs * len(x) // B), alpha=0.01)
        optimizer = AdamW(rate, weight_decay=weight_decay, global_clipnorm=1.0)
        self.model.compile(optimizer, "sparse_categorical_crossentropy")
        try:
            history: History = self.model.fit(
                x, y, lengths=lengths, epochs=epochs, batch_size=B, shuffle=False,
                callbacks=[_Reader(self, held_out), *callbacks], verbose=verbose,
            )  # fmt: skip
        finally:
            self.model.reset_states()
        return history

    def _learn_vocabulary(self, tokens: list[str]) -> None:
        vocabulary, counts = Vocabulary.of(tokens, least=self.least, most=self.most), Counter(tokens)
        if not len(vocabulary):
            expected, advice = f"of tokens that occur at least {self.least} times", "Take a smaller least."
            raise ValueError(sentence("SentenceCompleter.fit", "text", expected, "none", advice))
        self._vocabulary = vocabulary
        # From a text without unknown tokens a network cannot learn how likely they are.  Good (1953): new
        # tokens are as frequent as those that were seen once; the one more is for a text without any.
        everything = len(vocabulary) == len(counts)
        once = sum(count == 1 for count in counts.values())
        self._unseen = (once + 1) / (len(tokens) + 2) if everything else 0.0

    # -- measures ---------------------------------------------------------------------------------

    def nats(self, text: Any) -> float:
        """The mean of -log p over all tokens of a text but the first, each after all that stand before it.

        A token that is not in the vocabulary counts as the unknown one.  Where training met no such token,
        its probability is what Good (1953) estimates from the tokens seen once, and all others have less in
        proportion.

        text : as in `fit`
        """
        return float(self._scores(self._scored("nats", text)).mean())

    def perplexity(self, text: Any) -> float:
        """exp(nats): among how many equally likely tokens the completer seems to choose."""
        return float(np.exp(self._scores(self._scored("perplexity", text)).mean()))

    def evaluate(self, text: Any) -> dict[str, float]:
        """How well a text is predicted.

        Returns
        -------
        dict : "nats", "perplexity"; "tokens", the number of tokens predicted; "unknown", the share of
            them that is not in the vocabulary
        """
        ids = self._scored("evaluate", text)
        nats, share = float(self._scores(ids).mean()), float((ids[1:] == 0).mean())
        return {"nats": nats, "perplexity": float(np.exp(nats)), "tokens": len(ids) - 1, "unknown": share}

    def _scored(self, caller: str, text: Any) -> np.ndarray:
        """The ids of a text that can be scored."""
        owner = f"SentenceCompleter.{caller}"
        ids = self.encode(text_of(owner, "text", text))
        if len(ids) < 2:
            advice = "The first token is read, not predicted."
            raise ValueError(sentence(owner, "text", "at least two tokens", f"{len(ids)}", advice))
        return ids

    def _scores(self, ids: np.ndarray) -> np.ndarray:
        """-log p of every token but the first, as of `nats`: float64 [n - 1] for ids [n], as of `encode`."""
        model = self.model
        found, size = [], max(1, min(1024, _AT_ONCE // self.vocabulary.size))
        model.reset_states()
        try:
            for k in range(0, len(ids) - 1, size):
                target = ids[k + 1 : k + 1 + size]
                p = model.backend.to_numpy(model.predict(ids[None, k : k + len(target)]))[0]
                right = p[np.arange(len(p)), target].astype(np.float64)
                if self._unseen:
                    right *= (1 - self._unseen) / (1 - p[:, 0].astype(np.float64))
                    right[target == 0] = self._unseen
                found.append(-np.log(np.maximum(right, np.finfo(np.float32).tiny)))
        finally:
            model.reset_states()
        return np.concatenate(found)

    # -- use --------------------------------------------------------------------------------------

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text's tokens, int64; 0 for those that are not in the vocabulary."""
        return self.vocabulary.encode(self._tokens(string_of("SentenceCompleter.encode", "text", text)))

    def next_probabilities(self, prompt: str = "") -> dict[str, float]:
        """Token -> probability that it comes next, the likeliest first; the unknown token is left out.

        An empty prompt is the beginning of a line.
        """
        p = self._read("next_probabilities", prompt).p
        order = np.argsort(-p, kind="stable")
        return {self.vocabulary.tokens[k - 1]: float(p[k]) for k in order if k}

    def complete(
        self, prompt: str = "", length: int = 100, *, temperature: float = 1.0, top_k: int | None = None,
        beam: int | None = None, seed: Any = None, stop: str | None = None,
    ) -> str:  # fmt: skip
        """The text that follows a prompt; the prompt is not repeated.

        Parameters
        ----------
        prompt : "" begins a line.  Unknown characters or words are read as such; they are never written.  At
            the word level a prompt ends with a whole word; whether a space follows makes no difference
        length : tokens to write: characters or words, as the level is
        temperature : 1 draws from the probabilities as they are, less is more careful, more is bolder; 0
            always takes the likeliest token
        top_k : draw among so many of the likeliest tokens
        beam : instead of drawing, search for the likeliest continuation, keeping so many on the way
        seed : int, `numpy.random.Generator` or None (another text each time)
        stop : end with the first token that completes this text, for example "." or a line end

        Raises
        ------
        TypeError, ValueError
        """
        if beam is None:
            check_units("SentenceCompleter.complete", "length", length, 0)
            options = {"temperature": temperature, "top_k": top_k, "seed": seed, "stop": stop}
            return "".join(self.stream(prompt, length, **options))
        owner = "SentenceCompleter.complete"
        if temperature != 1 or top_k is not None:
            got = f"temperature={temperature!r} and top_k={top_k!r}"
            expected = "given without temperature and top_k"
            raise ValueError(sentence(owner, "beam", expected, got, "A beam draws nothing."))
        length = check_units(owner, "length", length, 0)
        stop = check_stop(owner, stop)
        beam = check_units(owner, "beam", beam)
        return self._read("complete", prompt, beam).searched(length, stop)

    def stream(
        self, prompt: str = "", length: int | None = None, *, temperature: float = 1.0,
        top_k: int | None = None, seed: Any = None, stop: str | None = None,
    ) -> Iterator[str]:  # fmt: skip
        """The text that follows a prompt, token by token as it is written, with constant memory.

        The arguments are those of `complete`; without a `length` it goes on for as long as it is asked.
        Joined, the tokens are what `complete` gives.
        """
        owner = "SentenceCompleter.stream"
        length = None if length is None else check_units(owner, "length", length, 0)
        sampling = Sampling(owner, temperature, top_k, seed, stop)
        return self._read("stream", prompt).drawn(sampling, length)

    def _read(self, caller: str, prompt: Any, rows: int = 1) -> Prompt:
        text = string_of(f"SentenceCompleter.{caller}", "prompt", prompt)
        return Prompt(self.model, self.vocabulary, self.level, text, rows)

    def _tokens(self, text: str) -> list[str]:
        return LEVELS[self.level](text)


class _Reader(Callback):
    """Starts every epoch at the beginning of the text, and reads the held-out text after it."""

    def __init__(self, completer: SentenceCompleter, held_out: np.ndarray | None) -> None:
        self.completer, self.held_out = completer, held_out

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.model.reset_states()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if self.held_out is not None and logs is not None:
            logs["val_loss"] = float(self.completer._scores(self.held_out).mean())
