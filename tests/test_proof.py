"""The proof of an import: made, saved, run again at load, and void for other weights."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastrnn as fr
from fastrnn import serialization
from fastrnn.interop.assemble import assemble
from fastrnn.layers import Shape
from fastrnn.proof import DEFINITION, GIVEN, Example, prove

RNG = np.random.default_rng(5)


def weights(layer: Any, inputs: int, dtype: str = "float32") -> dict[str, np.ndarray]:
    """Random arrays for an LSTM of 4 units and the like."""
    model = fr.Sequential([layer], seed=int(RNG.integers(1000)), dtype=dtype)
    model.build((None, None, inputs))
    return {k: RNG.standard_normal(v.shape).astype(dtype) for k, v in layer.named_params().items()}


def imported(example: Any = None, dtype: str = "float32", **options: Any) -> fr.Sequential:
    arrays = weights(fr.LSTM(4, **options), 3, dtype)
    return assemble(
        "from_there", "torch", [(fr.LSTM(4, **options), arrays)], Shape((3,), True), dtype, example=example
    )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_without_an_example_the_definition_is_the_reference(dtype: str) -> None:
    model = imported(dtype=dtype)
    assert model.proof.reference == DEFINITION and model.proof.source == "torch"
    assert model.proof.difference <= model.proof.tolerance and model.proof.ulps < 100
    assert model.proof.holds(model)


def test_an_example_is_kept_and_run_again_at_load(tmp_path: Path) -> None:
    model = imported(return_sequences=True)
    x = [RNG.standard_normal((n, 3)).astype("float32") for n in (5, 0, 2)]
    y = [a.astype("float64") + 1e-7 for a in model.predict(x)]
    prove("test", model, "onnx", Example(x, y))
    assert model.proof.reference == GIVEN
    assert 0 < model.proof.difference < 2e-7 and model.proof.ulps in (1, 2, 3)
    model.save(tmp_path / "m.fastrnn")
    again = fr.load(tmp_path / "m.fastrnn")
    for field in dataclasses.fields(again.proof):
        if field.name != "example":
            assert getattr(again.proof, field.name) == getattr(model.proof, field.name)
    for one, other in zip(again.proof.example.x, x, strict=True):
        assert (one == other).all()


def test_states_and_lengths_belong_to_an_example(tmp_path: Path) -> None:
    model = imported(return_state=True)
    x = RNG.standard_normal((2, 5, 3)).astype("float32")
    state = (np.ones((2, 4), "f4"), np.zeros((2, 4), "f4"))
    lengths = np.array([5, 2])
    y = model.predict(x, lengths=lengths, initial_state=state)
    prove("test", model, "onnx", Example(x, y, lengths, {"lstm": state}))
    assert model.proof.difference == 0 and model.proof.ulps == 0
    model.save(tmp_path / "m.fastrnn")
    example = fr.load(tmp_path / "m.fastrnn").proof.example
    assert (example.initial_state["lstm"][0] == 1).all() and example.lengths.tolist() == [5, 2]
    assert isinstance(example.y, tuple) and len(example.y) == 3


@pytest.mark.parametrize("gates", [(0, 1), (0, 3), (1, 2), (2, 3)])
def test_a_swapped_gate_fails(gates: tuple[int, int]) -> None:
    arrays = weights(fr.LSTM(4), 3)
    parts = [(fr.LSTM(4), arrays)]
    x = RNG.standard_normal((2, 6, 3)).astype("float32")
    y = assemble("from_there", "torch", parts, Shape((3,), True), "float32").predict(x)
    order = list(range(4))
    order[gates[0]], order[gates[1]] = gates[1], gates[0]
    swapped = {k: np.concatenate([np.split(v, 4)[g] for g in order]) for k, v in arrays.items()}
    parts = [(fr.LSTM(4), swapped)]
    with pytest.raises(fr.ModelFormatError, match="there: the model gives other numbers than its example"):
        assemble("from_there", "torch", parts, Shape((3,), True), "float32", example=(x, y))


def test_an_example_of_another_shape_is_named() -> None:
    x = RNG.standard_normal((2, 6, 3)).astype("float32")
    with pytest.raises(fr.ModelFormatError, match=r"the example's y has the shape \[\[2, 9\]\], the model"):
        imported(example=(x, np.zeros((2, 9))))


def test_training_leaves_the_figures_and_no_example(tmp_path: Path) -> None:
    model = imported()
    difference = model.proof.difference
    model.compile("adam", "mse")
    model.fit(np.ones((4, 2, 3), "float32"), np.ones((4, 4), "float32"), verbose=0)
    assert not model.proof.holds(model)
    model.save(tmp_path / "m.fastrnn")
    again = fr.load(tmp_path / "m.fastrnn")
    assert again.proof.example is None and again.proof.difference == difference
    again.save(tmp_path / "n.fastrnn")
    assert fr.load(tmp_path / "n.fastrnn").proof == again.proof


def rewrite(path: Path, change: Any) -> None:
    """Change a model file's tensors and description, with a checksum that fits."""
    from safetensors.numpy import save

    description, tensors = serialization.read(path)
    tensors = {k: v.copy() for k, v in tensors.items()}
    change(description, tensors)
    text = json.dumps(description, sort_keys=True)
    metadata = {
        "format": serialization.FORMAT, "description": text, "sha256": serialization._digest(text, tensors)
    }  # fmt: skip
    path.write_bytes(save(tensors, metadata=metadata))


