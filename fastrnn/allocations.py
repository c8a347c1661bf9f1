"""What each layer allocates for a batch, in bytes, and which kernel runs it, by how many threads.

Only what grows with rows, units or weights is counted, and sequences are taken to be of one length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Any

from .config import simd
from .crossentropy import SparseCategoricalCrossentropy
from .layers import (
    Activation,
    ActivityRegularization,
    Bidirectional,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    Layer,
    Masking,
    OneHot,
    Recurrent,
    Shape,
    TimeDistributed,
)

# What the kernels decide by: `plan` and `measure` of fastrnn/kernels/_doors.pyx, and _gradients.pyx and
# crossentropy.pyx there.
FEW_MULTIPLY_ADDS = 4_000_000
STEP_MULTIPLY_ADDS = 60_000
CACHE = 800_000
SHARES = 64
APART = 8
PROJECTED_ROWS = 96
DEPTH = 256
LOGITS = 2_097_152
VECTOR = {"avx512": 64, "avx2": 32, "neon": 16, "portable": 16}  # bytes of a level's vector
ID = 8  # bytes of an id, and of an index


@dataclass(frozen=True)
class Place:
    """A layer with the rows that it reads and gives."""

    layer: Layer
    rows: int
    rows_out: int
    wants_dx: bool


@dataclass
class Needs:
    """What a layer takes.  Lists are blocks that kernels lend each other (fastrnn/kernels/_memory.pyx).

    packed, packed_back : weights in the kernels' order, held from forward or backward to the end of the step
    cache, lent : together `Layer.cache_bytes`
    output : its output, where that is neither its input nor in the cache
    forward, backward, forward_lent, backward_lent : what comes and goes meanwhile
    dx : the gradient that backward gives
    """

    packed: list[int] = field(default_factory=list)
    packed_back: list[int] = field(default_factory=list)
    cache: int = 0
    lent: list[int] = field(default_factory=list)
    output: int = 0
    forward: int = 0
    forward_lent: list[int] = field(default_factory=list)
    backward: int = 0
    backward_lent: list[int] = field(default_factory=list)
    dx: int = 0


class Batch:
    """A model and the batch that it is asked about.

    T, B : steps and sequences; threads : the most to use
    """

    def __init__(self, model: Any, T: int, B: int, threads: int) -> None:
        self.model, self.T, self.B, self.threads = model, T, B, threads
        self.word, self.kernels = model.dtype.itemsize, model.backend.kernels
        self.level = simd().split()[0] if self.kernels else ""
        self.lanes = VECTOR.get(self.level, 16) // self.word
        self.places: list[Place] = []
        rows, wanted = B * T if model.layers[0].in_shape.sequence else B, False
        for layer in model.layers:
            out = B
            if layer.out_shape.sequence:
                out = rows if layer.in_shape.sequence else B * (layer.out_shape.length or T)
            reads = not (layer.in_shape.ids or layer.in_shape.one_hot)
            self.places.append(Place(layer, rows, out, reads and wanted))
            # Only what hands its input on as it is leaves word that it is a model's.
            wanted = wanted or not (hands_on(layer) or isinstance(layer, (OneHot, Masking)))
            rows = out

    def width(self, shape: Shape) -> int:
        """Bytes of a row."""
        if shape.ids or shape.one_hot:
            return ID * prod(shape.features[:-1] if shape.one_hot else shape.features)
        return self.word * prod(shape.features)

    def padded(self, columns: int) -> int:
        """Columns in whole vectors."""
        return -(-columns // self.lanes) * self.lanes

    def team(self, multiply_adds: int) -> int:
        """Threads for so much work."""
        return 1 if multiply_adds < FEW_MULTIPLY_ADDS else self.threads

    def engine(self, place: Place) -> tuple[str, int]:
        """(kernel, threads) of a layer."""
        layer = place.layer
        if hands_on(layer) or isinstance(layer, OneHot):
            return "nothing to compute", 1
        if isinstance(layer, TimeDistributed):
            return self.engine(Place(layer.layer, place.rows, place.rows_out, place.wants_dx))
        if isinstance(layer, Dense):
            tail = layer is self.model.layers[-1] and takes_tail(self.model)
            name = "crossentropy" if tail and "crossentropy" in self.kernels else "dense"
            used = self.team(place.rows * int(layer.params["W"].size))
            return (f"{name} {self.level}", used) if name in self.kernels else ("array code", 1)
        both = isinstance(layer, Bidirectional)
        inner = layer.forward_layer if isinstance(layer, Bidirectional) else layer
        if not isinstance(inner, Recurrent):
            return "array code", 1
        if inner.cell.name not in self.kernels:
            return "array code", 1
        used = self._plan(inner, place.rows)
        if both and self.B <= APART and 2 * self._work(inner, place.rows) >= FEW_MULTIPLY_ADDS:
            used = max(used, min(2, self.threads))  # each direction on a thread of its own
        return f"{inner.cell.name} {self.level}", used

    def _work(self, layer: Recurrent, rows: int) -> int:
        return rows * sum(int(v.size) for k, v in layer.params.items() if k.startswith("W"))

    def _plan(self, layer: Recurrent, rows: int) -> int:
        """Threads of a recurrence: `plan` of the kernels, for sequences of one length."""
        if self.threads == 1 or self._work(layer, rows) < FEW_MULTIPLY_ADDS:
            return 1
        G, width = layer.params["W_hh"].shape
        most = min(self.threads, SHARES)
        vectors = -(-layer.units // self.lanes)
        panels = vectors if len(layer.cell.gates) > 1 else -(-vectors // 4)
        enough = (6 if G * width * self.word > CACHE else 2) * self.threads
        by_units = panels >= most and self.B < enough and self.B * G * width >= STEP_MULTIPLY_ADDS
        return most if self.B > 1 or by_units else 1

    # -- what layers need -------------------------------------------------------------------------------

    def needs(self, place: Place) -> Needs:
        """Of a layer in training; in inference its cache and backward do not exist."""
        layer, N, w = place.layer, place.rows, self.word
        assert layer.in_shape is not None and layer.out_shape is not None
        if isinstance(layer, TimeDistributed):
            return self.needs(Place(layer.layer, N, place.rows_out, place.wants_dx))
        n = Needs(cache=layer.cache_bytes(N, self.B))
        x, y = N * self.width(layer.in_shape), place.rows_out * self.width(layer.out_shape)
        n.dx = x if place.wants_dx else 0
        if isinstance(layer, (Recurrent, Bidirectional)):
            self._recurrent(layer, place, n)
        elif isinstance(layer, Dense):
            I, U = layer.in_shape.width, layer.units
            in_kernel = layer.activation in ("linear", "relu", "tanh", "sigmoid", "softmax")
            if not in_kernel:
                n.forward, n.backward = 2 * y, 2 * y
            if "dense" in self.kernels:
                n.forward_lent = [0 if layer.in_shape.one_hot else self.padded(U) * I * w]
                n.backward_lent = [self.padded(I) * U * w * place.wants_dx]
                n.backward_lent += [self.team(2 * N * I * U) * self.collect(U, I)]
                n.backward_lent += [y] if in_kernel and layer.activation != "linear" else []
        elif isinstance(layer, Dropout):
            if layer.rate:
                numbers = N * prod(layer.in_shape.features)
                n.output = y
                n.forward = max(2 * 4 * numbers, numbers * (1 + w))
        elif isinstance(layer, GaussianNoise):
            n.output, n.forward = y, 4 * 8 * N * prod(layer.in_shape.features)
        elif isinstance(layer, Activation):
            n.forward = n.backward = y
        elif not (hands_on(layer) or isinstance(layer, OneHot)):
            n.output = y
        return n

    def _recurrent(self, layer: Recurrent | Bidirectional, place: Place, n: Needs) -> None:
        N, w = place.rows, self.word
        ways = 2 if isinstance(layer, Bidirectional) else 1
        inner = layer.forward_layer if isinstance(layer, Bidirectional) else layer
        assert inner.in_shape is not None
        I, H, P = inner.in_shape.width, inner.units, inner.state_widths[0]
        G, W_ih = len(inner.cell.gates) * H, 0 if inner.in_shape.one_hot else I
        x = N * self.width(inner.in_shape)
        every = inner.return_sequences
        n.output = 0 if every and ways == 1 else place.rows_out * self.width(layer.out_shape)  # type: ignore[arg-type]
        _, used = self.engine(place)
        wants_dx = place.wants_dx or bool(inner.dropout)
        if inner.cell.name in self.kernels:
            gates = len(inner.cell.gates)
            n.packed = ways * [self.padded(H) * gates * P * w, self.padded(H) * gates * W_ih * w]
            n.packed_back = ways * [G * self.padded(P) * w, G * self.padded(I) * wants_dx * w]
            projected = min(PROJECTED_ROWS, N) if self.B <= PROJECTED_ROWS else self.B
            n.forward_lent = ways * [used * projected * (self.padded(H) * gates + I) * w]
            n.backward_lent = ways * [self.team(N * G * (I + P)) * self.collect(G, max(W_ih, P))]
            if gates == 1:
                n.backward_lent += ways * [N * H * w]  # the RNN keeps nothing but h
            else:
                kept = gates + ("r" in inner.cell.gates)  # see Recurrent.cache_bytes
                n.lent = ways * [N * kept * H * w, *((self.B + N) * s * w for s in inner.state_widths[1:])]
            if inner.recurrent_dropout:
                n.backward_lent += ways * [N * P * w]
        else:
            n.forward = 2 * self.B * G * w
            n.backward = ways * N * (G + P) * w  # dgates, and the states that the recurrent products read
        n.cache -= sum(n.lent)
        if ways == 2:
            n.forward += 2 * ID * N + (0 if every else 2 * N * P * w)
            n.backward += x + 2 * n.dx
            if every and isinstance(layer, Bidirectional) and layer.merge_mode == "concat":
                n.output = 0  # both halves are in the cache
        elif inner.dropout:
            n.backward += 2 * x
        elif inner.go_backwards:
            n.backward += n.dx

    def collect(self, units: int, inputs: int) -> int:
        """Scratch of a thread that collects dW [units, inputs]."""
        if not self.kernels:
            return 0
        highest = min(512, max(128, units // 8 // 64 * 64))
        return (DEPTH * self.padded(inputs) + (DEPTH + self.lanes) * highest) * self.word


def hands_on(layer: Layer) -> bool:
    """Whether its output is its input."""
    if isinstance(layer, Dropout):
        return not layer.rate
    return layer.passes and not isinstance(layer, GaussianNoise)


def keeps_input(layer: Layer) -> bool:
    """Whether its cache holds its input."""
    if isinstance(layer, TimeDistributed):
        return keeps_input(layer.layer)
    if isinstance(layer, Recurrent) and layer.dropout:
        return False  # but what the dropout left of it
    kinds = (Recurrent, Bidirectional, Dense, Embedding, Activation, ActivityRegularization)
    return isinstance(layer, kinds)


def takes_tail(model: Any) -> bool:
    """Whether the last layer and the loss run as one formula, as `fastrnn.training` decides."""
    layer, loss = model.layers[-1], model.loss
    if layer.in_shape.one_hot or type(layer) is not Dense or type(loss) is not SparseCategoricalCrossentropy:
        return False
    fits = layer.activation == ("linear" if loss.from_logits else "softmax")
    return fits and all(metric.takes_classes for metric in model.metrics)
