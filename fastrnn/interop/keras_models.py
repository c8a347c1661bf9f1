"""The description of a model of Keras, and the one row of layers that it must be."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..errors import ModelFormatError
from ..layers import Bidirectional, Embedding, Masking, Recurrent, RepeatVector, Shape
from .assemble import Part
from .keras_arrays import Store, groups
from .keras_layers import LAYERS, Reading, builtin

_MODELS = ("Sequential", "Functional", "Model")
_DEPTH, _MOST = 8, 1000  # models inside models; layers
_MASKS = ("NotEqual", "Any")  # how Keras 3 writes down that a mask is computed


def convert(reading: Reading, description: dict[str, Any], store: Store) -> list[Part]:
    """Our layers, with their arrays, for the description of a whole model."""
    if description.get("class_name") not in _MODELS or not builtin(description):
        raise ModelFormatError(
            f"{reading.owner}: it is a {_said(description)}, whose layers are called by code. Sequential and "
            "Functional models are read: build one of the same layers in Keras."
        )
    if description["class_name"] == "Model":
        description = {**description, "class_name": "Functional"}
    parts = _parts(reading, description, store, 1)
    _check_masks(reading, parts)
    return parts


def _said(description: dict[str, Any]) -> str:
    return repr(description.get("registered_name") or description.get("class_name"))[:80]


def _parts(reading: Reading, description: dict[str, Any], store: Store, depth: int) -> list[Part]:
    if depth > _DEPTH:
        raise ModelFormatError(f"{reading.owner}: its models are nested more than {_DEPTH} deep.")
    config = description["config"]
    if isinstance(config, list):  # so Keras 2 wrote a Sequential once
        config = {"layers": config}
    sequential = description["class_name"] == "Sequential"
    described = config["layers"] if sequential else _chain(reading, config)
    if len(described) > _MOST:
        raise ModelFormatError(f"{reading.owner}: it has {len(described)} layers, at most {_MOST} are read.")
    parts: list[Part] = []
    named = [one for one in described if not (sequential and one["class_name"] == "InputLayer")]
    for one, group in zip(named, groups(one["class_name"] for one in named), strict=True):
        place = store.inside(f"layers/{group}", one["config"]["name"])
        if one["class_name"] in _MODELS and builtin(one):
            parts += _parts(reading, one, place, depth + 1)
        elif one["class_name"] in LAYERS and builtin(one):
            parts += _layer(reading, one, place)
        else:
            raise _unknown(reading, one)
    if len(parts) > _MOST:
        raise ModelFormatError(f"{reading.owner}: it has {len(parts)} layers, at most {_MOST} are read.")
    return parts


def _layer(reading: Reading, one: dict[str, Any], store: Store) -> list[Part]:
    name = one["config"]["name"]
    if not isinstance(name, str) or not 0 < len(name) <= 200 or "/" in name or "." in name:
        raise ModelFormatError(f"{reading.owner}: {str(name)[:80]!r} is no name of a layer.")
    try:
        return LAYERS[one["class_name"]](reading, one["config"], store)
    except ModelFormatError:
        raise
    except (ValueError, TypeError, OverflowError) as error:  # an option that our layer does not take
        raise ModelFormatError(f"{reading.owner}: {name!r} cannot be made: {error}") from error


def _unknown(reading: Reading, one: dict[str, Any]) -> ModelFormatError:
    kind, name = _said(one), str(one["config"].get("name"))[:80]
    what = "is not known here"
    if not builtin(one) or kind == "'Lambda'":
        what = "is code of a user, which is not run"
    known = ", ".join(LAYERS)
    return ModelFormatError(
        f"{reading.owner}: {name!r} is a {kind}, which {what}. Leave it out of the model in Keras and do its "
        f"work before or after predict. Known are {known}."
    )


# -- Functional models: one row of layers from one input to one output -------------------------------


def _chain(reading: Reading, config: dict[str, Any]) -> list[dict[str, Any]]:
    """The layers from the input to the output."""
    layers = {one.get("name", one["config"].get("name")): one for one in config["layers"]}
    if len(layers) != len(config["layers"]) or len(layers) > _MOST:
        raise ModelFormatError(f"{reading.owner}: its layers have the same names, or are more than {_MOST}.")
    inputs, outputs = _tensors(config["input_layers"]), _tensors(config["output_layers"])
    if len(inputs) != 1:
        raise ModelFormatError(f"{reading.owner}: it has {len(inputs)} inputs; one is read.")
    row: list[dict[str, Any]] = []
    name = outputs[0][0]
    masks: set[str] = set()
    while len(row) <= len(layers):
        one = layers[name]
        row.append(one)
        if not one["inbound_nodes"]:
            break
        name = _source(reading, one, masks)
    row.reverse()
    if row[0]["class_name"] != "InputLayer" or name != inputs[0][0]:
        raise ModelFormatError(f"{reading.owner}: its layers do not lead from its input to its output.")
    left = layers.keys() - {_name(one) for one in row} - _mask_layers(reading, masks, layers, row)
    if left:
        named = ", ".join(sorted(str(one)[:40] for one in left)[:5])
        raise ModelFormatError(
            f"{reading.owner}: it branches: {named} are not on the way from its input to its output. Take it "
            "apart into models that are one row of layers."
        )
    return _with_states(reading, row, outputs)


def _name(one: dict[str, Any]) -> Any:
    return one.get("name", one["config"].get("name"))


def _tensors(given: Any) -> list[list[Any]]:
    """[[layer, node, tensor], ...]; Keras 3 leaves the outer list out where there is one."""
    return [given] if isinstance(given[0], str) else given


def _history(value: Any) -> list[Any] | None:
    """[layer, node, tensor] of an argument that is a tensor."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return list(value["config"]["keras_history"])
    return None