def other_weights(description: Any, tensors: Any) -> None:
    tensors["params/lstm/b"][0] += 1


def other_outputs(description: Any, tensors: Any) -> None:
    tensors["proof/y"][0, 0] += 1


def no_example(description: Any, tensors: Any) -> None:
    del tensors["proof/y"]


def infinite(description: Any, tensors: Any) -> None:
    description["proof"]["tolerance"] = 1e999


def a_list(description: Any, tensors: Any) -> None:
    description["proof"] = [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_weights, "its proof was made for other weights. Import the model again."),
        (other_outputs, "the model gives other numbers than its example"),
        (no_example, "tensor 'proof/y' is missing"),
        (infinite, "does not describe a model"),
        (a_list, "does not describe a model"),
    ],
)
def test_load_checks_the_proof(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / "m.fastrnn"
    imported().save(path)
    fr.load(path)
    rewrite(path, change)
    with pytest.raises(fr.ModelFormatError, match=message):
        fr.load(path)


def test_a_stateful_model_keeps_its_states_over_a_proof(tmp_path: Path) -> None:
    model = imported(stateful=True)
    x = RNG.standard_normal((2, 6, 3)).astype("float32")
    model.predict(x)
    before = [s.copy() for s in model.layers[0].state]
    model.save(tmp_path / "m.fastrnn")
    for one, other in zip(fr.load(tmp_path / "m.fastrnn").layers[0].state, before, strict=True):
        assert (one == other).all()


def test_str_says_what_was_shown() -> None:
    assert str(imported().proof).startswith(f"from torch, compared with {DEFINITION}: largest difference ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("b"), r"LSTM\(units=4\) lacks \['b'\], nothing uses \[\]"),
        (lambda a: a.update(z=a["b"]), r"LSTM\(units=4\) lacks nothing, nothing uses \['z'\]"),
        (lambda a: a.update(b=a["b"][:-1]), r"lstm/b must be \[16\] float32, got \[15\] float32"),
        (lambda a: a.update(b=a["b"].astype("float64")), r"lstm/b must be \[16\] float32, got .* float64"),
        (lambda a: a["b"].fill(np.nan), "lstm/b holds NaN or infinity"),
    ],
)
def test_assembling_is_strict(change: Any, message: str) -> None:
    arrays = weights(fr.LSTM(4), 3)
    change(arrays)
    with pytest.raises(fr.ModelFormatError, match=f"from_there: {message}"):
        assemble("from_there", "torch", [(fr.LSTM(4), arrays)], Shape((3,), True), "float32")


def test_layers_that_do_not_fit_are_no_model() -> None:
    with pytest.raises(fr.ModelFormatError, match="from_there: these layers do not make a model: LSTM"):
        assemble("from_there", "torch", [(fr.LSTM(4), {}), (fr.LSTM(4), {})], Shape((3,), True), "float32")
