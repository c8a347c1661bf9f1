"""Initializers: the first values of weights, drawn from the generator they are given.

``init(rng, shape, dtype) -> array``, always a NumPy array; it moves to the backend's device
afterwards. A weight matrix is [out, in] = [units, inputs], so fan in is the last axis; a vector is
its own fan in and out. Normal distributions are not truncated. Draws are made in float64 and
rounded, so that a seed gives the same weights in float32 and float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from fastrnn.cells.cell import Cell, glorot_uniform, orthogonal
from fastrnn.errors import DtypeError, ShapeError, describe, sentence, unknown

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Initializer:
    """A rule for first values; subclasses give `name` and `__call__`."""

    name: ClassVar[str] = "initializer"

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        """A new array of `shape` and `dtype`."""
        raise NotImplementedError

    def config(self) -> dict[str, Any] | None:
        """A JSON-able description that `get` turns back into the initializer."""
        return {"name": self.name, **asdict(self)}

    def _number(self, field: str, low: float = -math.inf) -> None:
        value = getattr(self, field)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not (math.isfinite(value) and value >= low)
        ):
            expected = "a number" if low == -math.inf else f"a number from {low:g}"
            raise ValueError(sentence(type(self).__name__, field, expected, describe(value)))

    def _matrix(self, shape: Shape) -> None:
        if len(shape) != 2:
            raise ShapeError(sentence(type(self).__name__, "shape", "[out, in]", f"{list(shape)}"))


@dataclass(frozen=True)
class Zeros(Initializer):
    """0 everywhere."""

    name: ClassVar[str] = "zeros"

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return np.zeros(shape, dtype)


@dataclass(frozen=True)
class Ones(Initializer):
    """1 everywhere."""

    name: ClassVar[str] = "ones"

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return np.ones(shape, dtype)


@dataclass(frozen=True)
class Constant(Initializer):
    """`value` everywhere."""

    value: float = 0.0
    name: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        self._number("value")

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True)
class Identity(Initializer):
    """`gain` on the diagonal of a matrix, 0 elsewhere."""

    gain: float = 1.0
    name: ClassVar[str] = "identity"

    def __post_init__(self) -> None:
        self._number("gain")

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        self._matrix(shape)
        matrix = np.eye(shape[0], shape[1], dtype=dtype)
        matrix *= self.gain
        return matrix


@dataclass(frozen=True)
class Uniform(Initializer):
    """Uniform in [minval, maxval)."""

    minval: float = -0.05
    maxval: float = 0.05
    name: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        self._number("minval")
        self._number("maxval", self.minval)

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return rng.uniform(self.minval, self.maxval, shape).astype(dtype)


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal with `mean` and `stddev`."""

    mean: float = 0.0
    stddev: float = 0.05
    name: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        self._number("mean")
        self._number("stddev", 0.0)

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return rng.normal(self.mean, self.stddev, shape).astype(dtype)


@dataclass(frozen=True)
class GlorotUniform(Initializer):
    """Uniform with variance 2 / (in + out) (Glorot and Bengio, 2010)."""

    name: ClassVar[str] = "glorot_uniform"

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        self._matrix(shape)
        return glorot_uniform(rng, shape, dtype)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """A matrix whose rows (or columns, where there are fewer) are orthogonal, of length `gain`."""

    gain: float = 1.0
    name: ClassVar[str] = "orthogonal"

    def __post_init__(self) -> None:
        self._number("gain")

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        self._matrix(shape)
        matrix = orthogonal(rng, shape, dtype)
        return matrix if self.gain == 1.0 else (matrix * self.gain).astype(dtype, copy=False)


@dataclass(frozen=True)
class Chrono(Initializer):
    """The bias of an LSTM or GRU that has to remember up to `steps` steps (Tallec and Ollivier 2018).

    A gate at sigmoid(log u) = u / (1 + u) keeps a state for about u steps.  u is drawn from [1, steps - 1],
    unit by unit, so that memories of every length are there.  In the LSTM it is the forget gate, and the
    input gate gets the negative, so that what is let in at a step is as little as what is let go;
    `unit_forget_bias` then adds nothing.  In the GRU it is the update gate.  The other gates get 0.
    These gates have to be sigmoids without a clip.

    >>> import fastrnn as fr
    >>> layer = fr.LSTM(16, bias_initializer=fr.initializers.Chrono(200))
    """

    steps: int = 100
    name: ClassVar[str] = "chrono"

    def __post_init__(self) -> None:
        if isinstance(self.steps, bool) or not isinstance(self.steps, (int, np.integer)) or self.steps < 2:
            raise ValueError(sentence("Chrono", "steps", "a whole number of at least 2", repr(self.steps)))
        object.__setattr__(self, "steps", int(self.steps))  # a description is JSON

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        advice = "Take another one for other weights."
        raise ValueError(f"Chrono: it is a bias_initializer of LSTM and GRU. {advice}")

    def biases(
        self, rng: np.random.Generator, cell: Cell, units: int, dtype: Any, names: Sequence[str]
    ) -> dict[str, Any]:
        """The biases of those names, each [G]; the first holds the numbers, the others are 0."""
        if not cell.keep:
            expected = "lstm or gru, which have sigmoid gates for it"
            raise ValueError(sentence("Chrono", "the cell", expected, cell.name))
        keep = np.log(rng.uniform(1, self.steps - 1, units))
        signs = dict(cell.keep)
        first = np.concatenate([signs.get(letter, 0) * keep for letter in cell.gates]).astype(dtype)
        return {name: first if name == names[0] else np.zeros_like(first) for name in names}


