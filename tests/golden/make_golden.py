"""Writes the golden numbers beside it, from PyTorch: ``python tests/golden/make_golden.py``.

float64, random weights, non-zero initial states, a loss on every output and every final state, ragged
by pack_padded_sequence.  PyTorch's two biases of the RNN and the LSTM are stored as their sum, whose
gradient each of them has.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SIZES = {"small": (3, 4, 2, 3), "wide": (5, 6, 7, 9)}  # B, T, I, H
RAGGED = {"small": [2, 4, 1], "wide": [3, 6, 1, 5, 6]}


def run_torch(name: str, B: int, T: int, I: int, H: int, lengths: Any, seed: int) -> Any:
    """Inputs, outputs and gradients of one recurrence as a flat dict of arrays, in fastrnn's names."""
    import torch
    from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Any:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    kind, _, activation = name.partition("_")
    options = {"nonlinearity": activation} if activation else {}
    module = getattr(torch.nn, kind.upper())(I, H, batch_first=True, dtype=torch.float64, **options)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(normal(*p.shape) * (p.shape[-1] ** -0.5 if p.ndim > 1 else 1))
    states = [normal(B, H).requires_grad_() for _ in range(2 if kind == "lstm" else 1)]
    x = normal(B, T, I).requires_grad_()
    s0 = tuple(s[None] for s in states)
    given: Any = x
    if lengths is not None:
        given = pack_padded_sequence(x, torch.as_tensor(lengths), True, enforce_sorted=False)
    y, sT = module(given, s0 if kind == "lstm" else s0[0])
    if lengths is not None:
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
    sT = [s[0] for s in (sT if kind == "lstm" else (sT,))]
    dy, dsT = normal(B, T, H), [normal(B, H) for _ in sT]
    loss = (dy * y).sum()
    for d, s in zip(dsT, sT, strict=True):
        loss = loss + (d * s).sum()
    loss.backward()
    weights = {"W_ih": module.weight_ih_l0, "W_hh": module.weight_hh_l0}
    arrays = {"x": x, "y": y, "dy": dy, "dx": x.grad}
    if kind == "gru":
        weights |= {"b_ih": module.bias_ih_l0, "b_hh": module.bias_hh_l0}
    else:
        arrays |= {"b": module.bias_ih_l0 + module.bias_hh_l0, "db": module.bias_ih_l0.grad}
    for key, w in weights.items():
        arrays |= {key: w, f"d{key}": w.grad}
    for k, key in enumerate(("h", "c")[: len(states)]):
        arrays |= {f"{key}0": states[k], f"{key}T": sT[k], f"d{key}0": states[k].grad}
        arrays[f"d{key}T"] = dsT[k]
    return {key: a.detach().numpy().copy() for key, a in arrays.items()}


def main() -> None:
    for name in ("rnn_tanh", "rnn_relu", "lstm", "gru"):
        stored: dict[str, np.ndarray] = {}
        for size, shape in SIZES.items():
            for kind, lengths in (("plain", None), ("ragged", RAGGED[size])):
                found = run_torch(name, *shape, lengths, seed=sum(map(ord, name + size + kind)))
                if lengths is not None:
                    found["lengths"] = np.array(lengths)
                stored |= {f"{size}/{kind}/{key}": a for key, a in found.items()}
        np.savez_compressed(Path(__file__).with_name(f"{name}.npz"), **stored)


if __name__ == "__main__":
    main()
