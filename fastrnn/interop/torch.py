"""Models of PyTorch in, and their weights out: `from_torch` and `to_torch_state_dict`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ..errors import DtypeError, ModelFormatError, ShapeError, sentence
from ..layers import Bidirectional, Dense, Embedding, Input, Layer, Recurrent, Shape, TimeDistributed
from ..model import Sequential
from ..proof import Example
from .assemble import Part, assemble
from .torch_files import read_file
from .torch_modules import Live, is_module, numpy
from .torch_names import RECURRENT, Block, read_blocks, torch_arrays
from .torch_readings import KINDS, Reading, fillings, readings


def from_torch(
    source: Any,
    layers: Sequence[Layer] | None = None,
    *,
    example: Any = None,
    tolerance: float | None = None,
    backend: str | None = None,
) -> Sequential:
    """A model of PyTorch as a Sequential, with the same numbers.

    Parameters
    ----------
    source : a torch.nn.Module; a state dict, of tensors or arrays; or the path of a .safetensors, .pt or .pth
        file (`torch.save` of a state dict, or of a checkpoint with one in it), read without PyTorch and
        without running anything that is in it
    layers : our layers, not built, in their order, which the weights shall fill; None finds them
    example : (x, y) or `fastrnn.proof.Example`: an input, batch first, and what PyTorch gives for it.  Where
        y is None a module is run for it; where there is no example, on a random x
    tolerance, backend : see `fastrnn.proof.prove`, `fastrnn.Sequential`

    Returns
    -------
    Sequential, float32 or float64 as the weights are (halves become float32, exactly), with a `proof`

    What is read: RNN, LSTM (`proj_size`), GRU, stacked and bidirectional, with dropout between their layers,
    and their cells; Embedding, Linear; of modules also Dropout, Identity and activations.  A module's layers
    come in the order of registration or, where sizes tell another one, in that one.

    What names and modules do not tell is tried until the outputs are those of the example: whether the last
    recurrence gives its last step or every step, tanh or relu in an RNN of a state dict, sigmoid or softmax
    behind the last Linear, the order of the modules of a .safetensors file, which is sorted.  A state dict
    without example is read as: tanh, no activations, the last step in front of a Linear, and every step and
    the states where a recurrence ends the model.  The last step of a bidirectional recurrence is both of its
    final states, `h_n`, or, tried as well, `y[:, -1]`.

    Raises
    ------
    ModelFormatError : a tensor is missing, not used, of another shape, dtype, or not finite; the file is
        damaged or needs code; no reading gives the outputs of the example
    FileNotFoundError

    >>> import numpy as np, fastrnn as fr
    >>> model = fr.Sequential([fr.LSTM(4, name="lstm"), fr.Dense(2, name="head")], seed=0)
    >>> model.build((None, None, 3))
    >>> state = fr.interop.to_torch_state_dict(model)
    >>> state["lstm.weight_ih_l0"].shape, state["head.bias"].shape
    ((16, 3), (2,))
    >>> again = fr.interop.from_torch(state)
    >>> x = np.ones((1, 5, 3), "float32")
    >>> bool((again.predict(x) == model.predict(x)).all())
    True
    """
    owner, ordered, live = "from_torch", True, None
    if isinstance(source, (str, Path)):
        owner = f"from_torch: {Path(source).name}"
        tensors, ordered = read_file(owner, source)
    elif is_module(source):
        live = Live(owner, source)
        tensors = live.tensors()
    elif isinstance(source, Mapping):
        tensors = {name: numpy(owner, name, value) for name, value in source.items()}
    else:
        expected = "a torch.nn.Module, a state dict, or a path"
        raise TypeError(sentence(owner, "source", expected, type(source).__name__))
    example = Example(*example) if isinstance(example, tuple) else example
    if live is None and example is not None and example.y is None:
        raise ValueError(sentence(owner, "example", "(x, y); only a module can be run for y", "no y"))
    blocks = read_blocks(owner, tensors)
    double = any(array.dtype == np.float64 for array in tensors.values())
    dtype = np.dtype(np.float64 if double else np.float32)
    if layers is None:
        found = readings(owner, blocks, ordered, live, example)
    else:
        found = fillings(owner, list(layers), blocks, ordered, live, example)
    examples = [example]
    if live is not None and (example is None or example.y is None):
        x = _input(found[0].blocks, dtype) if example is None else example.x
        examples = live.examples(x)
    return _first_that_proves(owner, found, examples, dtype, tolerance, backend)


def _first_that_proves(
    owner: str, found: list[Reading], examples: list[Any], dtype: Any, tolerance: Any, backend: Any
) -> Sequential:
    """The first reading that has the outputs of an example."""
    errors: list[tuple[Reading, Exception]] = []
    for example in examples:
        for reading in found:
            parts = reading.make()
            try:
                shape = _shape(reading.blocks, parts, example)
                return assemble(
                    owner, "torch", parts, shape, dtype, example=example, tolerance=tolerance, backend=backend
                )
            except (ModelFormatError, DtypeError, ShapeError) as error:  # or a reading that takes no such x
                errors.append((reading, error))
    if len(errors) == 1 or not any(isinstance(error, ModelFormatError) for _, error in errors):
        raise errors[0][1]
    tried = "; ".join(dict.fromkeys(f"{r.what}: {str(e).removeprefix(f'{owner}: ')}" for r, e in errors))
    raise ModelFormatError(
        f"{owner}: nothing of what was tried gives the outputs of the example. {tried[:1200]} What "
        "forward calls without a module, such as relu or mean, cannot be seen. Give layers=[...]."
    ) from errors[0][1]


def _shape(blocks: list[Block], parts: list[Part], example: Any) -> Shape:
    """Of the model's input."""
    first = parts[0][0]
    if isinstance(first, Input):
        return first.declared
    if first.takes_ids:
        return Shape((), True, ids=True)
    sequence = any(block.kind in RECURRENT for block in blocks)
    if example is not None and not sequence:
        sequence = np.ndim(example.x) == 3
    assert blocks[0].inputs is not None
    return Shape((blocks[0].inputs,), sequence)


