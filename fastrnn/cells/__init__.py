"""The mathematics, written to be read: one file a cell."""

from .cell import Cell
from .gru import GRU
from .lstm import LSTM
from .rnn import RNN_RELU, RNN_TANH

CELLS = {cell.name: cell for cell in (RNN_TANH, RNN_RELU, LSTM, GRU)}

__all__ = ["CELLS", "GRU", "LSTM", "RNN_RELU", "RNN_TANH", "Cell"]
