"""A drawing of a model: boxes from x to y, with the loops of recurrences, as the text of an SVG file.

A layer is a box with its name, class, settings and number of parameters; beside the arrow behind it stands
the shape of what it gives.  A recurrence has a loop: its state comes back to it at the next step.  Layers
inside a layer are boxes in its box; the second of a bidirectional one has its loop on the other side.

Nothing is needed to draw it, and every browser shows it.  All colours are given, so that it looks the same on
a dark page as on a bright one.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from html import escape  # that of xml.sax would bring http and ssl along
from pathlib import Path
from typing import Any

from .errors import sentence
from .layers import Bidirectional, Layer, Recurrent, Reversed

_WIDTH, _LEFT, _RIGHT = 440, 56, 384  # of the picture, and the sides of a layer's box
_INNER = 48  # from a box's side to those of the boxes in it, wide enough for a loop
_ARROW, _ROW, _GAP = 44, 34, 8
_FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans KR', 'Malgun Gothic', sans-serif"
_INK, _FAINT = "#1a1a1a", "#555555"
# (fill, edge) of recurrences, of other layers with parameters, of those without
_RECURRENT, _LEARNING, _PLAIN = ("#e4f0f9", "#0072b2"), ("#fdf0e2", "#b35900"), ("#f3f3f3", "#8a8a8a")
_SILENT = {"name", "unit_forget_bias", "return_sequences"}  # settings that are usual, or seen in another way
_USUAL = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}  # of a recurrence
_NOTHING = (None, False, 0, "linear")
_BARE = {  # settings whose value says enough
    "units", "cell", "activation", "merge_mode", "input_dim", "output_dim", "depth", "rate", "n", "dtype",
}  # fmt: skip


def svg(model: Any) -> str:
    """The SVG text of a built `Sequential`.

    >>> import fastrnn as fr
    >>> model = fr.Sequential([fr.Input((None, 8)), fr.LSTM(4), fr.Dense(2)], seed=0)
    >>> text = svg(model)
    >>> text.startswith("<svg"), "[B, T, 8]" in text, "lstm" in text
    (True, True, True)
    """
    y = 30.0
    parts = [_text(_WIDTH / 2, y - 8, "x", 16, anchor="middle", style="italic")]
    parts += _arrow(y, str(model.layers[0].in_shape))
    y += _ARROW
    for layer in model.layers:
        drawn, height = _box(layer, y)
        parts += [*drawn, *_arrow(y + height, str(layer.out_shape))]
        y += height + _ARROW
    parts.append(_text(_WIDTH / 2, y + 16, "y", 16, anchor="middle", style="italic"))
    total = f"{model.count_params():,} parameters"
    parts.append(_text(_WIDTH / 2, y + 44, total, 13, _FAINT, anchor="middle"))
    y += 60
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y:g}" width="{_WIDTH}" '
        f'height="{y:g}" style="max-width:100%" role="img" font-family="{_FONT}">'
    )
    title = f"<title>{_clean(f'A model of {len(model.layers)} layers, {total}')}</title>"
    back = f'<rect width="{_WIDTH}" height="{y:g}" fill="#ffffff"/>'
    return "\n".join([head, title, back, *parts, "</svg>\n"])


def write(model: Any, path: Any) -> None:
    """Write `svg` of a model to a file whose name ends in .svg."""
    file = Path(path)
    if file.suffix.lower() != ".svg":
        raise ValueError(sentence("draw", "path", "a file name that ends in .svg", repr(str(path))))
    file.write_text(svg(model), encoding="utf-8")


def _box(layer: Layer, y: float) -> tuple[list[str], float]:
    """The elements of a layer whose box begins at y, and the box's height."""
    rows = list(_inside(layer))
    height = 56 + len(rows) * (_ROW + _GAP) + (4 if rows else 0)
    width = _RIGHT - _LEFT
    count = sum(int(p.size) for p in layer.named_params().values())
    label = f"{count:,} parameters" if count else ""
    room = width - 40 - _columns(label) * 13
    parts = [
        _rectangle(_LEFT, y, width, height, _colors(layer)),
        _text(_LEFT + 14, y + 24, _fit(layer.name, room, 16), 16, weight="600"),
        _text(_LEFT + 14, y + 44, _fit(_about(layer), width - 28, 13), 13, _FAINT),
    ]
    if count:
        parts.append(_text(_RIGHT - 14, y + 24, label, 13, _FAINT, anchor="end"))
    if isinstance(layer, Recurrent):
        parts += _loop(_RIGHT, y + 14, y + height - 14, layer, 1, 34)
    y += 56
    for one, backward in rows:
        left, right = _LEFT + _INNER, _RIGHT - _INNER
        about = _about(one)
        if isinstance(one, Recurrent):
            side, way, about = (left, -1, f"← {about}") if backward else (right, 1, f"→ {about}")
            parts += _loop(side, y + 7, y + _ROW - 7, one, way, 24)
        parts.append(_rectangle(left, y, right - left, _ROW, ("#ffffff", _colors(one)[1])))
        parts.append(_text(left + 10, y + 22, _fit(about, right - left - 20, 13), 13))
        y += _ROW + _GAP
    return parts, height


