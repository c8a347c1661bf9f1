"""What all tasks share: arguments, a model that is made when the first data is seen, and a file."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .. import serialization
from ..errors import ModelFormatError, check_dtype
from ..layers import Layer, same_layers
from ..layers.noise import seed_of
from ..model import Sequential
from ..reading import load_model

Fit = TypeVar("Fit", bound=Callable[..., Any])


def as_before_unless_begun(fit: Fit) -> Fit:
    """A `fit` that raises before its first step leaves the task as it was, with what it had learnt before.

    Later, after Ctrl-C for example, the task keeps what it learnt so far.
    """

    @wraps(fit)
    def guarded(self: Task, *args: Any, **options: Any) -> Any:
        kept = dict(self.__dict__)
        try:
            return fit(self, *args, **options)
        except BaseException:
            model = self._model
            if model is None or (model is not kept["_model"] and not model.steps_done):
                self.__dict__.clear()
                self.__dict__.update(kept)
            raise

    return guarded  # type: ignore[return-value]


class Task:
    """A Sequential with what stands around it.

    `fit` called again goes on from where it was, with the vocabulary of the first time; `PosTagger` alone
    learns anew.

    A task says which `layers` it is made of, what it has `learnt` besides weights (vocabularies, a threshold:
    all JSON-able) and how to take that back (`relearn`).

    Attributes
    ----------
    arguments : of the constructor, JSON-able, the seed as a number
    """

    def __init__(self, *, seed: Any, dtype: Any, backend: str | None, **arguments: Any) -> None:
        owner = type(self).__name__
        self.arguments = {**arguments, "seed": seed_of(seed), "dtype": str(check_dtype(owner, dtype))}
        self.backend = backend
        self._model: Sequential | None = None

    def layers(self) -> list[Layer]:
        """The layers, fresh; they may depend on what was learnt."""
        raise NotImplementedError

    def input_shape(self) -> tuple[Any, ...]:
        """The shape that `Sequential.build` takes; ids [B, T] unless a task says otherwise."""
        return (None, None)

    def learnt(self) -> dict[str, Any]:
        """What the file keeps besides arguments and weights."""
        raise NotImplementedError

    def relearn(self, learnt: dict[str, Any]) -> None:
        """Take back what `learnt` gave.  KeyError, TypeError and ValueError mean that the file is wrong."""
        raise NotImplementedError

    # -- shared by all ----------------------------------------------------------------------------

    @property
    def model(self) -> Sequential:
        """The Sequential inside; it exists once `fit` saw data."""
        if self._model is None:
            raise RuntimeError(f"{type(self).__name__}: call fit first, or load a saved one.")
        return self._model

    @property
    def fitted(self) -> bool:
        return self._model is not None

    def make(self) -> Sequential:
        """The model of what was learnt, built, with fresh weights."""
        chosen = {name: self.arguments[name] for name in ("seed", "dtype")}
        self._model = Sequential(self.layers(), **chosen, backend=self.backend)
        self._model.build(self.input_shape())
        return self._model

    def save(self, path: Any) -> None:
        """Write all of it to one file, atomically; `load` and `fastrnn.load` read it."""
        self.model.reset_states()
        extra = {"arguments": self.arguments, "learnt": self.learnt()}
        serialization.save(path, self.model, type(self).__name__, extra)

    @classmethod
    def load(cls, path: Any, *, backend: str | None = None) -> Any:
        """What `save` wrote.

        Raises
        ------
        ModelFormatError : the file is truncated, edited, or holds something else
        FileNotFoundError
        """
        model, description = load_model(path, backend)
        return cls.restore(path, model, description)

    @classmethod
    def restore(cls, path: Any, model: Sequential, description: dict[str, Any]) -> Any:
        """From a loaded model and the description it came with."""
        kind = description.get("kind")
        if kind != cls.__name__:
            raise ModelFormatError(f"{cls.__name__}.load: {path} holds a {kind}. Read it with fastrnn.load.")
        try:
            extra = description["extra"]
            task = cls(**extra["arguments"], backend=model.backend.name)
            task.relearn(extra["learnt"])
            if not same_layers(task.layers(), model.layers):
                raise ValueError("the layers are not those of the arguments")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFormatError(
                f"load: {path} does not describe a {cls.__name__}: {error!r}."
            ) from error
        task._model = model
        return task
