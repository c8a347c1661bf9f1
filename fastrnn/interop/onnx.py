"""ONNX models as models of fastrnn, which run and train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ModelFormatError
from ..model import Sequential
from .assemble import assemble
from .onnx_graph import open_graph
from .onnx_lowering import lower


def from_onnx(
    source: Any,
    *,
    constants: dict[str, np.ndarray] | None = None,
    example: Any = None,
    tolerance: float | None = None,
    backend: str | None = None,
) -> Sequential:
    """A model with the layers and weights of an ONNX graph, and its proof.

    Read are RNN, LSTM and GRU, whole (direction, layout, sequence_lens, initial states, clip, peepholes,
    input_forget, activations with alpha and beta, linear_before_reset), and what exporters write around them:
    embeddings, products with their bias, activations, dropout, and the operators that move axes about.  The
    onnx package is not needed.

    Parameters
    ----------
    source : path, or bytes; weights in other files must lie in the model's folder
    constants : name -> array, for inputs of the graph that are weights
    example : (x, y) or `fastrnn.proof.Example`, in the form in which `predict` takes and gives them; None
        compares with fastrnn's own definition
    tolerance : of the proof
    backend : of the model

    Returns
    -------
    Sequential.  Whatever the graph's axes are, x is [B, T, features] (or ids [B, T]), y is [B, T, features]
    or [B, features] with both directions side by side, and batch and time are free.  Where the graph gives
    final states (but Y_h alone), `predict` gives (y, h) or (y, h, c), for each direction.  An input
    sequence_lens is `predict(lengths=)`, an input initial_h or initial_c is `predict(initial_state=)`;
    without it the model begins at zeros.  A constant initial state that is not zero becomes a parameter, as
    `learn_state` has it.  Past its length y of a sequence is zero, and Dropout drops in training.

    Raises
    ------
    ModelFormatError : the file is no whole ONNX model; it holds what layers in a row cannot say (the message
        names the node); a weight is used twice or not at all; its numbers are not those of the example
    FileNotFoundError
    """
    name = "bytes" if isinstance(source, (bytes, bytearray, memoryview)) else Path(source).name
    owner = f"from_onnx: {name}"
    try:
        parts, shape, dtype = lower(open_graph(source, constants or {}))
    except ModelFormatError:
        raise
    except (ValueError, TypeError, OverflowError) as error:
        raise ModelFormatError(f"{owner}: {error}.") from error
    return assemble(
        owner,
        "onnx",
        parts,
        shape,
        dtype,
        example=example,
        tolerance=tolerance,
        backend=backend,
    )
