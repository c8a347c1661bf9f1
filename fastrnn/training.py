"""The training loop: epochs, batches, steps."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from .batches import Inputs, Targets, order_of_epoch
from .callbacks import Callback, History
from .crossentropy import FORMULA, SparseCategoricalCrossentropy
from .errors import NonFiniteError, sentence
from .layers import Dense, Noise
from .layers.activation import FUNCTIONS
from .layers.base import check_rate, check_units
from .loss import mean
from .packed import Packed
from .progress import progress
from .threads import get_num_threads, threads


@dataclass(frozen=True)
class Step:
    """What a training step gives: loss, rows it is the mean of, the gradient's norm, what metrics read."""

    loss: float
    rows: int
    gradient_norm: float
    y: Any
    target: Any
    weights: Any


Update = Callable[[str], Step]
# (loss, rows it is the mean of, what metrics read, targets, weights) of a batch, whose gradients were added
# to those of the layers.  The last three may be None where there are no metrics.
Passed = tuple[float, int, Any, Any, Any]
Gradients = Callable[[Any, Inputs, Targets, np.ndarray, Noise, str], Passed]


def whole_batch(
    model: Any, inputs: Inputs, targets: Targets, index: np.ndarray, noise: Noise, where: str
) -> Passed:
    """Forward, loss and backward of all rows at once.  A loss that is not finite has no gradient."""
    out, caches, target, weights = _forward(model, inputs, targets, index, noise, where)
    losses, y, target, weights, dy = loss_of_rows(model, out, target, weights, needs_gradient=True)
    pairs = zip(model.layers[: len(caches)], caches, strict=True)
    value = mean(losses) + sum(layer.penalty(cache) for layer, cache in pairs)
    if math.isfinite(value):
        model.backward(caches, dy)
    return value, len(y), y, target, weights


def step(
    model: Any, inputs: Inputs, targets: Targets, index: np.ndarray, where: str,
    gradients: Gradients = whole_batch,
) -> Step:  # fmt: skip
    """Forward, loss, backward, update on the examples of `index`; `where` names them in an error.

    gradients : how to get at the gradients, `whole_batch` or `fastrnn.checkpoints.Budget`

    Raises
    ------
    NonFiniteError : loss or gradient is NaN or infinite; nothing was changed
    """
    xp = model.backend.xp
    for layer in model.layers:
        layer.clear_grads()
    states = [(layer, layer.state) for layer in model.layers if getattr(layer, "stateful", False)]
    noise = Noise.of(model.seed, model.steps_done)
    # A broken step ends in NonFiniteError below; NumPy's warnings on the way would only blur it.
    with threads(get_num_threads()), np.errstate(over="ignore", invalid="ignore"):
        value, rows, y, target, weights = gradients(model, inputs, targets, index, noise, where)
        if not math.isfinite(value):
            _go_back(states)
            raise NonFiniteError(_non_finite(where, "loss", value))
        grads = model.named_grads()
        with model.writing() as params:
            grads = {name: xp.zeros_like(params[name]) if g is None else g for name, g in grads.items()}
            norm = model.optimizer.update(model.backend, params, grads) if params else 0.0
    if not math.isfinite(norm):
        _go_back(states)
        raise NonFiniteError(_non_finite(where, "gradient", norm))
    model.steps_done += 1
    return Step(value, rows, norm, y, target, weights)


def _go_back(states: list[tuple[Any, Any]]) -> None:
    """Stateful layers as they were before the step."""
    for layer, state in states:
        layer.state = state


def _non_finite(where: str, what: str, value: float) -> str:
    return (
        f"{where}: the {what} is {value}. The weights are those of the last good step. Try a smaller "
        "learning rate, global_clipnorm=1.0 in the optimizer, or look for extreme values in x and y."
    )