def _input(blocks: list[Block], dtype: Any) -> np.ndarray:
    """Two random sequences of seven steps, or two vectors."""
    rng, first = np.random.default_rng(0), blocks[0]
    if first.inputs is None:
        return rng.integers(0, len(first.weights[0]["W"]), (2, 7))
    steps = (7,) if any(block.kind in RECURRENT for block in blocks) else ()
    return rng.standard_normal((2, *steps, first.inputs)).astype(dtype)


def to_torch_state_dict(model: Sequential) -> dict[str, np.ndarray]:
    """The weights of a model under the names that they have in PyTorch, copies.

    Layer ``lstm`` gives ``lstm.weight_ih_l0``, ``lstm.weight_hh_l0``, ``lstm.bias_ih_l0`` ... (and the same
    with ``_reverse`` for Bidirectional); Embedding and Dense give ``weight`` and ``bias``.  So the dict loads
    into a module that has, under the names of the layers, an ``nn.LSTM(I, H, batch_first=True)`` for each
    LSTM, one layer deep, and ``nn.RNN``, ``nn.GRU``, ``nn.Embedding``, ``nn.Linear`` for the others; an
    ``nn.ModuleDict``, for example.  RNN and LSTM have one bias here: it is ``bias_ih``, and ``bias_hh`` is
    zero.  What has no weights (dropout, activations, the last step) is for the module's `forward`.

    Raises
    ------
    ValueError : a layer computes what no module of PyTorch does: peepholes, a reset before the product, other
        activations, a clip, learnt initial states, `go_backwards`, a merge other than concat; or it is none
        of the above
    RuntimeError : the model has no weights yet

    >>> import fastrnn as fr
    >>> model = fr.Sequential([fr.Input((None, 3)), fr.GRU(2, name="encoder")], seed=0)
    >>> list(fr.interop.to_torch_state_dict(model))[:3]
    ['encoder.weight_ih_l0', 'encoder.weight_hh_l0', 'encoder.bias_ih_l0']
    """
    if not isinstance(model, Sequential):
        raise TypeError(sentence("to_torch_state_dict", "model", "a Sequential", type(model).__name__))
    model.named_params()  # raises where there are none
    state: dict[str, np.ndarray] = {}
    for layer in model.layers:
        params = {name: model.backend.to_numpy(array) for name, array in layer.named_params().items()}
        if params:
            state.update({f"{layer.name}.{name}": a for name, a in _module_arrays(layer, params).items()})
    return state


def _module_arrays(layer: Layer, params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors of the module that computes what the layer does."""
    inner = layer.layer if isinstance(layer, TimeDistributed) else layer
    if isinstance(inner, (Dense, Embedding)):
        own = {name.removeprefix("layer."): np.array(array) for name, array in params.items()}
        return {"weight": own["W"], **({"bias": own["b"]} if "b" in own else {})}
    ways = {"": ""}
    if isinstance(layer, Bidirectional):
        inner, ways = layer.forward_layer, {"forward.": "", "backward.": "_reverse"}
        if layer.merge_mode != "concat":
            _refuse(layer, f"merge_mode={layer.merge_mode!r}")
        if layer.backward_layer.cell is not inner.cell:
            _refuse(layer, f"the cell {layer.backward_layer.cell.name!r} on the way back")
    if not isinstance(inner, Recurrent):
        _refuse(layer, f"a {type(layer).__name__}")
    kind = KINDS.get(inner.cell.name)
    if kind is None:
        _refuse(layer, f"the cell {inner.cell.name!r}")
    for option in ("learn_state", "go_backwards"):
        if any(getattr(one, option, False) for one in layer.whole()):
            _refuse(layer, f"{option}=True")
    found = {}
    for way, end in ways.items():
        own = {name.removeprefix(way): a for name, a in params.items() if name.startswith(way)}
        found.update({f"{name}_l0{end}": array for name, array in torch_arrays(kind, own).items()})
    return found


def _refuse(layer: Layer, what: str) -> NoReturn:
    expected = "what a module of PyTorch computes"
    raise ValueError(sentence("to_torch_state_dict", f"{layer} {layer.name!r}", expected, what))
