"""The door: what is let in, what stands beside what, and the order of an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import holes

import fastrnn as fr
from fastrnn.backends import get_backend
from fastrnn.batches import Inputs, Targets, order_of_epoch
from fastrnn.layers import Shape
from fastrnn.packed import Layout, Packed

F = "float32"
RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 5, 3)).astype(F)
LENGTHS = np.array([2, 5, 0, 3])
RAGGED = [X[b, :n] for b, n in enumerate(LENGTHS)]
ALL = np.arange(4)


def door(x: Any, expected: Shape | None = None, ids: bool = False, dtype: Any = F, **given: Any) -> Inputs:
    return Inputs("fit", x, expected, ids, dtype, get_backend(), **given)


def same(a: Packed, b: Packed) -> bool:
    return np.array_equal(a.rows, b.rows) and all(
        np.array_equal(p, q) for p, q in zip(a.layout.caller, b.layout.caller, strict=True)
    )


# ---------------------------------------------------------------------- x


def test_a_list_a_padded_array_and_a_mask_are_the_same_batch() -> None:
    padded = X.copy()
    keep = np.arange(5) < LENGTHS[:, None]
    padded[~keep] = np.nan
    for index in (ALL, np.array([3, 0]), np.array([2]), ALL[:0]):
        listed = door(RAGGED).batch(index)
        assert same(door(padded, lengths=LENGTHS).batch(index), listed)
        assert same(door(padded, mask=keep).batch(index), listed)
    masked = door(padded, mask=holes(5, 5)[:4] & keep)
    assert len(masked) == 4 and masked.lengths.tolist() == (holes(5, 5)[:4] & keep).sum(axis=1).tolist()


def test_ids_in_padding_may_be_anything() -> None:
    ids = np.array([[1, 2, -5], [3, 99, 99]])
    model = fr.Sequential([fr.Embedding(4, 2), fr.LSTM(3)], seed=0)
    a = model.predict(ids, lengths=np.array([2, 1]))
    assert np.array_equal(a, model.predict([ids[0, :2], ids[1, :1]]))


@pytest.mark.parametrize("make", [
    lambda x: door(x), lambda x: door(x, lengths=LENGTHS), lambda x: door(list(x)), lambda x: door(x[:, 0]),
])  # fmt: skip
def test_a_batch_is_never_a_view_of_x(make: Callable[[Any], Inputs]) -> None:
    inputs = make(X)
    for index in (ALL, ALL[:1]):
        assert not np.shares_memory(inputs.batch(index).rows, X)


SEQUENCES = Shape((3,), True)
FIXED = Shape((3,), True, 5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: door([[1.0, 2.0]]), fr.DtypeError,
         "fit: x[0] must be an array or a list of arrays, got [1.0, 2.0]. Convert it with numpy.asarray."),
        (lambda: door("text"), fr.DtypeError, "fit: x must be an array or a list of arrays, got"),
        (lambda: door(X.astype("float64")), fr.DtypeError,
         "fit: x must be float32, got [4, 5, 3] float64. Convert it with x.astype('float32'), or build the "
         "model with Sequential(..., dtype='float64')."),
        (lambda: door(X, dtype="float64"), fr.DtypeError,
         "fit: x must be float64, got [4, 5, 3] float32. Convert it with x.astype('float64')."),
        (lambda: door(X.astype(int)), fr.DtypeError,
         "fit: x must be float32, got [4, 5, 3] int64. Convert it with x.astype('float32')."),
        (lambda: door(X.astype(bool)), fr.DtypeError, "fit: x must be float32, got [4, 5, 3] bool."),
        (lambda: door(X.astype(">f4")), fr.DtypeError, "fit: x must be float32, got [4, 5, 3] >f4."),
        (lambda: door(X.astype("float16")), fr.DtypeError, "got [4, 5, 3] float16"),
        (lambda: door(X.astype(complex)), fr.DtypeError, "got [4, 5, 3] complex128"),
        (lambda: door(X[0, :, 0]), fr.ShapeError,
         "fit: x must be [B, F] or [B, T, F], got [5] float32. Add the missing axis, for example x["),
        (lambda: door([X[0, :, 0]]), fr.ShapeError, "fit: x[0] must be [T, F], got [5] float32."),
        (lambda: door(X[..., :0]), fr.ShapeError, "fit: x must be of at least one feature, got [4, 5, 0]"),
        (lambda: door(X[0][:, :0]), fr.ShapeError, "fit: x must be of at least one feature, got [5, 0]"),
        (lambda: door([X[0][:, :0]]), fr.ShapeError, "fit: x[0] must be of at least one feature, got [5, 0]"),
        (lambda: door(X[..., :2], SEQUENCES), fr.ShapeError,
         "fit: x must be [B, T, 3] = [*, *, 3] float32, got [4, 5, 2]. The last axis is the"),
        (lambda: door(X[:, 0], SEQUENCES), fr.ShapeError,
         "fit: x must be [B, T, 3] = [*, *, 3] float32, got [4, 3]"),
        (lambda: door(X[:, :4], FIXED), fr.ShapeError,
         "fit: x must be [B, 5, 3] = [*, 5, 3] float32, got [4, 4, 3]"),
        (lambda: door([X[0], X[1, :, :2]], SEQUENCES), fr.ShapeError,
         "fit: x[1] must be [T, 3] = [*, 3] float32, got [5, 2]."),
        (lambda: door([X[0], X[1, :, :2]]), fr.ShapeError,
         "fit: x must be sequences of the same features, got [2], [3]."),
        (lambda: door([]), ValueError,
         "fit: x is an empty list, so its features are unknown. Put Input(...) first."),
        (lambda: door(RAGGED, lengths=LENGTHS), ValueError,
         "fit: a list of sequences has its lengths already; drop lengths and mask."),
        (lambda: door(X[:, 0], lengths=LENGTHS), ValueError,
         "fit: lengths and mask need sequences, got x [4, 3]."),
        (lambda: door(X, lengths=LENGTHS, mask=np.ones((4, 5), bool)), ValueError,
         "fit: give lengths or mask, not both."),
        (lambda: door(X, lengths=LENGTHS + 1), ValueError,
         "fit: lengths must be between 0 and T = 5, got values from 1 to 6."),
        (lambda: door(X, lengths=-LENGTHS), ValueError,
         "fit: lengths must be between 0 and T = 5, got values from -5"),
        (lambda: door(X, lengths=LENGTHS[:3]), fr.ShapeError,
         "fit: lengths must be [B] = [4] integers, got [3] int64"),
        (lambda: door(X, lengths=LENGTHS + 0.5), fr.DtypeError,
         "fit: lengths must be integers [4], got [4] float64"),
        (lambda: door(X, mask=np.ones((4, 5))), fr.DtypeError,
         "fit: mask must be bool [B, T] = [4, 5], got [4, 5] float64. Pass mask.astype(bool), "),
        (lambda: door(X, mask=np.ones((4, 4), bool)), fr.ShapeError,
         "fit: mask must be bool [B, T] = [4, 5], got [4, 4] bool."),
        (lambda: door(X[..., 0], ids=True), fr.DtypeError, "fit: x must be integer ids, got [4, 5] float32."),
        (lambda: door(X.astype(int), ids=True), fr.ShapeError,
         "fit: x must be integer ids [B, T], got [4, 5, 3] int64."),
        (lambda: door([X.astype(int)[0]], ids=True), fr.ShapeError,
         "fit: x[0] must be integer ids [T], got [5, 3]"),
        (lambda: door(np.zeros((2, 7), int), Shape((), True, 5, ids=True), ids=True), fr.ShapeError,
         "fit: x must be integer ids [B, T] = [*, 5], got [2, 7] int64."),
    ],
)  # fmt: skip
def test_messages_for_x(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value) and type(caught.value) is error


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_is_refused_where_it_would_be_computed_with(bad: float) -> None:
    for b, t in ((0, 1), (1, 4), (3, 2)):
        x = X.copy()
        x[b, t, 1] = bad
        said = "fit: x must be finite, got 1 of 60 values that are NaN or infinite. Remove or replace"
        with pytest.raises(ValueError) as caught:
            door(x)
        assert said in str(caught.value)
        with pytest.raises(ValueError, match="x must be finite, got 1 of 30"):
            door(x, lengths=LENGTHS)
        with pytest.raises(ValueError, match="x must be finite, got 1 of 30"):
            door(x, mask=np.arange(5) < LENGTHS[:, None])
        with pytest.raises(ValueError, match=rf"x\[{b}\] must be finite, got 1 of"):
            door(list(x))
        keep = np.ones((4, 5), bool)
        keep[b, t] = False
        assert len(door(x, mask=keep)) == 4


# ---------------------------------------------------------------------- y


def out(inputs: Inputs, index: np.ndarray, sequence: bool = True) -> Packed:
    """What a model with two outputs gives for that batch."""
    layout = inputs.batch(index).layout
    return Packed(np.zeros((layout.N if sequence else layout.B, 2), F), layout, sequence)


def rows(
    y: Any, x: Any = None, sequence: bool = True, index: Any = ALL, fixed: Any = None, **given: Any
) -> Any:
    inputs = door(RAGGED if x is None else x, **{k: given.pop(k) for k in ("lengths", "mask") if k in given})
    return Targets("fit", y, inputs, **given).rows(index, out(inputs, index, sequence), F, fixed)


def test_every_row_meets_its_own_target_and_weight() -> None:
    """Targets are numbered by example and step, so the pairing can be read off."""
    y = 10 * np.arange(4)[:, None] + np.arange(5)
    w = y / 100
    for index in (ALL, np.array([3, 1]), np.array([1]), np.array([2])):
        layout = door(RAGGED).batch(index).layout
        b, t = layout.caller
        wanted = 10 * index[b] + t
        listed = [y[i, :n] for i, n in enumerate(LENGTHS)]
        for target in (y, listed):
            got, weights = rows(target, index=index, sample_weight=w)
            assert np.array_equal(got, wanted)
            assert weights.dtype == F and np.allclose(weights, wanted / 100)
        keep = np.arange(5) < LENGTHS[:, None]
        for given in ({"lengths": LENGTHS}, {"mask": keep}):
            got, weights = rows(y, X, index=index, sample_weight=np.arange(4), **given)
            assert np.array_equal(got, wanted) and np.array_equal(weights, index[b])
        got, weights = rows(y[:, 0], index=index, sequence=False, sample_weight=np.arange(4))
        assert np.array_equal(got, 10 * index[layout.order])
        assert np.array_equal(weights, index[layout.order])
    mask = holes(5, 5)[:4]
    for target in (y, list(y)):  # a list beside a mask has every step, as x has
        got, _ = rows(target, X, mask=mask)
        b, t = door(X, mask=mask).batch(ALL).layout.caller
        assert np.array_equal(got, 10 * b + t)


def test_class_weights_multiply_sample_weights() -> None:
    y = np.array([[0, 2, 1], [1, 0, 7]])
    table = {0: 2.0, 1: np.float32(0.5), np.int64(2): 0}
    for target in (y, y[..., None]):
        got, weights = rows(
            target, X[:2, :3], index=ALL[:2], class_weight=table, sample_weight=np.array([1, 10])
        )
        wanted = {0: 2.0, 1: 0.5, 2: 0.0, 7: 1.0}
        b = door(X[:2, :3]).batch(ALL[:2]).layout.caller[0]
        assert weights.tolist() == [wanted[int(k)] * (1, 10)[i] for k, i in zip(got.ravel(), b, strict=True)]


def test_fixed_steps_are_the_models() -> None:
    """Behind RepeatVector(4) every example has four targets, however long it was."""
    inputs = door(RAGGED)
    layout = Layout.plain(4, 4)
    steps = Packed(np.zeros((16, 2), F), layout)
    y = np.arange(16).reshape(4, 4)
    for target in (y, list(y)):
        assert Targets("fit", target, inputs).rows(ALL, steps, F, 4)[0].tolist() == y.T.ravel().tolist()
    for target in (y[:, :3], list(y[:, :3])):
        with pytest.raises(fr.ShapeError):
            Targets("fit", target, inputs).rows(ALL, steps, F, 4)


Y = np.zeros((4, 5), int)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: rows([0, 1, 0, 1]), fr.DtypeError,
         "fit: y must be an array or a list of arrays, got [0, 1, 0, 1]. Convert it with numpy.asarray."),
        (lambda: rows("abcd"), fr.DtypeError, "fit: y must be an array or a list of arrays"),
        (lambda: rows(Y[:3]), fr.ShapeError, "fit: y must be 4 examples, as many as x, got 3."),
        (lambda: rows(list(Y[:3])), fr.ShapeError, "fit: y must be 4 examples, as many as x, got 3."),
        (lambda: rows(np.array(4)), fr.ShapeError, "fit: y must be 4 examples, as many as x, got 0."),
        (lambda: rows([Y[0], Y[0], Y[0], Y[0] * 1.0]), fr.DtypeError,
         "fit: y must be arrays of the same rank and dtype, got 1 axes of float64, 1 axes of int64."),
        (lambda: rows(Y[:, 0]), fr.ShapeError,
         "fit: y must be [B, T, ...] with T = 5: the model gives every step, got [4] int64. Set "
         "return_sequences=False in the last recurrence for one target a sequence."),
        (lambda: rows(Y[:, :4], X), fr.ShapeError, "fit: y must be [B, T, ...] with T = 5"),
        (lambda: rows(np.zeros((4, 9), int), X), fr.ShapeError,
         "T = 5: the model gives every step, got [4, 9]"),
        (lambda: rows(list(Y)), fr.ShapeError, "fit: y[0] must be 2 steps, as many as x[0], got [5] int64."),
        (lambda: rows([np.int64(1)] * 4), fr.ShapeError,
         "fit: y[0] must be 2 steps, as many as x[0], got [] int64."),
        (lambda: rows([Y[b, :n, None].repeat(b + 1, 1) for b, n in enumerate(LENGTHS)]), fr.ShapeError,
         "fit: y[1] must be [1] a step, as y[0], got [5, 2] int64."),
        (lambda: rows(list(Y[:, :2]), X, mask=np.eye(4, 5, dtype=bool)), fr.ShapeError,
         "fit: y[0] must be 5 steps, as many as x[0], got [2]"),
        (lambda: rows([Y[b, :n] for b, n in enumerate(LENGTHS)], sequence=False), fr.ShapeError,
         "fit: y must be arrays of one shape: the model gives one output a sequence, got [0], [2], [3], [5]. "
         "Set return_sequences=True in the last recurrence for a target a step."),
        (lambda: rows(Y, sample_weight=np.ones(3)), fr.ShapeError,
         "fit: sample_weight must be numbers [B] or [B, T], B = 4, got [3] float64."),
        (lambda: rows(Y, sample_weight=np.ones((4, 5, 1))), fr.ShapeError,
         "numbers [B] or [B, T], B = 4, got [4, 5"),
        (lambda: rows(Y, sample_weight=np.array(["a"] * 4)), fr.ShapeError,
         "numbers [B] or [B, T], B = 4, got [4] <U1"),
        (lambda: rows(Y, sample_weight=[np.ones(2), np.ones(5), np.ones(0), np.ones(3)]), fr.ShapeError,
         "numbers [B] or [B, T], B = 4, got a list of lists. Pad it to the longest sequence."),
        (lambda: rows(Y, sample_weight=np.ones((4, 4))), fr.ShapeError,
         "fit: sample_weight must be numbers [B] or [B, T] with T = 5, got [4, 4] float64."),
        (lambda: rows(Y, X, sample_weight=np.ones((4, 6))), fr.ShapeError,
         "[B, T] with T = 5, got [4, 6] float64."),
        (lambda: rows(Y[:, 0], sequence=False, sample_weight=np.ones((4, 5))), fr.ShapeError,
         "fit: sample_weight must be [B]: the model gives one output a sequence, got [4, 5] float64."),
        (lambda: rows(Y, sample_weight=np.array([1, -1, 1, 1])), ValueError,
         "fit: sample_weight must be finite and not negative."),
        (lambda: rows(Y, sample_weight=np.array([1, np.nan, 1, 1])), ValueError,
         "must be finite and not negative."),
        (lambda: rows(Y, class_weight=[1, 2]), TypeError,
         "fit: class_weight must be a dict {class id: weight} of numbers of at least 0, got [1, 2]."),
        (lambda: rows(Y, class_weight={"a": 1.0}), ValueError, "numbers of at least 0, got {'a': 1.0}."),
        (lambda: rows(Y, class_weight={0: -1.0}), ValueError, "numbers of at least 0, got {0: -1.0}."),
        (lambda: rows(Y, class_weight={0: np.nan}), ValueError, "numbers of at least 0, got {0: nan}."),
        (lambda: rows(Y, class_weight={-1: 1.0}), ValueError, "numbers of at least 0, got {-1: 1.0}."),
        (lambda: rows(Y * 1.0, class_weight={0: 1.0}), fr.DtypeError,
         "fit: y must be class ids, one an output, where class_weight is given, got [10] float64."),
        (lambda: rows(Y[..., None].repeat(2, 2), class_weight={0: 1.0}), fr.DtypeError,
         "given, got [10, 2] int64."),
    ],
)  # fmt: skip
def test_messages_for_y(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as caught:
        make()
    assert message in str(caught.value) and type(caught.value) is error


# ---------------------------------------------------------------------- the order of an epoch


@pytest.mark.parametrize("bucketing", [False, True])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("n", "size"), [(0, 4), (1, 4), (13, 4), (12, 4), (5000, 8), (7, 100)])
def test_every_example_once(n: int, size: int, shuffle: bool, bucketing: bool) -> None:
    lengths = np.random.default_rng(0).integers(0, 50, n)
    rng = np.random.default_rng(1) if shuffle else None
    batches = order_of_epoch(lengths, size, rng, bucketing)
    assert sorted(np.concatenate([*batches, np.zeros(0, int)]).tolist()) == list(range(n))
    assert all(0 < len(b) <= size for b in batches) and len(batches) == -(-n // size)
    if not shuffle and not bucketing:
        assert np.concatenate([*batches, np.zeros(0, int)]).tolist() == list(range(n))


def test_bucketing_saves_steps_and_still_shuffles() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 3000)

    def steps(bucketing: bool, seed: int = 1) -> tuple[int, list[Any]]:
        batches = order_of_epoch(lengths, 16, np.random.default_rng(seed), bucketing)
        return sum(int(lengths[b].max()) for b in batches), [b.tolist() for b in batches]

    assert steps(True)[0] < 0.65 * steps(False)[0]
    assert steps(True, 1)[1] != steps(True, 2)[1]
    first = [lengths[b].mean() for b in order_of_epoch(lengths, 16, np.random.default_rng(1), True)]
    assert first != sorted(first)  # batches of short and long sequences alternate
