"""The checker is checked: it, or the battery, must reject every wrong gradient of the museum.

The museum holds mistakes found in admired code.  Each is a mutant of a real cell: a wrapper around its
functions, or a patch of one function it calls; and each names the law of test_cells.py that notices.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import test_cells as laws
from cases import NAMES, TRIED, as_functions
from gradcheck import GradientError, check_gradients

from fastrnn.cells import CELLS, cell
from fastrnn.cells.clip import Clipped
from fastrnn.cells.lstm import Form
from fastrnn.cells.lstm_coupled import Coupled
from fastrnn.cells.lstm_peephole import Peepholes
from fastrnn.cells.lstm_projected import Projection
from fastrnn.packed import Layout

ALL = "lstm with everything"
EVERY = (*NAMES, "gru_before", ALL)  # each time loop, and each feature
Patch = pytest.MonkeyPatch


# ---------------------------------------------------------------------- the checker alone


def cubic(factor: float = 1.0, scale: float = 1.0) -> Any:
    """sum of scale * a^3 * b, whose gradient is multiplied by `factor`."""

    def forward(inputs: Any) -> Any:
        return (scale * inputs["a"] ** 3 * inputs["b"],)

    def backward(inputs: Any, douts: Any) -> Any:
        a, b = inputs["a"], inputs["b"]
        da, db = 3 * scale * a**2 * b * douts[0], scale * a**3 * douts[0]
        return {"a": factor * da, "b": db}

    return forward, backward


def points() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {"a": rng.standard_normal((3, 4)), "b": rng.standard_normal((3, 4))}


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-200, 1e12])
def test_right_gradients_pass_at_any_scale(scale: float) -> None:
    errors = check_gradients(*cubic(scale=scale), points())
    assert set(errors) == {"a", "b"} and 0 < max(errors.values()) < 1e-9


@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e-200, 1e12])
@pytest.mark.parametrize("factor", [0, -1, 2, 0.5, 1 + 1e-6, 1 - 3e-7, np.nan, np.inf])
def test_wrong_gradients_fail_at_any_scale(scale: float, factor: float) -> None:
    """Zero, flipped, 100 % off, 0.00003 % off, NaN; a tiny gradient is no excuse."""
    with np.errstate(all="ignore"), pytest.raises(GradientError, match="a, direction 0"):
        check_gradients(*cubic(factor, scale), points())


def test_a_gradient_of_zero_must_be_declared_and_true() -> None:
    forward, backward = cubic(scale=0.0)
    with pytest.raises(GradientError, match="relative error inf"):
        check_gradients(forward, backward, points())
    check_gradients(forward, backward, points(), zero=("a", "b"))
    with pytest.raises(GradientError, match="both should be zero"):
        check_gradients(*cubic(factor=0), points(), zero=("a",))
    with pytest.raises(GradientError, match="both should be zero"):
        check_gradients(forward, cubic()[1], points(), zero=("a", "b"))


def test_no_verdict_is_no_pass() -> None:
    """Where rounding hides the derivative, even the true gradient does not pass."""

    def forward(inputs: Any) -> Any:
        return (1e12 + inputs["a"],)

    def backward(inputs: Any, douts: Any) -> Any:
        return {"a": douts[0]}

    with pytest.raises(GradientError):
        check_gradients(forward, backward, {"a": np.ones(3)}, weights=[np.array([1.0, 1.0, 1.0])])


@pytest.mark.parametrize(
    "wrong",
    [lambda g: g.astype(np.float32), lambda g: g[:1], lambda g: None, lambda g: g.ravel()],
)
def test_shape_and_dtype_are_part_of_it(wrong: Callable[[Any], Any]) -> None:
    forward, backward = cubic()

    def broken(inputs: Any, douts: Any) -> Any:
        return {**backward(inputs, douts), "b": wrong(backward(inputs, douts)["b"])}

    with pytest.raises(GradientError, match="b: a gradient like"):
        check_gradients(forward, broken, points())


def test_a_missing_gradient_fails() -> None:
    forward, backward = cubic()
    with pytest.raises(GradientError, match="gradients for"):
        check_gradients(forward, lambda i, d: {"a": backward(i, d)["a"]}, points())


def test_kinks_near_by_are_stepped_around() -> None:
    """relu with arguments close to zero: smaller steps find the derivative on the right side."""

    def forward(inputs: Any) -> Any:
        return (np.maximum(inputs["a"], 0),)

    def backward(inputs: Any, douts: Any) -> Any:
        return {"a": douts[0] * (inputs["a"] > 0)}

    check_gradients(forward, backward, {"a": np.array([1e-3, -2e-3, 0.5, -0.5])})


def test_steps_that_leave_the_domain_are_passed_over() -> None:
    def forward(inputs: Any) -> Any:
        return (np.log(inputs["a"]),)

    def backward(inputs: Any, douts: Any) -> Any:
        return {"a": douts[0] / inputs["a"]}

    check_gradients(forward, backward, {"a": np.array([0.01, 0.2, 3.0])})


# ---------------------------------------------------------------------- the museum


def wrap_backward(change: Callable[..., Any]) -> Callable[[Patch, Any], Any]:
    """A mutant whose backward returns change(params, dx, ds0, dparams)."""

    def make(patch: Patch, real: Any) -> Any:
        def backward(xp: Any, params: Any, cache: Any, dy: Any, dsT: Any) -> Any:
            return change(params, *real.backward(xp, params, cache, dy, dsT))

        return replace(real, backward=backward)

    return make


def patched(name: str, make: Callable[[Any], Any]) -> Callable[[Patch, Any], Any]:
    """A mutant in whose module the function `name` is make(the real one)."""

    def mutate(patch: Patch, real: Any) -> Any:
        patch.setattr(sys.modules[real.backward.func.__module__], name, make(getattr(cell, name)))
        return real

    return mutate


def first_step_dropped(real: Callable[..., Any]) -> Callable[..., Any]:
    def collect_input(xp: Any, x: Any, W_ih: Any, dgates: Any) -> Any:
        kept = dgates * (x.layout.step > 0)[:, None]
        return real(xp, x, W_ih, kept)

    return collect_input


def reads_after(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda xp, h, layout, h_mask: h[layout.B :]  # y[t] for y[t-1]


def start_reads(rows: Callable[[Any, Any, int], Any]) -> Callable[..., Any]:
    """The recurrent weights' gradient reads something else before the first step."""

    def make(real: Callable[..., Any]) -> Callable[..., Any]:
        def recurrent_input(xp: Any, h: Any, layout: Any, h_mask: Any) -> Any:
            read = real(xp, h, layout, h_mask)
            n = int(layout.steps[0]) if layout.T else 0
            read[:n] = rows(h, layout, n)
            return read

        return recurrent_input

    return make