def _source(reading: Reading, one: dict[str, Any], masks: set[str]) -> Any:
    """The name of the layer that this one reads; masks that it is given are added to `masks`."""
    branches = reading.refuse(
        {"name": _name(one)}, "reads more than the layer before it, or is used twice: the model branches. "
        "Take it apart into models that are one row of layers."
    )  # fmt: skip
    if len(one["inbound_nodes"]) != 1:
        raise branches
    node = one["inbound_nodes"][0]
    if isinstance(node, list):  # Keras 2: [[layer, node, tensor, options]]
        if len(node) != 1:
            raise branches
        source, options = node[0][:3], node[0][3] if len(node[0]) > 3 else {}
        others: list[Any] = []
    else:
        source, options, others = _history(node["args"][0]), node["kwargs"], node["args"][1:]
    if source is None or list(source[1:]) != [0, 0]:
        raise branches
    for option, value in [*options.items(), *(("an argument", value) for value in others)]:
        mask = _history(value)
        if option == "mask" and mask is not None:
            masks.add(mask[0])
        elif value not in (None, False):
            raise reading.refuse(
                {"name": _name(one)}, f"is called with {str(option)[:40]}, which no layer of a row is."
            )
    return source[0]


def _mask_layers(
    reading: Reading, masks: set[str], layers: dict[str, Any], row: list[dict[str, Any]]
) -> set[str]:
    """The names of operations that compute the masks which `Masking` and `Embedding` make by themselves."""
    made = set()
    for before, one in pairwise(row):
        if one["class_name"] == "Masking":
            made.add((_name(before), float(one["config"]["mask_value"])))
        elif one["class_name"] == "Embedding" and one["config"].get("mask_zero"):
            made.add((_name(before), 0.0))
    found: set[str] = set()
    for name in masks:
        chain = [name]
        one = layers[name]
        if one["class_name"] == "Any" and builtin(one):
            (of,) = one["inbound_nodes"][0]["args"]
            chain.append((_history(of) or [None])[0])
            one = layers[chain[-1]]
        right = one["class_name"] == "NotEqual" and builtin(one)
        args = one["inbound_nodes"][0]["args"] if right else []
        source = _history(args[0]) if len(args) == 2 else None
        if source is None or _history(args[1]) or (source[0], float(args[1])) not in made:
            raise ModelFormatError(
                f"{reading.owner}: {str(name)[:80]!r} is a mask of its own making. Use Masking or "
                "Embedding(mask_zero=True)."
            )
        found.update(chain)
    return found


