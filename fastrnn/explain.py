"""What a model will need for a batch, before it runs: memory, FLOPs, threads, kernels."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .allocations import Batch
from .footprint import inference, training_step
from .layers import Embedding, Layer
from .layers.base import check_units
from .threads import get_num_threads


@dataclass(frozen=True)
class LayerPlan:
    """How one layer will run: `kernel` is "<cell> <level>" or "array code"; FLOPs are those of forward."""

    name: str
    layer: str
    kernel: str
    threads: int
    flops: int
    cache_bytes: int


@dataclass(frozen=True)
class Explanation:
    """What `Sequential.explain` gives; `print` shows it.

    Attributes
    ----------
    steps, batch, training : what was asked
    threads : the most that any part uses
    memory : bytes at the moment when they are most, by what they are for: weights, packed weights, gradients,
        optimizer, inputs, activations, caches, work
    forward_flops, backward_flops : of the batch; a multiply-add counts as two
    stream_bytes : bytes that one step of `stream(batch)` reads and writes
    layers : how each will run
    """

    steps: int
    batch: int
    training: bool
    threads: int
    memory: dict[str, int]
    forward_flops: int
    backward_flops: int
    stream_bytes: int | None
    layers: tuple[LayerPlan, ...]

    @property
    def peak_bytes(self) -> int:
        """All of `memory`: what the process will need above what it has without model and data."""
        return sum(self.memory.values())

    @property
    def flops(self) -> int:
        """All of the batch."""
        return self.forward_flops + self.backward_flops

    def to_dict(self) -> dict[str, Any]:
        """The same, JSON-able."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers], "flops": self.flops,
                "peak_bytes": self.peak_bytes}  # fmt: skip

    def __str__(self) -> str:
        what = "a training step" if self.training else "predict"
        lines = [f"{what} of {self.batch} sequences of {self.steps} steps"]
        lines.append(f"  memory at its peak  {_size(self.peak_bytes)}")
        lines += [f"    {name:<18}{_size(n)}" for name, n in self.memory.items() if n]
        lines.append(f"  forward             {self.forward_flops / 1e9:,.3f} GFLOP")
        if self.training:
            lines.append(f"  backward            {self.backward_flops / 1e9:,.3f} GFLOP")
        if self.stream_bytes is not None:
            lines.append(f"  a step of a stream  {_size(self.stream_bytes)} read and written")
        lines.append(f"  threads             {self.threads}")
        for one in self.layers:
            cache = f", cache {_size(one.cache_bytes)}" if one.cache_bytes else ""
            threads = f"{one.threads} thread{'s' if one.threads > 1 else ''}"
            lines.append(f"  {one.name:<20}{one.layer}: {one.kernel}, {threads}{cache}")
        return "\n".join(lines)


def explain(model: Any, T: Any, B: Any, training: bool = True, threads: int | None = None) -> Explanation:
    """See `fastrnn.Sequential.explain`."""
    T, B = check_units("explain", "T", T), check_units("explain", "B", B)
    training = bool(training)
    batch = Batch(model, T, B, get_num_threads(threads))
    plans, forward, backward = [], 0, 0
    for place in batch.places:
        layer, rows = place.layer, place.rows
        kernel, used = batch.engine(place)
        cost = layer.flops() * rows
        forward += cost
        # dW and dx each cost what the product costs; nobody wants the gradient of a model's input.
        backward += 2 * cost - (0 if place.wants_dx else _input_flops(layer) * rows)
        cache = layer.cache_bytes(rows, B) if training else 0
        plans.append(LayerPlan(layer.name, str(layer), kernel, used, cost, cache))
    memory = training_step(batch) if training else inference(batch)
    return Explanation(
        T, B, training, max((p.threads for p in plans), default=1), memory, forward,
        backward if training else 0, _stream_bytes(model, B), tuple(plans),
    )  # fmt: skip


def _input_flops(layer: Layer) -> int:
    """Those of the product of a row with the weights that read it."""
    shape = layer.in_shape
    if shape is None or shape.ids or shape.one_hot:
        return 0
    weights = [one.params[name] for one in layer.whole() for name in ("W", "W_ih") if name in one.params]
    return 2 * sum(int(w.size) for w in weights)


def _stream_bytes(model: Any, B: int) -> int | None:
    """The weights that a step reads, of tables a row a sequence; the states, twice; input and output."""
    if not all(layer.streams and not getattr(layer, "go_backwards", False) for layer in model.layers):
        return None
    total, word = 0, model.dtype.itemsize
    for layer in model.layers:
        for name, array in layer.named_params().items():
            one_hot = layer.in_shape.one_hot and name in ("W", "W_ih")
            table = isinstance(layer, Embedding) or one_hot
            entries = layer.in_shape.width if one_hot else len(array)  # of which a step reads one a sequence
            total += array.nbytes // entries * B if table else array.nbytes
        total += 2 * B * word * sum(getattr(layer, "state_widths", ()))
        total += B * word * int(np.prod(layer.out_shape.features)) * (not layer.out_shape.one_hot)
    first = model.layers[0].in_shape
    return total + B * (8 if first.ids else word) * int(np.prod(first.features))


def _size(n: int) -> str:
    """Bytes to be read: 12.3 MB."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= size:
            return f"{n / size:,.1f} {unit}"
    return f"{n} bytes"
