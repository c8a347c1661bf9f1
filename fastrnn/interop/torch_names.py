"""From the names in a state dict of PyTorch to blocks: what one module of PyTorch holds, in our arrays.

Names and shapes are those that `torch.nn.RNN`, `LSTM`, `GRU`, their cells, `Linear` and `Embedding` document:
``weight_ih_l0`` [G, I], ``weight_hh_l0`` [G, H] (or [G, P] with ``weight_hr_l0`` [P, H]), two biases [G] or
none, once more with ``_reverse`` for the way back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import FLOATS, ModelFormatError
from ..serialization import Tensors
from .gates import reorder

_NAME = re.compile(r"(?:(.+)\.)?((?:weight|bias)(?:_(?:ih|hh|hr)(?:_l(\d{1,4})(?:_reverse)?)?)?)")
_BY_GATES = {4: "lstm", 3: "gru", 1: "rnn"}
RECURRENT = tuple(_BY_GATES.values())
_LETTERS, _BLOCKS = 200, 100  # in a name, in a model
_ORDERS, _STEPS = 24, 2_000  # of blocks, that are tried, and steps to find them


@dataclass(frozen=True)
class Block:
    """The weights of one module.

    Attributes
    ----------
    prefix : its name
    kind : "rnn", "lstm", "gru", "linear", "embedding", or "matrix": a weight alone, of one of the last two
    inputs, outputs : sizes of the last axis; None for the ids of an embedding
    units : of a recurrence
    weights : for each of our layers its arrays, under the names of `Layer.named_params`
    projection : P of a recurrence, or None
    bidirectional : whether it runs both ways
    relu : whether its activation is relu; None: the names do not tell
    dropout : between the layers of a recurrence
    """

    prefix: str
    kind: str
    inputs: int | None
    outputs: int
    weights: tuple[dict[str, np.ndarray], ...]
    units: int = 0
    projection: int | None = None
    bidirectional: bool = False
    relu: bool | None = None
    dropout: float = 0.0

    def __str__(self) -> str:
        sizes = f"{'ids' if self.inputs is None else self.inputs} -> {self.outputs}"
        return f"{self.kind} {self.prefix!r} ({sizes})"


def read_blocks(owner: str, tensors: dict[str, np.ndarray]) -> dict[str, Block]:
    """prefix -> block, in the order of `tensors`.

    Raises
    ------
    ModelFormatError : a tensor is missing, or of a name or a shape that no block has; dtypes are mixed
    """
    if not tensors:
        raise ModelFormatError(f"{owner}: there are no tensors in it.")
    groups = check_names(owner, tensors)
    arrays = _floats(owner, tensors)
    found = {}
    for prefix, group in groups.items():
        full = [f"{prefix}.{own}" if prefix else own for own in group]
        own = Tensors(owner, {name: arrays[name] for name in full})
        make = _plain if "weight" in group else _recurrent
        found[prefix] = make(owner, prefix, own, set(group))
        own.finish()
    return found


def check_names(owner: str, names: Iterable[str]) -> dict[str, list[str]]:
    """prefix -> the names of the module's own tensors, in the order of `names`.

    Raises
    ------
    ModelFormatError : a name that no block has, or more blocks than are read
    """
    groups: dict[str, list[str]] = {}
    unread = []
    for name in names:
        match = _NAME.fullmatch(name) if len(name) <= _LETTERS else None
        if match is None:
            unread.append(name)
        else:
            groups.setdefault(match[1] or "", []).append(match[2])
    if unread:
        read = "RNN, LSTM, GRU, their cells, Linear and Embedding"
        raise ModelFormatError(f"{owner}: nothing uses the tensors {_some(unread)}. {read} are read.")
    if len(groups) > _BLOCKS:
        raise ModelFormatError(f"{owner}: it has {len(groups)} modules, at most {_BLOCKS} are read.")
    return groups


def _some(names: Iterable[str]) -> list[str]:
    return [name[:80] for name in sorted(names)[:10]]


def _floats(owner: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All in float32, or all in float64; a half is the same number in float32."""
    with np.errstate(invalid="ignore"):
        arrays = {k: a.astype(np.float32) if a.dtype == np.float16 else a for k, a in tensors.items()}
    named = {array.dtype: name for name, array in arrays.items()}
    if len(named) > 1 or not named.keys() <= set(FLOATS):
        got = ", ".join(f"{name[:80]!r} {dtype}" for dtype, name in named.items())
        raise ModelFormatError(f"{owner}: its tensors must be all float32 or all float64, got {got}.")
    return arrays


