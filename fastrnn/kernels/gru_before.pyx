"""The GRU with the reset before the product, fast.  Equations and the numbers in parentheses:
`fastrnn/cells/gru_before.py`.

The element-wise part, forwards and backwards, is `simd/gru_before.hpp`; the time loop `_recurrence.pyx`; arrays in and
out `_passes.pyx`.  A step has two halves, because the product of n reads the reset states of all units.  Training keeps
four blocks a row, ``e r z n`` with e the reset state; backward overwrites the last three by ``dp_r dp_z dp_n``.
"""

from ._kernel import Kernel

from ._engine cimport GRU_BEFORE

kernel = Kernel(GRU_BEFORE)
