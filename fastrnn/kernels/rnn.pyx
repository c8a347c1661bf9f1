"""The vanilla recurrence, fast.  Equations and the numbers in parentheses: `fastrnn/cells/rnn.py`.

The element-wise part, forwards and backwards, is `simd/rnn.hpp`; the time loop `_recurrence.pyx`; arrays in and out
`_passes.pyx`.  Training keeps h alone: both activations give their derivative from their value.
"""

from ._kernel import Kernel

from ._engine cimport RNN_RELU, RNN_TANH

tanh = Kernel(RNN_TANH)
relu = Kernel(RNN_RELU)