def tail_of(model: Any) -> Any:
    """The last layer, where it and the loss are the formula of `fastrnn.crossentropy`; else None.

    That formula gives no logits, only the class of the largest: the metrics must be content with it.
    """
    layer, loss = model.layers[-1], model.loss
    if layer.in_shape.one_hot or type(layer) is not Dense or type(loss) is not SparseCategoricalCrossentropy:
        return None
    fits = layer.activation == ("linear" if loss.from_logits else "softmax")
    return layer if fits and all(metric.takes_classes for metric in model.metrics) else None


def _forward(
    model: Any, inputs: Inputs, targets: Targets, index: np.ndarray, noise: Noise | None, where: str
) -> tuple[Packed, list[Any], Any, Any]:
    """(output, caches, targets, weights) of a batch; where there is a tail, the output is its input."""
    tail = tail_of(model)
    x = inputs.batch(index)
    states = inputs.states(index, x.layout)
    out, caches = model.run(x, noise, logits=model.fused, tail=tail is None, states=states)
    target, weights = targets.rows(index, out, model.dtype, model.fixed_steps)
    check_target(model, out, target, where)
    return out, caches, target, weights


def check_target(model: Any, out: Packed, target: Any, where: str) -> None:
    """Raise unless the targets fit the rows of `out`, the input of the tail where there is one."""
    tail = tail_of(model)
    shape = out.rows.shape if tail is None else (*out.rows.shape[:-1], tail.units)
    model.loss.check(where, shape, target, dtype=model.dtype)


def loss_of_rows(
    model: Any, out: Packed, target: Any, weights: Any, needs_gradient: bool, count: int | None = None
) -> tuple[Any, Any, Any, Any, Any]:
    """(losses, what metrics read, targets, weights, gradient of `out`), the first four of flat rows.

    count : the rows of the batch, where `out` has only some of them: the loss is the mean over all
    """
    backend, tail = model.backend, tail_of(model)
    y, target, weights = flat_rows(backend.xp, out.rows, target, weights)
    if count is not None:
        count *= math.prod(out.rows.shape[1:-1])
    dy = None
    if tail is None:
        compute = model.loss.each_logits if model.fused else model.loss.each
        losses, dy = compute(
            backend.xp, y, target, weights, count=count, needs_gradient=needs_gradient
        )
    elif needs_gradient:
        losses, y, dy, grads = backend.run(
            FORMULA, "backward", tail.params, y, target, weights, count, into=tail.grads
        )
        tail.add_grads(grads)
    else:
        losses, y = backend.run(FORMULA, "forward", tail.params, y, target, weights)
    return losses, y, target, weights, None if dy is None else dy.reshape(out.rows.shape)


