"""The drawing of a model: valid XML with every layer, and loops where states come back."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_layers import LEAKY
from test_serialization import STACKS, given

import fastrnn as fr
from fastrnn import drawing

SVG = "{http://www.w3.org/2000/svg}"


def drawn(layers: list[fr.Layer], shape: tuple[Any, ...]) -> ET.Element:
    model = fr.Sequential(layers, seed=0)
    model.build(shape)
    return ET.fromstring(drawing.svg(model))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def boxes(root: ET.Element) -> list[dict[str, float]]:
    """All but the background."""
    found = list(root.iter(f"{SVG}rect"))[1:]
    return [{k: float(one.attrib[k]) for k in ("x", "y", "width", "height")} for one in found]


def loops(root: ET.Element) -> list[ET.Element]:
    return [path for path in root.iter(f"{SVG}path") if "C" in path.attrib["d"]]


@pytest.mark.parametrize("name", STACKS)
def test_every_layer_is_drawn(name: str) -> None:
    model = fr.Sequential(STACKS[name](), seed=0)
    model.predict(given(name))
    root = ET.fromstring(drawing.svg(model))
    shown = texts(root)
    for layer in model.layers:
        assert layer.name in shown and str(layer.out_shape) in shown
        count = sum(p.size for p in layer.named_params().values())
        assert f"{count:,} parameters" in shown or not count
        assert any(text.startswith(type(layer).__name__) for text in shown)
    assert shown[0] == "x" and shown[1] == str(model.layers[0].in_shape) and shown[-2] == "y"
    assert shown[-1] == f"{model.count_params():,} parameters"
    one = fr.layers.Recurrent
    recurrences = [part for layer in model.layers for part in layer.whole() if isinstance(part, one)]
    assert len(loops(root)) == len(recurrences)
    inside = [part for layer in model.layers for part in layer.whole() if not part.layers()]
    outside = [layer for layer in model.layers if layer.layers()]
    assert len(boxes(root)) == len(inside) + len(outside)


def test_boxes_follow_each_other_from_x_to_y() -> None:
    layers = [fr.Embedding(9, 3), fr.Bidirectional(fr.LSTM(4)), fr.Dropout(0.1), fr.Dense(2)]
    root = drawn(layers, (None, None))
    first, outer, one, two, dropout, last = boxes(root)
    column = [first, outer, dropout, last]
    for above, below in pairwise(column):
        assert above["y"] + above["height"] + 20 < below["y"]
    assert outer["y"] < one["y"] and one["y"] + one["height"] < two["y"]
    assert two["y"] + two["height"] < outer["y"] + outer["height"]
    height = float(root.attrib["height"])
    assert last["y"] + last["height"] < height and root.attrib["viewBox"] == f"0 0 440 {height:g}"
    heads = [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.attrib["d"].endswith("Z")]
    assert len(heads) == len(column) + 1 + 2  # an arrow to each layer and to y, and two loops


def test_loops_are_labelled_with_the_states_and_run_both_ways() -> None:
    root = drawn([fr.Bidirectional(fr.LSTM(4, return_sequences=True)), fr.GRU(3)], (None, None, 2))
    _, one, two, gru = boxes(root)
    ahead, back, alone = (float(path.attrib["d"].split()[0].removeprefix("M")) for path in loops(root))
    assert ahead == one["x"] + one["width"] and back == two["x"] and alone == gru["x"] + gru["width"]
    shown = texts(root)
    assert shown.count("h, c") == 2 and shown.count("h") == 1
    assert "→ LSTM(4)" in shown and "← LSTM(4)" in shown and "GRU(3)" in shown
    root = drawn([fr.Recurrent(3, LEAKY)], (None, None, 2))
    assert "Recurrent(3, leaky)" in texts(root) and "h" in texts(root)


def test_settings_read_like_the_code() -> None:
    layers = [
        fr.Embedding(9066, 100, mask_zero=True), fr.LSTM(64, return_sequences=True, dropout=0.2),
        fr.Bidirectional(fr.RNN(3, activation="relu"), "sum"), fr.Dense(2, activation="softmax"),
        fr.Dense(1, activation="linear"),
    ]  # fmt: skip
    shown = texts(drawn(layers, (None, None)))
    wanted = ("Embedding(9066, 100, mask_zero=True)", "LSTM(64, dropout=0.2)", "Bidirectional(sum)",
              "→ RNN(3, relu)", "Dense(2, softmax)", "Dense(1)")  # fmt: skip
    for text in wanted:
        assert text in shown


def test_names_are_escaped_and_hangul_passes_through() -> None:
    name = '감정 <&"\'> 층'
    model = fr.Sequential([fr.Input((3,)), fr.Dense(2, name=name)], seed=0)
    assert "감정 &lt;&amp;" in drawing.svg(model)
    assert name in texts(ET.fromstring(drawing.svg(model)))
    odd = fr.Sequential([fr.Input((3,)), fr.Dense(2, name="a\x00b\ud800")], seed=0)
    assert "a b " in texts(ET.fromstring(drawing.svg(odd)))


def test_long_names_stay_inside() -> None:
    for name in ("a layer whose name is far too long for its box", "이름이 상자에 비해서 너무나도 긴 층"):
        model = fr.Sequential([fr.Input((3,)), fr.Dense(20_000, name=name)], seed=0)
        (shown,) = (text for text in texts(ET.fromstring(drawing.svg(model))) if text[:3] == name[:3])
        assert shown.endswith("…") and 3 < len(shown) < len(name)


def test_colours_do_not_depend_on_the_page() -> None:
    root = drawn([fr.LSTM(3), fr.Dense(2), fr.Dropout(0.1)], (None, None, 2))
    back = next(root.iter(f"{SVG}rect"))
    assert back.attrib["fill"] == "#ffffff" and back.attrib["height"] == root.attrib["height"]
    for element in root.iter():
        if element.tag in (f"{SVG}text", f"{SVG}rect", f"{SVG}path"):
            assert element.attrib["fill"].startswith("#") or element.attrib["fill"] == "none"
    assert len({one.attrib["fill"] for one in list(root.iter(f"{SVG}rect"))[1:]}) == 3
    root = drawn([fr.LSTM(3)], (None, None, 2))
    assert not [e for e in root.iter() if "href" in "".join(e.attrib)]  # nothing is loaded from elsewhere


def test_draw_writes_a_file(tmp_path: Path) -> None:
    model = fr.Sequential([fr.Input((3,)), fr.Dense(2, name="층")], seed=0)
    model.draw(tmp_path / "m.svg")
    model.draw(str(tmp_path / "n.SVG"))
    assert (tmp_path / "m.svg").read_text(encoding="utf-8") == drawing.svg(model)
    with pytest.raises(ValueError, match=r"draw: path must be a file name that ends in \.svg, got '.*png'\."):
        model.draw(tmp_path / "m.png")
    with pytest.raises(RuntimeError, match=r"Sequential\.draw: the model has no weights yet"):
        fr.Sequential([fr.Dense(2)], seed=0).draw(tmp_path / "m.svg")


def test_autoencoders_and_tasks_through_their_model(tmp_path: Path) -> None:
    auto = fr.SequenceAutoencoder(4, seed=0)
    auto.fit(np.zeros((2, 5, 3), "float32"), epochs=1, verbose=0)
    auto.model.draw(tmp_path / "a.svg")
    shown = texts(ET.parse(tmp_path / "a.svg").getroot())
    assert {"encoder", "decoder", "repeat_vector", "dense", "h, c"} <= set(shown)
    task = fr.tasks.SentimentClassifier(units=4, embedding=3, seed=0)
    task.fit(*fr.samples.reviews(30, "ko"), epochs=1, verbose=0)
    assert "token_dropout" in texts(ET.fromstring(drawing.svg(task.model)))
