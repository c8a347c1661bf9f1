"""The functional door: shapes, time-major, memory order, and every sentence it can say."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from cases import (
    BACKENDS,
    NAMES,
    assert_close,
    assert_same_bits,
    call,
    call_back,
    holes,
    random_params,
    random_states,
)

import fastrnn as fr
from fastrnn import functional as F
from fastrnn.cells import CELLS

FUNCTIONS = ("rnn", "lstm", "gru")


def problem(name: str = "lstm", B: int = 4, T: int = 5, I: int = 3, H: int = 2) -> Any:
    cell, rng = CELLS[name], np.random.default_rng(0)
    x = rng.standard_normal((B, T, I))
    return x, random_params(cell, I, H, rng), random_states(cell, B, H, rng)


def says(text: str) -> str:
    """A pattern for exactly this text."""
    return f"^{re.escape(text)}$"


# ---------------------------------------------------------------------- what comes out


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str, dtype: Any) -> None:
    """Shapes, dtypes and types of everything, as the contract has them."""
    x, params, _ = problem(name)
    x, params = x.astype(dtype), {k: v.astype(dtype) for k, v in params.items()}
    kind, _, activation = name.partition("_")
    options: Any = {"activation": activation} if activation else {}
    y, state, cache = getattr(F, f"{kind}_forward")(x, params, **options)
    assert cache is None
    y, state, cache = getattr(F, f"{kind}_forward")(x, params, training=True, **options)
    dx, dstate, dparams = getattr(F, f"{kind}_backward")(y, cache)
    assert y.shape == (4, 5, 2) and dx.shape == x.shape
    if name == "lstm":
        assert isinstance(state, tuple) and isinstance(dstate, tuple)
        assert len(state) == len(dstate) == 2
    else:
        state, dstate = (state,), (dstate,)
    assert all(s.shape == (4, 2) for s in (*state, *dstate))
    assert {k: v.shape for k, v in dparams.items()} == {k: v.shape for k, v in params.items()}
    arrays = (y, dx, *state, *dstate, *dparams.values())
    assert all(isinstance(a, np.ndarray) and a.dtype == dtype for a in arrays)
    assert_same_bits(state[0], y[:, -1])


@pytest.mark.parametrize("name", NAMES)
def test_no_state_is_a_zero_state(name: str) -> None:
    x, params, s0 = problem(name)
    zeros = tuple(np.zeros_like(s) for s in s0)
    assert_same_bits(call(CELLS[name], x, params)[:2], call(CELLS[name], x, params, zeros)[:2])


def test_tanh_is_the_default_and_relu_is_something_else() -> None:
    x, params, _ = problem("rnn_tanh")
    y = F.rnn_forward(x, params)[0]
    assert_same_bits(y, F.rnn_forward(x, params, activation="tanh")[0])
    relu = F.rnn_forward(x, params, activation="relu")[0]
    assert relu.min() == 0 and relu.max() > 1


@pytest.mark.parametrize(
    "options",
    [{}, {"lengths": [3, 5, 0, 1]}, {"reverse": True}, {"mask": holes(5, 5)[1:]}],
)
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_time_major(name: str, backend: str, options: Any) -> None:
    """The same bits with the first two axes swapped."""
    cell, (x, params, s0) = CELLS[name], problem(name)
    dy = np.random.default_rng(1).standard_normal((4, 5, 2))
    with fr.use_backend(backend):
        y, sT, cache = call(cell, x, params, s0, training=True, **options)
        dx, *grads = call_back(cell, dy, cache, s0)
        turned, turned_sT, cache = call(
            cell, x.swapaxes(0, 1), params, s0, training=True, time_major=True, **options
        )
        turned_dx, *turned_grads = call_back(cell, dy.swapaxes(0, 1), cache, s0)
    assert turned.shape == turned_dx.shape[:2] + (2,) == (5, 4, 2)
    found = (turned.swapaxes(0, 1).copy(), turned_sT, turned_dx.swapaxes(0, 1).copy(), turned_grads)
    if backend == "cpu":
        assert_same_bits(found, (y, sT, dx, grads))
    assert_close(found, (y, sT, dx, grads), 1e-13)  # NumPy multiplies views by other routes


@pytest.mark.parametrize("lengths", [None, [3, 5, 0, 1]])
@pytest.mark.parametrize("name", NAMES)
def test_memory_order_does_not_matter(name: str, lengths: Any) -> None:
    """Fortran order, strides and negative strides mean what NumPy means by them."""
    cell, (x, params, s0) = CELLS[name], problem(name)
    dy = np.random.default_rng(1).standard_normal((4, 5, 2))

    def both(change: Any) -> Any:
        new = {k: change(v) for k, v in params.items()}
        states = tuple(change(s) for s in s0)
        y, sT, cache = call(cell, change(x), new, states, training=True, lengths=lengths)
        return y, sT, call_back(cell, change(dy), cache, states)

    def strided(a: np.ndarray) -> np.ndarray:
        return np.repeat(a, 2, axis=-1)[..., ::2]

    def backwards(a: np.ndarray) -> np.ndarray:
        return a[::-1].copy()[::-1]

    def read_only(a: np.ndarray) -> np.ndarray:
        a = a.copy()
        a.flags.writeable = False
        return a

    wanted = both(lambda a: a)
    for change in (np.asfortranarray, strided, backwards, read_only):
        assert_same_bits(both(change), wanted)


@pytest.mark.parametrize("name", NAMES)
def test_absent_gradients_are_zero_gradients(name: str) -> None:
    cell, (x, params, s0) = CELLS[name], problem(name)
    dy = np.random.default_rng(1).standard_normal((4, 5, 2))
    zeros = tuple(np.zeros_like(s) for s in s0)

    def back(dy: Any, dsT: Any) -> Any:
        return call_back(cell, dy, call(cell, x, params, s0, training=True)[2], dsT)

    assert_same_bits(back(dy, None), back(dy, zeros))
    assert_close(back(None, s0), back(np.zeros_like(dy), s0), 1e-15)
    if name == "lstm":
        assert_same_bits(back(dy, (None, s0[1])), back(dy, (zeros[0], s0[1])))
        assert_same_bits(back(None, (s0[0], None)), back(None, (s0[0], zeros[1])))


def test_lists_and_integers_as_lengths() -> None:
    x, params, _ = problem()
    wanted = F.lstm_forward(x, params, lengths=np.array([3, 5, 0, 1]))[:2]
    for lengths in ([3, 5, 0, 1], (3, 5, 0, 1), np.array([3, 5, 0, 1], np.uint8)):
        assert_same_bits(F.lstm_forward(x, params, lengths=lengths)[:2], wanted)
    mask = np.arange(5) < np.array([3, 5, 0, 1])[:, None]
    assert_same_bits(F.lstm_forward(x, params, mask=mask)[:2], wanted)


def test_the_backend_of_forward_is_that_of_backward() -> None:
    x, params, _ = problem()
    with fr.use_backend("reference"):
        y, _, cache = F.lstm_forward(x, params, training=True)
    wanted = F.lstm_backward(y, F.lstm_forward(x, params, training=True)[2])
    assert_close(F.lstm_backward(y, cache), wanted, 1e-12)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_every_function_is_documented(kind: str) -> None:
    for direction in ("forward", "backward"):
        text = getattr(F, f"{kind}_{direction}").__doc__
        assert "Parameters" in text and "Returns" in text and "{" not in text
    assert set(F.__all__) == {f"{k}_{d}" for k in FUNCTIONS for d in ("forward", "backward")}


# ---------------------------------------------------------------------- what is refused


def refuse(error: Any, text: str, function: Any, *args: Any, **options: Any) -> None:
    with pytest.raises(error, match=says(text)):
        function(*args, **options)


LAST_AXIS = 'The last axis is the input size of params["W_ih"].'


def test_x() -> None:
    x, params, _ = problem()
    wanted = "lstm_forward: x must be [B, T, I] = [*, *, 3] float64, got "
    for bad, got in ((x[..., :2], "[4, 5, 2]"), (x[0], "[5, 3]"), (x[None], "[1, 4, 5, 3]")):
        refuse(fr.ShapeError, f"{wanted}{got} float64. {LAST_AXIS}", F.lstm_forward, bad, params)
    refuse(
        fr.ShapeError,
        f"lstm_forward: x must be [T, B, I] = [*, *, 3] float64, got [5, 3] float64. {LAST_AXIS}",
        F.lstm_forward, x[0], params, time_major=True,
    )  # fmt: skip
    cast = "Convert it with x.astype('float64') if that is what you mean."
    for dtype in (np.float32, np.float16, np.int64, np.complex128, np.bool_):
        got = f"[4, 5, 3] {np.dtype(dtype)}. {cast}"
        refuse(fr.DtypeError, wanted + got, F.lstm_forward, x.astype(dtype), params)
    refuse(
        fr.DtypeError,
        f"lstm_forward: x must be an array [B, T, I] = [*, *, 3] float64, got [[[1.0]]]. {LAST_AXIS}",
        F.lstm_forward, [[[1.0]]], params,
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "gates"), [("rnn", 1), ("lstm", 4), ("gru", 3)])
def test_params(kind: str, gates: int) -> None:
    name = "rnn_tanh" if kind == "rnn" else kind
    x, params, _ = problem(name)
    forward, G = getattr(F, f"{kind}_forward"), f"{gates}H"
    biases = ["b_hh", "b_ih"] if kind == "gru" else ["b"]
    names = ", ".join(["W_ih", "W_hh", *sorted(biases, reverse=True)])
    wanted = f"{kind}_forward: params must be a dict with {names}, got "
    without = {k: v for k, v in params.items() if k != "W_hh"}
    refuse(ValueError, f"{wanted}{sorted(without)!r}.", forward, x, without)
    more = {**params, "c": x}
    refuse(ValueError, f"{wanted}{sorted(more)!r}.", forward, x, more)
    refuse(ValueError, f"{wanted}None.", forward, x, None)
    said = f'{kind}_forward: params["W_hh"] must be [{G}, H] = '
    bad = {**params, "W_hh": np.zeros((gates * 2 + 1, 2))}
    got = f"[{gates * 2 + 1}, 2] float64."
    refuse(fr.ShapeError, f"{said}[{gates * 2}, 2] float32 or float64, got {got}", forward, x, bad)
    bad = {**params, "W_hh": np.zeros((2, 2), np.int64)}
    text = f"{said}[*, *] float32 or float64, got [2, 2] int64. "
    cast = "Convert it with params[\"W_hh\"].astype('float32') if that is what you mean."
    refuse(fr.DtypeError, text + cast, forward, x, bad)
    for key, axes, sizes in (
        ("W_ih", f"[{G}, I]", f"[{gates * 2}, *]"),
        *((b, f"[{G}]", f"[{gates * 2}]") for b in biases),
    ):
        said = f'{kind}_forward: params["{key}"] must be {axes} = {sizes} float64, got '
        short = params[key][1:]
        got = f"{list(short.shape)} float64."
        refuse(fr.ShapeError, said + got, forward, x, {**params, key: short})
        single = params[key].astype(np.float32)
        cast = f"Convert it with params[\"{key}\"].astype('float64') if that is what you mean."
        got = f"{list(single.shape)} float32. {cast}"
        refuse(fr.DtypeError, said + got, forward, x, {**params, key: single})


def test_state() -> None:
    x, params, (h, c) = problem()
    said = "lstm_forward: state must be the tuple (h, c), got "
    refuse(ValueError, f"{said}[4, 2] float64.", F.lstm_forward, x, params, h)
    with pytest.raises(ValueError, match=r"^lstm_forward: state must be the tuple \(h, c\), got \("):
        F.lstm_forward(x, params, (h,))
    said = "lstm_forward: state c must be [B, H] = [4, 2] float64, got "
    refuse(fr.ShapeError, f"{said}[3, 2] float64.", F.lstm_forward, x, params, (h, c[1:]))
    cast = "Convert it with state c.astype('float64') if that is what you mean."
    refuse(
        fr.DtypeError, f"{said}[4, 2] float32. {cast}", F.lstm_forward, x, params,
        (h, c.astype(np.float32)),
    )  # fmt: skip
    x, params, (h,) = problem("gru")
    said = "gru_forward: state h must be [B, H] = [4, 2] float64, got "
    refuse(fr.ShapeError, f"{said}[4, 3] float64.", F.gru_forward, x, params, np.zeros((4, 3)))


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_lengths_and_mask(kind: str) -> None:
    x, params, _ = problem("rnn_tanh" if kind == "rnn" else kind)
    forward, me = getattr(F, f"{kind}_forward"), f"{kind}_forward"
    mask = np.ones((4, 5), np.bool_)
    refuse(
        ValueError, f"{me}: give lengths or mask, not both.", forward, x, params,
        lengths=[1, 2, 3, 4], mask=mask,
    )  # fmt: skip
    text = f"{me}: lengths must be between 0 and T = 5, got values from 0 to 6."
    refuse(ValueError, text, forward, x, params, lengths=[0, 6, 3, 1])
    text = f"{me}: lengths must be [B] = [4] integers, got [3] int64."
    refuse(fr.ShapeError, text, forward, x, params, lengths=[1, 2, 3])
    text = f"{me}: lengths must be integers [4], got [4] float64."
    refuse(fr.DtypeError, text, forward, x, params, lengths=np.ones(4))
    text = f"{me}: mask must be bool [B, T] = [4, 5], got [5, 4] bool."
    refuse(fr.ShapeError, text, forward, x, params, mask=mask.T)
    # time_major changes x and y, never the mask.
    forward(x.swapaxes(0, 1), params, mask=mask, time_major=True)


def test_activation() -> None:
    x, params, _ = problem("rnn_tanh")
    text = "rnn_forward: activation must be one of tanh, relu, got 'tan'. Did you mean 'tanh'?"
    refuse(ValueError, text, F.rnn_forward, x, params, activation="tan")
    text = "rnn_forward: activation must be one of tanh, relu, got 'gelu'."
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        F.rnn_forward(x, params, activation="gelu")


@pytest.mark.parametrize("threads", [0, -1, 1.5, True, "2"])
def test_threads(threads: Any) -> None:
    x, params, _ = problem()
    text = f"fastrnn: threads must be a whole number from 1 to 1024, got {threads!r}."
    refuse(ValueError, text, F.lstm_forward, x, params, threads=threads)


def test_cache() -> None:
    x, params, _ = problem()
    y, _, cache = F.lstm_forward(x, params, training=True)
    text = "lstm_backward: cache must be the cache of a training forward, got None. "
    advice = "Pass training=True to lstm_forward to get one."
    refuse(ValueError, text + advice, F.lstm_backward, y, None)
    refuse(ValueError, "gru_backward: the cache is one of lstm_forward.", F.gru_backward, y, cache)
    refuse(ValueError, "lstm_backward: give dy, dstate or both.", F.lstm_backward, None, cache)
    F.lstm_backward(y, cache)  # none of these has used it up
    used = "backward: this cache was used already. Run forward again for a new one."
    for function in (F.lstm_backward, F.gru_backward):
        refuse(RuntimeError, used, function, y, cache)


def test_dy_and_dstate() -> None:
    x, params, (h, c) = problem()
    y, _, cache = F.lstm_forward(x, params, training=True)
    said = "lstm_backward: dy must be [B, T, H] = [4, 5, 2] float64, got "
    refuse(fr.ShapeError, f"{said}[4, 5, 1] float64.", F.lstm_backward, y[..., :1], cache)
    cast = "Convert it with dy.astype('float64') if that is what you mean."
    single = y.astype(np.float32)
    refuse(fr.DtypeError, f"{said}[4, 5, 2] float32. {cast}", F.lstm_backward, single, cache)
    said = "lstm_backward: dstate must be the tuple (dh, dc), got "
    refuse(ValueError, f"{said}[4, 2] float64.", F.lstm_backward, y, cache, h)
    said = "lstm_backward: dstate dc must be [B, H] = [4, 2] float64, got "
    refuse(fr.ShapeError, f"{said}[3, 2] float64.", F.lstm_backward, y, cache, (h, c[1:]))
    F.lstm_backward(y, cache, (h, c))
    y, _, cache = F.lstm_forward(x.swapaxes(0, 1), params, training=True, time_major=True)
    text = "lstm_backward: dy must be [T, B, H] = [5, 4, 2] float64, got [4, 5, 2] float64."
    refuse(fr.ShapeError, text, F.lstm_backward, y.swapaxes(0, 1), cache)
