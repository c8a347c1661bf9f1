"""The packed batch against a definition written with plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from cases import LENGTHS, assert_same_bits, holes
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrnn.errors import DtypeError, ShapeError
from fastrnn.packed import (
    Layout,
    Packed,
    check_lengths,
    check_mask,
    layout_of,
    pack,
    pack_list,
    unpack,
    unpack_list,
)

masks = st.integers(0, 6).flatmap(
    lambda T: st.lists(st.lists(st.booleans(), min_size=T, max_size=T), max_size=7).map(
        lambda rows: np.array(rows, np.bool_).reshape(len(rows), T)
    )
)


def check_layout(layout: Layout, mask: np.ndarray) -> None:
    """Every attribute of a layout against the mask it stands for, row by row."""
    B, T = mask.shape
    times = [np.flatnonzero(row) for row in mask]
    lengths = [len(t) for t in times]
    order = sorted(range(B), key=lambda b: -lengths[b])  # stable, longest first
    assert (layout.B, layout.span, layout.N) == (B, T, sum(lengths))
    assert layout.order.tolist() == order
    assert layout.lengths.tolist() == [lengths[b] for b in order]
    assert layout.T == max(lengths, default=0)
    rows = [(t, j) for t in range(layout.T) for j in range(B) if lengths[order[j]] > t]
    index = {row: n for n, row in enumerate(rows)}
    assert layout.steps.tolist() == [sum(r[0] == t for r in rows) for t in range(layout.T)]
    assert layout.offsets.tolist() == [index[t, 0] for t in range(layout.T)]
    assert layout.step.tolist() == [t for t, _ in rows]
    assert layout.sequence.tolist() == [j for _, j in rows]

    def after(t: int, j: int) -> int:
        """The history row that holds the state of sequence j after step t."""
        return j if t < 0 else B + index[t, j]

    assert layout.before.tolist() == [after(t - 1, j) for t, j in rows]
    assert layout.final.tolist() == [after(lengths[order[j]] - 1, j) for j in range(B)]
    turned = [index[lengths[order[j]] - 1 - t, j] for t, j in rows]
    assert layout.reversal.tolist() == turned
    assert [layout.order[layout.inverse_order[b]] for b in range(B)] == list(range(B))
    b, t = layout.caller
    assert list(zip(b.tolist(), t.tolist(), strict=True)) == [
        (order[j], times[order[j]][step]) for step, j in rows
    ]
    walked = list(layout.walk())
    assert len(walked) == layout.T
    for step, (before, now, own) in enumerate(walked):
        mine = [n for n, row in enumerate(rows) if row[0] == step]
        assert list(range(own.start, own.stop)) == mine
        assert list(range(now.start, now.stop)) == [B + n for n in mine]
        assert list(range(before.start, before.stop)) == layout.before[mine].tolist()
    assert layout.is_plain == bool(mask.all() or B == 0)
    for array in (layout.steps, layout.order, layout.offsets, layout.before, layout.final):
        assert array.dtype == np.int64 and array.flags.c_contiguous


@settings(max_examples=60, deadline=None)
@given(masks)
def test_layout_of_any_mask(mask: np.ndarray) -> None:
    check_layout(Layout.from_mask(mask), mask)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 6), max_size=9), st.integers(6, 8))
def test_layout_of_any_lengths(lengths: list[int], span: int) -> None:
    found = np.array(lengths, np.int64)
    check_layout(Layout.from_lengths(found, span), np.arange(span) < found[:, None])


@pytest.mark.parametrize(("batch", "span"), [(3, 4), (1, 1), (0, 4), (3, 0), (0, 0)])
def test_plain_layout(batch: int, span: int) -> None:
    check_layout(Layout.plain(batch, span), np.ones((batch, span), np.bool_))


def test_full_lengths_are_plain() -> None:
    """No sorting, no copying where there is nothing to gain."""
    assert Layout.from_lengths(np.full(3, 4), 4).is_plain
    assert Layout.from_mask(np.ones((3, 4), np.bool_)).is_plain
    assert not Layout.from_lengths(np.full(3, 4), 5).is_plain
    x = np.zeros((4, 3, 2))
    assert np.shares_memory(pack(np, x, Layout.plain(3, 4), time_major=True), x)


@settings(max_examples=40, deadline=None)
@given(masks, st.booleans(), st.sampled_from([(), (3,), (0,), (2, 3)]))
def test_pack_and_unpack(mask: np.ndarray, time_major: bool, tail: tuple[int, ...]) -> None:
    """unpack(pack(x)) is x where the mask is, and zero elsewhere; x itself stays."""
    x = np.random.default_rng(0).standard_normal((*mask.shape, *tail))
    layout = Layout.from_mask(mask)
    given_x = x.swapaxes(0, 1) if time_major else x
    before = x.copy()
    rows = pack(np, given_x, layout, time_major)
    assert rows.shape == (layout.N, *tail)
    b, t = layout.caller
    assert_same_bits(np.ascontiguousarray(rows), x[b, t])
    y = unpack(np, rows, layout, time_major)
    wanted = np.where(mask.reshape(*mask.shape, *[1 for _ in tail]), x, 0)
    assert_same_bits(np.ascontiguousarray(y.swapaxes(0, 1)) if time_major else y, wanted)
    assert_same_bits(x, before)


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (1, 1), (3, 4)])
def test_unpack_owns_its_memory(shape: tuple[int, int], time_major: bool) -> None:
    layout = Layout.plain(*shape)
    rows = np.zeros((layout.N, 2))
    assert not np.shares_memory(unpack(np, rows, layout, time_major), rows)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=7))
def test_lists(lengths: list[int]) -> None:
    """Lists of arrays go in and out without a padded array in between."""
    rng = np.random.default_rng(0)
    sequences = [rng.standard_normal((n, 2)) for n in lengths]
    rows, layout = pack_list(sequences)
    check_layout(layout, np.arange(max(lengths)) < np.array(lengths)[:, None])
    assert rows.shape == (sum(lengths), 2)
    assert_same_bits(unpack_list(rows, layout, lengths), sequences)


def test_lists_of_ids() -> None:
    rows, layout = pack_list([np.array([1, 2, 3]), np.array([], np.int64), np.array([4])])
    assert rows.tolist() == [1, 4, 2, 3] and layout.steps.tolist() == [2, 1, 1]


@settings(max_examples=60, deadline=None)
@given(masks, st.integers(0, 99))
def test_select(mask: np.ndarray, seed: int) -> None:
    """Dropping rows is the layout of the mask without them; twice is once."""
    layout = Layout.from_mask(mask)
    keep = np.random.default_rng(seed).random(layout.N) < 0.5
    left = mask.copy()
    b, t = layout.caller
    left[b[~keep], t[~keep]] = False
    smaller, index = layout.select(keep)
    # Ties keep the packed order, not the caller's: compare what belongs to whom, not the order.
    values = np.arange(mask.size).reshape(mask.shape)
    assert_same_bits(pack(np, values, layout)[index], values[smaller.caller])
    assert_same_bits(
        unpack(np, pack(np, values + 1, layout)[index], smaller), np.where(left, values + 1, 0)
    )
    assert sorted(smaller.order.tolist()) == list(range(len(mask)))
    assert smaller.lengths.tolist() == left.sum(1)[smaller.order].tolist()
    assert (np.diff(smaller.steps) <= 0).all() and (smaller.steps > 0).all()
    assert smaller.span == mask.shape[1]
    # Within a sequence time goes on.
    for j in range(smaller.B):
        assert (np.diff(smaller.caller[1][smaller.sequence == j]) > 0).all()
    again, same = smaller.select(np.ones(smaller.N, np.bool_))
    assert same.tolist() == list(range(smaller.N))
    assert_same_bits(again.caller, smaller.caller)


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=list(LENGTHS))
def test_reversal_is_its_own_inverse(lengths: list[int]) -> None:
    layout = Layout.from_lengths(np.array(lengths), 6)
    assert layout.reversal[layout.reversal].tolist() == list(range(layout.N))
    x = Packed(np.arange(layout.N), layout)
    assert x.reverse(np).rows.tolist() == layout.reversal.tolist()
    assert x.reverse(np).reverse(np).rows.tolist() == list(range(layout.N))


def test_with_rows_forgets_the_depth() -> None:
    x = Packed(np.array([1, 2]), Layout.plain(2, 1), depth=5)
    assert x.reverse(np).depth == 5
    other = x.with_rows(np.zeros((2, 3)))
    assert other.depth is None and other.layout is x.layout and x.depth == 5


def test_work_is_proportional_to_the_rows() -> None:
    """One long sequence among many short ones brings its own rows and nothing else."""
    lengths = np.ones(100, np.int64)
    lengths[17] = 1000
    assert Layout.from_lengths(lengths, 1000).N == 1099


# ---------------------------------------------------------------------- what the doors refuse


def test_lengths_and_mask_are_not_both_given() -> None:
    with pytest.raises(ValueError, match=r"^lstm: give lengths or mask, not both\.$"):
        layout_of("lstm", 2, 3, [1, 2], np.ones((2, 3), np.bool_))


def test_layout_of() -> None:
    mask = holes(5, 6)
    check_layout(layout_of("x", 5, 6), np.ones((5, 6), np.bool_))
    check_layout(layout_of("x", 5, 6, mask=mask), mask)
    lengths = [3, 6, 1, 0, 5]
    check_layout(layout_of("x", 5, 6, lengths), np.arange(6) < np.array(lengths)[:, None])


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint8, np.uint64])
def test_lengths_of_any_integer_type(dtype: Any) -> None:
    found = check_lengths("lstm", np.array([1, 0, 3], dtype), 3, 3)
    assert found.dtype == np.int64 and found.tolist() == [1, 0, 3]
    assert check_lengths("lstm", [], 0, 3).tolist() == []


@pytest.mark.parametrize(
    ("lengths", "error", "message"),
    [
        ([1.0, 2.0], DtypeError, r"^f: lengths must be integers \[2\], got \[2\] float64\.$"),
        ([True, False], DtypeError, r"^f: lengths must be integers \[2\], got \[2\] bool\.$"),
        ([1], ShapeError, r"^f: lengths must be \[B\] = \[2\] integers, got \[1\] int64\.$"),
        ([[1, 2]], ShapeError, r"^f: lengths must be \[B\] = \[2\] integers, got \[1, 2\] int64\.$"),
        ([1, 4], ValueError, r"^f: lengths must be between 0 and T = 3, got values from 1 to 4\.$"),
        ([-1, 3], ValueError, r"^f: lengths must be between 0 and T = 3, got values from -1 to 3\.$"),
    ],
)
def test_bad_lengths(lengths: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        check_lengths("f", lengths, 2, 3)


@pytest.mark.parametrize(
    ("mask", "error", "message"),
    [
        (
            np.ones((2, 3)),
            DtypeError,
            r"^f: mask must be bool \[B, T\] = \[2, 3\], got \[2, 3\] float64\. "
            r"Pass mask\.astype\(bool\), True where a step counts\.$",
        ),
        (
            np.ones((3, 2), np.bool_),
            ShapeError,
            r"^f: mask must be bool \[B, T\] = \[2, 3\], got \[3, 2\] bool\.$",
        ),
    ],
)
def test_bad_masks(mask: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        check_mask("f", mask, 2, 3)
