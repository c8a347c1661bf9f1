"""Layers.  `CLASSES` is the explicit table from which saved models are rebuilt."""

from __future__ import annotations

from typing import Any

from ..cells import CELLS
from ..errors import unknown
from .activation import Activation, ActivityRegularization
from .base import Layer, Shape
from .bidirectional import Bidirectional
from .dense import Dense
from .dropout import Dropout, GaussianNoise
from .embedding import Embedding, OneHot
from .gru import GRU
from .input import Input
from .last_step import LastStep
from .lstm import LSTM
from .masking import Masking
from .noise import Noise
from .recurrent import Recurrent
from .repeat import RepeatVector, TimeDistributed
from .reversed import Reversed
from .rnn import RNN
from .words import Words

SimpleRNN = RNN

CLASSES: dict[str, type[Layer]] = {
    layer.__name__: layer
    for layer in (
        Activation,
        ActivityRegularization,
        Bidirectional,
        Dense,
        Dropout,
        Embedding,
        GRU,
        GaussianNoise,
        Input,
        LSTM,
        LastStep,
        Masking,
        OneHot,
        RNN,
        Recurrent,
        RepeatVector,
        Reversed,
        TimeDistributed,
        Words,
    )
}


def from_description(description: Any, cells: dict[str, Any] | None = None) -> Layer:
    """The unbuilt layer of ``{"class": ..., "config": {...}}``; `cells` holds users' own cells by name."""
    name, config = description["class"], dict(description["config"])
    if name not in CLASSES:
        raise unknown("fastrnn", "layer class", name, tuple(CLASSES))
    for inner in ("layer", "backward_layer"):
        if config.get(inner) is not None:
            config[inner] = from_description(config[inner], cells)
    if name == "Recurrent" and config.get("cell") in (cells or {}):
        config["cell"] = (cells or {})[config["cell"]]
    elif name == "Recurrent" and config.get("cell") not in CELLS:
        cell = config.get("cell")
        raise ValueError(f"fastrnn: the model has a cell of your own; load it with cells={{{cell!r}: ...}}.")
    return CLASSES[name].from_config(config)


def same_layers(some: list[Layer], others: list[Layer]) -> bool:
    """Whether both are of the same classes with the same arguments; in a model, names are numbered."""

    def what(layer: Layer) -> tuple[type, dict[str, Any]]:
        return type(layer), {**layer.config(), "name": None}

    return [what(layer) for layer in some] == [what(layer) for layer in others]


__all__ = [
    "CLASSES",
    "GRU",
    "LSTM",
    "RNN",
    "Activation",
    "ActivityRegularization",
    "Bidirectional",
    "Dense",
    "Dropout",
    "Embedding",
    "GaussianNoise",
    "Input",
    "LastStep",
    "Layer",
    "Masking",
    "Noise",
    "OneHot",
    "Recurrent",
    "RepeatVector",
    "Reversed",
    "Shape",
    "SimpleRNN",
    "TimeDistributed",
    "Words",
    "from_description",
    "same_layers",
]
