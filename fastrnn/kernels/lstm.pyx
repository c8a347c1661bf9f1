"""The LSTM, fast.  Equations, order of gates and the numbers in parentheses: `fastrnn/cells/lstm.py` and its siblings.

The element-wise part, forwards and backwards, is `simd/lstm.hpp`; the time loop `_recurrence.pyx`; arrays in and out
`_passes.pyx`.  Training keeps h, c and the activated gates of every row; backward overwrites the gates by their
gradients.  Inference keeps one c per sequence and two h, read and written in turn.
"""

from ._kernel import Kernel

from ._engine cimport LSTM, LSTM_COUPLED, LSTM_PEEPHOLE, LSTM_PEEPHOLE_COUPLED, LSTM_PROJECTED

kernel = Kernel(LSTM)
peephole = Kernel(LSTM_PEEPHOLE)
coupled = Kernel(LSTM_COUPLED)
peephole_coupled = Kernel(LSTM_PEEPHOLE_COUPLED)
projected = Kernel(LSTM_PROJECTED)
