"""The layers of Keras beside ours: what options are called there, and what they mean here.

Nothing of Keras is imported.  A class of Keras is a line in `LAYERS`, from its name to a function that makes
our layer of its options; a name that is not there is refused, and so is an option that is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import ModelFormatError
from ..layers import (
    GRU,
    LSTM,
    RNN,
    Activation,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    Layer,
    Masking,
    Recurrent,
    RepeatVector,
    TimeDistributed,
)
from .assemble import Part
from .keras_arrays import Store, dense_arrays, groups, recurrent_arrays

STEPS = 100_000  # of a RepeatVector; a file can ask for any number, and the proof runs them

# Activations that are called otherwise here, or have other numbers.
_ACTIVATIONS: dict[str, Any] = {
    "leaky_relu": ["leaky_relu", 0.2],
    "hard_sigmoid": ["hard_sigmoid", 1 / 6, 0.5],
    "hard_swish": "hard_silu",
    "swish": "silu",
}
# Names of ours that mean nothing, or something else, in Keras.
_NOT_THERE = frozenset(("affine", "thresholded_relu", "scaled_tanh"))

# Options that change nothing here: how Keras computes, where weights begin, and what is said elsewhere.
_FREE = frozenset(
    "name dtype autocast seed implementation unroll use_cudnn zero_output_for_mask kernel_initializer "
    "recurrent_initializer bias_initializer embeddings_initializer unit_forget_bias batch_input_shape "
    "batch_shape input_shape input_length build_config lora_alpha".split()
)
# Options that a training needs and the outputs do not; they are not here, and a warning says so.
_TRAINING = (
    "kernel_regularizer", "recurrent_regularizer", "bias_regularizer", "embeddings_regularizer",
    "activity_regularizer", "kernel_constraint", "recurrent_constraint", "bias_constraint",
    "embeddings_constraint",
)  # fmt: skip


@dataclass
class Reading:
    """What is the same for all layers of a file.

    owner : who reads which file, for messages
    keras2 : whether Keras 2 wrote it, whose hard_sigmoid has other numbers
    lost : what a training there had and one here has not, as said in the warning
    policies : the dtypes that layers say they compute in
    """

    owner: str
    keras2: bool = False
    lost: list[str] = field(default_factory=list)
    policies: set[str] = field(default_factory=set)

    def refuse(self, config: dict[str, Any], why: str) -> ModelFormatError:
        return ModelFormatError(f"{self.owner}: {str(config.get('name'))[:80]!r} {why}")

    def check(self, kind: str, config: dict[str, Any], used: str) -> None:
        """Refuse options that this library does not know, unless they are off."""
        policy = config.get("dtype")
        if policy is not None and kind != "InputLayer":  # which may be given integers
            self.policies.add(str(policy["config"]["name"] if isinstance(policy, dict) else policy))
        for option, value in config.items():
            if option in _TRAINING and value is not None:
                self.lost.append(f"{option} of {config.get('name')}")
            elif option == "trainable":
                if value is False:
                    self.lost.append(f"trainable=False of {config.get('name')}")
            elif option not in _FREE and option not in used.split() and value not in (None, False):
                said = repr(value)[:60]
                raise self.refuse(config, f"is a {kind} with {option}={said}, which is not known here.")

    def activation(self, config: dict[str, Any], option: str, usual: str | None = None) -> Any:
        """Our name, or [name, *numbers], of an activation."""
        given = config.get(option, usual)
        if given is None:
            return "linear"
        if isinstance(given, dict):
            maker = _FUNCTIONS.get(str(given.get("class_name"))) if builtin(given) else None
            if maker is None:
                what = str(given.get("class_name") or given.get("config") or "a function")[:60]
                raise self.refuse(
                    config,
                    f"has {option} {what!r}, which is code and is not run. Use an activation of Keras by "
                    "its name.",
                )
            return maker(self, given["config"])
        if not isinstance(given, str) or given in _NOT_THERE:
            raise self.refuse(config, f"has {option} {str(given)[:60]!r}, which Keras does not have.")
        if given == "hard_sigmoid" and self.keras2:
            return ["hard_sigmoid", 0.2, 0.5]
        return _ACTIVATIONS.get(given, given)


def builtin(description: dict[str, Any]) -> bool:
    """Whether a description is that of a class of Keras, and not of one that a user registered."""
    module, registered = description.get("module", "keras"), description.get("registered_name")
    ours = isinstance(module, str) and module.split(".")[0] in ("keras", "tf_keras")
    return ours and registered in (None, description.get("class_name"))


# -- one layer of Keras ----------------------------------------------------------------------------

_CELL_OPTIONS = "units activation recurrent_activation use_bias reset_after dropout recurrent_dropout"
_RNN_OPTIONS = f"{_CELL_OPTIONS} return_sequences return_state go_backwards stateful"
_CELLS = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}


def _make_recurrent(reading: Reading, kind: str, config: dict[str, Any]) -> Recurrent:
    """Our layer for SimpleRNN, LSTM or GRU."""
    reading.check(kind, config, _RNN_OPTIONS)
    options: dict[str, Any] = {
        "name": config["name"],
        "activation": reading.activation(config, "activation"),
        **{k: config.get(k, False) for k in ("return_sequences", "return_state", "go_backwards", "stateful")},
        **{k: config.get(k, 0.0) for k in ("dropout", "recurrent_dropout")},
    }
    if kind == "SimpleRNN":
        return RNN(config["units"], **options)
    options["recurrent_activation"] = reading.activation(config, "recurrent_activation")
    if kind == "LSTM":
        return LSTM(config["units"], **options)
    # Files older than the option are of the GRU without it.
    return GRU(config["units"], reset_after=config.get("reset_after", False), **options)


def _recurrent(kind: str) -> Callable[[Reading, dict[str, Any], Store], list[Part]]:
    def convert(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
        layer = _make_recurrent(reading, kind, config)
        use_bias = config.get("use_bias", True)
        return [(layer, recurrent_arrays(reading.owner, layer, store.inside("cell"), use_bias))]

    return convert


def _rnn(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    """`RNN` over a cell of Keras, or over several that are stacked: a layer each."""
    outer = {k: v for k, v in config.items() if k != "cell"}
    reading.check("RNN", outer, _RNN_OPTIONS)
    cell, store = config["cell"], store.inside("cell")
    if cell["class_name"] != "StackedRNNCells" or not builtin(cell):
        kind = _cell_kind(reading, config, cell)
        layer = _make_recurrent(reading, kind, {**cell["config"], **outer})
        return [(layer, recurrent_arrays(reading.owner, layer, store, cell["config"].get("use_bias", True)))]
    if outer.get("return_state"):
        raise reading.refuse(config, "gives the states of stacked cells, which are several layers here.")
    parts: list[Part] = []
    cells = cell["config"]["cells"]
    for k, (group, inner) in enumerate(zip(groups(one["class_name"] for one in cells), cells, strict=True)):
        own = {**inner["config"], **outer, "name": f"{config['name']}_{k}"}
        if k:
            own["go_backwards"] = False  # the first layer turned the sequence round
        if k < len(cells) - 1:
            own["return_sequences"] = True
        layer = _make_recurrent(reading, _cell_kind(reading, config, inner), own)
        place = store.inside(f"cells/{group}", inner["config"]["name"])
        use_bias = inner["config"].get("use_bias", True)
        parts.append((layer, recurrent_arrays(reading.owner, layer, place, use_bias)))
    return parts


def _cell_kind(reading: Reading, config: dict[str, Any], cell: dict[str, Any]) -> str:
    if cell["class_name"] not in _CELLS or not builtin(cell):
        known = ", ".join(_CELLS)
        raise reading.refuse(config, f"has a cell {str(cell['class_name'])[:60]!r}; known are {known}.")
    return _CELLS[cell["class_name"]]


def _bidirectional(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("Bidirectional", config, "layer backward_layer merge_mode")
    if config["merge_mode"] is None:
        why = 'has merge_mode=None, two outputs. Take "concat" and divide its last axis.'
        raise reading.refuse(config, why)
    made: list[Recurrent] = []
    arrays: dict[str, Any] = {}
    inner = config["layer"]
    # Where a file says nothing of the layer that runs backwards, it is the same one.
    back = config.get("backward_layer") or {
        **inner, "config": {**inner["config"], "go_backwards": True}
    }  # fmt: skip
    for side, one in (("forward", inner), ("backward", back)):
        if one["class_name"] not in ("SimpleRNN", "LSTM", "GRU") or not builtin(one):
            raise reading.refuse(config, f"runs a {str(one['class_name'])[:60]!r} in two directions.")
        own = dict(one["config"])
        if bool(own.pop("go_backwards", False)) != (side == "backward"):
            raise reading.refuse(config, f"has a {side} layer that runs the other way.")
        layer = _make_recurrent(reading, one["class_name"], own)
        # The name that the layer was given, or what Keras makes of it.
        names = own["name"], f"{side}_{own['name']}"
        place = store.inside(f"{side}_layer", *names).inside("cell")
        params = recurrent_arrays(reading.owner, layer, place, own.get("use_bias", True))
        made.append(layer)
        arrays |= {f"{side}.{name}": array for name, array in params.items()}
    if {**made[0].config(), "name": 0} != {**made[1].config(), "name": 0}:
        raise reading.refuse(config, "has directions with different options; here both have the same.")
    return [(Bidirectional(made[0], config["merge_mode"], name=config["name"]), arrays)]


def _dense(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("Dense", config, "units activation use_bias")
    layer = Dense(config["units"], reading.activation(config, "activation"), name=config["name"])
    return [(layer, dense_arrays(reading.owner, layer, store, config.get("use_bias", True)))]


def _embedding(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("Embedding", config, "input_dim output_dim mask_zero")
    sizes = config["input_dim"], config["output_dim"]
    layer = Embedding(*sizes, mask_zero=bool(config.get("mask_zero")), name=config["name"])
    return [(layer, {"W": store.take(0, "embeddings")})]


def _time_distributed(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("TimeDistributed", config, "layer")
    inner = config["layer"]
    if inner["class_name"] not in _ROWWISE or not builtin(inner):
        what = str(inner["class_name"])[:60]
        raise reading.refuse(config, f"runs {what!r} at every step; known are {', '.join(sorted(_ROWWISE))}.")
    ((layer, arrays),) = LAYERS[inner["class_name"]](reading, inner["config"], store.inside("layer"))
    return [(TimeDistributed(layer, name=config["name"]), {f"layer.{k}": v for k, v in arrays.items()})]


def _dropout(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("Dropout", config, "rate noise_shape")
    shape = config.get("noise_shape")
    if shape is not None and all(n is None for n in shape):
        shape = None
    return [(Dropout(config["rate"], shape, name=config["name"]), {})]


def _spatial_dropout(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("SpatialDropout1D", config, "rate noise_shape")
    return [(Dropout(config["rate"], (None, 1, None), name=config["name"]), {})]


def _repeat(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("RepeatVector", config, "n")
    if config["n"] > STEPS:
        raise reading.refuse(config, f"repeats a vector {config['n']} times, at most {STEPS} are taken.")
    return [(RepeatVector(config["n"], name=config["name"]), {})]


def _simple(kind: str, used: str, make: Callable[..., Layer]) -> Callable[..., list[Part]]:
    """A layer without arrays, whose options are ours."""

    def convert(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
        reading.check(kind, config, used)
        return [(make(*(config[option] for option in used.split()), name=config["name"]), {})]

    return convert


def _nothing(kind: str) -> Callable[..., list[Part]]:
    """A layer that only says what is said elsewhere."""

    def convert(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
        reading.check(
            kind, config, "sparse ragged optional data_format l1 l2" if kind == "InputLayer" else ""
        )
        return []

    return convert


def _relu(reading: Reading, config: dict[str, Any]) -> Any:
    slope = config.get("negative_slope") or 0.0
    if config.get("threshold") or (slope and config.get("max_value") is not None):
        raise reading.refuse(config, "is a ReLU with a threshold, or with a slope and a largest value.")
    if config.get("max_value") not in (None, 6, 6.0):
        raise reading.refuse(config, "is a ReLU with a largest value other than 6.")
    if config.get("max_value") is not None:
        return "relu6"
    return ["leaky_relu", float(slope)] if slope else "relu"


def _softmax(reading: Reading, config: dict[str, Any]) -> Any:
    if config.get("axis", -1) != -1:
        raise reading.refuse(config, f"is a softmax over axis {config['axis']!r}; here it is the last one.")
    return "softmax"


# Classes of Keras that are an activation with options of its own.
_FUNCTIONS: dict[str, Callable[[Reading, dict[str, Any]], Any]] = {
    "ReLU": _relu,
    "Softmax": _softmax,
    # Keras 2 calls the slope alpha.
    "LeakyReLU": lambda reading, config: [
        "leaky_relu", float(config["negative_slope" if "negative_slope" in config else "alpha"])
    ],
    "ELU": lambda reading, config: ["elu", float(config["alpha"])],
}  # fmt: skip


def _function(kind: str) -> Callable[..., list[Part]]:
    def convert(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
        reading.check(kind, config, "max_value negative_slope threshold axis alpha")
        return [(Activation(_FUNCTIONS[kind](reading, config), name=config["name"]), {})]

    return convert


def _activation(reading: Reading, config: dict[str, Any], store: Store) -> list[Part]:
    reading.check("Activation", config, "activation")
    return [(Activation(reading.activation(config, "activation"), name=config["name"]), {})]


LAYERS: dict[str, Callable[[Reading, dict[str, Any], Store], list[Part]]] = {
    "InputLayer": _nothing("InputLayer"),
    "Identity": _nothing("Identity"),
    "SimpleRNN": _recurrent("SimpleRNN"),
    "LSTM": _recurrent("LSTM"),
    "GRU": _recurrent("GRU"),
    "RNN": _rnn,
    "Bidirectional": _bidirectional,
    "Embedding": _embedding,
    "Dense": _dense,
    "TimeDistributed": _time_distributed,
    "Dropout": _dropout,
    "SpatialDropout1D": _spatial_dropout,
    "GaussianNoise": _simple("GaussianNoise", "stddev", GaussianNoise),
    "Masking": _simple("Masking", "mask_value", Masking),
    "RepeatVector": _repeat,
    "Activation": _activation,
    **{kind: _function(kind) for kind in _FUNCTIONS},
}
_ROWWISE = frozenset(("Dense", "Activation", "Dropout", *_FUNCTIONS))