def flat_rows(xp: Any, y: Any, target: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Rows of more than one axis [N, A, F] as rows [N * A, F], targets and weights likewise."""
    if y.ndim < 3:
        return y, target, weights
    inner = math.prod(y.shape[1:-1])
    rows = len(y) * inner
    target = target.reshape((rows, *target.shape[y.ndim - 1 :]))
    weights = None if weights is None else xp.repeat(weights, inner)
    return y.reshape(rows, y.shape[-1]), target, weights


def _update_metrics(model: Any, y: Any, target: Any, weights: Any) -> None:
    if model.fused and any(m.needs_probabilities for m in model.metrics):
        y = FUNCTIONS[model.loss.fuses].value(model.backend.xp, y)
    for metric in model.metrics:
        metric.update(model.backend.xp, y, target, weights)


def evaluate(
    model: Any, inputs: Inputs, targets: Targets, batch_size: int, examples: np.ndarray
) -> dict[str, float]:
    """Loss and metrics over the examples of those indices, {"loss": ..., metric name: ...}."""
    cuts = range(0, len(examples), batch_size)
    return means(model, (measure(model, inputs, targets, examples[k : k + batch_size]) for k in cuts))


def measure(model: Any, inputs: Inputs, targets: Targets, index: np.ndarray) -> tuple[float, int]:
    """(loss, rows) of the examples of `index`, without training; the metrics are told."""
    out, _, target, weights = _forward(model, inputs, targets, index, None, "evaluate")
    losses, y, target, weights, _ = loss_of_rows(model, out, target, weights, needs_gradient=False)
    _update_metrics(model, y, target, weights)
    return mean(losses), len(y)


def means(model: Any, measured: Iterable[tuple[float, int]]) -> dict[str, float]:
    """Loss and metrics over all that is measured while `measured` runs."""
    for metric in model.metrics:
        metric.reset()
    total, rows = 0.0, 0
    for value, n in measured:
        total += value * n
        rows += n
    loss = total / rows if rows else math.nan
    return {"loss": loss, **{m.name: m.result() for m in model.metrics}}


@contextmanager
def whole_steps() -> Iterator[list[bool]]:
    """Hold Ctrl-C back until the end of the block, so that a model is never left half updated.

    What it yields is true once Ctrl-C was pressed; KeyboardInterrupt comes at the end of the block at the
    latest.  A second Ctrl-C is not held back.
    """
    pressed: list[bool] = []
    if threading.current_thread() is not threading.main_thread():
        yield pressed
        return
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:  # somebody else's handler knows what it wants
        yield pressed
        return

    def handler(number: int, frame: Any) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(True)

    signal.signal(signal.SIGINT, handler)
    try:
        yield pressed
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


def fit(
    model: Any,
    x: Any,
    y: Any,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    validation_data: Any = None,
    validation_split: float = 0.0,
    shuffle: bool = True,
    bucketing: bool = False,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    lengths: Any = None,
    mask: Any = None,
    initial_state: Any = None,
    callbacks: Sequence[Callback] = (),
    verbose: Any = "auto",
    gradients: Gradients = whole_batch,
) -> History:
    """See `fastrnn.Sequential.fit`."""
    epochs = check_units("fit", "epochs", epochs, 0)
    batch_size = check_units("fit", "batch_size", batch_size)
    if y is None:
        raise ValueError("fit: y is missing. For an autoencoder give y=x, or use fastrnn.Autoencoder.")
    inputs = model.inputs("fit", x, lengths, mask, initial_state)
    targets = Targets("fit", y, inputs, sample_weight, class_weight)
    train = np.arange(len(inputs))
    check_rate("fit", "validation_split", validation_split)
    validation = None
    if validation_data is not None:
        vx, vy, weight = validation_parts(validation_data)
        v_inputs = model.inputs("fit (validation)", vx)
        v_targets = Targets("fit (validation)", vy, v_inputs, weight)
        validation = v_inputs, v_targets, np.arange(len(v_inputs))
    elif validation_split:
        train, held_out = hold_out(len(train), validation_split)
        validation = inputs, targets, held_out
    if not len(train):
        raise ValueError("fit: there is nothing to train on: x has no examples.")

    def batches() -> tuple[int, Iterator[Update]]:
        rng = rng_of_epoch(model) if shuffle else None
        order = order_of_epoch(inputs.lengths[train], batch_size, rng, bucketing)
        steps = (partial(step, model, inputs, targets, train[k], gradients=gradients) for k in order)
        return len(order), steps

    def validate() -> dict[str, float]:
        assert validation is not None
        v_inputs, v_targets, examples = validation
        return evaluate(model, v_inputs, v_targets, validation_size(model, batch_size), examples)

    return run(model, epochs, batches, validation and validate, callbacks, verbose)


def rng_of_epoch(model: Any) -> np.random.Generator:
    """What the order of the next epoch is drawn from.

    It follows from the seed and the epoch's number alone, so that a training that is saved and goes on
    meets the same batches.
    """
    return np.random.default_rng([model.seed, 1 << 32, model.epochs_done])


def validation_parts(given: Any) -> tuple[Any, Any, Any]:
    """(x, y, sample_weight or None) of what `fit` was given as validation_data."""
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        expected = "(x, y) or (x, y, sample_weight)"
        raise ValueError(sentence("fit", "validation_data", expected, given))
    x, y, *weight = given
    return x, y, weight[0] if weight else None


def hold_out(count: int, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The examples to train on, and the last ones, which are held out."""
    held = round(count * share)
    if count and not 0 < held < count:
        expected = f"a share that leaves examples on both sides of {count}"
        raise ValueError(sentence("fit", "validation_split", expected, repr(share)))
    train, held_out = np.split(np.arange(count), [count - held])
    return train, held_out


def validation_size(model: Any, batch_size: int) -> int:
    """Examples at a time; a stateful layer keeps one state a row: every batch must have as many."""
    stateful = any(getattr(layer, "stateful", False) for layer in model.layers)
    return batch_size if stateful else max(batch_size, 128)


def run(
    model: Any,
    epochs: int,
    batches: Callable[[], tuple[int | None, Iterator[Update | None]]],
    validate: Callable[[], dict[str, float]] | None,
    callbacks: Sequence[Callback],
    verbose: Any,
) -> History:
    """The epochs of a training, whatever its batches are.

    batches : called at the beginning of an epoch: (how many updates, None where nobody knows; the updates).
        An update is called with the place that an error names.  None stands for a pause without an update,
        at which the training can be broken off
    validate : what to put into the logs of an epoch, or None
    """
    history = model.history = History()
    if not isinstance(callbacks, (list, tuple)):
        raise TypeError(sentence("fit", "callbacks", "a list of fastrnn.callbacks.Callback", callbacks))
    everyone = [*callbacks, history]
    for callback in everyone:
        if not isinstance(callback, Callback):
            raise TypeError(sentence("fit", "callbacks", "a list of fastrnn.callbacks.Callback", callback))
    model.stop_training = False
    for callback in everyone:
        callback.set_model(model)
        callback.on_train_begin()
    catches = any(getattr(c, "catches_non_finite", False) for c in callbacks)
    with whole_steps() as pressed, progress(verbose, epochs) as report:
        for epoch in range(epochs):
            logs = _epoch(model, epoch, batches, everyone, catches, pressed, report)
            if validate is not None and not pressed:
                logs.update({f"val_{k}": v for k, v in validate().items()})
            # Broken off, an epoch has no validation: callbacks that look for it would only raise.
            for callback in [history] if pressed else everyone:
                callback.on_epoch_end(epoch, logs)
            report.epoch(epoch, logs)
            if pressed:
                raise KeyboardInterrupt
            if model.stop_training:
                break
    for callback in everyone:
        callback.on_train_end()
    return history


def _epoch(
    model: Any, epoch: int, batches: Any, callbacks: Sequence[Callback], catches: bool, pressed: list[bool],
    report: Any,
) -> dict[str, float]:  # fmt: skip
    """All batches once; the mean loss over rows, and the metrics."""
    count, updates = batches()
    for callback in callbacks:
        callback.on_epoch_begin(epoch)
    for metric in model.metrics:
        metric.reset()
    total, rows, k = 0.0, 0, 0
    report.start(epoch, count)
    for update in updates:
        if update is not None:
            for callback in callbacks:
                callback.on_train_batch_begin(k)
            try:
                done = update(f"fit, epoch {epoch + 1}, batch {k + 1}")
            except NonFiniteError:
                if not catches:
                    raise
                for callback in callbacks:
                    callback.on_train_batch_end(k, {"loss": math.nan})
                model.stop_training = True
                total, rows = math.nan, 1  # the mean of the good steps would look like a good epoch
                break
            total += done.loss * done.rows
            rows += done.rows
            if model.metrics:
                _update_metrics(model, done.y, done.target, done.weights)
            logs = {"loss": total / rows if rows else 0.0}
            for callback in callbacks:
                callback.on_train_batch_end(k, logs)
            report.batch(k, logs)
            k += 1
        if pressed or model.stop_training:
            break
    else:
        model.epochs_done += 1
    return {"loss": total / rows if rows else 0.0, **{m.name: m.result() for m in model.metrics}}
