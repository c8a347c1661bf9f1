"""What a network remembers and what it expects: the map of hidden states, and the next tokens."""

from __future__ import annotations

import numpy as np
import pytest

import fastrnn as fr

pytest.importorskip("matplotlib")


def test_a_column_is_a_step_and_a_row_a_unit() -> None:
    h = np.array([[0.5, -1.0, 0.0], [0.25, 0.0, 0.75]])
    ax = fr.plot.hidden_states(h, tokens=["one", "two"])
    (image,) = ax.images
    np.testing.assert_array_equal(np.asarray(image.get_array()), h.T)
    assert image.get_clim() == (-1, 1)  # zero is white
    assert [label.get_text() for label in ax.get_xticklabels()] == ["one", "two"]
    assert [tick.get_text() for tick in fr.plot.hidden_states(h).get_xticklabels()] == ["1", "2"]
    own = fr.plot.new_axes()
    assert fr.plot.hidden_states(np.zeros((3, 40)), own) is own
    assert list(own.get_yticks()) == [0, 39]


def test_other_shapes_are_refused() -> None:
    with pytest.raises(fr.ShapeError, match=r"hidden_states: states must be \[T, H\], of at least one step"):
        fr.plot.hidden_states(np.zeros(3))
    with pytest.raises(fr.ShapeError, match="hidden_states: tokens must be 2, one a step, got 1"):
        fr.plot.hidden_states(np.zeros((2, 3)), tokens=["a"])


def test_the_likeliest_token_is_on_top() -> None:
    ax = fr.plot.next_probabilities({"a": 0.2, "\n": 0.7, "b": 0.096, "c": 0.004}, prompt="x", most=3)
    assert [label.get_text() for label in ax.get_yticklabels()] == [r"'\n'", "a", "b"]
    assert [bar.get_width() for bar in ax.patches] == [0.7, 0.2, 0.096]
    assert ax.yaxis_inverted() and ax.get_title() == "x ..."
    assert [text.get_text() for text in ax.texts] == ["70 %", "20 %", "10 %"]
    rare = fr.plot.next_probabilities({"c": 0.004})
    assert [text.get_text() for text in rare.texts] == ["< 1 %"] and rare.get_title() == ""
