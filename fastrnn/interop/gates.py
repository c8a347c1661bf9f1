"""Which gate stands where, in each framework: one table, and the one function that reads it.

Letters: i input, f forget, g candidate, o output (LSTM); r reset, z update, n new (GRU); a (RNN).
Keras calls the candidate of the LSTM c and the new state of the GRU h.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# recurrence -> framework -> its gates in the order of their blocks; "peephole" is the order of the weights
# from the cell to the gates.
ORDERS: dict[str, dict[str, str]] = {
    "lstm": {"fastrnn": "ifgo", "torch": "ifgo", "keras": "ifgo", "onnx": "iofg"},
    "peephole": {"fastrnn": "ifo", "onnx": "iof"},
    "gru": {"fastrnn": "rzn", "torch": "rzn", "keras": "zrn", "onnx": "zrn"},
    "rnn": {"fastrnn": "a", "torch": "a", "keras": "a", "onnx": "a"},
}


def reorder(array: Any, recurrence: str, there: str, here: str) -> np.ndarray:
    """`array` [G, ...] with its blocks in the order of `here`.

    recurrence : "lstm", "peephole", "gru" or "rnn"
    there, here : frameworks; the blocks stand in the order of `there`

    >>> import numpy as np
    >>> reorder(np.arange(4), "lstm", "onnx", "fastrnn").tolist()
    [0, 2, 3, 1]
    """
    old, new = ORDERS[recurrence][there], ORDERS[recurrence][here]
    array = np.asarray(array)
    blocks = array.reshape(len(old), array.shape[0] // len(old), *array.shape[1:])
    return np.ascontiguousarray(blocks[[old.index(gate) for gate in new]]).reshape(array.shape)
