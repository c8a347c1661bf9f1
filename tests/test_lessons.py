"""The lessons run in their short form, as a student runs them, and leave their pictures."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "lessons"
LESSONS = sorted(FOLDER.glob("[0-9]_*.py"))
HANGUL = re.compile("[가-힣]")


def test_there_are_seven() -> None:
    assert [lesson.name[0] for lesson in LESSONS] == list("1234567")


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_runs_and_draws(lesson: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, lesson, "--quick", "--out", tmp_path / "new"], capture_output=True,
        encoding="utf-8", cwd=tmp_path, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert HANGUL.search(done.stdout) and re.search("[a-z]{3}", done.stdout)
    picture = tmp_path / "new" / f"{lesson.stem}.png"
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 5_000


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda p: p.stem)
def test_a_lesson_has_both_languages_and_its_picture(lesson: Path) -> None:
    source = lesson.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(source)) or ""
    assert HANGUL.search(docstring) and re.search("[a-z]{3}", docstring)
    assert (FOLDER / f"{lesson.stem}.png").is_file()
    for index in ("README.md", "README.ko.md"):
        page = (FOLDER / index).read_text(encoding="utf-8")
        assert f"({lesson.name})" in page and f"({lesson.stem}.png)" in page
