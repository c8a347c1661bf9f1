"""Autoencoders: learn to say x again through a narrow code; what comes back badly is unusual.

Dense (deep, denoising: Vincent et al. 2008, sparse) and recurrent (Srivastava, Mansimov and Salakhutdinov
2015).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import prediction, serialization
from .batches import Inputs
from .errors import ModelFormatError, ShapeError, check_array, sentence
from .layers import (
    ActivityRegularization,
    Dense,
    GaussianNoise,
    Layer,
    Recurrent,
    RepeatVector,
    same_layers,
)
from .layers.base import check_units
from .model import Sequential
from .packed import Layout, Packed, layout_of, unpack, unpack_list
from .reading import load_model
from .schedules import check_number

_BATCH = 128


class _Autoencoder:
    """What both kinds share: a Sequential, of which the first `code` layers are the encoder.

    The last layer is as wide as x, so the model is made when the first x is seen.
    """

    sequences: bool
    code: int
    arguments: dict[str, Any]

    def __init__(self, seed: Any, dtype: Any, backend: str | None, optimizer: Any, loss: Any) -> None:
        self.options = {"seed": seed, "dtype": dtype, "backend": backend}
        self.threshold: float | None = None
        self._model: Sequential | None = None
        self._empty = Sequential([], **self.options)
        self._empty.compile(optimizer, loss)  # so that a wrong name is found here

    def layers(self, features: int) -> list[Layer]:
        """Encoder and decoder for x with so many features."""
        raise NotImplementedError

    @property
    def model(self) -> Sequential:
        """The Sequential inside; it exists once x was seen."""
        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}: call fit(x) first.")
        return self._model

    def _make(self, owner: str, x: Any, lengths: Any = None, mask: Any = None) -> None:
        """Make the model for the features of x, where there is none yet."""
        if self._model is not None:
            return
        empty = self._empty
        inputs = Inputs(owner, x, None, False, empty.dtype, empty.backend, lengths, mask)
        assert inputs.shape is not None
        if inputs.shape.sequence != self.sequences or len(inputs.shape.features) != 1:
            expected = "sequences [B, T, F] or a list of [T, F]" if self.sequences else "vectors [B, F]"
            raise ShapeError(sentence(owner, "x", expected, str(inputs.shape)))
        for layer in self.layers(inputs.shape.width):
            empty.add(layer)
        empty.build(inputs.shape)
        self._model = empty

    def fit(
        self,
        x: Any,
        *,
        epochs: int = 10,
        batch_size: int = 32,
        validation_data: Any = None,
        **options: Any,
    ) -> Any:
        """Learn to reconstruct x.

        x : vectors [B, F] for Autoencoder; [B, T, F] or a list of [T_b, F] for SequenceAutoencoder
        validation_data : an x to validate on
        options : those of `Sequential.fit`
        """
        self._make("fit", x, options.get("lengths"), options.get("mask"))
        if validation_data is not None:
            options["validation_data"] = (validation_data, validation_data)
        return self.model.fit(x, x, epochs=epochs, batch_size=batch_size, **options)

    def encode(self, x: Any, *, lengths: Any = None, mask: Any = None) -> Any:
        """The codes [B, units] of x."""
        inputs = self.model.inputs("encode", x, lengths, mask)
        return prediction.outputs(self.model, inputs, range(self.code), _BATCH)

    def reconstruct(self, x: Any, *, lengths: Any = None, mask: Any = None) -> Any:
        """x as the decoder says it, in x's shape (a list for a list)."""
        inputs = self.model.inputs("reconstruct", x, lengths, mask)
        return prediction.outputs(self.model, inputs, range(len(self.model.layers)), _BATCH)

    def _decode(self, code: Any, layout: Layout) -> Packed:
        model = self.model
        width = model.layers[self.code - 1].out_shape.width  # type: ignore[union-attr]
        check_array("decode", "code", code, "B, units", (layout.B, width), model.dtype)
        x = Packed(model.backend.asarray(code)[model.backend.asarray(layout.order)], layout, sequence=False)
        for layer in model.layers[self.code :]:
            x, _ = layer.forward(x, None)
        return x

    def score_samples(self, x: Any, *, lengths: Any = None, mask: Any = None) -> np.ndarray:
        """Mean squared reconstruction error of each example, float64 [B]; padding does not count."""
        inputs = self.model.inputs("score_samples", x, lengths, mask)
        scores = np.zeros(len(inputs))
        for k in range(0, len(inputs), _BATCH):
            index = np.arange(k, min(k + _BATCH, len(inputs)))
            packed = inputs.batch(index)
            out, _ = self.model.run(packed)
            difference = self.model.backend.to_numpy(out.rows - packed.rows).astype(np.float64)
            errors = (difference**2).mean(axis=1)
            layout = packed.layout
            if packed.sequence:
                sums = np.bincount(layout.sequence, errors, minlength=layout.B)
                errors = sums / np.maximum(layout.lengths, 1)
            scores[index[layout.order]] = errors
        return scores

    def fit_threshold(self, x: Any, quantile: float = 0.99, **options: Any) -> float:
        """Set `threshold` to that quantile of the scores of x, normal examples, and return it."""
        check_number("fit_threshold", "quantile", quantile, 0.0, 1.0, high_open=False)
        scores = self.score_samples(x, **options)
        if not len(scores):
            raise ValueError("fit_threshold: x has no examples.")
        self.threshold = float(np.quantile(scores, quantile))
        return self.threshold

    def predict(self, x: Any, **options: Any) -> np.ndarray:
        """bool [B]: True where an example's score is above the threshold, an anomaly."""
        if self.threshold is None:
            raise RuntimeError(f"{type(self).__name__}.predict: call fit_threshold(x) first.")
        return self.score_samples(x, **options) > self.threshold

    def save(self, path: Any) -> None:
        """Write model, arguments and threshold to one file, atomically; `load` and `fastrnn.load` read it."""
        extra = {"arguments": self.arguments, "threshold": self.threshold}
        serialization.save(path, self.model, type(self).__name__, extra)

    @classmethod
    def load(cls, path: Any, *, backend: str | None = None) -> Any:
        """What `save` wrote.  Raises ModelFormatError, FileNotFoundError."""
        model, description = load_model(path, backend)
        return cls.restore(path, model, description)

    @classmethod
    def restore(cls, path: Any, model: Sequential, description: dict[str, Any]) -> Any:
        """From a loaded model and the description it came with."""
        kind = description.get("kind")
        if kind != cls.__name__:
            raise ModelFormatError(
                f"{cls.__name__}.load: {path} holds a {kind}. Read it with fastrnn.load."
            )
        try:
            extra = description["extra"]
            made = cls(**extra["arguments"], backend=model.backend.name)
            threshold = extra["threshold"]
            made.threshold = None if threshold is None else check_number(
                cls.__name__, "threshold", threshold, 0.0
            )  # fmt: skip
            wanted = made.layers(model.layers[-1].out_shape.width)  # type: ignore[union-attr]
            if not same_layers(wanted, model.layers):
                raise ValueError("the layers are not those of the arguments")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            expected = f"does not describe an {cls.__name__}"
            raise ModelFormatError(f"load: {path} {expected}: {error!r}.") from error
        made._model = model
        return made


