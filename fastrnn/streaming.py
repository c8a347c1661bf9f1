"""A model one time step at a time, with constant memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import DtypeError, ShapeError, check_array, sentence
from .layers.base import check_units


class Stream:
    """What `Sequential.stream` gives: feed it one step, get one step back.

    The outputs have the bits of one call over the whole sequence so far.  No history is kept; the result
    belongs to the caller.  Weights that are trained on between two steps count from the next step.

    Parameters
    ----------
    model : a built Sequential whose layers can all run step by step
    batch_size : B, sequences side by side

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.Input((None, 3)), fr.LSTM(4, return_sequences=True), fr.Dense(2)], seed=0)
    >>> x = np.random.default_rng(0).standard_normal((1, 5, 3)).astype("float32")
    >>> stream = model.stream()
    >>> steps = [stream.step(x[:, t]) for t in range(5)]
    >>> bool((np.stack(steps, axis=1) == model.predict(x)).all())
    True
    """

    def __init__(self, model: Any, batch_size: int = 1) -> None:
        self._model = model
        self._batch = check_units("stream", "batch_size", batch_size)
        first = model.layers[0].in_shape
        if not first.sequence:
            advice = "This model has no time axis; use predict."
            raise ValueError(sentence("stream", "the model's input", "a sequence", f"{first}", advice))
        self._ids = first.ids
        self._sizes = (self._batch, *first.features)
        stages = [stage for layer in model.layers if (stage := layer.stepper(self._batch)) is not None]
        self._recurrent = [stage for stage in stages if hasattr(stage, "reset")]
        self._first, *self._rest = stages or [lambda x: x]
        self._quick = getattr(self._first, "checks_input", False)  # a kernel, which looks at x by itself

    def step(self, x: Any, out: Any = None) -> Any:
        """The output for one more step.

        Parameters
        ----------
        x : [B, F] of the model's dtype, or integer ids [B]
        out : array for the result, or None

        Returns
        -------
        y : [B, ...], `out` where it was given

        Raises
        ------
        ShapeError, DtypeError, ValueError : x is not as above; the state is as it was
        """
        if out is not None:
            self._check_out(out)
        y = self._first(x) if self._quick else self._first(self._checked(x))
        if y is None:  # the kernel takes arrays as they lie, and explains nothing
            y = self._first(self._checked(x))
        for stage in self._rest:
            y = stage(y)
        if out is None:
            return y
        out[...] = y
        return out

    def _check_out(self, out: Any) -> None:
        shape = (self._batch, *self._model.layers[-1].out_shape.features)
        right = getattr(out, "shape", None) == shape and getattr(out, "dtype", None) == self._model.dtype
        if not right or not getattr(out.flags, "writeable", True):
            expected = f"a writable array {list(shape)} {self._model.dtype}"
            raise ShapeError(sentence("stream.step", "out", expected, out))

    def _checked(self, x: Any) -> Any:
        """x in the form that every stage takes; raises where it is something else."""
        if self._ids:
            if getattr(getattr(x, "dtype", None), "kind", "") not in ("i", "u"):
                raise DtypeError(sentence("stream.step", "x", f"integer ids [B] = [{self._batch}]", x))
            check_array("stream.step", "x", x, "B" + ", k" * (len(self._sizes) - 1), self._sizes, x.dtype)
            return np.ascontiguousarray(x, np.int64)
        axes = "B, F" if len(self._sizes) == 2 else ", ".join("*" * len(self._sizes))
        check_array("stream.step", "x", x, axes, self._sizes, self._model.dtype)
        return self._model.backend.xp.ascontiguousarray(x)

    @property
    def state(self) -> tuple[tuple[Any, ...], ...]:
        """Copies of the states of every recurrent layer, each [B, H]; `reset` takes them back."""
        return tuple(stage.state for stage in self._recurrent)

    def reset(self, state: Any = None) -> None:
        """Start a new sequence: from zeros, or from a `state` that was read before.

        Raises
        ------
        ValueError : state is not of this model
        """
        if state is None:
            for stage in self._recurrent:
                stage.reset()
            return
        form = [[(s.shape, s.dtype) for s in layer] for layer in self.state]
        try:
            given = [[(s.shape, s.dtype) for s in layer] for layer in state]
        except (TypeError, AttributeError):
            given = None
        if given != form:
            expected = "what stream.state gave, the states of every recurrent layer"
            raise ValueError(sentence("stream.reset", "state", expected, repr(type(state).__name__)))
        for stage, one in zip(self._recurrent, state, strict=True):
            stage.reset(one)


__all__ = ["Stream"]
