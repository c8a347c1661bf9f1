"""A model as a table: layers, output shapes, parameters, bytes and FLOPs of a time step (or row)."""

from __future__ import annotations

from typing import Any


def table(model: Any) -> list[str]:
    """The lines that `Sequential.summary` prints."""
    rows = [("layer", "output", "parameters", "bytes", "FLOPs/step")]
    for layer in model.layers:
        params = layer.named_params().values()
        count, size = sum(int(p.size) for p in params), sum(int(p.nbytes) for p in params)
        label = f"{layer.name} ({type(layer).__name__})"
        rows.append((label, str(layer.out_shape), f"{count:,}", f"{size:,}", f"{layer.flops():,}"))
    total = sum(layer.flops() for layer in model.layers)
    size = sum(int(p.nbytes) for p in model.named_params().values())
    rows.append(("total", "", f"{model.count_params():,}", f"{size:,}", f"{total:,}"))
    widths = [max(len(row[k]) for row in rows) for k in range(5)]
    lines = []
    for n, row in enumerate(rows):
        if n in (1, len(rows) - 1):
            lines.append("-" * (sum(widths) + 8))
        left = "  ".join(cell.ljust(w) for cell, w in zip(row[:2], widths[:2], strict=True))
        right = "  ".join(cell.rjust(w) for cell, w in zip(row[2:], widths[2:], strict=True))
        lines.append(f"{left}  {right}")
    return lines
