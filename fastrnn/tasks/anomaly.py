"""Anomalies: an autoencoder learns what is normal; what it cannot say again is not.

Windows of a series go through an autoencoder, dense or recurrent (`fastrnn.autoencoder`); the squared error
of what comes back is the score (Malhotra et al. 2016, LSTM-based encoder-decoder for multi-sensor anomaly
detection).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..autoencoder import Autoencoder, SequenceAutoencoder
from ..errors import sentence, unknown
from ..layers import Layer
from ..layers.base import check_units
from ..optimizers import Adam
from ..schedules import CosineDecay, check_number
from .detection import measure, measure_stretches
from .series import (
    Overlap,
    Scale,
    check_together,
    cut,
    first_form,
    hold_out,
    known_form,
    stretches,
)
from .task import Task, as_before_unless_begun

_CELLS = {"lstm": "lstm", "gru": "gru", "rnn": "rnn_tanh"}
_KINDS = ("dense", *_CELLS)
_LENGTH = 64  # of windows where nobody says
_UPDATES = 3000  # of the weights where nobody says how many epochs
_HELD_OUT = 0.2  # share of the data of `fit` that sets the threshold and is not trained on


class AnomalyDetector(Task):
    """Find what is not normal, in windows or in a long series.

    ====================  ===================================  ===================
    x                     shape                                scores
    ====================  ===================================  ===================
    windows               [N, T, F], or [N, T] where F is 1    one a window, [N]
    a long series         [T, F], or [T] where F is 1          one a step, [T]
    ====================  ===================================  ===================

    x is any array of numbers; it is brought to mean 0 and standard deviation 1, feature by feature, as learnt
    in `fit`, and then to `dtype`.  A long series is cut into windows that overlap; the score of a step is the
    mean of its squared errors in all windows that it is in.  Saying the mean at every step would score 1.

    Parameters
    ----------
    kind : "dense" (`fastrnn.Autoencoder`), "lstm", "gru" or "rnn" (`fastrnn.SequenceAutoencoder`)
    window : steps of the windows that a long series is cut into.  None: two-dimensional x is windows [N, T],
        and a series [T] is cut into windows of 64.  In `fit`, x [N, window] is windows, too
    units : of the autoencoder: sizes down to the code for "dense", the size of the state for the others
    stride : steps from the beginning of one window to that of the next; None is an eighth of the window
    quantile : of the scores of data held out in `fit` that becomes the threshold; 1 takes the largest
    learning_rate : of Adam at the start, it falls to zero along half a cosine; None is 0.001 for "dense",
        0.003 for the others.  Gradients are clipped at a global norm of 1
    seed, dtype, backend : as in `Sequential`

    Attributes
    ----------
    threshold : scores above it are anomalies; set by `fit` or `fit_threshold`, or by hand.  It belongs to
        scores of the kind that it was fitted on, of windows or of steps
    columns : names of the features, or None; the file keeps them

    >>> import numpy as np, fastrnn as fr
    >>> series = np.sin(np.arange(600) / 4)
    >>> detector = fr.tasks.AnomalyDetector("dense", window=32, seed=0)
    >>> history = detector.fit(series, epochs=100, verbose=0)
    >>> series[300:310] = 1.5
    >>> detector.score(series).shape
    (600,)
    >>> [(start, stop)] = detector.intervals(series, gap=32)
    >>> start <= 300 and stop >= 310
    True
    """

    def __init__(
        self, kind: str = "lstm", *, window: int | None = None, units: Any = None, stride: int | None = None,
        quantile: float = 0.99, learning_rate: float | None = None, seed: Any = 0, dtype: Any = "float32",
        backend: str | None = None,
    ) -> None:  # fmt: skip
        owner = "AnomalyDetector"
        if kind not in _KINDS:
            raise unknown(owner, "kind", kind, _KINDS)
        self.kind = kind
        self.window = None if window is None else check_units(owner, "window", window, 2)
        self.stride = None if stride is None else check_units(owner, "stride", stride)
        if self.stride and self.window and self.stride > self.window:
            raise ValueError(sentence(owner, "stride", f"at most the window, {self.window}", stride))
        self.quantile = check_number(owner, "quantile", quantile, 0.0, 1.0, high_open=False)
        if units is None:
            units = (64, 16) if kind == "dense" else 64
        self._autoencoder: Autoencoder | SequenceAutoencoder
        if kind == "dense":
            self._autoencoder = Autoencoder(units, seed=0)
            units = list(self._autoencoder.units)
        else:
            self._autoencoder = SequenceAutoencoder(units, _CELLS[kind], seed=0)
            units = self._autoencoder.units
        if learning_rate is None:
            learning_rate = 0.001 if kind == "dense" else 0.003
        self.learning_rate = check_number(owner, "learning_rate", learning_rate, 0.0)
        super().__init__(
            seed=seed, dtype=dtype, backend=backend, kind=kind, window=window, units=units, stride=stride,
            quantile=self.quantile, learning_rate=self.learning_rate,
        )  # fmt: skip
        self.length = 0  # of a window, known in `fit`
        self.scale: Scale | None = None
        self.columns: tuple[str, ...] | None = None
        self._threshold: float | None = None

    @property
    def threshold(self) -> float | None:
        """Scores above it are anomalies; None before `fit`."""
        return self._threshold

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._threshold = check_number("AnomalyDetector", "threshold", value, 0.0)

    # -- the model and its file -------------------------------------------------------------------

    @property
    def features(self) -> int:
        """F, known in `fit`."""
        assert self.scale is not None
        return len(self.scale.mean)

    @property
    def step(self) -> int:
        """Steps from the beginning of a window to that of the next."""
        return min(self.stride or max(1, self.length // 8), self.length)

    def layers(self) -> list[Layer]:
        dense = self.kind == "dense"
        return self._autoencoder.layers(self.length * self.features if dense else self.features)

    def input_shape(self) -> tuple[Any, ...]:
        if self.kind == "dense":
            return (None, self.length * self.features)
        return (None, self.length, self.features)

    def learnt(self) -> dict[str, Any]:
        assert self.scale is not None
        return {
            "length": self.length,
            "mean": self.scale.mean.tolist(),
            "std": self.scale.std.tolist(),
            "threshold": self.threshold,
            "columns": None if self.columns is None else list(self.columns),
        }

    def relearn(self, learnt: dict[str, Any]) -> None:
        self.length = check_units("AnomalyDetector", "length", learnt["length"], 2)
        mean, std = (np.array(learnt[name], np.float64) for name in ("mean", "std"))
        if mean.ndim != 1 or not len(mean) or mean.shape != std.shape or not (std > 0).all():
            raise ValueError("mean and std are not one number a feature, std above 0")
        if not (np.isfinite(mean).all() and np.isfinite(std).all()):
            raise ValueError("mean and std are not finite")
        self.scale = Scale(mean, std)
        if learnt["threshold"] is not None:
            self.threshold = learnt["threshold"]
        columns = learnt["columns"]
        if columns is not None:
            if len(columns) != len(mean) or not all(isinstance(name, str) for name in columns):
                raise ValueError("columns are not one name a feature")
            self.columns = tuple(columns)

    # -- training ---------------------------------------------------------------------------------

    @as_before_unless_begun
    def fit(
        self, x: Any, *, epochs: int | None = None, batch_size: int | None = None, **options: Any
    ) -> Any:  # fmt: skip
        """Learn what is normal; called again, it goes on from where it was, on the same scale.

        A fifth of x is held out: of windows a random choice, of a series its end.  It validates
        (``val_loss``), and its scores set the threshold, which would be too low if it came from what was
        learnt.

        Parameters
        ----------
        x : windows or a series, normal data alone; or a list of series
        epochs : None takes as many as make about 3,000 updates of the weights
        batch_size : windows an update; None takes a twentieth of all, at least 8 and at most 32
        options : those of `Sequential.fit` that are not about data, such as verbose and callbacks

        Returns
        -------
        History

        Raises
        ------
        ShapeError, DtypeError
        ValueError : NaN in x, or too few windows to learn from and to hold out
        """
        owner = "AnomalyDetector.fit"
        several = isinstance(x, (list, tuple))
        named = [(f"x[{k}]", one) for k, one in enumerate(x)] if several else [("x", x)]
        if self.fitted:
            arrays = [self._known(owner, one, name) for name, one in named]
        else:
            arrays = [first_form(owner, name, one, self.window) for name, one in named]
        if several:
            check_together(owner, arrays)
        if not self.fitted:
            self.length = arrays[0].shape[1] if arrays[0].ndim == 3 else self.window or _LENGTH
        rng = np.random.default_rng([self.arguments["seed"], 1])
        train, held = hold_out(owner, arrays, self.length, _HELD_OUT, rng)
        if not self.fitted:
            self.scale = Scale.of(np.concatenate([one.reshape(-1, one.shape[-1]) for one in train]))
            self.make()
        x, v = (self._inputs(np.concatenate([self._windows(one) for one in part])) for part in (train, held))
        batch_size = int(np.clip(len(x) // 20, 8, 32)) if batch_size is None else check_units(
            owner, "batch_size", batch_size
        )  # fmt: skip
        updates = -(-len(x) // batch_size)
        epochs = -(-_UPDATES // updates) if epochs is None else check_units(owner, "epochs", epochs)
        schedule = CosineDecay(self.learning_rate, epochs * updates)
        self.model.compile(Adam(schedule, global_clipnorm=1.0), "mse")
        history = self.model.fit(
            x, x, epochs=epochs, batch_size=batch_size, validation_data=(v, v), **options
        )  # fmt: skip
        self.threshold = np.quantile(np.concatenate([self._score(one) for one in held]), self.quantile)
        return history

    def fit_threshold(self, x: Any, quantile: float | None = None) -> float:
        """Set `threshold` to that quantile of the scores of x, normal data not trained on, and return it.

        quantile : None takes the detector's own
        """
        owner = "AnomalyDetector.fit_threshold"
        share = self.quantile if quantile is None else check_number(
            owner, "quantile", quantile, 0.0, 1.0, high_open=False
        )  # fmt: skip
        scores = self._score(self._known(owner, x))
        if not len(scores):
            raise ValueError(f"{owner}: x has no windows.")
        self.threshold = np.quantile(scores, share)
        assert self.threshold is not None
        return self.threshold

    # -- use --------------------------------------------------------------------------------------

    def score(self, x: Any) -> np.ndarray:
        """Mean squared error on the learnt scale, float64: [N] for windows, [T] for a series."""
        return self._score(self._known("AnomalyDetector.score", x))

    def predict(self, x: Any) -> np.ndarray:
        """bool, as `score`: True where the score is above the threshold."""
        return self.flags(self.score(x))

    def flags(self, scores: np.ndarray) -> np.ndarray:
        """bool, for scores that are there already: True above the threshold."""
        _ = self.model
        if self.threshold is None:  # Ctrl-C in `fit`
            raise RuntimeError("AnomalyDetector: call fit_threshold(x) first; fit was broken off.")
        return scores > self.threshold

    def intervals(self, x: Any, gap: int = 0) -> list[tuple[int, int]]:
        """(start, stop) of each run of anomalous steps of a series, or windows; stop is not included.

        gap : runs with at most so many normal ones between them are one
        """
        gap = check_units("AnomalyDetector.intervals", "gap", gap, 0)
        return stretches(self.predict(x), gap)

    def reconstruct(self, x: Any) -> np.ndarray:
        """What the autoencoder says instead of x, float64, in x's units and shape."""
        known = self._known("AnomalyDetector.reconstruct", x)
        if known.ndim == 3:
            y = self._rebuilt(known)
        else:
            y = np.concatenate(list(self._over([known], self._rebuilt)))
        assert self.scale is not None
        return self.scale.undo(y).reshape(x.shape)

    def stream(self, chunks: Iterable[Any]) -> Iterator[np.ndarray]:
        """Scores of a series that comes in pieces [n] or [n, F], each as soon as it is final.

        The same bits as `score` of the whole, with memory for a window and a piece.
        """
        owner = "AnomalyDetector.stream"
        return self._scores(self._known(owner, one, series=True) for one in chunks)

    def evaluate(self, x: Any, labels: Any) -> dict[str, Any]:
        """Figures of scores and flags against the truth.

        labels : bool, or 0 and 1, one a score: 1 is an anomaly

        Returns
        -------
        dict : "auroc", "average_precision", "precision", "recall", "false_alarm_rate" and numbers, see
            `fastrnn.tasks.detection.measure`; for a series also "stretches", those "stretches_found" and the
            "false_alarms", flagged stretches (less than a window between them counts as one) with no anomaly
        """
        owner = "AnomalyDetector.evaluate"
        known = self._known(owner, x)
        n, truth = len(known), np.asarray(labels)
        if truth.shape != (n,) or truth.dtype.kind not in "biuf" or not np.isin(truth, (0, 1)).all():
            raise ValueError(sentence(owner, "labels", f"0 or 1 for each of {n} scores", truth))
        scores = self._score(known)
        flags, truth = self.flags(scores), truth.astype(bool)
        figures = measure(scores, flags, truth)
        if known.ndim == 2:
            figures.update(measure_stretches(flags, truth, self.length - 1))
        return figures

    # -- inside -----------------------------------------------------------------------------------

    def _known(self, owner: str, x: Any, name: str = "x", series: bool = False) -> np.ndarray:
        """x for what was learnt, as windows [N, T, F] or as a series [T, F]."""
        _ = self.model  # raises where there is none
        return known_form(owner, name, x, self.length, self.features, series)

    def _windows(self, x: np.ndarray) -> np.ndarray:
        return x if x.ndim == 3 else cut(x, self.length, self.step)

    def _inputs(self, windows: np.ndarray) -> np.ndarray:
        """Windows [N, T, F] as the model takes them."""
        assert self.scale is not None
        x = self.scale.apply(windows).astype(self.arguments["dtype"])
        return x.reshape(len(x), x.shape[1] * x.shape[2]) if self.kind == "dense" else x

    def _rebuilt(self, windows: np.ndarray) -> np.ndarray:
        """What comes back, on the learnt scale, float64 [N, T, F]."""
        y = self.model.backend.to_numpy(self.model.predict(self._inputs(windows)))
        return y.reshape(windows.shape).astype(np.float64)

    def _errors(self, windows: np.ndarray) -> np.ndarray:
        """The mean squared error of each step, float64 [N, T, 1]."""
        assert self.scale is not None
        difference = self._rebuilt(windows) - self.scale.apply(windows)
        return (difference**2).mean(axis=2, keepdims=True)

    def _score(self, x: np.ndarray) -> np.ndarray:
        if x.ndim == 3:
            return self._errors(x).mean(axis=(1, 2))
        return np.concatenate(list(self._scores([x])))

    def _scores(self, chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        return (part[:, 0] for part in self._over(chunks, self._errors))

    def _over(self, chunks: Iterable[np.ndarray], run: Any) -> Iterator[np.ndarray]:
        overlap = Overlap(self.length, self.step, run)
        for chunk in chunks:
            if len(part := overlap.push(chunk)):
                yield part
        yield overlap.end("AnomalyDetector")