def unzeroed_workspace(real: Callable[..., Any]) -> Callable[..., Any]:
    def collect_input(xp: Any, x: Any, W_ih: Any, dgates: Any) -> Any:
        dx, dW_ih = real(xp, x, W_ih, dgates)
        workspace = np.empty_like(dW_ih)
        if not np.isnan(workspace).all():  # what a fresh page holds, most of the time
            workspace[:] = 0
        return dx, workspace + dW_ih

    return collect_input


def ignores_mask(directions: tuple[str, ...]) -> Callable[[Patch, Any], Any]:
    def make(patch: Patch, real: Any) -> Any:
        def forward(xp: Any, params: Any, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
            seen = None if "forward" in directions else h_mask
            return real.forward(xp, params, x, s0, training, seen)

        def backward(xp: Any, params: Any, cache: Any, dy: Any, dsT: Any) -> Any:
            seen = None if "backward" in directions else cache[-1]
            return real.backward(xp, params, (*cache[:-1], seen), dy, dsT)

        return replace(real, forward=forward, backward=backward)

    return make


def states_swapped(real: Any, forwards: bool, backwards: bool) -> Any:
    def forward(xp: Any, params: Any, x: Any, s0: Any, training: bool, h_mask: Any = None) -> Any:
        return real.forward(xp, params, x, s0[::-1] if forwards else s0, training, h_mask)

    def backward(*args: Any) -> Any:
        dx, ds0, dparams = real.backward(*args)
        return dx, ds0[::-1] if backwards else ds0, dparams

    return replace(real, forward=forward, backward=backward)


def gates_swapped(patch: Patch, real: Any) -> Any:
    """The first two gates stand for each other, forwards and backwards alike."""

    def swap(params: Any) -> Any:
        out = {}
        for k, v in params.items():
            blocks = np.split(v, len(real.gates))
            out[k] = np.concatenate([blocks[1], blocks[0], *blocks[2:]])
        return out

    def forward(xp: Any, params: Any, *rest: Any) -> Any:
        return real.forward(xp, swap(params), *rest)

    def backward(xp: Any, params: Any, *rest: Any) -> Any:
        dx, ds0, dparams = real.backward(xp, swap(params), *rest)
        return dx, ds0, swap(dparams)

    return replace(real, forward=forward, backward=backward)


def scaled(what: str, factor: float) -> Callable[[Patch, Any], Any]:
    """One gradient multiplied by a factor: 0, -1, 2, or nearly 1."""

    def change(params: Any, dx: Any, ds0: Any, dparams: Any) -> Any:
        if what == "x":
            return factor * dx, ds0, dparams
        if what == "state":
            return dx, (*ds0[:-1], factor * ds0[-1]), dparams
        return dx, ds0, {**dparams, what: factor * dparams[what]}

    return wrap_backward(change)


def part(owner: type, name: str, make: Callable[[Any], Any]) -> Callable[[Patch, Any], Any]:
    """A mutant with another method in a part of its form: make(the real one)."""

    def mutate(patch: Patch, real: Any) -> Any:
        patch.setattr(owner, name, make(getattr(owner, name)))
        return real

    return mutate


def weights_alone(real: Any) -> Any:
    """dp is right, but nothing goes back to the memory."""

    def back(self: Any, *args: Any) -> Any:
        return 0 * real(self, *args)

    return back


def at_the_output_alone(real: Any) -> Any:
    """i and f hand nothing back to the memory before them."""
    return lambda self, params, grads, da, letters, c: real(self, params, grads, da, letters, c) * (
        letters == "o"
    )


def looks_late(real: Any) -> Any:
    """dp is summed over the memory that follows the row's own: the next row's, where there is one."""

    def back(self: Any, params: Any, grads: Any, da: Any, letters: str, c: Any) -> Any:
        return real(self, params, grads, da, letters, np.roll(c, 1, axis=0))

    return back


def old_memory_at_the_output(real: Any) -> Any:
    """o looks at c before the step, forwards; for a wrong textbook."""

    def forward(self: Any, xp: Any, a: Any, gate: Any, letters: str) -> Any:
        return real(self, xp, a, gate, "ifgo" if letters == "ifg" else "")

    return forward


def adds(real: Any) -> Any:
    """f = 1 - i, as if it were f = 1 + i."""

    def back(self: Any, d: Any) -> None:
        d["i"] += d.pop("f")

    return back


def forgets_forget(real: Any) -> Any:
    """What goes through f = 1 - i is dropped."""

    def back(self: Any, d: Any) -> None:
        del d["f"]

    return back


def from_weights(params: Any, dx: Any, ds0: Any, dparams: Any) -> Any:
    return dx, ds0, {k: d + params[k] for k, d in dparams.items()}


def nothing(params: Any, dx: Any, ds0: Any, dparams: Any) -> Any:
    zeros = {k: np.zeros_like(d) for k, d in dparams.items()}
    return np.zeros_like(dx), tuple(np.zeros_like(d) for d in ds0), zeros


Exhibit = tuple[str, Callable[[Patch, Any], Any], tuple[str, ...], Callable[..., None]]
MUSEUM: tuple[Exhibit, ...] = (
    ("starts from the weights", wrap_backward(from_weights), EVERY, laws.gradients_one_step),
    ("all zero", wrap_backward(nothing), EVERY, laws.gradients_one_step),
    ("first step dropped", patched("collect_input", first_step_dropped), EVERY,
     laws.gradients_one_step),
    ("first step dropped", patched("collect_input", first_step_dropped), EVERY, laws.gradients),
    ("y[t] for y[t-1]", patched("recurrent_input", reads_after), EVERY, laws.gradients),
    ("y[t] for y[t-1]", patched("recurrent_input", reads_after), EVERY, laws.gradients_last_step),
    ("h, c swapped forwards", lambda _, c: states_swapped(c, True, False), ("lstm",),
     laws.gradients),
    ("h, c swapped backwards", lambda _, c: states_swapped(c, False, True), ("lstm",),
     laws.gradients_final_state),
    ("h, c swapped consistently", lambda _, c: states_swapped(c, True, True), ("lstm",),
     laws.textbook),
    ("wrong slice at the start",
     patched("recurrent_input", start_reads(lambda h, layout, n: h[len(h) - n :])),
     EVERY, laws.gradients_one_step),
    ("right only from zero",
     patched("recurrent_input", start_reads(lambda h, layout, n: 0 * h[:n])),
     EVERY, laws.gradients_one_step),
    ("unzeroed workspace", patched("collect_input", unzeroed_workspace), EVERY, laws.poisoned),
    ("swapped gates", gates_swapped, ("lstm", "gru"), laws.textbook),
    ("no gradient through the peepholes", part(Peepholes, "back", weights_alone),
     ("lstm_peephole", ALL), laws.gradients),
    ("only the output looks", part(Peepholes, "back", at_the_output_alone),
     ("lstm_peephole", ALL), laws.gradients),
    ("peepholes look at another row", part(Peepholes, "back", looks_late),
     ("lstm_peephole", ALL), laws.gradients_one_step),
    ("the output looks too early", part(Form, "open", old_memory_at_the_output),
     ("lstm_peephole", ALL), laws.textbook),
    ("coupled with the wrong sign", part(Coupled, "back", adds), ("lstm_coupled", ALL),
     laws.gradients_one_step),
    ("coupling dropped", part(Coupled, "back", forgets_forget), ("lstm_coupled", ALL),
     laws.gradients_one_step),
    ("projection not learnt", part(Projection, "collect", lambda real: lambda *args: None),
     ("lstm_projected", ALL), laws.gradients_one_step),
    ("projection twice", part(Projection, "back", lambda real: lambda *args: 2 * real(*args)),
     ("lstm_projected", ALL), laws.gradients_one_step),
    ("clip ignored backwards",
     part(Clipped, "slope", lambda real: lambda self, xp, a, y: self.function.slope(xp, a, y)),
     ("rnn[leaky_relu,clip]", "gru[softsign,silu,clip]", ALL), laws.gradients),
    ("clip ignored",
     part(Clipped, "value", lambda real: lambda self, xp, a: self.function.value(xp, a)),
     ("rnn[leaky_relu,clip]", "gru[softsign,silu,clip]", ALL), laws.textbook),
    ("mask ignored", ignores_mask(("forward", "backward")), EVERY, laws.textbook),
    ("mask ignored backwards", ignores_mask(("backward",)), EVERY,
     laws.gradients_recurrent_dropout),
)  # fmt: skip


@pytest.mark.parametrize(
    ("mutate", "name", "law"),
    [pytest.param(m, n, law, id=f"{title}-{n}") for title, m, names, law in MUSEUM for n in names],
)
def test_museum(mutate: Any, name: str, law: Any, monkeypatch: Patch) -> None:
    """The real cell obeys the law, the mutant is caught by it."""
    real = TRIED[name].cell
    law(real, "reference")
    mutant = mutate(monkeypatch, real)
    with pytest.raises(AssertionError):
        law(mutant, "reference")


@pytest.mark.parametrize("factor", [0, -1, 2, 1 + 1e-6])
@pytest.mark.parametrize("name", EVERY)
def test_every_gradient_is_looked_at(name: str, factor: float) -> None:
    """Nothing, a flipped sign, 100 % and 0.0001 % too much, in one gradient at a time."""
    real, layout = TRIED[name].cell, Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6)
    inputs = laws.inputs_of(real, layout)
    for what in ("x", "state", *(set(inputs) - {"x", *real.states})):
        mutant = scaled(what, factor)(pytest.MonkeyPatch(), real)
        where = real.states[-1] if what == "state" else what
        with pytest.raises(GradientError, match=f"^{where}, direction"):
            check_gradients(*as_functions(mutant, layout), inputs)


