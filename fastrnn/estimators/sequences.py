"""What the estimators of sequences share: their parameters, their layers, one training."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..errors import unknown
from ..layers import GRU, LSTM, RNN, Bidirectional, Dense, Dropout, Embedding, Layer
from ..layers.base import check_units
from ..model import Sequential
from ..optimizers import Adam
from ..schedules import PolynomialDecay, check_number
from .inputs import read, read_ids, read_weights

CELLS: dict[str, Any] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
_CLIP = 5.0  # of the norm of all gradients: a rare long sequence must not undo an epoch


class SequenceEstimator(BaseEstimator):
    """The parameters, and the model they make; see `SequenceClassifier`."""

    def __init__(
        self,
        units: int = 32,
        *,
        cell: str = "lstm",
        layers: int = 1,
        bidirectional: bool = False,
        vocabulary: int | None = None,
        dropout: float = 0.0,
        epochs: int = 50,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        random_state: Any = None,
        dtype: Any = "float32",
        verbose: Any = 0,
    ) -> None:
        self.units = units
        self.cell = cell
        self.layers = layers
        self.bidirectional = bidirectional
        self.vocabulary = vocabulary
        self.dropout = dropout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.random_state = random_state
        self.dtype = dtype
        self.verbose = verbose

    def _stack(self, outputs: int, activation: str | None, every_step: bool) -> list[Layer]:
        owner = type(self).__name__
        if self.cell not in CELLS:
            raise unknown(owner, "cell", self.cell, tuple(CELLS))
        depth = check_units(owner, "layers", self.layers)
        stack: list[Layer] = []
        if self.vocabulary is not None:
            size = check_units(owner, "vocabulary", self.vocabulary)
            stack.append(Embedding(size, check_units(owner, "units", self.units)))
        for k in range(depth):
            layer = CELLS[self.cell](self.units, return_sequences=every_step or k + 1 < depth)
            stack.append(Bidirectional(layer) if self.bidirectional else layer)
            if self.dropout:
                stack.append(Dropout(self.dropout))
        return [*stack, Dense(outputs, activation)]

    def _read(self, X: Any, *, reset: bool = False) -> Any:
        """X as the model takes it: a row of a table is a series of one feature."""
        if not reset:
            check_is_fitted(self)
        if self.vocabulary is not None:
            return read_ids(self, X, reset=reset)
        made = read(self, X, reset=reset)
        return made[:, :, None] if self._table else made

    def _learn(
        self, X: Any, y: Any, outputs: int, activation: str | None, loss: str, sample_weight: Any,
        *, every_step: bool = False, class_weight: Any = None,
    ) -> None:  # fmt: skip
        """Make `model_` and train it on an X that was read."""
        owner = type(self).__name__
        epochs = check_units(owner, "epochs", self.epochs)
        size = check_units(owner, "batch_size", self.batch_size)
        check_number(owner, "learning_rate", self.learning_rate, 0.0, low_open=True)
        weights = read_weights(self, sample_weight, X)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        model = Sequential(self._stack(outputs, activation, every_step), seed=seed, dtype=self.dtype)
        steps = epochs * -(-len(X) // size)
        rate = PolynomialDecay(self.learning_rate, decay_steps=steps, end_learning_rate=0.0)
        model.compile(Adam(rate, global_clipnorm=_CLIP), loss)
        history = model.fit(
            X, y, epochs=epochs, batch_size=size, sample_weight=weights, class_weight=class_weight,
            verbose=self.verbose,
        )  # fmt: skip
        self.model_, self.history_ = model, history.history

    def _outputs(self, X: Any) -> Any:
        """What the model gives for X: an array in float64, or a list of them."""
        given = self._read(X)
        y = self.model_.predict(given)
        return [one.astype(np.float64) for one in y] if isinstance(y, list) else y.astype(np.float64)
