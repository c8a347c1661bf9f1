"""The GRU, fast.  Equations and the numbers in parentheses: `fastrnn/cells/gru.py`.

The element-wise part, forwards and backwards, is `simd/gru.hpp`; the time loop `_recurrence.pyx`; arrays in and out
`_passes.pyx`.  Training keeps four blocks a row, ``q_n r z n``; backward overwrites them by ``dq_n dr dz dp_n``, so
that the last three are the gradient of the input's products and the first three that of the recurrent ones: each is one
matrix without a copy.
"""

from ._kernel import Kernel

from ._engine cimport GRU

kernel = Kernel(GRU)
