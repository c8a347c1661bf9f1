"""Truncated back-propagation through time (Williams and Peng 1990), and long sequences in windows generally.

A sequence is cut into windows of k steps.  A window begins with the states in which the one before it ended,
and its gradient ends where it begins: nothing flows further back.  Memory follows from k, not from T.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from . import training
from .batches import order_of_epoch
from .callbacks import Callback, History
from .errors import sentence
from .layers.base import check_rate, check_units
from .threads import get_num_threads, threads
from .windows import Chunks, Sequences, Window, carry, in_groups, is_chunked


def fit(
    model: Any,
    x: Any,
    y: Any = None,
    *,
    bptt: int,
    epochs: int = 1,
    batch_size: int | None = None,
    validation_data: Any = None,
    validation_split: float = 0.0,
    shuffle: bool | None = None,
    bucketing: bool = False,
    sample_weight: Any = None,
    class_weight: dict[int, float] | None = None,
    lengths: Any = None,
    mask: Any = None,
    initial_state: Any = None,
    callbacks: Sequence[Callback] = (),
    verbose: Any = "auto",
) -> History:
    """Train on windows of `bptt` steps, one update a window; `fastrnn.Sequential.fit` says what is as there.

    Parameters
    ----------
    x, y : as in `fit`, memory maps (`numpy.memmap`, `numpy.load(mmap_mode="r")`) among them: they are never
        read whole, and a value that is not finite is found when its window comes.
        Or x is an iterable of chunks (x, y) or (x, y, sample_weight), each the next steps of the same
        sequences, and y is None.  A chunk is cut into windows by itself, so its steps are best a multiple of
        `bptt`.  Between two chunks None says that new sequences begin; so does a new epoch.  A chunk whose y
        is None only carries the states on.  For more than one epoch: something that can be iterated over
        again, or the function that makes the generator
    bptt : k, steps of a window, at least 1
    batch_size : 32, sequences side by side; chunks have their own
    shuffle : True, of sequences, never of time; chunks come in their own order
    validation_data : as in `fit`, evaluated in windows of the same size; or an iterable of chunks

    Where the model gives every step, each window has a loss: the mean over its steps.  Where it gives one
    output a sequence, only the last window of a sequence has one; those before it carry the states on, as
    `predict` would, with neither noise nor gradient.  A sequence that has ended keeps quiet.  States begin
    anew with every group of sequences, but for stateful layers.  Dropout draws anew for each window.
    With k of at least T this is `fit`, bit for bit.

    Raises
    ------
    ValueError : a layer cannot run in windows: one that runs backwards, or needs the whole sequence
    NonFiniteError, KeyboardInterrupt : as in `fit`; layers are as they were
    """
    size = check_units("fit", "bptt", bptt)
    epochs = check_units("fit", "epochs", epochs, 0)
    batch = check_units("fit", "batch_size", 32 if batch_size is None else batch_size)
    check_rate("fit", "validation_split", validation_split)
    v_batch = training.validation_size(model, batch)
    validation: Callable[[], Iterator[Window]] | None = None
    if isinstance(validation_data, (tuple, list)):
        vx, vy, weight = training.validation_parts(validation_data)
    if is_chunked("fit", x):
        refused = {
            "y": y, "batch_size": batch_size, "validation_split": validation_split or None,
            "shuffle": shuffle, "bucketing": bucketing or None, "sample_weight": sample_weight,
            "lengths": lengths, "mask": mask, "initial_state": initial_state,
        }  # fmt: skip
        for name, value in refused.items():
            if value is not None:
                advice = "Chunks bring their own targets, weights, order and number of sequences."
                raise ValueError(sentence("fit", name, "left out where x is an iterable", value, advice))
        chunks = Chunks(model, "fit", x, size, class_weight, epochs)

        def batches() -> tuple[int | None, Iterator[training.Update | None]]:
            return None, _updates(model, chunks.windows())

    else:
        if y is None:
            raise ValueError("fit: y is missing. For an autoencoder give y=x.")
        data = Sequences(
            model, "fit", x, y, size, sample_weight=sample_weight, class_weight=class_weight, lengths=lengths,
            mask=mask, initial_state=initial_state,
        )  # fmt: skip
        train = np.arange(len(data))
        if validation_split and validation_data is None:
            train, held_out = training.hold_out(len(train), validation_split)
            validation = partial(in_groups, data, held_out, v_batch)
        if not len(train):
            raise ValueError("fit: there is nothing to train on: x has no examples.")

        def batches() -> tuple[int | None, Iterator[training.Update | None]]:
            rng = None if shuffle is False else training.rng_of_epoch(model)
            order = [train[c] for c in order_of_epoch(data.lengths[train], batch, rng, bucketing)]
            windows = (window for group in order for window in data.windows(group))
            return sum(map(data.updates, order)), _updates(model, windows)

    # Only now: validation data would build the model by their own shape.
    if isinstance(validation_data, (tuple, list)):
        v_data = Sequences(model, "fit (validation)", vx, vy, size, sample_weight=weight)
        validation = partial(in_groups, v_data, np.arange(len(v_data)), v_batch)
    elif validation_data is not None:
        is_chunked("fit (validation)", validation_data)
        validation = Chunks(model, "fit (validation)", validation_data, size, None, epochs).windows

    def validate() -> dict[str, float]:
        assert validation is not None
        return _evaluate(model, validation())

    return training.run(model, epochs, batches, validate if validation else None, callbacks, verbose)


def evaluate(
    model: Any, x: Any, y: Any, window: int, batch_size: int, sample_weight: Any = None, lengths: Any = None,
    mask: Any = None, initial_state: Any = None,
) -> dict[str, float]:  # fmt: skip
    """Loss and metrics in windows of so many steps, {"loss": ..., metric name: ...}."""
    size = check_units("evaluate", "window", window)
    data = Sequences(
        model, "evaluate", x, y, size, sample_weight=sample_weight, lengths=lengths, mask=mask,
        initial_state=initial_state,
    )  # fmt: skip
    return _evaluate(model, in_groups(data, np.arange(len(data)), batch_size))


def _updates(model: Any, windows: Iterable[Window]) -> Iterator[training.Update | None]:
    """What `training.run` wants; what has nothing to learn is carried on, and then there is a pause."""
    for window in windows:
        if window.targets is None:
            carry(model, window)
            yield None
        else:
            yield partial(_update, model, window)


def _update(model: Any, window: Window, where: str) -> training.Step:
    assert window.targets is not None
    everyone = np.arange(len(window.inputs))
    with window.carried():
        return training.step(model, window.inputs, window.targets, everyone, where)


def _evaluate(model: Any, windows: Iterable[Window]) -> dict[str, float]:
    def measured() -> Iterator[tuple[float, int]]:
        for window in windows:
            if window.targets is None:
                carry(model, window)
                continue
            with threads(get_num_threads()), window.carried():
                everyone = np.arange(len(window.inputs))
                yield training.measure(model, window.inputs, window.targets, everyone)

    return training.means(model, measured())
