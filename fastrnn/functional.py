"""The recurrences as functions, for people who embed.

Batch-first arrays, NumPy or (under the cupy backend) CuPy; float32 or float64, the same for every argument.

>>> import numpy as np, fastrnn as fr
>>> rng = np.random.default_rng(0)
>>> params = {"W_ih": rng.standard_normal((12, 2)), "W_hh": rng.standard_normal((12, 3)), "b": np.zeros(12)}
>>> y, (h, c), cache = fr.functional.lstm_forward(rng.standard_normal((4, 5, 2)), params, training=True)
>>> y.shape, h.shape
((4, 5, 3), (4, 3))
>>> dx, (dh, dc), dparams = fr.functional.lstm_backward(np.ones_like(y), cache)
>>> dx.shape, sorted(dparams)
((4, 5, 2), ['W_hh', 'W_ih', 'b'])
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .backends import Backend, Cache, get_backend
from .cells import GRU, LSTM, RNN_RELU, RNN_TANH, Cell
from .errors import check_array, sentence, unknown
from .packed import Layout, Packed, layout_of
from .threads import get_num_threads

Array = Any
Params = dict[str, Any]


@dataclass
class _Call:
    """What a backward call has to know of its forward call."""

    function: str
    backend: Backend
    cell: Cell
    params: Params
    layout: Layout
    place: Any  # int64 [N], where each row stands in the caller's arrays; None: where it is
    time_major: bool
    threads: int | None
    y_shape: tuple[int, ...]
    content: Any


def _check_params(owner: str, cell: Cell, params: Any) -> None:
    names = ("W_ih", "W_hh", "b_ih", "b_hh") if cell.name == "gru" else ("W_ih", "W_hh", "b")
    if not isinstance(params, dict) or set(params) != set(names):
        got = sorted(params) if isinstance(params, dict) else params
        raise ValueError(sentence(owner, "params", f"a dict with {', '.join(names)}", repr(got)))
    gates = len(cell.gates)
    W_hh = check_array(owner, 'params["W_hh"]', params["W_hh"], f"{gates}H, H", (None, None))
    H = W_hh.shape[1]
    check_array(owner, 'params["W_hh"]', W_hh, f"{gates}H, H", (gates * H, H))
    for name in names:
        axes, sizes = (f"{gates}H, I", (gates * H, None)) if name == "W_ih" else (f"{gates}H", (gates * H,))
        if name != "W_hh":
            check_array(owner, f'params["{name}"]', params[name], axes, sizes, W_hh.dtype)


def _forward(
    cell: Cell, function: str, x: Array, params: Params, state: Any, lengths: Any, mask: Any,
    reverse: bool, training: bool, time_major: bool, threads: int | None,
) -> Any:  # fmt: skip
    backend = get_backend()
    if lengths is None and mask is None and not reverse:
        found = _plain(cell, function, backend, x, params, state, training, time_major, threads)
        if found is not None:
            return found
    xp = backend.xp
    _check_params(function, cell, params)
    H, inputs = params["W_hh"].shape[1], params["W_ih"].shape[1]
    dtype = params["W_hh"].dtype
    axes = "T, B, I" if time_major else "B, T, I"
    advice = 'The last axis is the input size of params["W_ih"].'
    check_array(function, "x", x, axes, (None, None, inputs), dtype, advice)
    T, B = x.shape[:2] if time_major else x.shape[1::-1]
    layout = layout_of(function, B, T, lengths, mask)
    states = state if len(cell.states) > 1 else (state,)
    if state is None:
        states = tuple(xp.zeros((B, H), dtype) for _ in cell.states)
    elif not isinstance(states, (tuple, list)) or len(states) != len(cell.states):
        raise ValueError(sentence(function, "state", f"the tuple ({', '.join(cell.states)})", state))
    for name, s in zip(cell.states, states, strict=True):
        check_array(function, f"state {name}", s, "B, H", (B, H), dtype)
    order, back = xp.asarray(layout.order), xp.asarray(layout.inverse_order)
    s0 = tuple(s[order] for s in states)
    # Where each row stands in the caller's arrays, the rows of which kernels read and write themselves.
    place = layout.flat(time_major)
    place = xp.asarray(place[layout.reversal] if reverse else place)
    rows, y = x.reshape((B * T, inputs)), xp.zeros((B * T, H), dtype)
    if hasattr(backend.kernels.get(cell.name), "forward_at"):
        packed = Packed(xp.take(rows, place, axis=0) if training else rows, layout)
        sT, content = backend.run(
            cell, "forward_at", params, packed, s0, training, place, place, y, threads=threads
        )
    else:
        packed = Packed(xp.take(rows, place, axis=0), layout)
        y[place], sT, content = backend.run(
            cell, "forward", params, packed, s0, training, threads=threads
        )
    y = y.reshape((*x.shape[:2], H))
    sT = tuple(s[back] for s in sT)
    cache = None
    if training:
        call = _Call(function, backend, cell, params, layout, place, time_major, threads, y.shape, content)
        cache = Cache(call)
    return y, sT if len(cell.states) > 1 else sT[0], cache


def _plain(
    cell: Cell, function: str, backend: Backend, x: Array, params: Params, state: Any, training: bool,
    time_major: bool, threads: int | None,
) -> Any:  # fmt: skip
    """The short way, for arrays that a kernel takes as they lie; None where one is not like that."""
    plain = getattr(backend.kernels.get(cell.name), "plain", None)
    if plain is None:
        return None
    if threads is not None:
        get_num_threads(threads)  # raises where it is no number of threads
    if not training:
        return plain(x, params, state, time_major, time_major, False, threads, get_num_threads)
    rows = x
    if not time_major and getattr(x, "ndim", 0) == 3:
        rows = backend.xp.ascontiguousarray(x.swapaxes(0, 1))
    found = plain(rows, params, state, True, time_major, True, threads, get_num_threads)
    if found is None:
        return None
    y, sT, content = found
    T, B, inputs = rows.shape
    layout = Layout.plain(B, T)
    packed = Packed(rows.reshape(T * B, inputs), layout)
    place = None if time_major or B == 1 or T == 1 else layout.flat(False)
    content = (packed, content)
    call = _Call(function, backend, cell, params, layout, place, time_major, threads, y.shape, content)
    return y, sT, Cache(call)


def _backward(function: str, dy: Any, cache: Any, dstate: Any) -> Any:
    if not isinstance(cache, Cache) or not isinstance(cache.content, (_Call, type(None))):
        advice = f"Pass training=True to {function.replace('backward', 'forward')} to get one."
        raise ValueError(sentence(function, "cache", "the cache of a training forward", cache, advice))
    if cache.content is not None and cache.content.function.rsplit("_", 1)[0] != function.rsplit("_", 1)[0]:
        raise ValueError(f"{function}: the cache is one of {cache.content.function}.")
    call: _Call = cache.content if cache.content is not None else cache.take()
    xp, layout, cell = call.backend.xp, call.layout, call.cell
    H, dtype = call.params["W_hh"].shape[1], call.params["W_hh"].dtype
    if dy is None and dstate is None:
        raise ValueError(f"{function}: give dy, dstate or both.")
    if dy is not None:
        axes = "T, B, H" if call.time_major else "B, T, H"
        check_array(function, "dy", dy, axes, call.y_shape, dtype)
    grads = dstate if len(cell.states) > 1 or dstate is None else (dstate,)
    if grads is not None:
        if not isinstance(grads, (tuple, list)) or len(grads) != len(cell.states):
            names = ", ".join(f"d{s}" for s in cell.states)
            raise ValueError(sentence(function, "dstate", f"the tuple ({names})", dstate))
        for name, d in zip(cell.states, grads, strict=True):
            if d is not None:
                check_array(function, f"dstate d{name}", d, "B, H", (layout.B, H), dtype)
    cache.take()
    dsT = grads
    if grads is not None and not layout.is_plain:
        order = xp.asarray(layout.order)
        dsT = tuple(None if d is None else d[order] for d in grads)
    place, rows = call.place, None if dy is None else dy.reshape((layout.B * layout.span, H))
    if hasattr(call.backend.kernels.get(cell.name), "backward_at"):
        at = None if rows is None else place
        arguments: tuple[Any, ...] = ("backward_at", call.params, call.content, rows, at, dsT)
    else:
        rows = rows if rows is None or place is None else rows[place]
        arguments = "backward", call.params, call.content, rows, dsT
    dx_rows, ds0, dparams = call.backend.run(cell, *arguments, threads=call.threads)
    dx = dx_rows
    if place is not None:
        dx = xp.zeros((layout.B * layout.span, dx_rows.shape[1]), dtype)
        dx[place] = dx_rows
    leading = (layout.span, layout.B) if call.time_major else (layout.B, layout.span)
    dx = dx.reshape((*leading, dx_rows.shape[1]))
    if not layout.is_plain:
        back = xp.asarray(layout.inverse_order)
        ds0 = tuple(d[back] for d in ds0)
    return dx, ds0 if len(cell.states) > 1 else ds0[0], dparams


_FORWARD = """{title}

    Parameters
    ----------
    x : [B, T, I], [T, B, I] where time_major; never modified
    params : dict, {params}; `fastrnn.Weights` keeps their packed form from call to call
    state : {state}, each [B, H], or None for zeros
    lengths : int [B], 0 <= length <= T: row b has its steps at 0 .. lengths[b] - 1
    mask : bool [B, T], any pattern; a step that is False is skipped. Not together with lengths
    reverse : run from each row's last step to its first; y stays in input order
    training : keep what {name}_backward needs
    threads : threads to use; the result is the same for any number{extra}

    Returns
    -------
    y : [B, T, H], zero where a row has no step; owned by the caller
    state : {state} after each row's last step (in running order); the initial one for an empty row
    cache : for one call of {name}_backward; None unless training.  It refers to params, and to x
        where x needs no copy: do not change them in between.

    Raises
    ------
    ShapeError, DtypeError, ValueError : an argument is not as above
    """

_BACKWARD = """Gradients of a loss through one {name}_forward call.

    Parameters
    ----------
    dy : shape of y, or None where only dstate carries a gradient; ignored where a row has no step
    cache : from {name}_forward(..., training=True); used up
    dstate : gradients of the returned {state}, each [B, H] or None

    Returns
    -------
    dx : shape of x, zero where a row has no step
    dstate0 : gradients of the initial {state}
    dparams : dict, as params

    Raises
    ------
    ShapeError, DtypeError, ValueError : an argument is not as above
    RuntimeError : the cache was used already
    """


def rnn_forward(
    x: Array, params: Params, state: Any = None, *, lengths: Any = None, mask: Any = None,
    reverse: bool = False, training: bool = False, time_major: bool = False, threads: int | None = None,
    activation: str = "tanh",
) -> Any:  # fmt: skip
    cells = {"tanh": RNN_TANH, "relu": RNN_RELU}
    if not isinstance(activation, str) or activation not in cells:
        raise unknown("rnn_forward", "activation", activation, tuple(cells))
    return _forward(
        cells[activation], "rnn_forward", x, params, state, lengths, mask, reverse, training, time_major,
        threads,
    )  # fmt: skip


def rnn_backward(dy: Any, cache: Any, dstate: Any = None) -> Any:
    return _backward("rnn_backward", dy, cache, dstate)


def lstm_forward(
    x: Array, params: Params, state: Any = None, *, lengths: Any = None, mask: Any = None,
    reverse: bool = False, training: bool = False, time_major: bool = False, threads: int | None = None,
) -> Any:  # fmt: skip
    return _forward(
        LSTM,
        "lstm_forward",
        x,
        params,
        state,
        lengths,
        mask,
        reverse,
        training,
        time_major,
        threads,
    )


def lstm_backward(dy: Any, cache: Any, dstate: Any = None) -> Any:
    return _backward("lstm_backward", dy, cache, dstate)


def gru_forward(
    x: Array, params: Params, state: Any = None, *, lengths: Any = None, mask: Any = None,
    reverse: bool = False, training: bool = False, time_major: bool = False, threads: int | None = None,
) -> Any:  # fmt: skip
    return _forward(
        GRU, "gru_forward", x, params, state, lengths, mask, reverse, training, time_major, threads
    )


def gru_backward(dy: Any, cache: Any, dstate: Any = None) -> Any:
    return _backward("gru_backward", dy, cache, dstate)


for _name, _title, _params, _state, _extra in (
    ("rnn", "The vanilla recurrence over whole sequences (equations: `fastrnn.cells.rnn`).",
     "W_ih [H, I], W_hh [H, H], b [H]", "h", '\n    activation : "tanh" or "relu"'),
    ("lstm", "The LSTM over whole sequences (equations: `fastrnn.cells.lstm`).",
     "W_ih [4H, I], W_hh [4H, H], b [4H], gate order i f g o", "(h, c)", ""),
    ("gru", "The GRU over whole sequences, reset after (equations: `fastrnn.cells.gru`).",
     "W_ih [3H, I], W_hh [3H, H], b_ih [3H], b_hh [3H], gate order r z n", "h", ""),
):  # fmt: skip
    globals()[f"{_name}_forward"].__doc__ = _FORWARD.format(
        title=_title, params=_params, state=_state, name=_name, extra=_extra
    )
    globals()[f"{_name}_backward"].__doc__ = _BACKWARD.format(name=_name, state=_state)
del _name, _title, _params, _state, _extra

__all__ = [
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "rnn_backward",
    "rnn_forward",
]
