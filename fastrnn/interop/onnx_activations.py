"""Activations in ONNX: as names inside a recurrent operator, and as operators of their own."""

from __future__ import annotations

import math
from typing import Any

from ..layers.activation import FUNCTIONS, check_activation
from .onnx_writer import Writer

# Inside RNN, LSTM and GRU: fastrnn's name -> (ONNX's, how many of alpha and beta it reads).
RECURRENT: dict[str, tuple[str, int]] = {
    "relu": ("Relu", 0), "tanh": ("Tanh", 0), "sigmoid": ("Sigmoid", 0), "affine": ("Affine", 2),
    "leaky_relu": ("LeakyRelu", 1), "thresholded_relu": ("ThresholdedRelu", 1),
    "scaled_tanh": ("ScaledTanh", 2), "hard_sigmoid": ("HardSigmoid", 2), "elu": ("Elu", 1),
    "softsign": ("Softsign", 0), "softplus": ("Softplus", 0),
}  # fmt: skip
# Operators of their own: fastrnn's name -> (operator, names of the attributes that are its numbers).
OPERATORS: dict[str, tuple[str, tuple[str, ...]]] = {
    "relu": ("Relu", ()), "tanh": ("Tanh", ()), "sigmoid": ("Sigmoid", ()), "softplus": ("Softplus", ()),
    "softsign": ("Softsign", ()), "exponential": ("Exp", ()), "hard_silu": ("HardSwish", ()),
    "elu": ("Elu", ("alpha",)), "leaky_relu": ("LeakyRelu", ("alpha",)),
    "thresholded_relu": ("ThresholdedRelu", ("alpha",)), "hard_sigmoid": ("HardSigmoid", ("alpha", "beta")),
    "selu": ("Selu", ()),
}  # fmt: skip
CLIPS = {"relu6": (0.0, 6.0), "hard_tanh": (-1.0, 1.0)}


def recurrent(owner: str, functions: list[Any]) -> dict[str, Any]:
    """The attributes activations, activation_alpha and activation_beta of a recurrent operator.

    Raises
    ------
    ValueError : ONNX's recurrent operators have no such activation
    """
    names: list[str] = []
    alphas: list[float] = []
    betas: list[float] = []
    for config in functions:
        chosen = check_activation(owner, config)
        name, numbers = chosen.name, chosen.numbers
        if name == "linear":
            name, numbers = "affine", (1.0, 0.0)
        if name not in RECURRENT:
            known = ", ".join(["linear", *RECURRENT])
            what = f"{owner} has the activation {name!r}"
            raise ValueError(f"to_onnx: {what}; ONNX's recurrences have {known}.")
        names.append(RECURRENT[name][0])
        alphas += numbers[:1]
        betas += numbers[1:]
    given = {"activation_alpha": alphas, "activation_beta": betas}
    return {"activations": names, **{k: v for k, v in given.items() if v}}


def write(graph: Writer, config: Any, x: str) -> str:
    """Operators for the activation of Dense and Activation; the name of its output."""
    if config in (None, "linear"):
        return x
    if config == "softmax":
        return graph("Softmax", x, axis=-1)
    chosen = check_activation("to_onnx", config)
    name, numbers = chosen.name, chosen.numbers
    if name in OPERATORS:
        op, attributes = OPERATORS[name]
        return graph(op, x, **dict(zip(attributes, numbers, strict=True)))
    if name in CLIPS:
        low, high = CLIPS[name]
        return graph("Clip", x, graph.number(low), graph.number(high))
    if name == "affine":
        return graph("Add", graph("Mul", x, graph.number(numbers[0])), graph.number(numbers[1]))
    if name == "scaled_tanh":
        inner = graph("Tanh", graph("Mul", x, graph.number(numbers[1])))
        return graph("Mul", inner, graph.number(numbers[0]))
    if name == "silu":
        return graph("Mul", x, graph("Sigmoid", x))
    assert name == "gelu", f"{name} of {sorted(FUNCTIONS)}"
    phi = graph("Add", graph("Erf", graph("Mul", x, graph.number(math.sqrt(0.5)))), graph.number(1.0))
    return graph("Mul", graph("Mul", x, graph.number(0.5)), phi)
