"""PyTorch on the CPU: nn.LSTM, nn.GRU, nn.RNN, and nn.Linear with its fused Adam.

Inference runs in `inference_mode`; a stream is an nn.LSTMCell whose state is carried by hand. Training asks
for the gradients of the input and of every parameter, as fastrnn computes them. (fastrnn returns those of the
initial state as well.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .. import dense
from .. import words as sentences
from ..cases import Case
from . import Work, torch_classifier

LAYERS: dict[str, Any] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


def start(threads: int | None) -> dict[str, Any]:
    """See `bench.peers`."""
    if threads is not None:
        torch.set_num_threads(threads)
    return {"threads": torch.get_num_threads(), "versions": {"torch": torch.__version__}}


def setup(case: Case, given: dict[str, Any]) -> Work:
    """See `bench.peers`."""
    if case.subject == "dense":
        return _autoencoder(case, given)
    if case.subject == "words":
        return _words(case, given)
    if case.subject == "stream":
        return _stream(case, given)
    if case.subject == "classifier":
        return _classifier(case, given)
    layer = recurrent_layer(case, given)
    return _training(case, layer, given) if case.training else inference(case, layer, given)


def recurrent_layer(case: Case, given: dict[str, Any]) -> Any:
    """The layer of a case; its gates stand in our order, i f g o and r z n."""
    first = case.subject == "ragged"
    layer = LAYERS[case.cell](case.I, case.H, batch_first=first)
    _load(layer, {"_l0": given["params"]})
    return layer


def _load(layer: Any, params: dict[str, dict[str, Any]]) -> None:
    """Set a layer's weights from ours, by the suffix of their names."""
    arrays = {}
    for suffix, p in params.items():
        bias = p["b_ih"] if "b_ih" in p else p["b"]
        second = p["b_hh"] if "b_hh" in p else np.zeros_like(bias)
        arrays.update({f"weight_ih{suffix}": p["W_ih"], f"weight_hh{suffix}": p["W_hh"],
                       f"bias_ih{suffix}": bias, f"bias_hh{suffix}": second})  # fmt: skip
    layer.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})


def _runner(case: Case, layer: Any, x: Any, given: dict[str, Any]) -> Callable[[], Any]:
    """() -> (y, state), packing and unpacking where there are lengths."""
    first = case.subject == "ragged"
    if given["lengths"] is None:
        return lambda: layer(x)
    lengths = torch.tensor(given["lengths"])

    def run() -> Any:
        packed, state = layer(pack_padded_sequence(x, lengths, first, enforce_sorted=False))
        return pad_packed_sequence(packed, first)[0], state

    return run


def _read(case: Case, y: Any, state: Any, gradients: Any = ()) -> dict[str, Any]:
    states = [s[0] for s in (state if case.cell == "lstm" else (state,))]
    names = ["dx", "dW_ih", "dW_hh", *(["db_ih", "db_hh"] if case.cell == "gru" else ["db"])]
    found = {"y": y, **dict(zip(("h", "c"), states, strict=False))}
    found.update(zip(names, gradients, strict=False))
    return {name: tensor.detach().numpy() for name, tensor in found.items()}


def inference(case: Case, layer: Any, given: dict[str, Any]) -> Work:
    """Forward calls of `layer`, compiled or not."""
    run = _runner(case, layer, torch.tensor(given["x"]), given)

    def call() -> Any:
        with torch.inference_mode():
            return run()

    return Work(call, lambda: _read(case, *call()))


def _training(case: Case, layer: Any, given: dict[str, Any]) -> Work:
    x, dy = torch.tensor(given["x"], requires_grad=True), torch.tensor(given["dy"])
    run = _runner(case, layer, x, given)
    wanted = (x, *layer.parameters())  # in the order W_ih, W_hh, b_ih, b_hh

    def call() -> Any:
        y, state = run()
        return y, state, torch.autograd.grad(y, wanted, dy)

    return Work(call, lambda: _read(case, *call()))


def _stream(case: Case, given: dict[str, Any]) -> Work:
    cell = nn.LSTMCell(case.I, case.H)  # four times faster at one step than nn.LSTM
    _load(cell, {"": given["params"]})
    x = torch.tensor(given["x"])
    state: Any = None

    def step(row: Any = x[0]) -> Any:
        nonlocal state
        with torch.inference_mode():
            state = cell(row, state)
        return state[0]

    return Work(step, lambda: {"y": np.stack([step(row).numpy() for row in x])})


def _classifier(case: Case, given: dict[str, Any]) -> Work:
    model, x = torch_classifier.module(case, given), torch.tensor(given["x"])

    def call() -> Any:
        with torch.inference_mode():
            return model(x)

    return Work(call, lambda: {"y": call().numpy()})


def _words(case: Case, given: dict[str, Any]) -> Work:
    layer = nn.LSTM(case.I, case.H, sentences.DEPTH, batch_first=True, bidirectional=True)
    ends = {"forward": "", "backward": "_reverse"}
    params = {
        f"_l{k}{ends[direction]}": params
        for k, both in enumerate(given["layers"])
        for direction, params in both.items()
    }
    _load(layer, params)
    x, dy = torch.tensor(given["x"], requires_grad=case.training), torch.tensor(given["dy"])
    wanted = (x, *layer.parameters())

    def infer() -> Any:
        with torch.inference_mode():
            return layer(x)[0], ()

    def train() -> Any:
        y, _ = layer(x)
        return y, torch.autograd.grad(y, wanted, dy)

    call = train if case.training else infer

    def outputs() -> dict[str, Any]:
        y, gradients = call()
        found = {"y": y}
        if case.training:
            found["dx"] = gradients[0]
            for (name, _), gradient in zip(layer.named_parameters(), gradients[1:], strict=True):
                kind, half, place = name.split("_", 2)  # "weight_ih_l0_reverse"
                if (kind, half) != ("bias", "hh"):  # the second bias: its gradient is the first one's
                    number = int(place.removesuffix("_reverse")[1:])
                    direction = "backward" if place.endswith("_reverse") else "forward"
                    ours = f"W_{half}" if kind == "weight" else "b"
                    found[sentences.named(number, direction, ours)] = gradient
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
