"""Callbacks: what happens between the batches and epochs of `fit`. Names as in Keras.

`fit` calls `set_model`, then ``on_train_begin``, for every epoch ``on_epoch_begin``, for every
batch ``on_train_batch_begin`` and ``on_train_batch_end``, then ``on_epoch_end``, and
``on_train_end``. Epochs and batches count from 0. `logs` maps names ("loss", "val_loss", a
metric's name) to floats. Setting ``model.stop_training = True`` ends the training.
"""

from __future__ import annotations

import csv
import inspect
import math
import os
from collections.abc import Callable
from typing import Any

from fastrnn.errors import describe, sentence
from fastrnn.schedules import check_number

Logs = dict[str, float]

_SMALLER = ("loss", "mse", "rmse", "mae", "error", "perplexity", "crossentropy")
_LARGER = ("acc", "accuracy", "auroc", "auc")


class Callback:
    """Override the moments you need; `model` is the model being trained."""

    model: Any = None

    def set_model(self, model: Any) -> None:
        """Called once before the training begins."""
        self.model = model

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Before the first epoch."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """After the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Before the first batch of an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """After an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Before a step."""

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """After a step."""


class History(Callback):
    """What `fit` returns: ``history`` maps each name to its values, ``epoch`` lists the epochs."""

    def __init__(self) -> None:
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.history, self.epoch = {}, []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class _Monitor(Callback):
    """What the callbacks that watch one number share."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        self.owner = type(self).__name__
        self.monitor, self.min_delta = monitor, abs(min_delta)
        if mode not in ("auto", "min", "max"):
            raise ValueError(sentence(self.owner, "mode", "'auto', 'min' or 'max'", describe(mode)))
        if mode == "auto":
            last = monitor.split("_")[-1]
            if last not in _SMALLER + _LARGER:
                expected = f"'min' or 'max' for monitor={monitor!r}"
                raise ValueError(
                    sentence(
                        self.owner,
                        "mode",
                        expected,
                        "'auto'",
                        "Say whether smaller or larger is better.",
                    )
                )
            mode = "min" if last in _SMALLER else "max"
        self.sign = 1.0 if mode == "min" else -1.0
        self.mode = mode

    def current(self, logs: Logs | None) -> float:
        """The monitored number, or a ValueError that names what is there."""
        if self.monitor not in (logs or {}):
            there = ", ".join(logs or {}) or "nothing"
            advice = (
                "Give fit validation_data or validation_split."
                if self.monitor.startswith("val_")
                else "Add it to compile(metrics=)."
            )
            raise ValueError(sentence(self.owner, "monitor", f"one of {there}", repr(self.monitor), advice))
        return float((logs or {})[self.monitor])

    def improves(self, value: float, reference: float | None) -> bool:
        """Whether `value` beats `reference` by more than min_delta; NaN beats nothing."""
        if math.isnan(value):
            return False
        return reference is None or self.sign * (reference - value) > self.min_delta


class EarlyStopping(_Monitor):
    """Stop when the monitored number has not improved for `patience` epochs.

    `baseline`: waiting only ends below (above) it. `restore_best_weights`: at the end the model
    gets the weights of its best epoch. `start_from_epoch`: earlier epochs are not looked at.
    Afterwards `best`, `best_epoch` and `stopped_epoch` (None: it did not stop) are set.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0.0,
        patience: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        check_number(self.owner, "patience", patience, 0)
        self.patience, self.baseline = patience, baseline
        self.restore_best_weights, self.start_from_epoch = restore_best_weights, start_from_epoch
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = 0
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._best_weights: Any = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value = self.current(logs)
        if epoch < self.start_from_epoch:
            return
        self.wait += 1
        if self.improves(value, self.best):
            self.best, self.best_epoch = value, epoch
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
            if self.baseline is None or self.improves(value, self.baseline):
                self.wait = 0
                return
        # As in Keras, the first epoch alone is never enough to stop.
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)
            self._best_weights = None


