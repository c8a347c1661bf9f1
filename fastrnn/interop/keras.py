"""Models of Keras, in and out.  h5py reads their files; Keras itself is not needed.

In: a `.keras` file, a whole model as `.h5` (Keras 2), arrays alone as `.weights.h5` beside `layers=[...]`,
or a model in memory.  The description of the layers is JSON and is looked up in a table (`keras_layers.py`);
a layer, an option or a function that is not in it is refused, and no code of a file is run.

A mask (`Masking`, `Embedding(mask_zero=True)`) means the same here and there, but for the outputs of masked
steps: a layer of Keras repeats the output of the step before, here it is zero, as with Keras'
`zero_output_for_mask`.  So an example is compared at the steps that are not masked.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..backends import get_backend
from ..errors import ModelFormatError, sentence
from ..layers import Embedding, Input, Layer, Masking, Shape
from ..model import Sequential
from ..proof import Example, prove
from ..serialization import check_sizes, write_atomically
from .assemble import Part, assemble
from .keras_arrays import Store, keras_arrays, layer_arrays, own_groups
from .keras_files import faults, from_file, from_memory
from .keras_layers import Reading
from .keras_models import convert, first_shape, input_shape


def from_keras(
    source: Any,
    layers: Sequence[Layer] | None = None,
    *,
    example: Any = None,
    tolerance: float | None = None,
    backend: str | None = None,
) -> Sequential:
    """A model of Keras as a `Sequential`, with the same outputs.

    Parameters
    ----------
    source : path of a `.keras`, a `.weights.h5` or a whole model in `.h5`; or a built model of Keras 2 or 3
    layers : our layers, not built, where the file is a `.weights.h5`, which holds arrays and says nothing of
        activations.  Their weights are taken from the groups that Keras names after its classes
    example : (x, y) or `fastrnn.proof.Example`, y from Keras: what `model.proof` compares with.  None
        compares a model in memory with its own outputs, and a file with this library's definition in float64
    tolerance : of the proof: 1e-5 for float32 and 1e-10 for float64 where None
    backend : as in `Sequential`

    Sequential models and Functional ones that are one row of layers are read, of these layers: SimpleRNN,
    LSTM, GRU, RNN over their cells (stacked ones become a layer each), Bidirectional, Embedding, Dense,
    TimeDistributed, Dropout, SpatialDropout1D, GaussianNoise, Masking, RepeatVector, Activation, ReLU,
    LeakyReLU, ELU, Softmax, Identity.  Layers without a bias get one of zeros.  The optimizer's state is not
    read.  The model takes sequences of any length and batches of any size, also where Keras fixed them.

    Warns
    -----
    UserWarning : regularizers, constraints and frozen layers, which a training here goes without; outputs do
        not depend on them

    Raises
    ------
    ModelFormatError : the file is broken, or has layers or options that are not read; the message says which
    ImportError : h5py is not installed
    """
    get_backend(backend)  # a wrong name is no fault of the file
    model: Any = None
    if hasattr(source, "to_json") and hasattr(source, "layers"):
        owner, model = f"from_keras: {source.name}", source
        if layers is not None:
            raise ValueError(sentence("from_keras", "layers", "None for a model in memory", layers))
        with faults(owner):
            reading, description, store = from_memory(owner, source)
    else:
        path = Path(source)
        owner = f"from_keras: {path.name}"
        if not path.is_file():
            raise FileNotFoundError(f"{owner}: there is no file {path}.")
        with faults(owner):
            reading, description, store = from_file(owner, path, layers)
    with faults(owner):
        total = dict(store.tensors.left)
        parts = convert(reading, description, store) if layers is None else _given(owner, layers, store)
        store.tensors.finish()
        dtype = _dtype(reading, total)
        shape = _shape(reading, description, parts, example)
        check_sizes([{"config": layer.config()} for layer, _ in parts], total)
    ours = assemble(owner, "keras", parts, shape, dtype, tolerance=tolerance, backend=backend)
    if reading.lost:
        warnings.warn(
            f"fastrnn: {owner}: a training here goes without {', '.join(dict.fromkeys(reading.lost))}.",
            UserWarning,
            stacklevel=2,
        )
    found = Example(*example) if isinstance(example, tuple) else example
    if model is not None and (found is None or found.y is None):
        found = _run(model, ours, description, found)
    if found is not None:
        prove(owner, ours, "keras", _at_unmasked_steps(ours, found), tolerance)
    return ours


# -- from parts to a model ---------------------------------------------------------------------------


def _given(owner: str, layers: Sequence[Layer], store: Store) -> list[Part]:
    """The layers that the caller gave, with the arrays of the groups that Keras names after their classes."""
    first: list[Part] = [(layers[0], {})] if layers and isinstance(layers[0], Input) else []
    named = own_groups(owner, layers)
    return first + [(layer, layer_arrays(owner, layer, store.inside(group))) for group, layer in named]


def _dtype(reading: Reading, arrays: dict[str, np.ndarray]) -> str:
    found = {str(array.dtype) for array in arrays.values()} or {"float32"}
    if len(found) > 1 or not reading.policies <= found or not found <= {"float32", "float64"}:
        said = ", ".join(sorted(found | reading.policies))
        raise ModelFormatError(
            f"{reading.owner}: it computes in {said[:100]}; float32 or float64 is read, one for all layers."
        )
    return found.pop()


def _shape(reading: Reading, description: dict[str, Any], parts: list[Part], example: Any) -> Shape:
    if parts and isinstance(parts[0][0], Input):
        return parts[0][0].declared
    shape = input_shape(description, parts) if description else None
    shape = shape or first_shape(parts)
    if shape is None:
        raise ModelFormatError(f"{reading.owner}: it does not say how many features its input has.")
    if not description and example is not None and not shape.ids:  # an example tells vectors from sequences
        x = example[0] if isinstance(example, tuple) else example.x
        return replace(shape, sequence=isinstance(x, (list, tuple)) or np.ndim(x) > 2)
    return shape


# -- the proof ---------------------------------------------------------------------------------------


def _run(model: Any, ours: Sequential, description: dict[str, Any], given: Any) -> Example | None:
    """An example with the outputs of the model in memory; None where running it would change its states."""
    if any(getattr(layer, "stateful", False) for layer in ours.layers):
        return None
    x = _random_input(ours, description) if given is None else given.x
    y = model.predict(x, verbose=0)
    return Example(x, tuple(y) if isinstance(y, (list, tuple)) else y)


def _random_input(ours: Sequential, description: dict[str, Any]) -> np.ndarray:
    """Random numbers or ids, of as many sequences and steps as Keras wants."""
    config, rng = description["config"], np.random.default_rng(0)
    first = (config["layers"] if isinstance(config, dict) else config)[0]["config"]
    fixed = [*(first.get("batch_shape") or first.get("batch_input_shape") or ()), None, None]
    shape = ours.layers[0].in_shape
    assert shape is not None
    sizes = (fixed[0] or 2, *((fixed[1] or 7,) if shape.sequence else ()))
    if shape.ids:
        return rng.integers(0, ours.layers[0].size, sizes)  # type: ignore[attr-defined]
    return rng.standard_normal((*sizes, *shape.features)).astype(ours.dtype)


def _at_unmasked_steps(ours: Sequential, example: Example) -> Example:
    """The example with zeros at masked steps, as they are here."""
    if not any(isinstance(layer, Masking) or getattr(layer, "mask_zero", False) for layer in ours.layers):
        return example
    inputs = ours.inputs("from_keras", example.x, example.lengths)
    out, _ = ours.run(inputs.batch(np.arange(len(inputs))))
    ours.reset_states()
    y = example.y[0] if isinstance(example.y, tuple) else example.y
    if not out.sequence or isinstance(y, list):
        return example
    kept = np.zeros(np.shape(y)[:2], bool)
    kept[out.layout.caller] = True
    y = np.where(kept[:, :, None], y, np.zeros((), np.asarray(y).dtype))
    return replace(example, y=(y, *example.y[1:]) if isinstance(example.y, tuple) else y)


# -- back to Keras -----------------------------------------------------------------------------------


def to_keras_weights(model: Sequential, *, without_bias: Sequence[str] = ()) -> list[np.ndarray]:
    """The weights of a model, as `set_weights` of the model of the same layers in Keras takes them.

    Parameters
    ----------
    without_bias : names of layers that have use_bias=False in Keras; their biases here must be zero

    Kernels are [I, G] with the gates in Keras' order, i f c o and z r h.  The arrays are copies.

    Raises
    ------
    ValueError : the model is not built, or a layer can do what Keras' cannot (peepholes, projection, clip,
        learnt states, a cell of your own), or a bias that Keras has not is not zero

    >>> import numpy as np, fastrnn as fr
    >>> from fastrnn.interop import to_keras_weights
    >>> model = fr.Sequential([fr.Input((None, 4)), fr.GRU(3), fr.Dense(2)], seed=0)
    >>> [w.shape for w in to_keras_weights(model)]
    [(4, 9), (3, 9), (2, 9), (3, 2), (2,)]
    """
    groups = _arrays("to_keras_weights", model, without_bias)
    return [array for _, _, arrays in groups for array in arrays.values()]


def write_keras_weights(model: Sequential, path: Any, *, without_bias: Sequence[str] = ()) -> None:
    """Write what `to_keras_weights` gives as a `.weights.h5`, for Keras 3's `load_weights`.

    Raises
    ------
    ValueError : as there
    ImportError : h5py is not installed
    """
    try:
        import h5py
    except ImportError as error:
        advice = "`pip install 'fastrnn[keras]'`"
        raise ImportError(f"write_keras_weights: h5py writes Keras files: {advice}.") from error
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for group, name, arrays in _arrays("write_keras_weights", model, without_bias):
            file.create_group(f"layers/{group}/vars").attrs["name"] = name
            for place, array in arrays.items():
                file[f"layers/{group}/{place}"] = array
        file.create_group("vars")
    write_atomically(Path(path), content.getvalue())


def _arrays(
    owner: str, model: Sequential, without_bias: Sequence[str]
) -> list[tuple[str, str, dict[str, np.ndarray]]]:
    """(group, name, place in the group -> array) of each layer."""
    if not model.built:
        advice = "Call model.build, or predict once."
        raise ValueError(sentence(owner, "model", "built", "a model without weights", advice))
    unknown = set(without_bias) - {layer.name for layer in model.layers}
    if unknown:
        expected = f"names of layers, of {', '.join(layer.name for layer in model.layers)}"
        raise ValueError(sentence(owner, "without_bias", expected, f"{sorted(unknown)}"))
    found = []
    for group, layer in own_groups(owner, model.layers):
        arrays = {place: np.array(a) for place, a in keras_arrays(owner, layer, model.backend.to_numpy)}
        if layer.name in without_bias:
            arrays = _drop_biases(owner, layer, arrays)
        found.append((group, layer.name, arrays))
    return found


def _drop_biases(owner: str, layer: Layer, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays without the last one of each kernel, which must be zeros."""
    biases = [
        place
        for place in arrays
        if f"{place[:-1]}{int(place[-1]) + 1}" not in arrays and not isinstance(layer, Embedding)
    ]
    wrong = [place for place in biases if arrays[place].any()]
    if wrong:
        advice = "It was trained here. Build the layer with use_bias=True in Keras."
        raise ValueError(sentence(owner, f"the bias of {layer.name}", "zeros", "other numbers", advice))
    return {place: array for place, array in arrays.items() if place not in biases}