def _plain(owner: str, prefix: str, tensors: Tensors, names: set[str]) -> Block:
    """A Linear, or a weight alone."""
    dot = f"{prefix}." if prefix else ""
    W = tensors.take(f"{dot}weight")
    if W.ndim != 2:
        raise ModelFormatError(f"{owner}: nothing reads {dot}weight {list(W.shape)}; Linear's has two axes.")
    if "bias" not in names:
        return Block(prefix, "matrix", W.shape[1], W.shape[0], ({"W": W},))
    b = tensors.take(f"{dot}bias", W.shape[:1], W.dtype)
    return Block(prefix, "linear", W.shape[1], W.shape[0], ({"W": W, "b": b},))


def _recurrent(owner: str, prefix: str, tensors: Tensors, names: set[str]) -> Block:
    """An RNN, LSTM or GRU, or a cell of one, whose names have no number."""
    dot = f"{prefix}." if prefix else ""
    numbers = {int(match[1]) for name in names if (match := re.search(r"_l(\d+)", name))}
    ends = [f"_l{k}" for k in range(max(numbers) + 1)] if numbers else [""]
    ways = {"forward.": "", "backward.": "_reverse"} if any("_reverse" in n for n in names) else {"": ""}
    layers, forms = [], set()
    for end in ends:
        arrays: dict[str, np.ndarray] = {}
        for way, reverse in ways.items():
            one, form = _direction(owner, tensors, dot, f"{end}{reverse}", names)
            arrays.update({f"{way}{name}": array for name, array in one.items()})
            forms.add(form)
        layers.append(arrays)
    if len(forms) > 1:
        raise ModelFormatError(f"{owner}: the layers of {prefix or 'the recurrence'!r} are of several kinds.")
    ((kind, units, projection),) = forms
    inputs = layers[0][f"{next(iter(ways))}W_ih"].shape[1]
    outputs = len(ways) * (projection or units)
    return Block(prefix, kind, inputs, outputs, tuple(layers), units, projection, len(ways) == 2)


