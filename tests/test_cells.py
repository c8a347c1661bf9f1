"""One battery for every cell, on the array code and on the kernels.

A *law* takes (cell, backend name) and raises AssertionError where it does not hold.  Laws of `run` call
`Backend.run`, laws of the door call `fr.functional`.  test_gradcheck.py breaks cells on purpose and
expects these laws to notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import (
    BACKENDS,
    NAMES,
    SIZES,
    TRIED,
    as_functions,
    assert_close,
    assert_same_bits,
    call,
    call_back,
    flat,
    holes,
    layouts,
    packed_problem,
    ragged,
    random_params,
    random_states,
)
from gradcheck import check_gradients

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.cells import CELLS
from fastrnn.kernels import _doors, _panels, _passes
from fastrnn.packed import Layout, Packed

Law = Callable[[Any, str], None]


def inputs_of(cell: Any, layout: Layout, inputs: int = 3, units: int = 4) -> dict[str, Any]:
    params, x, s0 = packed_problem(cell, layout, inputs, units)
    return {"x": x.rows, **dict(zip(cell.states, s0, strict=True)), **params}


def dead(cell: Any, layout: Layout) -> tuple[str, ...]:
    """What the loss does not depend on: a batch without rows only passes its states on."""
    return () if layout.N else tuple(k for k in inputs_of(cell, layout) if k not in cell.states)


def width(cell: Any, units: int = 4) -> int:
    """The size of the output."""
    return int(cell.widths(units)[0])


def recurrent_mask(cell: Any, layout: Layout, units: int = 4) -> np.ndarray:
    """A dropout mask [B, width] of the recurrent product, scaled."""
    return 1.5 * (np.random.default_rng(3).random((layout.B, width(cell, units))) < 0.7)


# ---------------------------------------------------------------------- laws of run: gradients


def gradients(cell: Any, backend: str) -> None:
    """dy everywhere and gradients of every final state."""
    for layout in layouts().values():
        check_gradients(
            *as_functions(cell, layout, backend), inputs_of(cell, layout), zero=dead(cell, layout)
        )


def gradients_one_step(cell: Any, backend: str) -> None:
    """T = 1, dy alone."""
    layout, rng = Layout.plain(3, 1), np.random.default_rng(1)
    weights = [rng.standard_normal((3, width(cell))), *[None for _ in cell.states]]
    check_gradients(*as_functions(cell, layout, backend), inputs_of(cell, layout), weights=weights)


def gradients_last_step(cell: Any, backend: str) -> None:
    """dy at each sequence's last step alone."""
    layout, rng = Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6), np.random.default_rng(1)
    last = layout.step == layout.lengths[layout.sequence] - 1
    weights = [rng.standard_normal((layout.N, width(cell))) * last[:, None], *[None for _ in cell.states]]
    check_gradients(*as_functions(cell, layout, backend), inputs_of(cell, layout), weights=weights)


def gradients_final_state(cell: Any, backend: str) -> None:
    """One final state alone; dy is None."""
    layout, rng = Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6), np.random.default_rng(1)
    for k in range(len(cell.states)):
        weights: list[Any] = [None] * (1 + len(cell.states))
        weights[1 + k] = rng.standard_normal((5, cell.widths(4)[k]))
        check_gradients(
            *as_functions(cell, layout, backend), inputs_of(cell, layout), weights=weights
        )


def gradients_recurrent_dropout(cell: Any, backend: str) -> None:
    """The state is masked on its way into the recurrent product."""
    for layout in (Layout.plain(5, 3), Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6)):
        functions = as_functions(cell, layout, backend, recurrent_mask(cell, layout))
        check_gradients(*functions, inputs_of(cell, layout))


# ---------------------------------------------------------------------- laws of run: values


def one_step(tried: Any, p: Any, x: Any, state: Any, m: Any) -> Any:
    """One step of one sequence, straight from the textbook; vectors only."""
    f, g, out = tried.f, tried.g, tried.h
    gates, h = tried.cell.gates, state[0]
    W, U = np.split(p["W_ih"], len(gates)), np.split(p["W_hh"], len(gates))
    b = np.split(p["b_ih" if "b_ih" in p else "b"], len(gates))
    if gates == "rzn":
        own = np.split(p["b_hh"], 3) if "b_hh" in p else [0, 0, 0]
        r, z = (f(W[k] @ x + b[k] + U[k] @ (m * h) + own[k]) for k in (0, 1))
        recurrent = r * (U[2] @ (m * h) + own[2]) if "b_hh" in p else U[2] @ (r * (m * h))
        return ((1 - z) * g(W[2] @ x + b[2] + recurrent) + z * h,)
    a = {k: W[n] @ x + U[n] @ (m * h) + b[n] for n, k in enumerate(gates)}
    if gates == "a":
        return (g(a["a"]),)
    before = state[1]
    looks = gates.replace("g", "")
    see = dict(zip(looks, np.split(p["p"], len(looks)), strict=True)) if "p" in p else dict.fromkeys(looks, 0)
    i = f(a["i"] + see["i"] * before)
    forget = f(a["f"] + see["f"] * before) if "f" in gates else 1 - i
    c = forget * before + i * g(a["g"])
    shown = f(a["o"] + see["o"] * c) * out(c)
    return (p["W_hr"] @ shown if "W_hr" in p else shown), c


