"""Pictures show the numbers they are given, without pyplot, and never boxes for letters."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.figure import Figure

import fastrnn as fr
from fastrnn import plot


def rendered(ax: Any, path: Path) -> bytes:
    """The picture as PNG; a missing letter would warn, and a warning is an error here."""
    ax.figure.savefig(path)
    return path.read_bytes()


def test_training_curves_pair_a_name_with_its_validation(tmp_path: Path) -> None:
    values = {"loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 2.5, 2.0], "mae": [1, 1, 0]}
    ax = plot.training_curves(SimpleNamespace(history=values))
    loss, val, mae = ax.lines
    assert loss.get_xdata().tolist() == [1, 2, 3] and list(loss.get_ydata()) == [3.0, 2.0, 1.0]
    assert val.get_linestyle() == "--" and val.get_color() == loss.get_color() != mae.get_color()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["loss", "val_loss", "mae"]
    assert rendered(ax, tmp_path / "a.png").startswith(b"\x89PNG")


def test_gradient_norms_end_at_the_loss(tmp_path: Path) -> None:
    ax = plot.gradient_norms({"RNN": [1e-8, 1e-4, 1.0], "LSTM": np.array([0.5, 1.0])})
    assert ax.get_yscale() == "log" and ax.get_xlim() == (-2, 0)
    assert ax.lines[0].get_xdata().tolist() == [-2, -1, 0]
    assert ax.lines[1].get_ydata().tolist() == [0.5, 1.0] and ax.lines[1].get_xdata().tolist() == [-1, 0]
    rendered(ax, tmp_path / "a.png")
    with pytest.raises(fr.ShapeError, match=r"gradient_norms: RNN must be \[T\], got \[2, 2\]"):
        plot.gradient_norms({"RNN": np.ones((2, 2))})


def test_a_confusion_matrix_writes_its_counts(tmp_path: Path) -> None:
    matrix = np.array([[9, 1], [0, 0]])  # a class that never occurs divides by nothing
    ax = plot.confusion_matrix(matrix, ["cat", "dog"])
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {((0, 0), "9"), ((1, 0), "1")}
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.9, 0.1], [0, 0]])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat", "dog"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")
    rendered(ax, tmp_path / "a.png")
    with pytest.raises(fr.ShapeError, match=r"\[K, K\] = \[3, 3\], a row and a column a label, got \[2, 2\]"):
        plot.confusion_matrix(matrix, "abc")


def test_reconstructions_stand_below_their_originals(tmp_path: Path) -> None:
    images = np.arange(12.0).reshape(2, 2, 3)
    ax = plot.reconstructions(images, {"dense": images + 100, "recurrent": -images}, labels=["a", "b"])
    canvas = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert canvas.shape == (8, 7)
    np.testing.assert_array_equal(canvas[0:2, 4:7], images[1])
    np.testing.assert_array_equal(canvas[3:5, 0:3], images[0] + 100)
    np.testing.assert_array_equal(canvas[6:8, 4:7], -images[1])
    assert np.isnan(canvas[2]).all() and np.isnan(canvas[:, 3]).all()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["original", "dense", "recurrent"]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["a", "b"]
    rendered(ax, tmp_path / "a.png")
    assert plot.reconstructions(images, images).get_yticklabels()[1].get_text() == "reconstruction"
    with pytest.raises(fr.ShapeError, match=r"dense must be .* \[2, 2, 3\], got \[2, 3, 2\]"):
        plot.reconstructions(images, {"dense": images.transpose(0, 2, 1)})


def test_bars_carry_their_numbers(tmp_path: Path) -> None:
    ax = plot.bars({"RNN": 3, "LSTM": 1.25}, ylabel="wrong", form="{:.1f}")
    assert [bar.get_height() for bar in ax.patches] == [3, 1.25]
    assert [t.get_text() for t in ax.texts] == ["3.0", "1.2"]
    assert ax.get_ylabel() == "wrong"
    rendered(ax, tmp_path / "a.png")


@pytest.mark.parametrize(
    "draw",
    [
        lambda ax: plot.training_curves({"loss": [1, 2]}, ax),
        lambda ax: plot.gradient_norms({"a": [1, 2]}, ax),
        lambda ax: plot.confusion_matrix(np.eye(2), "ab", ax),
        lambda ax: plot.reconstructions(np.ones((1, 2, 2)), np.ones((1, 2, 2)), ax),
        lambda ax: plot.bars({"a": 1}, ax),
    ],
)
def test_axes_that_are_given_are_drawn_on(draw: Any) -> None:
    ax = Figure().add_subplot()
    assert draw(ax) is ax
    assert draw(None) is not ax


def test_hangul_without_a_font_becomes_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot.figure, "hangul_font", lambda: None)
    with pytest.warns(UserWarning, match="no font with Hangul is installed, so labels are numbered"):
        ax = plot.bars({"LSTM": 1, "순환망": 2})
    assert [t.get_text() for t in ax.get_xticklabels()] == ["LSTM", "#1"]
    rendered(ax, tmp_path / "a.png")


def test_hangul_is_kept_where_a_font_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plot.figure, "hangul_font", lambda: "NanumGothic")
    ax = plot.training_curves({"손실": [2.0, 1.0]})
    (text,) = ax.get_legend().get_texts()
    assert text.get_text() == "손실"
    assert text.get_fontfamily()[-1] == "NanumGothic" and len(text.get_fontfamily()) > 1


def test_the_font_is_one_that_is_installed() -> None:
    from matplotlib.font_manager import fontManager

    font = plot.hangul_font()
    assert font is None or font in {f.name for f in fontManager.ttflist}


def test_importing_and_drawing_leave_pyplot_alone() -> None:
    code = (
        "import sys, fastrnn.plot as p\n"
        "assert 'matplotlib' not in sys.modules\n"
        "p.bars({'a': 1})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    folder = Path(fr.__file__).resolve().parents[1]
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