def _direction(
    owner: str, tensors: Tensors, dot: str, end: str, names: set[str]
) -> tuple[dict[str, np.ndarray], tuple[str, int, int | None]]:
    """(one direction of one layer, in our arrays, (kind, units, projection))."""
    W_ih, W_hh = (tensors.take(f"{dot}{name}{end}") for name in ("weight_ih", "weight_hh"))
    W_hr = tensors.take(f"{dot}weight_hr{end}") if any("weight_hr" in n for n in names) else None
    shapes = ", ".join(str(list(W.shape)) for W in (W_ih, W_hh, W_hr) if W is not None)
    wrong = ModelFormatError(
        f"{owner}: {dot}weight_ih{end} and weight_hh must be [G, I] and [G, H], G = 4H (LSTM), 3H (GRU) or H "
        f"(RNN), got {shapes}."
    )
    if W_ih.ndim != 2 or W_hh.ndim != 2 or (W_hr is not None and W_hr.ndim != 2):
        raise wrong
    units = (W_hh if W_hr is None else W_hr).shape[1]
    rows = len(W_hh)
    kind = _BY_GATES.get(rows // units) if units else None
    if kind is None or rows % units or len(W_ih) != rows or (W_hr is not None and kind != "lstm"):
        raise wrong
    biases = [
        tensors.take(f"{dot}{bias}{end}", (rows,), W_ih.dtype)
        if any(n.startswith("bias") for n in names) else np.zeros(rows, W_ih.dtype)
        for bias in ("bias_ih", "bias_hh")
    ]  # fmt: skip
    arrays = {"W_ih": W_ih, "W_hh": W_hh}
    if kind == "gru":
        arrays |= {"b_ih": biases[0], "b_hh": biases[1]}
    else:
        arrays["b"] = _sum(*biases)
    arrays = {key: reorder(array, kind, "torch", "fastrnn") for key, array in arrays.items()}
    return (arrays if W_hr is None else {**arrays, "W_hr": W_hr}), (
        kind, units, None if W_hr is None else len(W_hr),
    )  # fmt: skip


def _sum(b_ih: np.ndarray, b_hh: np.ndarray) -> np.ndarray:
    """b_ih + b_hh, rounded once; where b_hh is zero b_ih, bit by bit."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(b_hh == 0, b_ih, b_ih + b_hh)


# -- the order of blocks ---------------------------------------------------------------------------


def in_order(blocks: dict[str, Block]) -> tuple[list[Block], bool]:
    """Blocks whose order got lost, by name; and whether that is their order, as in an nn.Sequential."""
    pieces = [prefix.split(".") for prefix in blocks]
    while len(pieces) > 1 and all(len(p) > 1 for p in pieces) and len({p[0] for p in pieces}) == 1:
        pieces = [p[1:] for p in pieces]
    first = [p[0] for p in pieces]
    numbered = all(re.fullmatch(r"\d{1,9}", one) for one in first) and len(set(first)) == len(first)
    key = (lambda i: int(first[i])) if numbered else (lambda i: ".".join(pieces[i]))
    return [list(blocks.values())[i] for i in sorted(range(len(first)), key=key)], (
        numbered or len(blocks) == 1
    )


def fitting(blocks: list[Block]) -> list[list[Block]]:
    """Orders in which every block takes what the one before it gives, the given order first; some of many.

    A weight alone is an Embedding where it is the first, or a Linear.
    """
    found: list[list[Block]] = []
    steps = 0

    def walk(before: list[Block], left: list[Block]) -> None:
        nonlocal steps
        steps += 1
        if not left:
            found.append(before)
        for k, block in enumerate(left):
            if steps > _STEPS or len(found) >= _ORDERS:
                return
            for one in _meanings(block, first=not before):
                if not before or one.inputs == before[-1].outputs:
                    walk([*before, one], left[:k] + left[k + 1 :])

    walk([], blocks)
    return found


def _meanings(block: Block, first: bool) -> list[Block]:
    if block.kind == "embedding" and not first:
        return []
    if block.kind != "matrix":
        return [block]
    linear = as_linear(block)
    return [as_embedding(block), linear] if first else [linear]


def as_embedding(block: Block) -> Block:
    """A weight alone [V, F] as the vectors of ids."""
    return replace(block, kind="embedding", inputs=None, outputs=block.weights[0]["W"].shape[1])


def as_linear(block: Block) -> Block:
    """A weight alone as that of a Linear without bias."""
    W = block.weights[0]["W"]
    return replace(block, kind="linear", weights=({"W": W, "b": np.zeros(len(W), W.dtype)},))


# -- out -----------------------------------------------------------------------------------------------


def torch_arrays(kind: str, arrays: dict[str, Any]) -> dict[str, np.ndarray]:
    """One direction of a recurrence under PyTorch's names, without the number: ``weight_ih`` ...

    RNN and LSTM have one bias here: it is ``bias_ih``, and ``bias_hh`` is zero.
    """
    names = {"W_ih": "weight_ih", "W_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh", "b": "bias_ih"}
    found = {
        names[key]: reorder(array, kind, "fastrnn", "torch") for key, array in arrays.items() if key in names
    }
    if "b" in arrays:
        found["bias_hh"] = np.zeros_like(found["bias_ih"])
    if "W_hr" in arrays:
        found["weight_hr"] = np.array(arrays["W_hr"])
    return found