def textbook(cell: Any, backend: str, constant: bool = False) -> None:
    """Outputs and states equal the textbook's, sequence by sequence, with and without dropout."""
    (tried,) = (t for t in TRIED.values() if (t.cell.name, t.cell.output) == (cell.name, cell.output))
    for layout in layouts().values():
        params, x, s0 = packed_problem(cell, layout, 3, 4)
        if constant:  # what some test suites do: see the museum
            params = {k: np.full_like(v, 0.3) for k, v in params.items()}
        for mask in (None, recurrent_mask(cell, layout)):
            run = get_backend(backend).run
            y, sT, _ = run(cell, "forward", params, x, s0, False, mask)
            wanted = np.full_like(y, np.nan)
            ends = [np.full_like(s, np.nan) for s in s0]
            for j in range(layout.B):
                state = tuple(s[j] for s in s0)
                for n in np.flatnonzero(layout.sequence == j):
                    state = one_step(tried, params, x.rows[n], state, 1 if mask is None else mask[j])
                    wanted[n] = state[0]
                for end, s in zip(ends, state, strict=True):
                    end[j] = s
            assert_close((y, sT), (wanted, ends), 1e-12)


def everything(cell: Any, backend: str, layout: Layout, mask: Any, dtype: Any = np.float64) -> Any:
    """(outputs, gradients) of one training call, copied."""
    params, x, s0 = packed_problem(cell, layout, 3, 4, dtype)
    rng, run = np.random.default_rng(5), get_backend(backend).run
    y, sT, cache = run(cell, "forward", params, x, s0, True, mask)
    out = [a.copy() for a in flat((y, sT))]
    dy = rng.standard_normal(y.shape).astype(dtype)
    dsT = tuple(rng.standard_normal(s.shape).astype(dtype) for s in s0)
    return out, run(cell, "backward", params, cache, dy, dsT)


def poisoned(cell: Any, backend: str) -> None:
    """Nothing reads memory that it did not write: numpy.empty full of NaN changes no bit."""
    for layout in layouts().values():
        for dtype in (np.float32, np.float64):
            for mask in (None, recurrent_mask(cell, layout).astype(dtype)):
                wanted = everything(cell, backend, layout, mask, dtype)
                with pytest.MonkeyPatch.context() as patch:
                    poison(patch)
                    for module in (_doors, _panels, _passes):
                        patch.setattr(module, "borrow", np.empty)
                    assert_same_bits(everything(cell, backend, layout, mask, dtype), wanted)