def _with_states(
    reading: Reading, row: list[dict[str, Any]], outputs: list[list[Any]]
) -> list[dict[str, Any]]:
    """The row, with `return_state` where the model gives states, and nowhere else."""
    wanted = [list(one) for one in outputs]
    if wanted != [[outputs[0][0], 0, k] for k in range(len(wanted))]:
        raise ModelFormatError(
            f"{reading.owner}: it has several outputs; one is read, and the states behind it."
        )
    changed = []
    for one in row:
        inner = one["config"].get("layer", one)
        if "return_state" in inner["config"] and not (one is row[-1] and len(wanted) > 1):
            # The states are made and nobody reads them.
            off = {**inner, "config": {**inner["config"], "return_state": False}}
            one = off if inner is one else {**one, "config": {**one["config"], "layer": off}}
        changed.append(one)
    return changed


# -- what the row is given ---------------------------------------------------------------------------


def input_shape(description: dict[str, Any], parts: list[Part]) -> Shape | None:
    """What a description says of its input; None where it says nothing."""
    config = description["config"]
    layers = config["layers"] if isinstance(config, dict) else config
    shape = None
    for one in layers[:1]:
        shape = one["config"].get("batch_shape") or one["config"].get("batch_input_shape")
    if shape is None and isinstance(config, dict):
        shape = config.get("build_input_shape")
    if shape is None:
        return None
    sizes = [None if n is None else int(n) for n in shape][1:]
    if parts and isinstance(parts[0][0], Embedding):
        return Shape((), True, ids=True) if len(sizes) == 1 else None
    if len(sizes) not in (1, 2) or not isinstance(sizes[-1], int) or sizes[-1] < 1:
        return None
    return Shape((sizes[-1],), len(sizes) == 2)


def first_shape(parts: list[Part]) -> Shape | None:
    """The input that the first layer with arrays reads, and whether a recurrence needs it step by step."""
    width = None
    for layer, arrays in parts:
        if layer.takes_ids:
            return Shape(layer.id_features, True, ids=True)
        matrix = next((a for name, a in arrays.items() if name.endswith(("W_ih", "W"))), None)
        if width is None and matrix is not None:
            width = int(matrix.shape[1])
        if isinstance(layer, (Recurrent, Bidirectional)) or type(layer).__name__ == "TimeDistributed":
            return None if width is None else Shape((width,), True)
        if isinstance(layer, RepeatVector):
            break
    return None if width is None else Shape((width,), False)


def _check_masks(reading: Reading, parts: list[Part]) -> None:
    """Refuse the two things that Keras does with masks and dropped steps cannot."""
    masked = False
    for layer, _ in parts:
        makes = isinstance(layer, Masking) or (isinstance(layer, Embedding) and layer.mask_zero)
        if masked and makes:
            raise ModelFormatError(
                f"{reading.owner}: {layer.name!r} makes a second mask, which in Keras takes the place of the "
                "first."
            )
        one = layer.forward_layer if isinstance(layer, Bidirectional) else layer
        masked = masked or makes
        if isinstance(one, Recurrent):
            if masked and one.go_backwards and one.return_sequences:
                raise ModelFormatError(
                    f"{reading.owner}: {layer.name!r} runs backwards behind a mask and gives every step; "
                    "Keras turns the steps round and not the mask. Use Bidirectional."
                )
            masked = masked and one.return_sequences
