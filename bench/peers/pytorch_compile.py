"""PyTorch's compiler: torch.compile of nn.LSTM, nn.GRU and nn.RNN with frozen weights. Inference only.

The compiler has an LSTM as one operation. The steps of a GRU and an RNN it unrolls, at about two seconds of
compiling a step, into code that is slower than the layer itself (GRU, 50 steps of 8 x 64: 96 s, and 5.9
against 2.2 ms), so that they take part where there is one step only.
"""

from __future__ import annotations

from typing import Any

import torch
import torch._dynamo
import torch._inductor.config

from ..cases import Case
from . import Unsupported, Work, pytorch

MOST_UNROLLED = 1


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    torch._inductor.config.freezing = True
    torch._inductor.config.compile_threads = 1  # no pool of processes that outlives a stop
    return pytorch.start(threads)


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.training or case.subject != "recurrent":
        raise Unsupported("inference of plain batches only.")
    if case.cell != "lstm" and case.T > MOST_UNROLLED:
        raise Unsupported("the compiler unrolls the steps of nn.GRU and nn.RNN, two seconds each.")
    if not hasattr(torch._dynamo.config, "allow_rnn"):
        raise Unsupported("this version of PyTorch does not compile recurrent layers.")
    torch._dynamo.config.allow_rnn = True
    torch._dynamo.reset()  # else it keeps every case's code, and gives up after eight
    layer = pytorch.recurrent_layer(case, given).eval()
    work = pytorch.inference(case, torch.compile(layer), given)
    try:
        work.call()
    except Exception as error:  # a missing C++ compiler shows in many ways
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise Unsupported(f"the compiler failed ({reason}).") from error
    return work
