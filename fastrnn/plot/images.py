"""Grids of numbers: confusion matrices, pictures and what was made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError, sentence
from .figure import Axes, finish, new_axes, shown


def confusion_matrix(matrix: Any, labels: Sequence[Any], ax: Axes = None) -> Axes:
    """Counts [K, K] of true classes (rows) told as (columns), with the numbers written in.

    Colours show the share of the row, so that rare classes are seen as well.
    """
    matrix = np.asarray(matrix)
    if matrix.shape != (len(labels), len(labels)):
        expected = f"[K, K] = [{len(labels)}, {len(labels)}], a row and a column a label"
        raise ShapeError(sentence("confusion_matrix", "matrix", expected, matrix))
    many = len(labels) > 8
    side = max(4.8, 0.9 + 0.4 * len(labels))
    ax = new_axes(side + 0.4, side) if ax is None else ax
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for i, row in enumerate(matrix):
        for j, count in enumerate(row):
            if count:
                color = "white" if share[i, j] > 0.5 else "black"
                ax.text(j, i, f"{count:g}", ha="center", va="center", color=color, fontsize=8 if many else 9)
    texts = shown(labels)
    upright = many and max(map(len, texts)) > 2
    ax.set_xticks(range(len(texts)), texts, rotation=90 if upright else 0)
    ax.set_yticks(range(len(texts)), texts)
    ax.set_xlabel("predicted")
    ax.set_ylabel("true")
    return finish(ax)


def reconstructions(
    originals: Any, rebuilt: Any, ax: Axes = None, *, labels: Sequence[Any] | None = None
) -> Axes:
    """Images in the top row and what autoencoders made of them below.

    originals : [N, height, width]
    rebuilt : the same shape, or name -> array, a row for each
    labels : one for each of the N columns
    """
    rows = {"original": np.asarray(originals)}
    given = rebuilt if isinstance(rebuilt, Mapping) else {"reconstruction": rebuilt}
    rows.update({name: np.asarray(images) for name, images in given.items()})
    shape = rows["original"].shape
    for name, images in rows.items():
        if images.ndim != 3 or images.shape != shape:
            expected = f"[N, height, width], as the originals {list(shape)}"
            raise ShapeError(sentence("reconstructions", name, expected, images))
    n, height, width = shape
    canvas = np.full((len(rows) * (height + 1) - 1, max(n * (width + 1) - 1, 1)), np.nan)
    for r, images in enumerate(rows.values()):
        for k, image in enumerate(images):
            top, left = r * (height + 1), k * (width + 1)
            canvas[top : top + height, left : left + width] = image
    ax = new_axes(5.6, 0.35 + 4.8 * len(canvas) / canvas.shape[1]) if ax is None else ax
    first = rows["original"]
    ax.imshow(canvas, cmap="gray_r", vmin=first.min(initial=0), vmax=first.max(initial=0))
    centres = np.arange(len(rows)) * (height + 1) + (height - 1) / 2
    ax.set_yticks(centres, shown(rows))
    ax.set_xticks([])
    if labels is not None:
        ax.set_xticks(np.arange(n) * (width + 1) + (width - 1) / 2, shown(labels))
        ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return finish(ax)
