"""Modules of PyTorch as they live in this process: what is in them, and what they give.

PyTorch is never imported here.  A module brings its own; it is told by the names of its classes.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ModelFormatError, sentence
from ..layers import Activation, Dropout, Layer
from ..proof import Example

Made = Callable[[], Layer]  # of a layer without weights: every reading of a module needs its own

_WEIGHTED = {"RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell", "Linear", "Embedding"}
_CELLS = {"RNNCell", "LSTMCell", "GRUCell"}
_CONTAINERS = {"Sequential", "ModuleList", "ModuleDict", "DataParallel", "DistributedDataParallel"}
_NOTHING = {"Identity", "Flatten"}  # Flatten of vectors; what else it does, the proof finds out
_ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "ReLU": lambda m: "relu",
    "Tanh": lambda m: "tanh",
    "Sigmoid": lambda m: "sigmoid",
    "ReLU6": lambda m: "relu6",
    "SELU": lambda m: "selu",
    "SiLU": lambda m: "silu",
    "Hardswish": lambda m: "hard_silu",
    "Hardsigmoid": lambda m: ["hard_sigmoid", 1 / 6, 0.5],
    "Softsign": lambda m: "softsign",
    "LeakyReLU": lambda m: ["leaky_relu", float(m.negative_slope)],
    "ELU": lambda m: ["elu", float(m.alpha)],
    "Hardtanh": lambda m: "hard_tanh" if (m.min_val, m.max_val) == (-1, 1) else str(m),
    "GELU": lambda m: "gelu" if m.approximate == "none" else str(m),
    "Softplus": lambda m: "softplus" if m.beta == 1 else str(m),
    "Softmax": lambda m: "softmax",  # over the last axis; that it is this one, the outputs show
}


def is_module(source: Any) -> bool:
    """Whether `source` is a torch.nn.Module."""
    return any(
        c.__name__ == "Module" and c.__module__ == "torch.nn.modules.module" for c in type(source).__mro__
    )


def numpy(owner: str, name: str, value: Any) -> np.ndarray:
    """A tensor of PyTorch, or a NumPy array, as an array; halves become float32, which holds each of them."""
    if isinstance(value, np.ndarray):
        return value
    if not hasattr(value, "detach"):
        advice = "Of a checkpoint give the state dict in it."
        raise TypeError(
            sentence(owner, repr(name), "a tensor or a NumPy array", type(value).__name__, advice)
        )
    value = value.detach().cpu()
    if str(value.dtype) in ("torch.float16", "torch.bfloat16"):
        value = value.float()
    return np.array(value.numpy())


class Live:
    """A module.

    Attributes
    ----------
    items : what stands in it in order of registration: names of modules with weights, and makers of layers
    options : name of a recurrence -> what its weights do not tell: relu, dropout
    embeddings : names of its Embeddings
    alone : whether it is itself a recurrence
    trouble : sentences on what has no layer here
    """

    def __init__(self, owner: str, module: Any) -> None:
        self.owner, self.module = owner, module
        self.items: list[str | Made] = []
        self.options: dict[str, dict[str, Any]] = {}
        self.embeddings: set[str] = set()
        self.trouble: list[str] = []
        self._time_major = False
        self._walk("", module)
        self.alone = _known(module) in _WEIGHTED - {"Linear", "Embedding"}
        last = max((k for k, item in enumerate(self.items) if isinstance(item, str)), default=0)
        loose = [item() for item in self.items[last + 1 :] if not isinstance(item, str)]
        if any(isinstance(layer, Dropout) for layer in loose) and _known(module) != "Sequential":
            self.trouble.append(
                "A Dropout is registered behind all weights; outputs do not show where it stands."
            )

    def tensors(self) -> dict[str, np.ndarray]:
        """Its state dict."""
        return {name: numpy(self.owner, name, value) for name, value in self.module.state_dict().items()}

    def _walk(self, name: str, module: Any) -> None:
        known = _known(module)
        children = list(module.named_children())
        if known in _WEIGHTED:
            self._weighted(name, module, known)
        elif known == "Dropout" and module.p:
            self._made(lambda: Dropout(float(module.p)), name, module)
        elif known in _ACTIVATIONS:
            self._made(lambda: Activation(_ACTIVATIONS[known](module)), name, module)
        elif known not in (*_CONTAINERS, *_NOTHING, "Dropout", None):
            self.trouble.append(f"{known} {name!r} is no module that is read.")
        else:
            for own, child in children:
                self._walk(f"{name}.{own}" if name else own, child)

    def _made(self, make: Made, name: str, module: Any) -> None:
        """Add a layer without weights, if there is one of these numbers."""
        try:
            make()
            self.items.append(make)
        except ValueError as error:
            self.trouble.append(f"{module} {name!r} is no layer here: {error}")

    def _weighted(self, name: str, module: Any, known: str) -> None:
        self.items.append(name)
        if known == "Embedding":
            self.embeddings.add(name)
            if module.max_norm is not None:
                self.trouble.append(f"Embedding {name!r} has max_norm, which changes its weights.")
        elif known != "Linear":
            dropout = float(module.dropout) if getattr(module, "num_layers", 1) > 1 else 0.0
            if dropout >= 1:
                self.trouble.append(f"{known} {name!r} drops everything between its layers.")
            self.options[name] = {
                "relu": getattr(module, "nonlinearity", None) == "relu",
                "dropout": dropout,
            }
            self._time_major = self._time_major or not getattr(module, "batch_first", False)

    # -- running it -------------------------------------------------------------------------------------

    def examples(self, x: np.ndarray) -> list[Example]:
        """x [B, T, ...] with what the module gives for it, read as [B, T, ...] and as [T, B, ...].

        Of these only the ones that the module's `batch_first` allow, the likelier first.

        Raises
        ------
        ModelFormatError : it cannot take such x, or gives no tensor
        """
        if not isinstance(x, np.ndarray):
            expected = "one array x, batch first, where y is missing"
            raise ValueError(sentence(self.owner, "example", expected, type(x).__name__))
        readings = [False, True] if self._time_major and x.ndim > 1 else [False]
        if self.alone:
            readings = [self._time_major and _known(self.module) not in _CELLS]
        found, errors = [], []
        for time_major in readings:
            try:
                found.append(Example(x, self._outputs(x, time_major)))
            except ModelFormatError as error:
                errors.append(error)
        if not found:
            raise errors[0]
        return found

    def _outputs(self, x: np.ndarray, time_major: bool) -> Any:
        """y, batch first, or of a recurrence alone (y, *states).

        The module runs in evaluation mode and without gradients, and is left as it was.
        """
        torch = sys.modules["torch"]
        module, parameter = self.module, next(iter(self.module.parameters()))
        if str(parameter.dtype) in ("torch.float16", "torch.bfloat16"):
            module = copy.deepcopy(module).float()  # its weights are the same numbers
        given = np.ascontiguousarray(x.swapaxes(0, 1) if time_major else x)
        modes = [(one, one.training) for one in module.modules()]
        module.eval()
        try:
            with torch.no_grad():
                tensor = torch.from_numpy(given).to(parameter.device)
                if self.alone:
                    return _recurrence(module, tensor, time_major)
                y = module(tensor)
        except Exception as error:
            raise ModelFormatError(
                f"{self.owner}: {type(self.module).__name__} cannot be run on x {list(given.shape)} "
                f"{given.dtype}: {error}. Give example=(x, y)."
            ) from error
        finally:
            for one, mode in modes:
                one.training = mode
        while isinstance(y, (tuple, list)) and y:
            y = y[0]
        if not hasattr(y, "detach"):
            raise ModelFormatError(
                f"{self.owner}: {type(self.module).__name__} must give a tensor, got {type(y).__name__}. "
                "Give example=(x, y)."
            )
        array = numpy(self.owner, "y", y)
        return array.swapaxes(0, 1) if time_major and array.ndim > 2 else array


def _known(module: Any) -> str | None:
    """The name of the class of torch.nn that a module is of; None: it is somebody's own."""
    for one in type(module).__mro__:
        if one.__module__.startswith("torch.nn.") and one.__name__ != "Module":
            return one.__name__
    return None


def _recurrence(module: Any, x: Any, time_major: bool) -> tuple[np.ndarray, ...]:
    """(y, *states of the last layer) of nn.RNN, LSTM, GRU, or of a cell that is run step by step."""
    if _known(module) in _CELLS:
        state, steps = None, []
        for t in range(x.shape[1]):
            state = module(x[:, t]) if state is None else module(x[:, t], state)
            steps.append((state[0] if isinstance(state, tuple) else state).cpu().numpy())
        states = state if isinstance(state, tuple) else (state,)
        return np.stack(steps, axis=1), *(s.cpu().numpy() for s in states)
    y, state = module(x)
    states = state if isinstance(state, tuple) else (state,)
    y = y.cpu().numpy()
    ways = [[s[k].cpu().numpy() for s in states] for k in range(-2 if module.bidirectional else -1, 0)]
    return (y.swapaxes(0, 1) if time_major else y), *(s for way in ways for s in way)
