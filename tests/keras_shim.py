"""Keras' own tests, run on this library: their functions are read from the installed wheel as text.

`layers.LSTM(3, kernel_initializer=initializers.Constant(0.01), ...)` of a test becomes a `.keras` file,
written here with h5py as Keras writes it, and read by `from_keras`; a call of the layer becomes `predict`.
So the expected arrays are compared where they stand, and Keras is not imported.
"""

from __future__ import annotations

import ast
import importlib.util
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from hostile_keras import write_keras

from fastrnn.interop import from_keras

GATES = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
FILES = ("simple_rnn", "lstm", "gru", "bidirectional", "time_distributed", "stacked_rnn_cells")
TESTS = (
    "test_correctness", "test_statefulness", "test_pass_initial_state", "test_pass_return_state",
    "test_masking", "test_return_state", "test_stacked_lstm_cell_mask",
)  # fmt: skip


def wheel() -> Path | None:
    """Where Keras' recurrent layers are installed."""
    spec = importlib.util.find_spec("keras")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "src" / "layers" / "rnn"


def functions() -> list[tuple[str, str, ast.FunctionDef]]:
    """(file, name, function) of the tests that hold arrays and layers of Keras alone."""
    folder, found = wheel(), []
    for stem in FILES:
        path = None if folder is None else folder / f"{stem}_test.py"
        if path is None or not path.exists():
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            whole = isinstance(node, ast.FunctionDef) and node.name in TESTS
            # A layer that the test writes for itself is no layer of Keras.
            if whole and not any(isinstance(one, ast.ClassDef) for one in ast.walk(node)):
                found.append((stem, node.name, node))
    return found


def run(function: ast.FunctionDef) -> int:
    """Run one of them; gives how many arrays it compared."""
    function = ast.FunctionDef(**{**dict(ast.iter_fields(function)), "decorator_list": []})
    module = ast.fix_missing_locations(ast.Module([function], type_ignores=[]))
    space: dict[str, Any] = {
        "np": np,
        "layers": LAYERS,
        "initializers": SimpleNamespace(Constant=lambda v: v),
    }
    exec(compile(module, "keras", "exec"), space)
    test = _Case()
    space[function.name](test, *([2] if len(function.args.args) > 1 else []))
    return test.compared


class _Case:
    compared = 0

    def assertAllClose(self, found: Any, wanted: Any, atol: float = 1e-5, **_: Any) -> None:
        np.testing.assert_allclose(found, wanted, atol=max(atol, 1e-5), rtol=1e-5)
        self.compared += 1


