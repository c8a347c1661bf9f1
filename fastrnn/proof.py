"""The proof of an import: an example, what it must give, and how far from that this library was.

An importer runs one example through the model that it made and compares the outputs with those of the
framework that the weights came from, or, where nobody gave them, with this library's own definition: the
cells as array code, in float64.  Example and figures are saved with the model, and `fastrnn.load` runs it
again: what was shown at the import is shown at every load.  A proof speaks of the weights that it was made
with; a training leaves its figures as a record of where the model is from, and no example to run.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .errors import ModelFormatError
from .layers import Recurrent, from_description

GIVEN, DEFINITION = "given outputs", "this library's definition, in float64"
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}  # of the largest number of y, at least of 1


@dataclass(frozen=True)
class Example:
    """What `predict` is called with, and what it must give.

    Attributes
    ----------
    x : an array, or a list of arrays (ragged)
    y : an array, a list of arrays (ragged), or a tuple (y, *states)
    lengths : int [B] for a padded x, or None
    initial_state : as `Sequential.predict` takes it, or None
    """

    x: Any
    y: Any
    lengths: Any = None
    initial_state: Any = None


@dataclass(frozen=True)
class Proof:
    """What an import has shown.

    Attributes
    ----------
    source : where the weights are from: "torch", "keras" or "onnx"
    reference : what the outputs were compared with
    difference : the largest absolute difference of two numbers
    ulps : that difference in units in the last place of the largest number of y
    tolerance : what it may be, in parts of the largest number of y, or of 1 where that is smaller
    weights : SHA-256 of the weights that it was shown for
    example : what was run; None once the model was trained on and saved
    """

    source: str
    reference: str
    difference: float
    ulps: int
    tolerance: float
    weights: str
    example: Example | None = None

    def holds(self, model: Any) -> bool:
        """Whether the model still has the weights of the proof."""
        return self.weights == _digest(model)

    def check(self, owner: str, model: Any) -> None:
        """Run the example again.

        Raises
        ------
        ModelFormatError : the outputs are not those of the import
        """
        if self.example is None:
            return
        if not self.holds(model):
            raise ModelFormatError(f"{owner}: its proof was made for other weights. Import the model again.")
        _compare(owner, model, self.example, self.tolerance)

    def __str__(self) -> str:
        return (
            f"from {self.source}, compared with {self.reference}: largest difference {self.difference:.2g} "
            f"({self.ulps} ulp), tolerance {self.tolerance:g}"
        )


def prove(owner: str, model: Any, source: str, example: Example | None, tolerance: Any = None) -> None:
    """Set `model.proof`.

    Parameters
    ----------
    example : with outputs of the framework the model is from; None makes one of random x, and compares with
        the array code in float64
    tolerance : None takes 1e-5 for float32 and 1e-10 for float64

    Raises
    ------
    ModelFormatError : the outputs differ by more than the tolerance
    """
    tolerance = TOLERANCE[str(model.dtype)] if tolerance is None else float(tolerance)
    reference = GIVEN
    if example is None:
        x = random_input(model)
        example, reference = Example(x, _outputs(_twin(model), Example(_double(x), None))), DEFINITION
    difference, ulps = _compare(owner, model, example, tolerance)
    model.proof = Proof(source, reference, difference, ulps, tolerance, _digest(model), example)


def random_input(model: Any) -> Any:
    """An x that the model takes, always the same: two vectors, or two sequences of seven or its own steps."""
    shape, rng = model.layers[0].in_shape, np.random.default_rng(0)
    steps = (7 if shape.length is None else shape.length,) if shape.sequence else ()
    if shape.ids:
        sizes = [layer.size for layer in model.layers if hasattr(layer, "size")]
        return rng.integers(0, sizes[0] if sizes else 2, (2, *steps, *shape.features))
    return rng.standard_normal((2, *steps, *shape.features)).astype(model.dtype)


def _double(x: Any) -> Any:
    return x.astype(np.float64) if x.dtype.kind == "f" else x


def _twin(model: Any) -> Any:
    """The same model as array code in float64."""
    whole = [one for layer in model.layers for one in layer.whole()]
    cells = {one.cell.name: one.cell for one in whole if isinstance(one, Recurrent)}
    layers = [
        from_description({"class": type(layer).__name__, "config": layer.config()}, cells)
        for layer in model.layers
    ]
    twin = type(model)(layers, seed=0, dtype="float64", backend="reference")
    twin.build(model.layers[0].in_shape)
    with twin.writing() as params:
        for name, array in model.named_params().items():
            params[name][...] = model.backend.to_numpy(array)
    return twin


def _outputs(model: Any, example: Example) -> Any:
    """What the model gives for the example, NumPy; stateful layers begin at zero and keep what they had."""
    kept = [(layer, layer.state) for layer in model.layers if hasattr(layer, "state")]
    model.reset_states()
    try:
        # A BLAS may raise flags on the way to right numbers; wrong ones do not pass the comparison.
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            y = model.predict(example.x, lengths=example.lengths, initial_state=example.initial_state)
    finally:
        for layer, state in kept:
            layer.state = state
    if isinstance(y, (list, tuple)):
        return type(y)(model.backend.to_numpy(one) for one in y)
    return model.backend.to_numpy(y)


def _compare(owner: str, model: Any, example: Example, tolerance: float) -> tuple[float, int]:
    """(largest difference, the same in ulps)."""
    found, wanted = (_arrays(y) for y in (_outputs(model, example), example.y))
    if [a.shape for a in found] != [np.shape(b) for b in wanted]:
        given, made = ([list(np.shape(a)) for a in arrays] for arrays in (wanted, found))
        raise ModelFormatError(f"{owner}: the example's y has the shape {given}, the model gives {made}.")
    found, wanted = ([np.asarray(a, np.float64) for a in arrays] for arrays in (found, wanted))
    pairs = list(zip(found, wanted, strict=True))
    difference = max((float(np.abs(a - b).max(initial=0)) for a, b in pairs), default=0.0)
    largest = max((float(np.abs(b).max(initial=0)) for _, b in pairs), default=0.0)
    if not difference <= tolerance * max(1.0, largest):  # NaN is not <= either
        raise ModelFormatError(
            f"{owner}: the model gives other numbers than its example: the largest difference is "
            f"{difference:.3g}, at most {tolerance * max(1.0, largest):.3g} was expected. A gate may stand "
            "in another's place, or the example belongs to other weights."
        )
    if difference == 0:
        return 0.0, 0
    return difference, math.ceil(difference / float(np.spacing(np.asarray(largest, model.dtype))))


def _arrays(y: Any) -> list[Any]:
    return list(y) if isinstance(y, (list, tuple)) else [y]


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    for name, array in model.named_params().items():
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(model.backend.to_numpy(array)).tobytes())
    return digest.hexdigest()


# -- in a model file ---------------------------------------------------------------------------------


def describe(model: Any) -> tuple[dict[str, Any] | None, dict[str, np.ndarray]]:
    """(description, tensors) of the model's proof; the example only while it holds."""
    proof = model.proof
    if proof is None:
        return None, {}
    tensors: dict[str, np.ndarray] = {}
    figures = {
        name: getattr(proof, name)
        for name in ("source", "reference", "difference", "ulps", "tolerance", "weights")
    }
    if proof.example is None or not proof.holds(model):
        return {**figures, "example": None}, {}
    forms = {
        name: _flatten(f"proof/{name}", getattr(proof.example, name), tensors)
        for name in ("x", "y", "lengths", "initial_state")
    }
    return {**figures, "example": forms}, tensors