@dataclass(frozen=True)
class _Scaled(Initializer):
    """Zero mean and a variance that depends on the fans."""

    def variance(self, fan_in: float, fan_out: float) -> float:
        raise NotImplementedError

    def _deviation(self, shape: Shape) -> float:
        if len(shape) not in (1, 2):
            expected = "[out, in] or [out]"
            raise ShapeError(sentence(type(self).__name__, "shape", expected, f"{list(shape)}"))
        # A side of size 0 leaves nothing to draw; 1 keeps the quotient defined.
        return math.sqrt(self.variance(max(shape[-1], 1), max(shape[0], 1)))


@dataclass(frozen=True)
class _ScaledUniform(_Scaled):
    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        limit = math.sqrt(3.0) * self._deviation(shape)  # U(-a, a) has variance a^2 / 3
        return rng.uniform(-limit, limit, shape).astype(dtype)


@dataclass(frozen=True)
class _ScaledNormal(_Scaled):
    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        return rng.normal(0.0, self._deviation(shape), shape).astype(dtype)


@dataclass(frozen=True)
class GlorotNormal(_ScaledNormal):
    """Normal with variance 2 / (in + out) (Glorot and Bengio, 2010)."""

    name: ClassVar[str] = "glorot_normal"

    def variance(self, fan_in: float, fan_out: float) -> float:
        return 2.0 / (fan_in + fan_out)


@dataclass(frozen=True)
class HeUniform(_ScaledUniform):
    """Uniform with variance 2 / in, for relu (He et al., 2015)."""

    name: ClassVar[str] = "he_uniform"

    def variance(self, fan_in: float, fan_out: float) -> float:
        return 2.0 / fan_in


@dataclass(frozen=True)
class HeNormal(_ScaledNormal):
    """Normal with variance 2 / in, for relu (He et al., 2015)."""

    name: ClassVar[str] = "he_normal"

    def variance(self, fan_in: float, fan_out: float) -> float:
        return 2.0 / fan_in


@dataclass(frozen=True)
class LecunUniform(_ScaledUniform):
    """Uniform with variance 1 / in (LeCun et al., 1998)."""

    name: ClassVar[str] = "lecun_uniform"

    def variance(self, fan_in: float, fan_out: float) -> float:
        return 1.0 / fan_in


@dataclass(frozen=True)
class Function(Initializer):
    """A user's ``f(rng, shape, dtype) -> array``, whose result is checked. Not saved."""

    function: Callable[..., Any]
    name: ClassVar[str] = "function"

    def __call__(self, rng: np.random.Generator, shape: Shape, dtype: Any) -> Any:
        array = self.function(rng, shape, dtype)
        owner, expected = "initializer", f"{list(shape)} {np.dtype(dtype)}"
        if getattr(array, "dtype", None) != np.dtype(dtype):
            raise DtypeError(sentence(owner, "the result", expected, array))
        if tuple(array.shape) != tuple(shape):
            raise ShapeError(sentence(owner, "the result", expected, array))
        return array

    def config(self) -> None:
        return None


INITIALIZERS: dict[str, type[Initializer]] = {
    **{
        c.name: c
        for c in (
            GlorotUniform,
            GlorotNormal,
            HeUniform,
            HeNormal,
            LecunUniform,
            Orthogonal,
            Uniform,
            Normal,
            Zeros,
            Ones,
            Constant,
            Identity,
            Chrono,
        )
    },
    "random_uniform": Uniform,
    "random_normal": Normal,
}


def get(
    initializer: str | Initializer | Mapping[str, Any] | Callable[..., Any],
) -> Initializer:
    """The initializer of a name, a `config()` or a function, or the initializer itself."""
    if isinstance(initializer, Initializer):
        return initializer
    if isinstance(initializer, type) and issubclass(initializer, Initializer):
        return initializer()
    if isinstance(initializer, Mapping):
        options = dict(initializer)
        name = options.pop("name", None)
    elif callable(initializer):
        return Function(initializer)
    else:
        name, options = initializer, {}
    if not isinstance(name, str):
        expected = "the name of an initializer, a function or a fastrnn.initializers.Initializer"
        raise TypeError(sentence("initializers.get", "initializer", expected, name))
    if name not in INITIALIZERS:
        raise unknown("initializers.get", "initializer", name, tuple(INITIALIZERS))
    return INITIALIZERS[name](**options)
