"""The built-in cells by what they do: features and activations, put together freely.

A cell has a name of its own, under which backends look for a kernel: what is not written in the name is as
usual.  "lstm_peephole[relu,tanh,tanh;clip=3.0]" has peepholes, relu in its gates, and a clip.  The size of a
projection is not in it (`Cell.output`): a kernel takes any.
"""

from __future__ import annotations

from typing import Any

from . import gru, gru_before, lstm, rnn
from .activations import RELU, SIGMOID, TANH, Function
from .cell import Cell
from .clip import clipped
from .lstm_coupled import LSTM_COUPLED, Coupled
from .lstm_peephole import LSTM_PEEPHOLE, Peepholes
from .lstm_projected import Projection

# Every built-in cell that was made, so that a name with an output size is one object.
_MADE: dict[tuple[str, int | None], Cell] = {}


def lstm_cell(
    f: Function = SIGMOID, g: Function = TANH, h: Function = TANH, *, peepholes: bool = False,
    coupled: bool = False, clip: float | None = None, projection: int | None = None,
) -> Cell:  # fmt: skip
    """The LSTM with these features; see `fastrnn.LSTM`.

    f, g, h : activations of the gates, the candidate, and the memory that is shown
    """
    stem = f"lstm{'_peephole' * peepholes}{'_coupled' * coupled}{'_projected' * (projection is not None)}"
    name = f"{stem}{_suffix((f, g, h), (SIGMOID, TANH, TANH), clip)}"
    if (name, projection) not in _MADE:
        features: dict[str, Any] = {}
        if coupled:
            features["forget"] = Coupled()
        if peepholes:
            features["peepholes"] = Peepholes()
        if projection is not None:
            features |= {"projection": Projection(projection), "output": projection}
        form = lstm.Form(clipped(f, clip), clipped(g, clip), h, **features)
        _keep(lstm.cell(name, form))
    return _MADE[name, projection]


def gru_cell(
    f: Function = SIGMOID, g: Function = TANH, *, reset_after: bool = True, clip: float | None = None
) -> Cell:
    """The GRU with these activations, of the gates and of the new state; see `fastrnn.GRU`."""
    module: Any = gru if reset_after else gru_before
    name = f"gru{'' if reset_after else '_before'}{_suffix((f, g), (SIGMOID, TANH), clip)}"
    if (name, None) not in _MADE:
        form = gru.Form(clipped(f, clip), clipped(g, clip))
        _keep(gru.cell(name, form, module.init, module.forward, module.backward))
    return _MADE[name, None]


def rnn_cell(f: Function = TANH, *, clip: float | None = None) -> Cell:
    """The vanilla RNN with this activation; see `fastrnn.RNN`."""
    plain = clip is None and f in (TANH, RELU)
    name = f"rnn_{f}" if plain else f"rnn{_suffix((f,), (), clip)}"
    if (name, None) not in _MADE:
        _keep(rnn.cell(name, clipped(f, clip)))
    return _MADE[name, None]


def _suffix(functions: tuple[Function, ...], usual: tuple[Function, ...], clip: float | None) -> str:
    """What of the activations is not usual, in brackets."""
    said = [] if functions == usual else [",".join(map(str, functions))]
    said += [] if clip is None else [f"clip={float(clip)!r}"]
    return f"[{';'.join(said)}]" if said else ""


def _keep(cell: Cell) -> None:
    _MADE[cell.name, cell.output] = cell


def is_taken(cell: Cell) -> bool:
    """Whether a cell of somebody else's has a name that belongs to one of these."""
    return cell.name.partition("[")[0] in _STEMS and _MADE.get((cell.name, cell.output)) is not cell


for _cell in (
    rnn.RNN_TANH, rnn.RNN_RELU, lstm.LSTM, gru.GRU, LSTM_PEEPHOLE, LSTM_COUPLED, gru_before.GRU_BEFORE
):  # fmt: skip
    _keep(_cell)
LSTM_PEEPHOLE_COUPLED = lstm_cell(peepholes=True, coupled=True)
_STEMS = {"rnn", "rnn_tanh", "rnn_relu", "gru", "gru_before"} | {
    f"lstm{a}{b}{c}" for a in ("", "_peephole") for b in ("", "_coupled") for c in ("", "_projected")
}