class ModelCheckpoint(_Monitor):
    """Save the model after every epoch, or after every `save_freq` batches.

    `filepath` may contain ``{epoch:02d}`` (from 1), ``{batch}`` and the names in the logs, as in
    ``model-{epoch:02d}-{val_loss:.3f}``. With `save_best_only` a file is written only when the
    monitored number improves. Missing folders are made.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
    ) -> None:
        # Without save_best_only nothing is compared, whatever the monitor is called.
        super().__init__(monitor, mode if save_best_only or mode != "auto" else "min")
        whole = isinstance(save_freq, int) and not isinstance(save_freq, bool) and save_freq > 0
        if not whole and save_freq != "epoch":
            expected = "'epoch' or a number of batches"
            raise ValueError(sentence(self.owner, "save_freq", expected, describe(save_freq)))
        self.filepath, self.save_best_only = os.fspath(filepath), save_best_only
        self.save_freq = save_freq
        self.best: float | None = None
        self._epoch = self._batches = 0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._batches += 1
        if isinstance(self.save_freq, int) and self._batches % self.save_freq == 0:
            self._save(self._epoch, logs, batch=batch + 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.save_freq == "epoch":
            self._save(epoch, logs)

    def _save(self, epoch: int, logs: Logs | None, **more: int) -> None:
        if self.save_best_only:
            value = self.current(logs)
            if not self.improves(value, self.best):
                return
            self.best = value
        names = {**(logs or {}), "epoch": epoch + 1, **more}
        try:
            path = self.filepath.format(**names)
        except (KeyError, IndexError) as error:
            expected = f"formatted with {', '.join(names)}"
            raise ValueError(sentence(self.owner, "filepath", expected, repr(self.filepath))) from error
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self.model.save(path)


class CSVLogger(Callback):
    """Write a line per epoch to a CSV file, which is complete after every epoch.

    `append` continues a file, whose columns must be the same. A name missing in an epoch is "NA".
    """

    def __init__(self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False) -> None:
        self.filename, self.separator, self.append = os.fspath(filename), separator, append
        self._columns: list[str] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._columns = None
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="", encoding="utf-8") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator), None)
        else:
            with open(self.filename, "w", encoding="utf-8"):
                pass  # an unwritable path is an error now, not after the first epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = {"epoch": epoch, **(logs or {})}
        with open(self.filename, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if self._columns is None:
                self._columns = list(row)
                writer.writerow(self._columns)
            if extra := [name for name in row if name not in self._columns]:
                raise ValueError(
                    sentence(
                        "CSVLogger",
                        "logs",
                        f"the columns {', '.join(self._columns)}",
                        f"also {', '.join(extra)}",
                        "Use another file.",
                    )
                )
            writer.writerow([row.get(name, "NA") for name in self._columns])


class TerminateOnNaN(Callback):
    """End the training quietly at a loss that is not finite; without it `fit` raises."""

    #: The training loop looks for this and leaves a loss that is not finite to the callback.
    catches_non_finite = True

    def __init__(self) -> None:
        self.stopped_batch: int | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.stopped_batch = None

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            self.stopped_batch = batch
            self.model.stop_training = True


class LearningRateScheduler(Callback):
    """Set the learning rate before every epoch to ``schedule(epoch)`` or ``schedule(epoch, lr)``.

    A function with two positional arguments is given the current rate. The rate is added to the
    logs as "learning_rate".
    """

    def __init__(self, schedule: Callable[..., float]) -> None:
        if not callable(schedule):
            expected = "a function of the epoch"
            raise TypeError(sentence("LearningRateScheduler", "schedule", expected, describe(schedule)))
        self.schedule = schedule
        kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        arguments = inspect.signature(schedule).parameters.values()
        self._takes_rate = sum(a.kind in kinds for a in arguments) >= 2

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        optimizer = self.model.optimizer
        rate = (optimizer.learning_rate,) if self._takes_rate else ()
        optimizer.learning_rate = check_number(
            "LearningRateScheduler", "the result of schedule", self.schedule(epoch, *rate), 0.0
        )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate


class ReduceLROnPlateau(_Monitor):
    """Multiply the learning rate by `factor` when nothing improved for `patience` epochs.

    After that, `cooldown` epochs are not counted; the rate never falls below `min_lr`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta)
        self.factor = check_number(self.owner, "factor", factor, 0.0, 1.0, low_open=True)
        check_number(self.owner, "patience", patience, 0)
        check_number(self.owner, "cooldown", cooldown, 0)
        self.patience, self.cooldown = patience, cooldown
        self.min_lr = check_number(self.owner, "min_lr", min_lr, 0.0)
        self.on_train_begin()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.wait = self._resting = 0
        self.best: float | None = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        value, optimizer = self.current(logs), self.model.optimizer
        if logs is not None:
            logs["learning_rate"] = optimizer.learning_rate
        if self._resting > 0:
            self._resting -= 1
            self.wait = 0
        if self.improves(value, self.best):
            self.best, self.wait = value, 0
        elif self._resting == 0:
            self.wait += 1
            if self.wait >= self.patience and optimizer.learning_rate > self.min_lr:
                optimizer.learning_rate = max(optimizer.learning_rate * self.factor, self.min_lr)
                self._resting, self.wait = self.cooldown, 0


class LambdaCallback(Callback):
    """A callback made of functions, named as the methods of `Callback`."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        known = [name for name in vars(Callback) if name.startswith("on_")]
        for name, function in functions.items():
            if name not in known:
                expected = f"named {', '.join(known)}"
                raise TypeError(sentence("LambdaCallback", "functions", expected, repr(name)))
            setattr(self, name, function)
