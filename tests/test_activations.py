"""Activations: their values and slopes against Keras, PyTorch and ONNX Runtime, and as layers take them."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import assert_close
from gradcheck import check_gradients

import fastrnn as fr
from fastrnn.cells.activations import FORMULAS, function
from fastrnn.cells.clip import Clipped

# Around every kink, not on it: there a slope is a matter of taste.
POINTS = np.array(
    [-90.0, -7.5, -3.01, -2.99, -1.3, -0.6, -1e-3, 1e-3, 0.4, 0.99, 1.01, 2.2, 2.99, 3.01, 5.9, 6.1]
)
FUNCTIONS = [
    *(function(name) for name in FORMULAS),
    function("affine", 0.7, -0.3),
    function("leaky_relu", -0.4),
    function("leaky_relu", 0.3),
    function("thresholded_relu", 0.5),
    function("scaled_tanh", 1.7, 0.6),
    function("scaled_tanh", 0, 2),
    function("hard_sigmoid", 1 / 6),
    function("hard_sigmoid", -0.3, 0.6),
    function("elu", -0.7),
    function("elu", 0.4),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("f", [*FUNCTIONS, Clipped(function("gelu"), 2.0)], ids=str)
def test_slopes(f: Any, dtype: str) -> None:
    """The slope is the derivative; nothing leaves its dtype; what does not read a is given none."""
    a = POINTS[(POINTS > -7)].astype(dtype)  # beyond, some are flat to the last bits
    y = f.value(np, a.copy())
    given = a if f.reads_input else None
    dy = np.ones_like(a)
    assert y.dtype == dtype and (dy * f.slope(np, given, y)).dtype == dtype
    if dtype == "float32":
        return

    def forward(inputs: Any) -> Any:
        return (f.value(np, inputs["a"]),)

    def backward(inputs: Any, douts: Any) -> Any:
        y = f.value(np, inputs["a"])
        return {"a": douts[0] * f.slope(np, inputs["a"] if f.reads_input else None, y)}

    for one in a:  # each alone: the sum would hide a small one
        weights = [np.ones(1)]
        flat = not (f.slope(np, np.array([one]), f.value(np, np.array([one])))).any()
        check_gradients(
            forward, backward, {"a": np.array([one])}, weights=weights, zero=("a",) if flat else (),
            tolerance=1e-6,
        )  # fmt: skip


def test_far_values_are_finite() -> None:
    """No overflow where the value itself has none."""
    for f in FUNCTIONS:
        if f.name != "exponential":
            a = np.array([-1e4, -90.0, 90.0, 1e4], np.float32)
            y = f.value(np, a)
            assert np.isfinite(y).all() and np.isfinite(1.0 * f.slope(np, a, y)).all(), f


@pytest.mark.parametrize("name", FORMULAS)
def test_nan_stays_nan(name: str) -> None:
    with np.errstate(invalid="ignore"):
        assert np.isnan(function(name).value(np, np.array([np.nan]))).all()


def test_erf() -> None:
    wanted = [0.5 * a * (1 + math.erf(a / math.sqrt(2))) for a in POINTS]
    assert_close(function("gelu").value(np, POINTS), np.array(wanted), 1e-13)


KERAS: dict[str, tuple[str, dict[str, Any]]] = {
    name: (name, {})
    for name in (
        "linear", "relu", "tanh", "sigmoid", "elu", "softsign", "softplus", "selu", "exponential", "silu",
        "hard_silu", "gelu", "relu6", "hard_tanh",
    )
} | {
    "hard_sigmoid": ("hard_sigmoid", {}), "leaky_relu": ("leaky_relu", {"negative_slope": 0.01}),
}  # fmt: skip


@pytest.mark.parametrize("name", KERAS)
def test_keras_has_the_same(name: str) -> None:
    os.environ.setdefault("KERAS_BACKEND", "numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        activations = pytest.importorskip("keras").activations
        theirs, options = KERAS[name]
        y = np.asarray(getattr(activations, theirs)(POINTS.astype("float32"), **options))
    f = function(name, *([1 / 6] if name == "hard_sigmoid" else []))
    assert_close(f.value(np, POINTS.astype("float32")), y, 2e-6)


def torch_functions(F: Any, torch: Any) -> dict[str, Callable[[Any], Any]]:
    return {
        "linear": lambda a: a * 1, "relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "elu": F.elu,
        "softsign": F.softsign, "softplus": F.softplus, "selu": F.selu, "exponential": torch.exp,
        "silu": F.silu, "hard_silu": F.hardswish, "gelu": F.gelu, "relu6": F.relu6, "hard_tanh": F.hardtanh,
        "leaky_relu": F.leaky_relu, "thresholded_relu": lambda a: F.threshold(a, 1, 0),
        "affine": lambda a: a * 1, "scaled_tanh": torch.tanh,
        "hard_sigmoid": lambda a: torch.clamp(0.2 * a + 0.5, 0, 1),
    }  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_pytorch_has_the_same_values_and_slopes(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch = pytest.importorskip("torch")
    a = torch.tensor(POINTS[1:], requires_grad=True)
    y = torch_functions(torch.nn.functional, torch)[name](a)
    y.sum().backward()
    f = function(name)
    ours = f.value(np, POINTS[1:])
    assert_close(ours, y.detach().numpy(), 1e-12)
    assert_close(1.0 * f.slope(np, POINTS[1:], ours), a.grad.numpy(), 1e-12)


# ---------------------------------------------------------------------- as layers take them


@pytest.mark.parametrize("given", ["gelu", ["leaky_relu", 0.3], ["affine", 2, 1], ("elu", 0.5), ["relu"]])
def test_layers_take_names_and_numbers(given: Any, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((3, 4))
    f = function(*([given] if isinstance(given, str) else given))
    plain = fr.Sequential([fr.Dense(5)], seed=1, dtype="float64").predict(x)
    for layers in ([fr.Dense(5, activation=given)], [fr.Dense(5), fr.Activation(given)]):
        model = fr.Sequential(layers, seed=1, dtype="float64")
        y = model.predict(x)
        assert_close(y, f.value(np, plain), 1e-14)
        json.dumps([layer.config() for layer in layers])
        model.save(tmp_path / "m")
        again = fr.load(tmp_path / "m")
        assert_close(again.predict(x), y, 0)
        assert again.layers[-1].config() == layers[-1].config()


def test_the_usual_numbers_are_not_said() -> None:
    assert fr.Dense(3, activation=["elu", 1]).activation == "elu"
    assert fr.Dense(3, activation=["elu", np.float32(0.5)]).activation == ["elu", 0.5]
    assert fr.Dense(3).activation == "linear"
    assert [str(function(*f)) for f in (("elu",), ("elu", 0.5), ("affine", 2))] == [
        "elu", "elu(0.5)", "affine(2.0,0.0)"
    ]  # fmt: skip
