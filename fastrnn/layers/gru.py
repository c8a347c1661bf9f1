"""The GRU layer."""

from __future__ import annotations

from typing import Any

from ..cells import gru_cell
from .activation import check_function
from .recurrent import Recurrent, check_clip, check_flag


class GRU(Recurrent):
    """The GRU layer; gate order r z n.

    Parameters
    ----------
    units : H
    activation, recurrent_activation : of the new state and of the gates: a name of
        `fastrnn.cells.activations`, or [name, alpha, beta]
    reset_after : whether the reset gate stands after the recurrent product, as in cuDNN, PyTorch and Keras 3.
        Then there are two biases, `b_ih` and `b_hh`; else one, `b`, as in the paper and in ONNX
    clip : what enters an activation is held between -clip and clip
    options : those of `Recurrent`

    >>> import numpy as np, fastrnn as fr
    >>> fr.Sequential([fr.GRU(3)], seed=0).predict(np.zeros((2, 5, 4), "float32")).shape
    (2, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        reset_after: bool = True,
        clip: float | None = None,
        **options: Any,
    ) -> None:
        g = check_function("GRU", "activation", activation)
        f = check_function("GRU", "recurrent_activation", recurrent_activation)
        self.activation, self.recurrent_activation = g.config, f.config
        self.reset_after, self.clip = check_flag("GRU", "reset_after", reset_after), check_clip("GRU", clip)
        super().__init__(units, gru_cell(f, g, reset_after=self.reset_after, clip=self.clip), **options)

    def config(self) -> dict[str, Any]:
        config = super().config()
        del config["cell"]
        return {
            **config,
            "activation": self.activation,
            "recurrent_activation": self.recurrent_activation,
            "reset_after": self.reset_after,
            "clip": self.clip,
        }