@pytest.mark.parametrize("name", ("lstm", "gru"))
def test_constant_weights_cannot_see_swapped_gates(name: str, monkeypatch: Patch) -> None:
    """Why the cases are random: with one number everywhere the textbook agrees with the mutant."""
    mutant = gates_swapped(monkeypatch, CELLS[name])
    laws.textbook(mutant, "reference", constant=True)
    with pytest.raises(AssertionError):
        laws.textbook(mutant, "reference")


def test_a_zero_state_hides_what_a_non_zero_one_shows(monkeypatch: Patch) -> None:
    """Why the cases start from non-zero states."""
    layout = Layout.plain(3, 2)
    patched("recurrent_input", start_reads(lambda h, layout, n: 0 * h[:n]))(
        monkeypatch, CELLS["lstm"]
    )
    inputs = laws.inputs_of(CELLS["lstm"], layout)
    functions = as_functions(CELLS["lstm"], layout)
    check_gradients(*functions, {**inputs, "h": 0 * inputs["h"]})
    with pytest.raises(GradientError, match="W_hh"):
        check_gradients(*functions, inputs)


@pytest.mark.parametrize("name", EVERY)
def test_reversal_off_by_one_is_caught(name: str, monkeypatch: Patch) -> None:
    """Running backwards from the longest row's last step, not from each row's own."""

    def wrong(layout: Layout) -> np.ndarray:
        turned = (layout.T - 1 - layout.step) % layout.lengths[layout.sequence]
        return layout.offsets[turned] + layout.sequence

    monkeypatch.setattr(Layout, "reversal", property(wrong))
    with pytest.raises(AssertionError):
        laws.reverse(TRIED[name].cell, "reference")