class Autoencoder(_Autoencoder):
    """A dense autoencoder for vectors [B, F].

    Parameters
    ----------
    units : sizes from the first layer to the code; the decoder mirrors them: (64, 16) is F-64-16-64-F
    noise : standard deviation of the normal noise added to x in training (denoising)
    sparsity : weight of the L1 norm of the code in the loss
    activation, output_activation : of the layers inside, and of the last
    loss, optimizer : as in `Sequential.compile`
    seed, dtype, backend : as in `Sequential`

    >>> import numpy as np, fastrnn as fr
    >>> x = np.random.default_rng(0).random((50, 8), dtype="float32")
    >>> model = fr.Autoencoder((6, 2), seed=0)
    >>> history = model.fit(x, epochs=2, verbose=0)
    >>> model.encode(x).shape, model.reconstruct(x).shape
    ((50, 2), (50, 8))
    """

    sequences = False

    def __init__(
        self, units: int | Sequence[int] = (64, 16), *, noise: float = 0.0, sparsity: float = 0.0,
        activation: str = "relu", output_activation: str = "linear", loss: Any = "mse",
        optimizer: Any = "adam", seed: Any = None, dtype: Any = "float32", backend: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(seed, dtype, backend, optimizer, loss)
        sizes = tuple(units) if isinstance(units, (tuple, list)) else (units,)
        if not sizes:
            raise ValueError(sentence("Autoencoder", "units", "one size or more", units))
        self.units = tuple(check_units("Autoencoder", "units", n) for n in sizes)
        self.noise, self.sparsity = noise, sparsity
        self.activations = activation, output_activation
        self.layers(1)  # so that a wrong argument is named here
        self.code = len(self.units) + bool(noise) + bool(sparsity)
        self.arguments = {
            "units": list(self.units), "noise": noise, "sparsity": sparsity, "activation": activation,
            "output_activation": output_activation, "seed": self._empty.seed, "dtype": str(self._empty.dtype),
        }  # fmt: skip

    def layers(self, features: int) -> list[Layer]:
        inner, last = self.activations
        noisy = [GaussianNoise(self.noise)] if self.noise else []
        encoder = [Dense(n, inner) for n in self.units]
        sparse = [ActivityRegularization(self.sparsity)] if self.sparsity else []
        decoder = [Dense(n, inner) for n in self.units[-2::-1]]
        return [*noisy, *encoder, *sparse, *decoder, Dense(features, last)]

    def decode(self, code: Any) -> Any:
        """x [B, F] from codes [B, units]."""
        return self._decode(code, Layout.plain(len(code), 1)).rows


class SequenceAutoencoder(_Autoencoder):
    """A recurrent autoencoder for sequences [B, T, F], ragged ones included.

    An encoder reads the sequence into its last state; that is given to every step of a recurrent decoder, and
    a dense layer says x.

    Parameters
    ----------
    units : size of the code and of the decoder's state
    cell : "lstm", "gru", "rnn_tanh", "rnn_relu"
    loss, optimizer : as in `Sequential.compile`
    seed, dtype, backend : as in `Sequential`

    >>> import numpy as np, fastrnn as fr
    >>> x = [np.ones((n, 2), "float32") for n in (3, 5)]
    >>> model = fr.SequenceAutoencoder(4, seed=0)
    >>> history = model.fit(x, epochs=1, verbose=0)
    >>> [r.shape for r in model.reconstruct(x)]
    [(3, 2), (5, 2)]
    """

    sequences = True
    code = 1

    def __init__(
        self, units: int = 32, cell: str = "lstm", *, loss: Any = "mse", optimizer: Any = "adam",
        seed: Any = None, dtype: Any = "float32", backend: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(seed, dtype, backend, optimizer, loss)
        self.units, self.cell = check_units("SequenceAutoencoder", "units", units), cell
        if not isinstance(cell, str):
            raise TypeError(sentence("SequenceAutoencoder", "cell", "the name of a cell", cell))
        self.layers(1)
        self.arguments = {
            "units": self.units, "cell": cell, "seed": self._empty.seed, "dtype": str(self._empty.dtype),
        }  # fmt: skip

    def layers(self, features: int) -> list[Layer]:
        return [
            Recurrent(self.units, self.cell, name="encoder"),
            RepeatVector(None),
            Recurrent(self.units, self.cell, return_sequences=True, name="decoder"),
            Dense(features),
        ]

    def decode(self, code: Any, steps: Any) -> Any:
        """x from codes [B, units]: `steps` is one number for all ([B, T, F] comes back) or lengths [B]."""
        if isinstance(steps, (int, np.integer)):
            layout = layout_of("decode", len(code), check_units("decode", "steps", steps, 0))
            return unpack(self.model.backend.xp, self._decode(code, layout).rows, layout)
        span = int(np.max(steps, initial=0))
        layout = layout_of("decode", len(code), span, lengths=steps)
        rows = self.model.backend.to_numpy(self._decode(code, layout).rows)
        return unpack_list(rows, layout, [int(n) for n in steps])
