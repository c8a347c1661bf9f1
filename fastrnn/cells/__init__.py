"""The mathematics, written to be read: one file a cell, and one a feature that cells may have."""

from .cell import Cell
from .gru import GRU
from .gru_before import GRU_BEFORE
from .lstm import LSTM
from .lstm_coupled import LSTM_COUPLED
from .lstm_peephole import LSTM_PEEPHOLE
from .rnn import RNN_RELU, RNN_TANH
from .variants import LSTM_PEEPHOLE_COUPLED, gru_cell, is_taken, lstm_cell, rnn_cell

CELLS = {
    cell.name: cell
    for cell in (
        RNN_TANH,
        RNN_RELU,
        LSTM,
        GRU,
        LSTM_PEEPHOLE,
        LSTM_COUPLED,
        LSTM_PEEPHOLE_COUPLED,
        GRU_BEFORE,
    )
}


def takes_name(cell: Cell) -> bool:
    """Whether a cell of the user's has the name of a built-in one, and so would run its kernel."""
    return CELLS[cell.name] is not cell if cell.name in CELLS else is_taken(cell)


__all__ = [
    "CELLS",
    "GRU",
    "GRU_BEFORE",
    "LSTM",
    "LSTM_COUPLED",
    "LSTM_PEEPHOLE",
    "LSTM_PEEPHOLE_COUPLED",
    "RNN_RELU",
    "RNN_TANH",
    "Cell",
    "gru_cell",
    "lstm_cell",
    "rnn_cell",
    "takes_name",
]
