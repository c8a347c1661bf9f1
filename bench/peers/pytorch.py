"""PyTorch on the CPU: nn.LSTM, nn.GRU, nn.RNN, and nn.Linear with its fused Adam.

Inference runs in `inference_mode`. Training asks for the gradients of the input and of every
parameter, as fastrnn computes them. (fastrnn returns those of the initial state as well.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .. import dense
from ..cases import Case
from . import Work

LAYERS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    if threads is not None:
        torch.set_num_threads(threads)
    return {"threads": torch.get_num_threads(), "versions": {"torch": torch.__version__}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    return _autoencoder(case, given) if case.subject == "dense" else _recurrence(case, given)


def _recurrence(case: Case, given: dict[str, Any]) -> Work:
    first = not case.time_major
    layer = LAYERS[case.cell](case.I, case.H, batch_first=first)  # gate order i f g o and r z n
    params = given["params"]
    bias = params["b_ih"] if case.cell == "gru" else params["b"]
    second = params["b_hh"] if case.cell == "gru" else np.zeros_like(bias)
    arrays = {"weight_ih_l0": params["W_ih"], "weight_hh_l0": params["W_hh"],
              "bias_ih_l0": bias, "bias_hh_l0": second}  # fmt: skip
    layer.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    x = torch.tensor(given["x"], requires_grad=case.training)
    lengths = None if given["lengths"] is None else torch.tensor(given["lengths"])

    def run() -> Any:
        if lengths is None:
            return layer(x)
        packed, state = layer(pack_padded_sequence(x, lengths, first, enforce_sorted=False))
        return pad_packed_sequence(packed, first)[0], state

    def infer() -> Any:
        with torch.inference_mode():
            return *run(), ()

    if case.training:
        wanted = (x, *layer.parameters())  # in the order W_ih, W_hh, b_ih, b_hh
        dy = torch.tensor(given["dy"])

    def train() -> Any:
        y, state = run()
        return y, state, torch.autograd.grad(y, wanted, dy)

    call = train if case.training else infer

    def outputs() -> dict[str, Any]:
        y, state, gradients = call()
        states = [s[0] for s in (state if case.cell == "lstm" else (state,))]
        names = ["dx", "dW_ih", "dW_hh", *(["db_ih", "db_hh"] if case.cell == "gru" else ["db"])]
        found = {"y": y, **dict(zip(("h", "c"), states, strict=False))}
        found.update(zip(names, gradients, strict=False))
        return {name: tensor.detach().numpy() for name, tensor in found.items()}

    return Work(call, outputs)


def _autoencoder(case: Case, given: dict[str, Any]) -> Work:
    modules: list[nn.Module] = []
    for W, b in given["weights"]:
        linear = nn.Linear(W.shape[1], W.shape[0])
        linear.load_state_dict({"weight": torch.tensor(W), "bias": torch.tensor(b)})
        modules += [linear, nn.ReLU()]
    model = nn.Sequential(*modules[:-1], nn.Sigmoid())
    params = list(model.parameters())
    betas = (dense.BETA_1, dense.BETA_2)
    adam = torch.optim.Adam(params, dense.RATE, betas, dense.EPSILON, fused=True)
    loss_of = nn.MSELoss()
    x = torch.tensor(given["x"])

    def call() -> Any:
        adam.zero_grad()
        loss = loss_of(model(x), x)
        loss.backward()
        adam.step()
        return loss

    def first_steps() -> dict[str, Any]:
        losses = [float(call().detach()) for _ in range(dense.STEPS)]
        return dense.summarize(given, losses, [p.detach().numpy() for p in params])

    return Work(call, first_steps)
