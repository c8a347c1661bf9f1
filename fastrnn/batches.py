"""The batch-first door of a model: users' arrays and lists in, packed batches and aligned targets out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .backends import Backend
from .errors import FLOATS, DtypeError, ShapeError, check_array, check_finite, sentence, unknown
from .layers import Shape
from .layers.base import check_units
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


def shape_of(owner: str, given: Any, first: Any) -> Shape:
    """What users write, (None, T or None, F), as the input shape of a model whose first layer is `first`."""
    if not isinstance(given, (tuple, list)) or len(given) < 2:
        expected = "a tuple such as (None, None, 8), the batch first"
        raise ValueError(sentence(owner, "shape", expected, given))
    numbers = tuple(given)[1:]
    ids = first.takes_ids
    sequence = ids or len(numbers) > 1
    features = numbers[1:] if sequence else numbers
    for n in features:
        check_units(owner, "a size of features in shape", n)
    shape = Shape(features, sequence, numbers[0] if sequence else None, ids=ids)
    if ids and features != first.id_features:
        expected = f"({', '.join(['None, T', *map(str, first.id_features)])}) for integer ids"
        raise ValueError(sentence(owner, "shape", expected, f"{shape}"))
    return shape


def is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


class Inputs:
    """All of x, ready to give any selection of its examples as a packed batch.

    Parameters
    ----------
    owner : who asks, for messages
    x : [B, F], [B, T, F], integer ids [B, T] or [B, T, k], or a list of arrays without the B
    expected : the model's input shape, or None before it is built
    dtype : the model's dtype
    lengths, mask : int [B] or bool [B, T], for padded arrays
    reads : False leaves the values of x unread, for those that are taken a window at a time
    """

    def __init__(
        self, owner: str, x: Any, expected: Shape | None, ids: bool, dtype: Any, backend: Backend,
        lengths: Any = None, mask: Any = None, reads: bool = True,
    ) -> None:  # fmt: skip
        self.owner, self.dtype, self.backend = owner, np.dtype(dtype), backend
        self.ragged = isinstance(x, (list, tuple))
        self.ids = ids
        self.given_lengths = self.mask = None
        self.initial: dict[str, tuple[Any, ...]] = {}
        arrays: Sequence[Any] = list(x) if self.ragged else [x]
        for k, array in enumerate(arrays):
            self._check(f"x[{k}]" if self.ragged else "x", array, expected)
        if self.ragged:
            if lengths is not None or mask is not None:
                raise ValueError(
                    f"{owner}: a list of sequences has its lengths already; drop lengths and mask."
                )
            # Ids of different integer types would meet as floats.
            self.x: Any = [a.astype(np.int64, copy=False) for a in arrays] if ids and reads else arrays
            self.shape = self._shape(arrays[0], 1) if arrays else expected
            self.count = len(arrays)
            self._check_same(arrays, reads)
        else:
            self.shape = self._shape(x, 2) if expected is None else expected
            if not self.shape.sequence and (lengths is not None or mask is not None):
                raise ValueError(f"{owner}: lengths and mask need sequences, got x {list(x.shape)}.")
            self.x = backend.asarray(x)
            B, T = x.shape[0], x.shape[1] if self.shape.sequence else 1
            if lengths is not None and mask is not None:
                raise ValueError(f"{owner}: give lengths or mask, not both.")
            self.given_lengths = None if lengths is None else check_lengths(owner, lengths, B, T)
            self.mask = None if mask is None else check_mask(owner, mask, B, T)
            self.count = B
            if reads:
                self._check_values(x)
        if self.shape is None:
            raise ValueError(
                f"{owner}: x is an empty list, so its features are unknown. Put Input(...) first."
            )

    def __len__(self) -> int:
        return int(self.count)

    @cached_property
    def lengths(self) -> np.ndarray:
        """int64 [B]: the steps of each sequence that count."""
        if self.ragged:
            return np.array([len(a) for a in self.x], np.int64)
        if self.given_lengths is not None:
            return self.given_lengths
        if self.mask is not None:
            return self.mask.sum(axis=1)
        return np.full(len(self), self.x.shape[1] if self.x.ndim > 2 or self.ids else 1, np.int64)

    def _check(self, name: str, array: Any, expected: Shape | None) -> None:
        least = 1 if self.ragged else 2
        if not is_array(array):
            advice = "Convert it with numpy.asarray."
            raise DtypeError(sentence(self.owner, name, "an array or a list of arrays", array, advice))
        if self.ids:
            if array.dtype.kind not in "iu":
                raise DtypeError(sentence(self.owner, name, "integer ids", array))
            features = () if expected is None else expected.features
            if array.shape[least:] != features or array.ndim < least:
                axes = ", ".join(["T" if self.ragged else "B, T", *map(str, features)])
                raise ShapeError(sentence(self.owner, name, f"integer ids [{axes}]", array))
            fixed = None if expected is None or self.ragged else expected.length
            if fixed is not None and array.shape[1] != fixed:
                expected_text = f"integer ids [B, T] = [*, {fixed}]"
                raise ShapeError(sentence(self.owner, name, expected_text, array))
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
        found = self._shape(array, least)
        if 0 in found.features:
            raise ShapeError(sentence(self.owner, name, "of at least one feature", array))
        if expected is not None:
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

    def _check_same(self, arrays: Sequence[Any], reads: bool) -> None:
        if any(a.shape[1:] != arrays[0].shape[1:] for a in arrays):
            shapes = sorted({tuple(a.shape[1:]) for a in arrays})
            got = ", ".join(str(list(s)) for s in shapes)
            raise ShapeError(sentence(self.owner, "x", "sequences of the same features", got))
        if reads and not self.ids:
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
            return Shape(tuple(array.shape[leading:]), True, ids=True)
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
                nothing = self.backend.asarray(np.zeros(features, dtype))
                return Packed(nothing, Layout.plain(0, 0), gradient=False)
            rows, layout = pack_list(chosen)
            return Packed(self.backend.asarray(rows), layout, gradient=False)
        x = self.x[self.backend.asarray(index)]
        if not self.shape.sequence:
            return Packed(x, Layout.plain(len(index), 1), sequence=False, gradient=False)
        layout = self.layout(index)
        return Packed(pack(self.backend.xp, x, layout), layout, gradient=False)

    def layout(self, index: np.ndarray) -> Layout:
        """The layout of `batch`, of sequences."""
        if self.ragged:
            lengths = self.lengths[index]
            return Layout.from_lengths(lengths, int(lengths.max(initial=0)))
        return layout_of(
            self.owner, len(index), self.x.shape[1],
            None if self.given_lengths is None else self.given_lengths[index],
            None if self.mask is None else self.mask[index],
        )  # fmt: skip

    def part(self, index: np.ndarray, layout: Layout) -> Packed:
        """The rows of `batch` that are those of a part of its layout (`Layout.part`), and no others."""
        asarray = self.backend.asarray
        if self.ragged:  # sorted by length, sequences that have ended last: packing leaves them so
            first, last = (layout.caller[1][[0, -1]] + [0, 1]).tolist() if layout.N else (0, 0)
            rows, _ = pack_list([self.x[i][first:last] for i in index[layout.order]])
            return Packed(asarray(rows), layout, gradient=False)
        b, t = layout.caller
        return Packed(self.x[asarray(index[b]), asarray(t)], layout, gradient=False)

    def begin(self, layers: Sequence[Any], given: Any) -> None:
        """Take the states before the first step, as `Sequential.predict` describes them."""
        wanted = {layer.name: layer.state_widths for layer in layers if hasattr(layer, "state_widths")}
        if not isinstance(given, dict):
            if len(wanted) != 1:
                expected = f"a dict by layer name, of {', '.join(wanted) or 'no layer'}"
                raise ValueError(sentence(self.owner, "initial_state", expected, given))
            given = {name: given for name in wanted}
        for name, states in given.items():
            if name not in wanted:
                raise unknown(self.owner, "a key of initial_state", name, tuple(wanted))
            arrays = tuple(states) if isinstance(states, (list, tuple)) else (states,)
            if len(arrays) != len(wanted[name]):
                expected = f"{len(wanted[name])} arrays [B, H]"
                got = f"{len(arrays)}"
                raise ValueError(sentence(self.owner, f"initial_state[{name!r}]", expected, got))
            for array, width in zip(arrays, wanted[name], strict=True):
                what = f"initial_state[{name!r}]"
                check_array(self.owner, what, array, "B, H", (len(self), width), self.dtype)
                check_finite(self.owner, what, array, "Remove or replace those values.")
            self.initial[name] = tuple(self.backend.asarray(a) for a in arrays)

    def states(self, index: np.ndarray, layout: Layout) -> dict[str, tuple[Any, ...]]:
        """What `begin` took, for the batch of `index`, in packed order."""
        if not self.initial:
            return {}
        where = self.backend.asarray(index[layout.order])
        return {name: tuple(a[where] for a in arrays) for name, arrays in self.initial.items()}


class Targets:
    """All of y, and the weights, ready to give the rows that stand beside a model's output."""

    def __init__(
        self, owner: str, y: Any, inputs: Inputs, sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
    ) -> None:  # fmt: skip
        self.owner, self.backend = owner, inputs.backend
        self.ragged = isinstance(y, (list, tuple))
        if not all(map(is_array, y if self.ragged else [y])):
            advice = "Convert it with numpy.asarray."
            raise DtypeError(sentence(owner, "y", "an array or a list of arrays", y, advice))
        found = len(y) if self.ragged or y.ndim else 0
        if found != len(inputs):
            expected = f"{len(inputs)} examples, as many as x"
            raise ShapeError(sentence(owner, "y", expected, str(found)))
        kinds = {f"{a.ndim} axes of {a.dtype}" for a in y} if self.ragged else ()
        if len(kinds) > 1:
            expected = "arrays of the same rank and dtype"
            raise DtypeError(sentence(owner, "y", expected, ", ".join(sorted(kinds))))
        self.y: Any = list(y) if self.ragged else self.backend.asarray(y)
        # A mask may leave out any step; y counts all of them, as x does.
        whole = not inputs.ragged and inputs.mask is not None
        self.lengths = np.full(len(inputs), inputs.x.shape[1]) if whole else inputs.lengths
        # Beside a list, [B, T] is padded to the longest sequence of all, not to that of a batch.
        self.longest = int(self.lengths.max(initial=0)) if inputs.ragged else None
        self.class_weight = _check_class_weight(owner, class_weight)
        self.weight = None
        if sample_weight is not None:
            expected = f"numbers [B] or [B, T], B = {len(inputs)}"
            if isinstance(sample_weight, (list, tuple)) and any(map(np.ndim, sample_weight)):
                advice = "Pad it to the longest sequence."
                raise ShapeError(sentence(owner, "sample_weight", expected, "a list of lists", advice))
            self.weight = np.asarray(sample_weight)
            right = self.weight.shape[:1] == (len(inputs),) and self.weight.ndim <= 2
            if self.weight.dtype.kind not in "fiu" or not right:
                raise ShapeError(sentence(owner, "sample_weight", expected, self.weight))
            if not ((self.weight >= 0) & (self.weight < np.inf)).all():
                raise ValueError(f"{owner}: sample_weight must be finite and not negative.")

    def rows(
        self, index: np.ndarray, out: Packed, dtype: Any, fixed: int | None = None
    ) -> tuple[Any, Any]:
        """(targets, weights or None) for the rows of `out`, the output for the batch of `index`.

        `fixed` is the number of output steps where the model sets it and not the input.
        """
        asarray = self.backend.asarray
        if not out.sequence:
            where = index[out.layout.order]
            target = asarray(self._stack(where)) if self.ragged else self.y[asarray(where)]
            return target, self._weights(target, where, None, dtype)
        b, t = out.layout.caller
        where = index[b]
        # A padded array has the steps of the output; beside a list it may be longer than this batch.
        span = out.layout.span if fixed is not None or self.longest is None else self.longest
        if self.ragged:
            self._check_lengths(index, fixed)
            first, last = (int(t.min()), int(t.max()) + 1) if len(t) else (0, 0)
            chosen = [self.y[i][first:last] for i in index]
            starts = np.concatenate([[0], np.cumsum([len(c) for c in chosen], dtype=np.int64)])
            target = asarray(np.concatenate(chosen)[starts[b] + t - first])
        else:
            if self.y.ndim < 2 or self.y.shape[1] != span:
                expected = f"[B, T, ...] with T = {span}: the model gives every step"
                advice = "Set return_sequences=False in the last recurrence for one target a sequence."
                raise ShapeError(sentence(self.owner, "y", expected, self.y, advice))
            target = self.y[asarray(where), asarray(t)]
        if self.weight is not None and self.weight.ndim == 2 and self.weight.shape[1] != span:
            expected = f"numbers [B] or [B, T] with T = {span}"
            raise ShapeError(sentence(self.owner, "sample_weight", expected, self.weight))
        return target, self._weights(target, where, t, dtype)

    def _stack(self, where: np.ndarray) -> np.ndarray:
        """Targets of one shape, one an example, from a list of arrays."""
        chosen = [self.y[i] for i in where]
        shapes = sorted({a.shape for a in chosen})
        if len(shapes) > 1:
            expected = "arrays of one shape: the model gives one output a sequence"
            advice = "Set return_sequences=True in the last recurrence for a target a step."
            got = ", ".join(str(list(s)) for s in shapes)
            raise ShapeError(sentence(self.owner, "y", expected, got, advice))
        return np.stack(chosen) if chosen else np.zeros(0)

    def _check_lengths(self, index: np.ndarray, fixed: int | None) -> None:
        for i in index:
            y, wanted = self.y[i], self.lengths[i] if fixed is None else fixed
            if y.ndim == 0 or len(y) != wanted:
                like = f", as many as x[{i}]" if fixed is None else ""
                expected = f"{wanted} steps{like}"
                raise ShapeError(sentence(self.owner, f"y[{i}]", expected, y))
            if y.shape[1:] != self.y[0].shape[1:]:
                expected = f"{list(self.y[0].shape[1:])} a step, as y[0]"
                raise ShapeError(sentence(self.owner, f"y[{i}]", expected, y))

    def _weights(self, target: Any, where: np.ndarray, t: np.ndarray | None, dtype: Any) -> Any:
        weights = None
        if self.weight is not None:
            if self.weight.ndim == 1:
                weights = self.weight[where]
            elif t is not None:
                weights = self.weight[where, t]
            else:
                expected = "[B]: the model gives one output a sequence"
                raise ShapeError(sentence(self.owner, "sample_weight", expected, self.weight))
            weights = self.backend.asarray(weights.astype(dtype))
        if self.class_weight is not None:
            ids = self.backend.to_numpy(target)
            if ids.dtype.kind not in "iub" or ids.size != len(ids):
                expected = "class ids, one an output, where class_weight is given"
                raise DtypeError(sentence(self.owner, "y", expected, ids))
            table = np.ones(len(ids), dtype)
            for k, w in self.class_weight.items():
                table[ids.reshape(-1) == k] = w
            by_class = self.backend.asarray(table)
            weights = by_class if weights is None else weights * by_class
        return weights


def _check_class_weight(owner: str, given: Any) -> dict[int, float] | None:
    """{class id: weight}, whole numbers and finite numbers, neither below 0."""
    if given is None:
        return None
    expected = "a dict {class id: weight} of numbers of at least 0"
    if not isinstance(given, dict):
        raise TypeError(sentence(owner, "class_weight", expected, given))
    whole, number = (int, np.integer), (int, float, np.integer, np.floating)
    for k, w in given.items():
        if not (isinstance(k, whole) and isinstance(w, number) and k >= 0 and 0 <= w < np.inf):
            raise ValueError(sentence(owner, "class_weight", expected, given))
    return given


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