class _Layer:
    def __init__(self, kind: str, *args: Any, **options: Any) -> None:
        first = (
            "layer" if kind in ("Bidirectional", "TimeDistributed") else "cell" if kind == "RNN" else "units"
        )
        self.kind, self.options = kind, {**dict(zip((first,), args, strict=False)), **options}
        self.model: Any = None
        # Here both directions are not stateful together; their states are given back and in instead.
        self.keeps = kind == "Bidirectional" and self.option("stateful")
        self.state: Any = None

    def option(self, name: str, usual: Any = None) -> Any:
        inner = self.options.get("layer")
        return self.options.get(name, inner.option(name, usual) if inner else usual)

    def describe(self, width: int, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray], int]:
        """(description, arrays by their places, width of the output)."""
        kept = {k: v for k, v in self.options.items() if k not in ("layer", "backward_layer", "cell")}
        config: dict[str, Any] = {"name": name, **{k: v for k, v in kept.items() if "initializer" not in k}}
        arrays: dict[str, np.ndarray] = {}
        if self.kind == "Bidirectional":
            one = self.options["layer"]
            back = self.options.get("backward_layer") or _Layer(one.kind, **one.options)
            back.options["go_backwards"] = True
            for side, layer in (("forward", one), ("backward", back)):
                described, own, out = layer.describe(width, f"{side}_layer")
                config["layer" if side == "forward" else "backward_layer"] = described
                arrays |= {f"{side}_layer/{k}": v for k, v in own.items()}
            config.setdefault("merge_mode", "concat")
            config["merge_mode"] = config["merge_mode"] or "concat"
            width = out * (2 if config["merge_mode"] == "concat" else 1)
        elif self.kind == "TimeDistributed":
            config["layer"], own, width = self.options["layer"].describe(width, "inner")
            arrays = {f"layer/{k}": v for k, v in own.items()}
        elif self.kind == "RNN":
            cells = []
            for k, cell in enumerate(self.options["cell"]):
                described, own, width = cell.describe(width, f"cell_{k}")
                cells.append({**described, "class_name": "LSTMCell"})
                place = "cell/cells/lstm_cell" + (f"_{k}" if k else "")
                arrays |= {f"{place}/{name.removeprefix('cell/')}": array for name, array in own.items()}
            inner = {"name": "stack", "cells": cells}
            config["cell"] = {"module": "keras.layers", "class_name": "StackedRNNCells", "config": inner}
        else:
            arrays, width = self._arrays(config, width)
        return {"module": "keras.layers", "class_name": self.kind, "config": config}, arrays, width

    def _arrays(self, config: dict[str, Any], width: int) -> tuple[dict[str, np.ndarray], int]:
        """Of one kernel, or of a recurrence; the options that Keras writes are added to `config`."""

        def full(name: str, *shape: int) -> np.ndarray:
            value = self.options.get(f"{name}_initializer", 0.0)
            return np.full(shape, 1.0 if value == "ones" else value, "float32")

        H, use_bias = config["units"], config.setdefault("use_bias", True)
        config.setdefault("activation", "linear" if self.kind == "Dense" else "tanh")
        if self.kind == "Dense":
            return {"vars/0": full("kernel", width, H)} | ({"vars/1": full("bias", H)} if use_bias else {}), H
        G, bias = GATES[self.kind] * H, full("bias", GATES[self.kind] * H)
        if self.kind != "SimpleRNN":
            config.setdefault("recurrent_activation", "sigmoid")
        if self.kind == "GRU" and config.setdefault("reset_after", True):
            bias = np.stack([bias, bias])
        if self.kind == "LSTM" and config.get("unit_forget_bias", True):
            bias[H : 2 * H] = 1
        arrays = {"cell/vars/0": full("kernel", width, G), "cell/vars/1": full("recurrent", H, G)}
        return arrays | ({"cell/vars/2": bias} if use_bias else {}), H

    def __call__(self, x: np.ndarray, mask: Any = None, initial_state: Any = None) -> Any:
        x = x.astype("float32")
        both = self.kind == "Bidirectional"
        if self.model is None:
            self.model = self._make(x)
        state = tuple(initial_state) if isinstance(initial_state, list) else initial_state
        y = self.model.predict(x, mask=mask, initial_state=self.state if self.keeps else state)
        if self.keeps:
            y, *self.state = y
        if (
            both and self.options.get("merge_mode", "concat") is None
        ):  # two outputs there, one beside the other here
            return np.split(y, 2, axis=-1)
        carries = (
            mask is not None and self.option("return_sequences") and not self.option("zero_output_for_mask")
        )
        return _carried(y, mask) if carries else y

    def _make(self, x: np.ndarray) -> Any:
        if self.keeps:
            inner = self.options["layer"]
            inner.options |= {"stateful": False, "return_state": True}
        described, arrays, _ = self.describe(x.shape[2], "tested")
        with tempfile.TemporaryDirectory() as folder:
            path = write_keras(Path(folder) / "m.keras", [described], [arrays], [None, None, x.shape[2]])
            return from_keras(path)

    def reset_state(self) -> None:
        self.model.reset_states()
        self.state = None


def _carried(y: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """y with the output of the last step at masked steps, as Keras gives it."""
    y = y.copy()
    for b, t in zip(*np.nonzero(~mask), strict=True):
        y[b, t] = y[b, t - 1] if t else 0
    return y


LAYERS = SimpleNamespace(
    **{
        kind: (lambda *args, _kind=kind, **options: _Layer(_kind, *args, **options))
        for kind in (*GATES, "Bidirectional", "TimeDistributed", "Dense", "RNN")
    },
    LSTMCell=lambda **options: _Layer("LSTM", **options),
)
