"""The vanilla recurrent layer."""

from __future__ import annotations

from typing import Any

from ..cells import rnn_cell
from .activation import check_function
from .recurrent import Recurrent, check_clip


class RNN(Recurrent):
    """The vanilla recurrent layer, h_t = f(W_ih x_t + W_hh h_{t-1} + b); `SimpleRNN` is the same.

    Parameters
    ----------
    units : H
    activation : f, a name of `fastrnn.cells.activations`, or [name, alpha, beta]; "tanh" and "relu" are fast
    clip : what enters f is held between -clip and clip
    options : those of `Recurrent`

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.RNN(3, return_sequences=True)], seed=0)
    >>> model.predict(np.zeros((2, 5, 4), "float32")).shape
    (2, 5, 3)
    """

    def __init__(
        self, units: int, activation: Any = "tanh", *, clip: float | None = None, **options: Any
    ) -> None:
        f = check_function("RNN", "activation", activation)
        self.activation, self.clip = f.config, check_clip("RNN", clip)
        super().__init__(units, rnn_cell(f, clip=self.clip), **options)

    def config(self) -> dict[str, Any]:
        config = super().config()
        del config["cell"]
        return {**config, "activation": self.activation, "clip": self.clip}
