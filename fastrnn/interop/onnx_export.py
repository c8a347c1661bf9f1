"""A model as an ONNX file, for ONNX Runtime and whatever else runs ONNX; the onnx package is not needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import sentence
from ..layers import (
    Activation,
    Bidirectional,
    Dense,
    Embedding,
    LastStep,
    Layer,
    OneHot,
    Recurrent,
    RepeatVector,
    Reversed,
    Shape,
    TimeDistributed,
)
from ..model import Sequential
from ..serialization import write_atomically
from . import onnx_activations, onnx_recurrent
from .onnx_writer import Value, Writer


def to_onnx(model: Any, path: Any, *, lengths: bool = False) -> None:
    """Write a Sequential as an ONNX file: opset 15, any batch and any number of steps.

    Parameters
    ----------
    model : `Sequential`, built, float32 or float64 (ONNX Runtime's recurrences know float32 alone)
    path : of the file, written atomically
    lengths : give the graph a second input, for padded batches

    The graph's inputs are `x`, as `Sequential.predict` takes it ([batch, time, F], or int64 ids
    [batch, time], or [batch, F]), and, where asked for, `lengths`, int32 [batch].  Its outputs are `y` and,
    where the last layer has return_state, `h` and `c` [batch, H] (of a `Bidirectional` [2, batch, H],
    forwards first).  With lengths, `y` is zero past the end of a sequence.  A sequence of length 0 has the
    state that the runtime gives it: zero in ONNX Runtime, the initial one here.  What only training does is
    left out, and a stateful layer begins at its start in every call.  ONNX keeps clip, alpha and beta in
    float32, in a float64 model as well.

    Raises
    ------
    ValueError : ONNX has no such layer: `Masking`, `Embedding(mask_zero=True)`, `Words`, a projection, an
        activation that its recurrences lack, a cell or layer of your own; or weights are not finite

    >>> import fastrnn as fr
    >>> model = fr.Sequential([fr.Input((None, 8)), fr.LSTM(4), fr.Dense(2)], seed=0)
    >>> fr.interop.to_onnx(model, "model.onnx")
    """
    if not isinstance(model, Sequential):
        advice = "A task or an autoencoder has one as its `model`."
        raise TypeError(sentence("to_onnx", "model", "a Sequential", repr(model), advice))
    if not model.built:
        raise RuntimeError("to_onnx: the model has no weights yet. Call build(shape), or give it data.")
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"to_onnx: there is no folder {folder}. Make it first.")
    write_atomically(Path(path), _Export(model).run(lengths))


@dataclass(frozen=True)
class _Flow:
    """What flows from layer to layer: a name in the graph, and how to read it.

    Attributes
    ----------
    steps : whether it has a time axis; that is its first one, but in the input and the output
    lengths : the name of the lengths of its sequences; "" where all are whole
    """

    name: str
    steps: bool
    lengths: str = ""


class _Export:
    def __init__(self, model: Sequential) -> None:
        self.model, self.graph = model, Writer(model.dtype)
        shape = model.layers[0].in_shape
        assert shape is not None
        self.shape: Shape = shape

    def run(self, lengths: bool) -> bytes:
        shape = self.shape
        if lengths and not shape.sequence:
            raise ValueError(sentence("to_onnx", "lengths", "False: the model takes no sequences", "True"))
        dtype = np.dtype(np.int64) if shape.ids else self.model.dtype
        inputs = [Value("x", dtype, self.axes(shape))]
        if lengths:
            inputs.append(Value("lengths", np.int32, ["batch"]))
        flow = _Flow("x", shape.sequence, "lengths" if lengths else "")
        if shape.sequence:
            flow = replace(flow, name=self.swap("x", len(shape.features)))
        states: list[str] = []
        for layer in self.model.layers:
            self.graph.scope = layer.name
            flow, states = self.layer(layer, flow)
        self.graph.scope = ""
        last = self.model.layers[-1]
        assert last.out_shape is not None
        outputs = [Value("y", self.model.dtype, self.axes(last.out_shape))]
        self.end(flow, len(last.out_shape.features))
        for name in states:
            lanes = onnx_recurrent.lanes_of(last)
            both: list[int | str] = [len(lanes)] if len(lanes) > 1 else []
            outputs.append(Value(name, self.model.dtype, [*both, "batch", lanes[0].units]))
        return self.graph.model(inputs, outputs)

    @staticmethod
    def axes(shape: Shape) -> list[int | str]:
        time: list[int | str] = []
        if shape.sequence:
            time = ["time" if shape.length is None else shape.length]
        return ["batch", *time, *shape.features]

    def swap(self, x: str, features: int, **options: Any) -> str:
        """Time and batch in each other's place."""
        name: str = self.graph("Transpose", x, perm=[1, 0, *range(2, 2 + features)], **options)
        return name

    def end(self, flow: _Flow, features: int) -> None:
        """The output `y`, batch first; zero past the end of each sequence."""
        if not flow.steps:
            self.graph("Identity", flow.name, name="y")
            return
        name = flow.name
        recurrent = isinstance(self.model.layers[-1], (Recurrent, Reversed, Bidirectional))
        if flow.lengths and not recurrent:  # which give zeros there
            name = self.cut(name, flow.lengths, features)
        self.swap(name, features, name="y")

    def cut(self, x: str, lengths: str, features: int) -> str:
        graph = self.graph
        zero, one = (graph.constant("number", np.array(k, np.int64)) for k in (0, 1))
        steps = graph("Squeeze", graph("Shape", x, start=0, end=1), graph.sizes(0))
        times = graph("Unsqueeze", graph("Range", zero, steps, one), graph.sizes(1))
        ends = graph("Cast", lengths, to=7)
        inside = graph("Unsqueeze", graph("Less", times, ends), graph.sizes(*range(2, 2 + features)))
        name: str = graph("Where", inside, x, graph.number(0.0))
        return name

    # -- layers ---------------------------------------------------------------------------------------

    def layer(self, layer: Layer, x: _Flow) -> tuple[_Flow, list[str]]:
        """(what flows on, names of the final states)."""
        if layer.passes:
            return x, []
        if isinstance(layer, TimeDistributed):
            return self.layer(layer.layer, x)
        if isinstance(layer, (Recurrent, Reversed, Bidirectional)):
            name, states = onnx_recurrent.write(self.graph, layer, x.name, x.lengths, self.weight)
            steps = onnx_recurrent.lanes_of(layer)[0].return_sequences
            return replace(x, name=name, steps=steps), states
        writer = _WRITERS.get(type(layer))
        if writer is None:
            raise ValueError(f"to_onnx: ONNX has nothing like {layer}, the layer {layer.name!r}.")
        return writer(self, layer, x), []

    def weight(self, layer: Layer, name: str) -> np.ndarray:
        array: np.ndarray = self.model.backend.to_numpy(layer.params[name])
        if not np.isfinite(array).all():
            raise ValueError(f"to_onnx: {layer.name}/{name} holds NaN or infinity. Load the last good model.")
        return array

    def embedding(self, layer: Embedding, x: _Flow) -> _Flow:
        if layer.mask_zero:
            advice = "Export it without, and give lengths."
            raise ValueError(f"to_onnx: the layer {layer.name!r} has mask_zero, which ONNX lacks. {advice}")
        table = self.graph.constant("W", self.weight(layer, "W"))
        return replace(x, name=self.graph("Gather", table, x.name, axis=0))

    def one_hot(self, layer: OneHot, x: _Flow) -> _Flow:
        # ONNX Runtime has this operator for float32, not for float64.
        graph = self.graph
        values = graph.constant("values", np.array([0, 1], np.float32))
        depth = graph.constant("depth", np.array(layer.depth, np.int64))
        name = graph("OneHot", x.name, depth, values, axis=-1)
        if graph.dtype != np.float32:
            name = graph("Cast", name, to=11)
        return replace(x, name=name)

    def dense(self, layer: Dense, x: _Flow) -> _Flow:
        graph, b = self.graph, self.graph.constant("b", self.weight(layer, "b"))
        assert layer.in_shape is not None
        if x.steps or len(layer.in_shape.features) > 1:
            W = graph.constant("W", np.ascontiguousarray(self.weight(layer, "W").T))
            name = graph("Add", graph("MatMul", x.name, W), b)
        else:
            name = graph("Gemm", x.name, graph.constant("W", self.weight(layer, "W")), b, transB=1)
        return replace(x, name=onnx_activations.write(graph, layer.activation, name))

    def activation(self, layer: Activation, x: _Flow) -> _Flow:
        return replace(x, name=onnx_activations.write(self.graph, layer.activation, x.name))

    def last_step(self, layer: LastStep, x: _Flow) -> _Flow:
        graph, name, at = self.graph, x.name, -1
        assert layer.in_shape is not None
        if x.lengths:  # turned round, the last is the first; zeros where there is none
            name, at = self.cut(name, x.lengths, len(layer.in_shape.features)), 0
            name = onnx_recurrent.flipped(graph, name, x.lengths)
        where = graph.constant("last", np.array(at, np.int64))
        return replace(x, name=graph("Gather", name, where, axis=0), steps=False)

    def repeat(self, layer: RepeatVector, x: _Flow) -> _Flow:
        graph = self.graph
        if layer.n is None:
            if not self.shape.sequence:
                what = f"the layer {layer.name!r} repeats for the steps of x, which has none"
                raise ValueError(f"to_onnx: {what}.")
            steps = graph("Concat", graph("Shape", "x", start=1, end=2), graph.sizes(1, 1), axis=0)
        else:
            steps = graph.sizes(layer.n, 1, 1)
        rows = graph("Unsqueeze", x.name, graph.sizes(0))
        return _Flow(graph("Expand", rows, steps), True, x.lengths if layer.n is None else "")


_WRITERS: dict[type[Layer], Callable[..., _Flow]] = {
    Activation: _Export.activation,
    Dense: _Export.dense,
    Embedding: _Export.embedding,
    LastStep: _Export.last_step,
    OneHot: _Export.one_hot,
    RepeatVector: _Export.repeat,
}
