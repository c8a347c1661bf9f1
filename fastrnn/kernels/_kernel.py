"""The doors of a cell, the same for all: `lstm.pyx` and its siblings name their cell, and have them."""

from __future__ import annotations

from typing import Any

from . import _doors, _passes, _stream


def _given(threads: int) -> int:
    """How many threads `plain` may use, where that was found out before."""
    return threads


class Kernel:
    """What a backend calls.  `threads` is the largest team to use, and changes no bit.

    cell : its number in the engine (`simd/engine.h`)
    """

    def __init__(self, cell: int) -> None:
        self.cell = cell

    def forward(
        self, params: Any, x: Any, s0: Any, training: bool, h_mask: Any = None, *, threads: int,
        last: bool = False,
    ) -> Any:  # fmt: skip
        """See `fastrnn.cells.cell.Cell`.  With `last` y is None in inference: a fresh page costs a fault."""
        layout = x.layout
        if not training and h_mask is None and x.depth is None and layout.is_plain:
            # Fewer arrays are made that way: a third of the time of a call with few steps.
            rows = x.rows.reshape(layout.T, layout.B, x.rows.shape[1])
            state = s0 if len(s0) > 1 else s0[0]
            found = _doors.plain(self.cell, rows, params, state, True, True, False, threads, _given, last)
            if found is not None:
                y, sT, _ = found
                y = None if last else y.reshape(layout.N, y.shape[2])
                return y, sT if len(s0) > 1 else (sT,), None
        return _passes.forward(self.cell, params, x, s0, training, h_mask, threads, last)

    def backward(
        self, params: Any, cache: Any, dy: Any, dsT: Any, *, threads: int, into: Any = None
    ) -> Any:
        """See `fastrnn.cells.cell.Cell` and `fastrnn.kernels._passes.backward`."""
        return _passes.backward(self.cell, params, cache, dy, dsT, threads, into)

    def forward_at(
        self, params: Any, x: Any, s0: Any, training: bool, x_at: Any, y_at: Any, y: Any, *, threads: int
    ) -> Any:
        """See `fastrnn.kernels._passes.forward_at`."""
        return _passes.forward_at(self.cell, params, x, s0, training, x_at, y_at, y, threads)

    def backward_at(self, params: Any, cache: Any, dy: Any, dy_at: Any, dsT: Any, *, threads: int) -> Any:
        """See `fastrnn.kernels._passes.backward_at`."""
        return _passes.backward_at(self.cell, params, cache, dy, dy_at, dsT, threads)

    def forward_both(
        self, params: Any, x: Any, s0: Any, training: bool, masks: Any, *, threads: int
    ) -> Any:
        """See `fastrnn.kernels._passes.forward_both`."""
        return _passes.forward_both(self.cell, params, x, s0, training, masks, threads)

    def backward_both(self, params: Any, caches: Any, dy: Any, dsT: Any, *, threads: int) -> Any:
        """See `fastrnn.kernels._passes.backward_both`."""
        return _passes.backward_both(self.cell, params, caches, dy, dsT, threads)

    def plain(
        self, x: Any, params: Any, state: Any, time_major: bool, y_time_major: bool, training: bool,
        threads: int | None, count: Any,
    ) -> Any:  # fmt: skip
        """See `fastrnn.kernels._doors.plain`."""
        return _doors.plain(
            self.cell, x, params, state, time_major, y_time_major, training, threads, count
        )

    def steps(self, params: Any, batch: int, ids: bool, threads: int) -> _stream.Steps:
        """See `fastrnn.kernels._stream.Steps`."""
        return _stream.Steps(self.cell, params, batch, ids, threads)