def restore(model: Any, description: dict[str, Any], tensors: Any) -> None:
    """Set `model.proof` from a description and `fastrnn.serialization.Tensors`."""
    given = description.get("proof")
    if given is None:
        return
    forms = given["example"]
    example = None
    if forms is not None:
        example = Example(**{name: _unflatten(f"proof/{name}", forms[name], tensors) for name in forms})
    figures = {name: given[name] for name in ("difference", "tolerance")}
    if not all(isinstance(v, float) and math.isfinite(v) and v >= 0 for v in figures.values()):
        raise ValueError(f"the figures of its proof are {figures}")
    texts = {name: given[name] for name in ("source", "reference", "weights")}
    if not all(isinstance(v, str) for v in texts.values()) or not isinstance(given["ulps"], int):
        raise ValueError("its proof has figures of the wrong kind")
    model.proof = replace(Proof("", "", 0.0, given["ulps"], 0.0, ""), **texts, **figures, example=example)


def _flatten(name: str, value: Any, tensors: dict[str, np.ndarray]) -> Any:
    """The form of nested lists, tuples and dicts of arrays, JSON-able; the arrays go to `tensors`."""
    if value is None:
        return None
    if isinstance(value, dict):
        return {"dict": {k: _flatten(f"{name}/{k}", v, tensors) for k, v in value.items()}}
    if isinstance(value, (list, tuple)):
        parts = [_flatten(f"{name}/{k}", v, tensors) for k, v in enumerate(value)]
        return {"list" if isinstance(value, list) else "tuple": parts}
    tensors[name] = np.asarray(value)
    return "array"


def _unflatten(name: str, form: Any, tensors: Any) -> Any:
    if form is None:
        return None
    if form == "array":
        return tensors.take(name)
    ((kind, parts),) = form.items()
    if kind == "dict":
        return {k: _unflatten(f"{name}/{k}", v, tensors) for k, v in parts.items()}
    made = [_unflatten(f"{name}/{k}", v, tensors) for k, v in enumerate(parts)]
    return made if kind == "list" else tuple(made)
