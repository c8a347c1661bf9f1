"""The classifier of `bench.classifier` as a module of PyTorch, and as the ONNX file that PyTorch writes."""

from __future__ import annotations

import io
import warnings
from typing import Any

import torch
from torch import nn

from ..cases import Case
from ..classifier import CLASSES, VOCABULARY


class Classifier(nn.Module):
    """Embedding, LSTM, Linear and softmax on its last state."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, inputs)
        self.lstm = nn.LSTM(inputs, units, batch_first=True)
        self.head = nn.Linear(units, CLASSES)

    def forward(self, x: Any) -> Any:
        """The probabilities [B, K] for ids [B, T]."""
        _, (h, _) = self.lstm(self.embedding(x))
        return torch.softmax(self.head(h[-1]), dim=1)


def module(case: Case, given: dict[str, Any]) -> Any:
    """The module of a case, for inference."""
    model = Classifier(case.I, case.H)
    model.load_state_dict({name: torch.tensor(array) for name, array in given["state"].items()})
    return model.eval()


def exported(case: Case, given: dict[str, Any]) -> bytes:
    """What `torch.onnx.export` writes for it, with any batch and any number of steps."""
    file = io.BytesIO()
    with warnings.catch_warnings():  # of the exporter that needs no further package
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module(case, given), (torch.tensor(given["x"]),), file, dynamo=False, opset_version=17,
            input_names=["x"], output_names=["y"], dynamic_axes={"x": {0: "batch", 1: "time"}},
        )  # fmt: skip
    return file.getvalue()
