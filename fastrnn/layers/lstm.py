"""The LSTM layer."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import initializers
from ..cells import lstm_cell
from .activation import check_function
from .base import Shape, check_units
from .recurrent import Recurrent, check_clip, check_flag


class LSTM(Recurrent):
    """The LSTM layer; gate order i f g o.

    Parameters
    ----------
    units : H
    activation, recurrent_activation, output_activation : of the candidate, of the gates, and of the memory
        when it is shown (None: as `activation`): a name of `fastrnn.cells.activations`, or
        [name, alpha, beta]
    peepholes : whether the gates look at the memory: `p` [3H], order i f o (Gers and Schmidhuber 2000)
    coupled : whether f = 1 - i; the gates are i g o, and `p` is [2H], order i o (Greff et al. 2017)
    clip : what enters the activation of a gate or of the candidate is held between -clip and clip
    projection : P, the size of h and y; `W_hr` [P, H] makes them (Sak, Senior and Beaufays 2014)
    unit_forget_bias : add 1 to the forget gate's bias, so that it starts open; nothing where it is coupled
    options : those of `Recurrent`

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.LSTM(3, return_state=True)], seed=0)
    >>> y, h, c = model.predict(np.zeros((2, 5, 4), "float32"))
    >>> y.shape, c.shape
    ((2, 3), (2, 3))
    >>> model = fr.Sequential([fr.LSTM(8, peepholes=True, projection=3)], seed=0)
    >>> model.predict(np.zeros((2, 5, 4), "float32")).shape
    (2, 3)
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        *,
        output_activation: Any = None,
        peepholes: bool = False,
        coupled: bool = False,
        clip: float | None = None,
        projection: int | None = None,
        unit_forget_bias: bool = True,
        **options: Any,
    ) -> None:
        g = check_function("LSTM", "activation", activation)
        f = check_function("LSTM", "recurrent_activation", recurrent_activation)
        h = g if output_activation is None else check_function("LSTM", "output_activation", output_activation)
        self.activation, self.recurrent_activation = g.config, f.config
        self.output_activation = None if output_activation is None else h.config
        self.peepholes = check_flag("LSTM", "peepholes", peepholes)
        self.coupled = check_flag("LSTM", "coupled", coupled)
        self.clip = check_clip("LSTM", clip)
        self.projection = None if projection is None else check_units("LSTM", "projection", projection)
        self.unit_forget_bias = bool(unit_forget_bias)
        cell = lstm_cell(
            f, g, h, peepholes=self.peepholes, coupled=self.coupled, clip=self.clip,
            projection=self.projection,
        )  # fmt: skip
        super().__init__(units, cell, **options)

    def make_params(self, in_shape: Shape, rng: np.random.Generator, dtype: Any) -> dict[str, Any]:
        params = super().make_params(in_shape, rng, dtype)
        bias = self.initializers["b"]
        if not isinstance(bias, initializers.Chrono) and not self.coupled:
            forget = params["b"][self.units : 2 * self.units]
            if bias is None:
                forget[:] = 0
            forget += self.unit_forget_bias
        return params

    def config(self) -> dict[str, Any]:
        config = super().config()
        del config["cell"]
        own = (
            "activation", "recurrent_activation", "output_activation", "peepholes", "coupled", "clip",
            "projection", "unit_forget_bias",
        )  # fmt: skip
        return {**config, **{name: getattr(self, name) for name in own}}
