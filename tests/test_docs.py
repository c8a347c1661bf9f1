"""The blocks marked python in the documents run, so that no document promises what the code does not do."""

from __future__ import annotations

import importlib
import io
import re
import textwrap
import traceback
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README*.md")])  # none beside an installed package
OPENING = re.compile(r" *(`{3,}|~{3,}) *(\w*)[^`]*$")


def blocks(text: str) -> list[tuple[int, str, str]]:
    """(number of its first line, language, content) of every block."""
    found = []
    lines = iter(enumerate(text.splitlines(), 1))
    for number, line in lines:
        opening = OPENING.match(line)
        if opening is None:
            continue
        fence, language = opening.groups()
        code = []
        for _, inner in lines:
            if inner.strip().startswith(fence) and not inner.strip(" " + fence[0]):
                break
            code.append(inner)
        else:
            raise ValueError(f"line {number}: this block is never closed")
        found.append((number + 1, language, textwrap.dedent("\n".join(code))))
    return found


def python_blocks(text: str) -> list[tuple[int, str]]:
    """(number of its first line, code) of every block marked python."""
    return [(number, code) for number, language, code in blocks(text) if language == "python"]


def run_blocks(document: Path) -> int:
    """Run the blocks marked python in one namespace; how many there were.

    A block marked text behind one of them is what it prints.
    """
    namespace = {"__name__": "__main__"}
    count, printed = 0, None
    for number, language, code in blocks(document.read_text(encoding="utf-8")):
        if language == "text" and printed is not None:
            assert printed.split() == code.split(), f"{document}, line {number}: it prints {printed!r}"
        printed = None
        if language == "python":
            padded = "\n" * (number - 1) + code  # so that a traceback names the line of the document
            with redirect_stdout(io.StringIO()) as out:
                exec(compile(padded, str(document), "exec", dont_inherit=True), namespace)
            count, printed = count + 1, out.getvalue()
    return count


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_python_blocks_run(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example that saves a file leaves it there
    monkeypatch.setenv("MPLBACKEND", "Agg")  # and one that draws opens no window
    run_blocks(document)


@pytest.mark.parametrize(("name", "page"), [
    ("rnn", "rnn"), ("lstm", "lstm"), ("gru", "gru"), ("gru_before", "variants"), ("clip", "variants"),
    ("lstm_peephole", "variants"), ("lstm_coupled", "variants"), ("lstm_projected", "variants"),
])  # fmt: skip
def test_equations_are_those_of_the_cell(name: str, page: str) -> None:
    document = ROOT / "docs" / f"{page}.md"
    if not document.exists():
        pytest.skip("no documents here")
    docstring = importlib.import_module(f"fastrnn.cells.{name}").__doc__ or ""
    equations = [line[4:] for line in docstring.splitlines() if line.startswith("    ")]
    shown = document.read_text(encoding="utf-8").splitlines()
    assert equations and [line for line in equations if line not in shown] == []


def test_blocks_share_a_namespace_and_a_wrong_one_fails_at_its_line(tmp_path: Path) -> None:
    document = tmp_path / "some.md"
    text = "```python\nx = 1\n```\n\n```\nno code\n```\n\n- item\n\n  ```python\n  y = x + 1\n  {}\n  ```\n"
    document.write_text(text.format("assert y == 2"), encoding="utf-8")
    assert run_blocks(document) == 2
    document.write_text(text.format("assert y == 3"), encoding="utf-8")
    with pytest.raises(AssertionError) as caught:
        run_blocks(document)
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (last.filename, last.lineno) == (str(document), 13)


def test_a_wrong_output_in_a_document_fails(tmp_path: Path) -> None:
    document = tmp_path / "some.md"
    document.write_text("```python\nprint(1 + 1)\n```\n\n```text\n2\n```\n", encoding="utf-8")
    assert run_blocks(document) == 1
    document.write_text("```python\nprint(1 + 1)\n```\n\n```text\n3\n```\n", encoding="utf-8")
    with pytest.raises(AssertionError, match="line 6: it prints '2"):
        run_blocks(document)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_pictures_and_links_to_files_exist(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_fences_are_told_apart() -> None:
    longer = "````text\n```python\n1 / 0\n```\n````\n~~~python\na\n```\nb\n~~~\n```pycon\n>>> c\n```\n"
    assert python_blocks(longer) == [(7, "a\n```\nb")]
    with pytest.raises(ValueError, match="line 2: this block is never closed"):
        python_blocks("text\n```python\nx = 1\n")