def _inside(layer: Layer, backward: bool = False) -> Iterator[tuple[Layer, bool]]:
    """The layers inside that have none inside themselves, and whether they run from right to left."""
    for k, child in enumerate(layer.layers()):
        turned = backward or isinstance(layer, Reversed) or (isinstance(layer, Bidirectional) and k == 1)
        if child.layers():
            yield from _inside(child, turned)
        else:
            yield child, turned


def _about(layer: Layer) -> str:
    """Class and settings that are not the usual ones: LSTM(64, dropout=0.2)."""
    said = []
    for name, value in layer.config().items():
        own = isinstance(layer, Recurrent) and name in _USUAL
        usual, kinds = ((_USUAL[name],), (str, list, bool)) if own else (_NOTHING, (int, float, str))
        if name in _SILENT or value in usual or not isinstance(value, kinds):
            continue
        said.append(f"{value}" if name in _BARE else f"{name}={value}")
    return f"{type(layer).__name__}({', '.join(said)})"


def _colors(layer: Layer) -> tuple[str, str]:
    if any(isinstance(one, Recurrent) for one in layer.whole()):
        return _RECURRENT
    return _LEARNING if layer.named_params() else _PLAIN


# -- elements -------------------------------------------------------------------------------------


def _rectangle(x: float, y: float, width: float, height: float, colors: tuple[str, str]) -> str:
    fill, edge = colors
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{fill}" '
        f'stroke="{edge}" stroke-width="1.5"/>'
    )


def _text(x: float, y: float, text: str, size: int, color: str = _INK, **font: str) -> str:
    """`font`: anchor, weight, style."""
    names = {"anchor": "text-anchor", "weight": "font-weight", "style": "font-style"}
    more = "".join(f' {names[name]}="{value}"' for name, value in font.items())
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{color}"{more}>{_clean(text)}</text>'


def _arrow(y: float, label: str) -> list[str]:
    """Downwards from y, with the shape of what flows beside it."""
    x, tip = _WIDTH / 2, y + _ARROW - 2
    return [
        f'<path d="M{x:g} {y + 2:g}V{tip - 7:g}" stroke="{_INK}" stroke-width="1.5" fill="none"/>',
        f'<path d="M{x - 5:g} {tip - 9:g}L{x:g} {tip:g}L{x + 5:g} {tip - 9:g}Z" fill="{_INK}"/>',
        _text(x + 12, y + _ARROW / 2 + 4, label, 13, _FAINT),
    ]


def _loop(x: float, top: float, bottom: float, layer: Recurrent, way: int, reach: float) -> list[str]:
    """Out of a box's side at the bottom and in again at the top; `way` is 1 on the right, -1 on the left."""
    edge = _RECURRENT[1]
    out, tip = x + way * reach, x + way * 8
    label, middle = ", ".join(layer.cell.states), (top + bottom) / 2 + 4
    beside, anchor = x + way * (0.75 * reach + 4), "start" if way > 0 else "end"
    return [
        f'<path d="M{x:g} {bottom:g}C{out:g} {bottom:g} {out:g} {top:g} {tip:g} {top:g}" stroke="{edge}" '
        f'stroke-width="1.5" fill="none"/>',
        f'<path d="M{tip + way:g} {top - 4.5:g}L{x:g} {top:g}L{tip + way:g} {top + 4.5:g}Z" fill="{edge}"/>',
        _text(beside, middle, label, 12, edge, anchor=anchor, style="italic"),
    ]


def _clean(text: str) -> str:
    """As XML may hold it: escaped, and without the control characters that it forbids."""
    return escape("".join(c if c.isprintable() else " " for c in text), quote=False)


def _columns(text: str) -> float:
    """About how wide a text is, in its font size."""
    return sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.56 for c in text)


def _fit(text: str, room: float, size: int) -> str:
    """The text, or as much of it as there is room for."""
    if _columns(text) * size <= room:
        return text
    while text and (_columns(text) + 0.8) * size > room:
        text = text[:-1]
    return text.rstrip(" ,") + "…"
