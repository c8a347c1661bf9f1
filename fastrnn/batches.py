"""The batch-first door of a model: users' arrays and lists in, packed batches and aligned targets out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .backends import Backend
from .errors import FLOATS, DtypeError, ShapeError, check_finite, sentence
from .layers import Shape
from .packed import (
    Layout,
    Packed,
    check_lengths,
    check_mask,
    layout_of,
    pack,
    pack_list,
)

_FINITE = "Remove or replace those values, or mask their steps."


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


class Inputs:
    """All of x, ready to give any selection of its examples as a packed batch.

    Parameters
    ----------
    owner : who asks, for messages
    x : [B, F], [B, T, F], integer ids [B, T], or a list of arrays [T_b, F] or [T_b]
    expected : the model's input shape, or None before it is built
    dtype : the model's dtype
    lengths, mask : int [B] or bool [B, T], for padded arrays
    """

    def __init__(
        self, owner: str, x: Any, expected: Shape | None, ids: bool, dtype: Any, backend: Backend,
        lengths: Any = None, mask: Any = None,
    ) -> None:  # fmt: skip
        self.owner, self.dtype, self.backend = owner, np.dtype(dtype), backend
        self.ragged = isinstance(x, (list, tuple))
        self.ids = ids
        arrays: Sequence[Any] = list(x) if self.ragged else [x]
        for k, array in enumerate(arrays):
            self._check(f"x[{k}]" if self.ragged else "x", array, expected)
        if self.ragged:
            if lengths is not None or mask is not None:
                raise ValueError(
                    f"{owner}: a list of sequences has its lengths already; drop lengths and mask."
                )
            self.x: Any = arrays
            self.shape = self._shape(arrays[0], 1) if arrays else expected
            self.lengths = np.array([len(a) for a in arrays], np.int64)
            self._check_same(arrays)
        else:
            self.shape = self._shape(x, 2)
            if not self.shape.sequence and (lengths is not None or mask is not None):
                raise ValueError(f"{owner}: lengths and mask need sequences, got x {list(x.shape)}.")
            self.x = backend.asarray(x)
            B, T = x.shape[0], x.shape[1] if self.shape.sequence else 1
            if lengths is not None and mask is not None:
                raise ValueError(f"{owner}: give lengths or mask, not both.")
            self.given_lengths = None if lengths is None else check_lengths(owner, lengths, B, T)
            self.mask = None if mask is None else check_mask(owner, mask, B, T)
            self.lengths = np.full(B, T, np.int64)
            if self.given_lengths is not None:
                self.lengths = self.given_lengths
            elif self.mask is not None:
                self.lengths = self.mask.sum(axis=1)
            self._check_values(x)
        if self.shape is None:
            raise ValueError(
                f"{owner}: x is an empty list, so its features are unknown. Put Input(...) first."
            )

    def __len__(self) -> int:
        return len(self.lengths)

    def _check(self, name: str, array: Any, expected: Shape | None) -> None:
        least = 1 if self.ragged else 2
        if not _is_array(array):
            advice = "Convert it with numpy.asarray."
            raise DtypeError(sentence(self.owner, name, "an array or a list of arrays", array, advice))
        if self.ids:
            if array.dtype.kind not in "iu":
                raise DtypeError(sentence(self.owner, name, "integer ids", array))
            if array.ndim != least:
                axes = "[T]" if self.ragged else "[B, T]"
                raise ShapeError(sentence(self.owner, name, f"integer ids {axes}", array))
            return
        if array.dtype != self.dtype:
            advice = f"Convert it with {name}.astype({str(self.dtype)!r})"
            advice += (
                ", or build the model with Sequential(..., dtype='float64')."
                if (array.dtype in FLOATS and self.dtype == np.float32)
                else "."
            )
            raise DtypeError(sentence(self.owner, name, f"{self.dtype}", array, advice))
        if array.ndim < least + (self.ragged):
            axes = "[T, F]" if self.ragged else "[B, F] or [B, T, F]"
            advice = "Add the missing axis, for example x[..., None]."
            raise ShapeError(sentence(self.owner, name, axes, array, advice))
        if expected is not None:
            found = self._shape(array, least)
            fixed = expected.length if found.sequence else None
            if (
                found.features != expected.features
                or found.sequence != expected.sequence
                or (fixed is not None and not self.ragged and array.shape[1] != fixed)
            ):
                want = str(expected) if not self.ragged else f"[T, {', '.join(map(str, expected.features))}]"
                numbers = ", ".join("*" if n is None else str(n) for n in expected.numbers()[self.ragged :])
                advice = "The last axis is the input size fixed at build."
                text = f"{want} = [{numbers}] {self.dtype}"
                raise ShapeError(sentence(self.owner, name, text, f"{list(array.shape)}", advice))

    def _check_same(self, arrays: Sequence[Any]) -> None:
        if any(a.shape[1:] != arrays[0].shape[1:] for a in arrays):
            shapes = sorted({tuple(a.shape[1:]) for a in arrays})
            got = ", ".join(str(list(s)) for s in shapes)
            raise ShapeError(sentence(self.owner, "x", "sequences of the same features", got))
        if not self.ids:
            for k, a in enumerate(arrays):
                check_finite(self.owner, f"x[{k}]", a, _FINITE)

    def _check_values(self, x: Any) -> None:
        """NaN is wrong where it would be computed with; padding may hold anything."""
        if self.ids:
            return
        if self.given_lengths is not None:
            span = np.arange(x.shape[1])[None, :] < self.given_lengths[:, None]
        elif self.mask is not None:
            span = self.mask
        else:
            check_finite(self.owner, "x", x, _FINITE)
            return
        check_finite(self.owner, "x", x[self.backend.asarray(span)], _FINITE)

    def _shape(self, array: Any, leading: int) -> Shape:
        if self.ids:
            return Shape((), True, ids=True)
        sequence = self.ragged or array.ndim > 2
        return Shape(tuple(array.shape[leading if sequence else 1 :]), sequence)

    def batch(self, index: np.ndarray) -> Packed:
        """The examples of `index` as a packed batch; packed order refers to positions in `index`."""
        assert self.shape is not None
        if self.ragged:
            chosen = [self.x[i] for i in index]
            if not chosen:
                features = (0, *self.shape.features)
                dtype = np.int64 if self.ids else self.dtype
                return Packed(self.backend.asarray(np.zeros(features, dtype)), Layout.plain(0, 0))
            rows, layout = pack_list(chosen)
            return Packed(self.backend.asarray(rows), layout)
        x = self.x[self.backend.asarray(index)]
        if not self.shape.sequence:
            return Packed(x, Layout.plain(len(index), 1), sequence=False)
        layout = layout_of(
            self.owner, len(index), x.shape[1],
            None if self.given_lengths is None else self.given_lengths[index],
            None if self.mask is None else self.mask[index],
        )  # fmt: skip
        return Packed(pack(self.backend.xp, x, layout), layout)


class Targets:
    """All of y, and the weights, ready to give the rows that stand beside a model's output."""

    def __init__(
        self, owner: str, y: Any, inputs: Inputs, sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.owner, self.backend = owner, inputs.backend
        self.ragged = isinstance(y, (list, tuple)) and (not len(y) or hasattr(y[0], "shape"))
        if not self.ragged and not _is_array(y):
            advice = "Convert it with numpy.asarray."
            raise DtypeError(sentence(owner, "y", "an array or a list of arrays", y, advice))
        if len(y) != len(inputs):
            expected = f"{len(inputs)} examples, as many as x"
            raise ShapeError(sentence(owner, "y", expected, str(len(y))))
        self.y: Any = list(y) if self.ragged else self.backend.asarray(y)
        self.lengths = inputs.lengths
        self.class_weight = class_weight
        self.weight = None
        if sample_weight is not None:
            self.weight = np.asarray(sample_weight)
            if self.weight.dtype.kind not in "fiu" or self.weight.shape[:1] != (len(inputs),):
                expected = f"numbers [B] or [B, T], B = {len(inputs)}"
                raise ShapeError(sentence(owner, "sample_weight", expected, self.weight))
            if self.weight.size and not (self.weight >= 0).all():
                raise ValueError(f"{owner}: sample_weight must not be negative or NaN.")

    def rows(self, index: np.ndarray, out: Packed, dtype: Any) -> tuple[Any, Any]:
        """(targets, weights or None) for the rows of `out`, the output for the batch of `index`."""
        if not out.sequence:
            where: Any = index[out.layout.order]
            if self.ragged:
                found: Any = np.stack([self.y[i] for i in where]) if len(where) else np.zeros(0)
                target = self.backend.asarray(found)
            else:
                target = self.y[self.backend.asarray(where)]
            return target, self._weights(target, where, None, dtype)
        b, t = out.layout.caller
        where = index[b]
        if self.ragged:
            self._check_lengths(index)
            chosen = [self.y[i] for i in index]
            starts = np.concatenate([[0], np.cumsum([len(c) for c in chosen], dtype=np.int64)])
            target = self.backend.asarray(np.concatenate(chosen)[starts[b] + t])
        else:
            if self.y.ndim < 2 or self.y.shape[1] < out.layout.span:
                expected = f"[B, T, ...] with T = {out.layout.span}: the model gives every step"
                advice = "Set return_sequences=False in the last recurrence for one target a sequence."
                raise ShapeError(sentence(self.owner, "y", expected, self.y, advice))
            asarray = self.backend.asarray
            target = self.y[asarray(where), asarray(t)]
        return target, self._weights(target, where, t, dtype)

    def _check_lengths(self, index: np.ndarray) -> None:
        for i in index:
            if len(self.y[i]) != self.lengths[i]:
                expected = f"{self.lengths[i]} steps, as many as x[{i}]"
                raise ShapeError(sentence(self.owner, f"y[{i}]", expected, str(len(self.y[i]))))

    def _weights(self, target: Any, where: np.ndarray, t: np.ndarray | None, dtype: Any) -> Any:
        weights = None
        if self.weight is not None:
            if self.weight.ndim == 1:
                weights = self.weight[where]
            elif t is not None and self.weight.ndim == 2:
                weights = self.weight[where, t]
            else:
                expected = "[B]: the model gives one output a sequence"
                raise ShapeError(sentence(self.owner, "sample_weight", expected, self.weight))
            weights = self.backend.asarray(weights.astype(dtype))
        if self.class_weight is not None:
            ids = self.backend.to_numpy(target)
            if ids.dtype.kind not in "iub":
                raise DtypeError(sentence(self.owner, "y", "class ids where class_weight is given", ids))
            table = np.ones(max([int(ids.max(initial=0)), *map(int, self.class_weight)]) + 1, dtype)
            for k, w in self.class_weight.items():
                table[int(k)] = w
            by_class = self.backend.asarray(table[ids.reshape(len(ids), -1)[:, 0].astype(np.int64)])
            weights = by_class if weights is None else weights * by_class
        return weights


def order_of_epoch(
    lengths: np.ndarray, batch_size: int, rng: np.random.Generator | None, bucketing: bool
) -> list[np.ndarray]:
    """The batches of one epoch, as arrays of example indices.

    With `bucketing`, examples are shuffled, sorted by length within windows of fifty batches, and the
    batches shuffled: sequences of a batch then have similar lengths, so that steps have more rows.
    """
    n = len(lengths)
    order = np.arange(n) if rng is None else rng.permutation(n)
    if bucketing:
        window = 50 * batch_size
        order = np.concatenate(
            [order[:0], *(w[np.argsort(lengths[w], kind="stable")]
                          for w in (order[k : k + window] for k in range(0, n, window)))]
        )  # fmt: skip
    batches = [order[k : k + batch_size] for k in range(0, n, batch_size)]
    if bucketing and rng is not None:
        batches = [batches[k] for k in rng.permutation(len(batches))]
    return batches