def poison(patch: pytest.MonkeyPatch) -> None:
    """numpy.empty and empty_like hand out NaN (the largest value, for integers)."""
    empty, empty_like = np.empty, np.empty_like

    def fill(array: Any) -> Any:
        array.fill(np.nan if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
        return array

    patch.setattr(np, "empty", lambda *a, **k: fill(empty(*a, **k)))
    patch.setattr(np, "empty_like", lambda *a, **k: fill(empty_like(*a, **k)))


def inputs_unchanged(cell: Any, backend: str) -> None:
    """No argument of forward or backward changes by a byte; a second call gives the same bits."""
    for layout in (Layout.plain(5, 3), Layout.from_lengths(np.array([3, 6, 1, 0, 5]), 6)):
        params, x, s0 = packed_problem(cell, layout, 3, 4)
        rng, run, mask = np.random.default_rng(5), get_backend(backend).run, recurrent_mask(cell, layout)
        dy = rng.standard_normal((layout.N, width(cell)))
        dsT = tuple(rng.standard_normal(s.shape) for s in s0)
        given = (params, x.rows, s0, mask, dy, dsT, layout.steps, layout.order)
        before = [a.tobytes() for a in flat(given)]
        results = []
        for _ in range(2):
            y, sT, cache = run(cell, "forward", params, x, s0, True, mask)
            results.append((y, sT, run(cell, "backward", params, cache, dy, dsT)))
        assert [a.tobytes() for a in flat(given)] == before
        assert_same_bits(*results)


def inference(cell: Any, backend: str) -> None:
    """Without training there is no cache, and the values are the same bits."""
    for layout in layouts().values():
        params, x, s0 = packed_problem(cell, layout, 3, 4)
        run = get_backend(backend).run
        y, sT, cache = run(cell, "forward", params, x, s0, False)
        assert cache is None
        assert_same_bits((y, sT), run(cell, "forward", params, x, s0, True)[:2])


def one_hot(cell: Any, backend: str) -> None:
    """Integer ids with a depth equal the same rows written out, forwards and backwards."""
    rng, run = np.random.default_rng(6), get_backend(backend).run
    for dtype in (np.int64, np.int32):
        for layout in layouts().values():
            params, _, s0 = packed_problem(cell, layout, 7, 4)
            ids = rng.integers(0, 5, layout.N).astype(dtype)  # some twice, 5 and 6 never
            dy = rng.standard_normal((layout.N, width(cell)))
            found = []
            for x in (Packed(ids, layout, depth=7), Packed(np.eye(7)[ids], layout)):
                y, sT, cache = run(cell, "forward", params, x, s0, True)
                dx, *grads = run(cell, "backward", params, cache, dy, s0)
                found.append((y, sT, grads))
                assert (dx is None) == (x.depth is not None)
            assert_close(*found, 1e-12)
            assert not found[0][2][1]["W_ih"][:, 5:].any()


RUN_LAWS: tuple[Law, ...] = (
    gradients,
    gradients_one_step,
    gradients_last_step,
    gradients_final_state,
    gradients_recurrent_dropout,
    textbook,
    poisoned,
    inputs_unchanged,
    inference,
    one_hot,
)


# ---------------------------------------------------------------------- laws of the door


def door_problem(cell: Any, B: int = 6, T: int = 5, I: int = 3, H: int = 4) -> Any:
    rng = np.random.default_rng([B, T, I, H])
    return (
        rng.standard_normal((B, T, I)),
        random_params(cell, I, H, rng),
        random_states(cell, B, H, rng),
        rng.standard_normal((B, T, width(cell, H))),
        random_states(cell, B, H, rng),
    )


def there_and_back(cell: Any, x: Any, params: Any, s0: Any, dy: Any, dsT: Any, **options: Any) -> Any:
    """(y, sT), (dx, ds0, dparams) of one call."""
    y, sT, cache = call(cell, x, params, s0, training=True, **options)
    return (y, sT), call_back(cell, dy, cache, dsT)


def split_in_two(cell: Any, backend: str) -> None:
    """The first and the last steps in two calls, states and gradients handed over, equal one call."""
    x, params, s0, dy, dsT = door_problem(cell)
    with fr.use_backend(backend):
        whole = there_and_back(cell, x, params, s0, dy, dsT)
        y1, s1, cache1 = call(cell, x[:, :2], params, s0, training=True)
        y2, s2, cache2 = call(cell, x[:, 2:], params, s1, training=True)
        dx2, d1, dparams2 = call_back(cell, dy[:, 2:], cache2, dsT)
        dx1, d0, dparams1 = call_back(cell, dy[:, :2], cache1, d1)
    summed = {k: dparams1[k] + dparams2[k] for k in dparams1}
    halves = (np.concatenate([y1, y2], 1), s2), (np.concatenate([dx1, dx2], 1), d0, summed)
    assert_close(halves, whole, 1e-12)


def rows_alone(cell: Any, backend: str) -> None:
    """A row is what it is alone, whoever is in the batch with it."""
    x, params, s0, dy, dsT = door_problem(cell, B=11)
    lengths = ragged(11, 5, np.random.default_rng(0))
    with fr.use_backend(backend):
        (y, sT), (dx, ds0, dparams) = there_and_back(cell, x, params, s0, dy, dsT, lengths=lengths)
        summed = {k: np.zeros_like(v) for k, v in params.items()}
        for b in range(11):
            r = slice(b, b + 1)
            states = [tuple(s[r] for s in group) for group in (s0, dsT)]
            out, back = there_and_back(
                cell, x[r], params, states[0], dy[r], states[1], lengths=lengths[r]
            )
            assert_close(out, (y[r], tuple(s[r] for s in sT)), 1e-12)
            assert_close(back[:2], (dx[r], tuple(s[r] for s in ds0)), 1e-12)
            for k, d in back[2].items():
                summed[k] += d
    assert_close(summed, dparams, 1e-12)


def padding_unread(cell: Any, backend: str) -> None:
    """NaN in the padding of x and dy changes no bit; y and dx are zero there."""
    x, params, s0, dy, dsT = door_problem(cell)
    lengths = np.array([3, 5, 0, 1, 2, 5])
    for name, given in (("lengths", lengths), ("mask", holes(6, 5))):
        used = given if name == "mask" else np.arange(5) < lengths[:, None]
        bad = [np.where(used[:, :, None], a, np.nan) for a in (x, dy)]
        for reverse in (False, True):
            options = {name: given, "reverse": reverse}
            with fr.use_backend(backend):
                wanted = there_and_back(cell, x, params, s0, dy, dsT, **options)
                got = there_and_back(cell, bad[0], params, s0, bad[1], dsT, **options)
            assert_same_bits(got, wanted)
            assert not got[0][0][~used].any() and not got[1][0][~used].any()
            assert not any(np.isnan(a).any() for a in flat(got))


def empty_rows(cell: Any, backend: str) -> None:
    """A row of length 0 returns its initial state, hands its gradient through and ignores dy."""
    x, params, s0, dy, dsT = door_problem(cell)
    lengths = np.array([3, 0, 5, 0, 1, 2])
    none = lengths == 0
    for reverse in (False, True):
        options = {"lengths": lengths, "reverse": reverse}
        with fr.use_backend(backend):
            (y, sT), (dx, ds0, dparams) = there_and_back(cell, x, params, s0, dy, dsT, **options)
            other = there_and_back(cell, x, params, s0, dy + none[:, None, None], dsT, **options)[1]
        assert not y[none].any() and not dx[none].any()
        for k in range(len(s0)):
            assert_same_bits((sT[k][none], ds0[k][none]), (s0[k][none], dsT[k][none]))
        assert_same_bits(other, (dx, ds0, dparams))


def flipped(x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Every row's first lengths[b] steps in the opposite order."""
    out = x.copy()
    for b, n in enumerate(lengths):
        out[b, :n] = x[b, :n][::-1]
    return out


def reverse(cell: Any, backend: str) -> None:
    """reverse=True equals flipping every row by hand, ragged or not."""
    x, params, s0, dy, dsT = door_problem(cell)
    for lengths in (np.array([3, 0, 5, 0, 1, 2]), np.full(6, 5), np.full(6, 3)):
        with fr.use_backend(backend):
            (y, sT), (dx, *rest) = there_and_back(
                cell, x, params, s0, dy, dsT, lengths=lengths, reverse=True
            )
            by_hand = there_and_back(
                cell, flipped(x, lengths), params, s0, flipped(dy, lengths), dsT, lengths=lengths
            )
        got = (flipped(y, lengths), sT), (flipped(dx, lengths), *rest)
        assert_close(got, by_hand, 1e-12)


def mask_drops_steps(cell: Any, backend: str) -> None:
    """A mask equals taking its steps out by hand and running what is left."""
    x, params, s0, dy, dsT = door_problem(cell)
    mask = holes(6, 5)
    lengths = mask.sum(1)

    def squeeze(a: np.ndarray) -> np.ndarray:
        out = np.zeros_like(a)
        for b, n in enumerate(lengths):
            out[b, :n] = a[b, mask[b]]
        return out

    for reverse in (False, True):
        with fr.use_backend(backend):
            (y, sT), (dx, *rest) = there_and_back(
                cell, x, params, s0, dy, dsT, mask=mask, reverse=reverse
            )
            by_hand = there_and_back(
                cell, squeeze(x), params, s0, squeeze(dy), dsT, lengths=lengths, reverse=reverse
            )
        assert_close(((squeeze(y), sT), (squeeze(dx), *rest)), by_hand, 1e-12)


def results_are_owned(cell: Any, backend: str) -> None:
    """The caller may overwrite y and the states; the gradients stay what they were."""
    for B, T, major in ((1, 5, False), (6, 1, False), (6, 5, False), (6, 5, True), (1, 1, True)):
        x, params, s0, dy, dsT = door_problem(cell, B, T)
        if major:
            x, dy = x.swapaxes(0, 1).copy(), dy.swapaxes(0, 1).copy()
        with fr.use_backend(backend):
            wanted = there_and_back(cell, x, params, s0, dy, dsT, time_major=major)[1]
            y, sT, cache = call(cell, x, params, s0, training=True, time_major=major)
            for array in (y, *sT):
                array.fill(0.25)
            assert_same_bits(call_back(cell, dy, cache, dsT), wanted)


def all_sizes(cell: Any, backend: str) -> None:
    """Shapes, and a sum that every gradient must obey, for sizes with ones and zeros."""
    for B, T, I, H in SIZES:
        x, params, s0, dy, dsT = door_problem(cell, B, T, I, H)
        with fr.use_backend(backend):
            (y, sT), (dx, ds0, dparams) = there_and_back(cell, x, params, s0, dy, dsT)
        assert y.shape == (B, T, width(cell, H)) and dx.shape == (B, T, I)
        assert [s.shape for s in (*sT, *ds0)] == [(B, n) for n in cell.widths(H)] * 2
        assert {k: v.shape for k, v in dparams.items()} == {k: v.shape for k, v in params.items()}
        # b is added where x W_ih' is, so sum(x * dx) = sum(W_ih * dW_ih): both scale the product.
        assert np.isclose(np.vdot(x, dx), np.vdot(params["W_ih"], dparams["W_ih"]), 1e-10, 1e-10)
        if B * T == 0:
            assert_same_bits((sT, ds0), (s0, dsT))
            assert not any(d.any() for d in dparams.values())


DOOR_LAWS: tuple[Law, ...] = (
    split_in_two,
    rows_alone,
    padding_unread,
    empty_rows,
    reverse,
    mask_drops_steps,
    results_are_owned,
    all_sizes,
)


# Without a kernel the cpu backend runs the same array code.
IMPLEMENTED = [
    (name, backend)
    for name, tried in TRIED.items()
    for backend in BACKENDS
    if backend == "reference" or tried.cell.name in get_backend(backend).kernels
]


@pytest.mark.parametrize("law", RUN_LAWS + DOOR_LAWS, ids=lambda law: law.__name__)
@pytest.mark.parametrize(("name", "backend"), IMPLEMENTED)
def test_battery(name: str, backend: str, law: Law) -> None:
    law(TRIED[name].cell, backend)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NAMES)
def test_gradients_through_the_door(name: str, backend: str) -> None:
    """Backwards, with a mask full of holes, in one go from [B, T, I] to the loss."""
    cell = CELLS[name]
    x, params, s0, _, _ = door_problem(cell)
    options = {"mask": holes(6, 5), "reverse": True}

    def split(inputs: Any) -> Any:
        states = tuple(inputs[s] for s in cell.states)
        return inputs["x"], {k: inputs[k] for k in params}, states

    def forward(inputs: Any) -> Any:
        y, sT, _ = call(cell, *split(inputs), **options)
        return (y, *sT)

    def backward(inputs: Any, douts: Any) -> Any:
        cache = call(cell, *split(inputs), training=True, **options)[2]
        dx, ds0, dparams = call_back(cell, douts[0], cache, tuple(douts[1:]))
        return {"x": dx, **dict(zip(cell.states, ds0, strict=True)), **dparams}

    with fr.use_backend(backend):
        check_gradients(
            forward, backward, {"x": x, **dict(zip(cell.states, s0, strict=True)), **params}
        )


@pytest.mark.parametrize("name", NAMES)
def test_a_cache_is_used_once(name: str) -> None:
    cell = CELLS[name]
    x, params, s0, dy, dsT = door_problem(cell)
    cache = call(cell, x, params, s0, training=True)[2]
    call_back(cell, dy, cache, dsT)
    with pytest.raises(RuntimeError, match=r"^backward: this cache was used already\. Run forward"):
        call_back(cell, dy, cache, dsT)


@pytest.mark.parametrize("name", NAMES)
def test_a_refused_gradient_leaves_the_cache_alone(name: str) -> None:
    cell = CELLS[name]
    x, params, s0, dy, dsT = door_problem(cell)
    cache = call(cell, x, params, s0, training=True)[2]
    with pytest.raises(fr.ShapeError):
        call_back(cell, dy[:, :-1], cache, dsT)
    call_back(cell, dy, cache, dsT)


@pytest.mark.parametrize("name", NAMES)
def test_init(name: str) -> None:
    """Shapes and dtypes; W_hh orthogonal gate by gate; the forget gate of the LSTM starts open."""
    cell, gates = CELLS[name], len(CELLS[name].gates)
    for dtype in (np.float32, np.float64):
        params = cell.init(np.random.default_rng(0), 3, 5, dtype)
        assert params["W_ih"].shape == (gates * 5, 3) and params["W_hh"].shape == (gates * 5, 5)
        assert all(p.dtype == dtype for p in params.values())
        for block in np.split(params["W_hh"], gates):
            assert np.allclose(block @ block.T, np.eye(5), atol=1e-5)
        for key in set(params) - {"W_ih", "W_hh"}:
            ones = [5, 6, 7, 8, 9] if name == "lstm" else []
            assert params[key].shape == (gates * 5,)
            assert np.flatnonzero(params[key]).tolist() == ones
