"""The laws of the house, read from the sources: who may import whom, sizes, names, forbidden words.

The kernels' sources are looked at where they are: in a clone and in an sdist, but not in a wheel.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fastrnn

PACKAGE = Path(fastrnn.__file__).parent
PYTHON = sorted(PACKAGE.rglob("*.py"))
CYTHON = sorted(p for p in PACKAGE.rglob("*.p*") if p.suffix in (".pyx", ".pxd"))

# Who may import what of fastrnn: a room, by the first part of its name.  "" is fastrnn/__init__.py.
FREE = {"errors", "threads", "_version"}  # import nothing of fastrnn, may be imported by everyone
MODEL = {
    "model", "training", "callbacks", "progress", "autoencoder", "streaming", "gradient_flow",
    "serialization", "interop", "batches", "summary", "drawing", "proof", "reading", "truncated",
    "checkpoints", "explain", "tensors", "windows", "prediction", "footprint", "allocations",
}  # fmt: skip
LAYERS = {
    "layers",
    "loss",
    "losses",
    "crossentropy",
    "optimizer",
    "optimizers",
    "metrics",
    "initializers",
    "schedules",
}
APPLICATIONS = {
    "tasks", "text", "samples", "estimators", "diagnostics", "advice", "plot", "loading", "commands", "cli",
    "demo", "bench", "__main__",
}  # fmt: skip
LEVELS = {
    5: APPLICATIONS,
    4: MODEL,
    3: LAYERS,
    2: {"backends", "packed", "functional", "config", "weights"},
    1: {"cells"},
    0: {"kernels"},
}
MAY = {5: {5, 4, 3}, 4: {4, 3, 2}, 3: {3, 2, 1}, 2: {2, 1, 0}, 1: {1}, 0: {0}}
LEVEL = {room: level for level, rooms in LEVELS.items() for room in rooms}


def room(path: Path) -> str:
    """The room of a file: fastrnn/layers/dense.py is in `layers`, fastrnn/packed.py is `packed`."""
    first = path.relative_to(PACKAGE).parts[0]
    return "" if first == "__init__.py" else first.removesuffix(".py")


def absolute(path: Path, module: str | None, dots: int) -> str:
    """The full name of a relative import."""
    if not dots:
        return module or ""
    parts = ["fastrnn", *path.relative_to(PACKAGE).parent.parts]
    base = parts[: len(parts) - dots + 1]
    return ".".join([*base, *([module] if module else [])])


def python_imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(full name, whether it stands inside a function) of each import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inside = {
        id(n)
        for f in ast.walk(tree)
        if isinstance(f, (ast.FunctionDef, ast.AsyncFunctionDef))
        for n in ast.walk(f)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = absolute(path, node.module, node.level)
            for alias in node.names:
                # `from . import cells` names a module, `from .cells import LSTM` does not.
                name = f"{base}.{alias.name}" if not node.module or base == "fastrnn" else base
                yield name, id(node) in inside


def cython_imports(path: Path) -> Iterator[str]:
    """The full name of each import and cimport."""
    text = re.sub(r'""".*?"""', "", path.read_text(encoding="utf-8"), flags=re.S)
    for dots, module, name in re.findall(
        r"^[ ]*from[ ]+(\.*)([\w.]*)[ ]+c?import[ ]+\(?\s*(\w+)", text, flags=re.M
    ):
        yield absolute(path, module or name, len(dots))
    for names in re.findall(r"^[ ]*c?import[ ]+([\w., ]+)", text, flags=re.M):
        yield from (n.split()[0] for n in names.split(","))


def ours(name: str) -> str | None:
    """The room an import leads into, None where it leads out of fastrnn."""
    parts = name.split(".")
    return (parts[1] if len(parts) > 1 else "") if parts[0] == "fastrnn" else None


def upward(here: str, there: str) -> bool:
    """Whether the law of layers forbids `here` to import `there`."""
    if not here or here == there:
        return False
    if here in FREE or there in FREE:
        return here in FREE
    if here == "functional":  # a door: it may take what stands below it
        return LEVEL[there] > 2
    if here == "backends" and there == "cells":  # backends receive cells as arguments
        return True
    if here in MODEL and there == "cells":  # for a cell's name alone, in the description of a model
        return False
    return there not in LEVEL or LEVEL[there] not in MAY[LEVEL[here]]


def test_every_file_has_a_room() -> None:
    rooms = {room(p) for p in PYTHON} - {""}
    assert rooms - FREE <= set(LEVEL), "give the new room its level in LEVELS"


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_imports_point_downwards(path: Path) -> None:
    here = room(path)
    for name, inside in python_imports(path):
        there = ours(name)
        if there is None:
            continue
        # fastrnn itself is the roof: below it only applications may ask for it, and for its version.
        if there in ("", "__version__"):
            assert here in APPLICATIONS or there == "__version__", f"{path}: imports fastrnn"
            continue
        assert not upward(here, there), f"{path}: {here} imports {name}"
        if inside:  # only optional third parties, and the kernels, which may be missing
            assert here in ("backends", "config") and there == "kernels", f"{path}: {name} inside a function"


@pytest.mark.parametrize("path", CYTHON, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_kernels_know_nothing_above_them(path: Path) -> None:
    """A kernel takes from kernels/_*.pxd, its siblings with an underscore, C, NumPy and BLAS."""
    allowed = {"numpy", "libc", "cython", "cpython"}
    if path.stem == "_engine":  # which level runs is said by the environment, and its speed by a clock
        allowed |= {"os", "time"}
    found = list(cython_imports(path))
    for name in found:
        if ours(name) is not None:
            assert name.startswith("fastrnn.kernels._"), f"{path}: {name}"
        else:
            assert any(name == a or name.startswith(f"{a}.") for a in allowed), f"{path}: {name}"
    if path.name == "_doors.pyx":  # the reading itself reads something
        assert "fastrnn.kernels._engine" in found and "numpy" in found


@pytest.mark.parametrize(
    ("here", "there", "wrong"),
    [
        ("cells", "kernels", True), ("cells", "packed", True), ("cells", "errors", False),
        ("kernels", "cells", True), ("backends", "layers", True), ("backends", "cells", True),
        ("layers", "model", True), ("layers", "backends", False), ("layers", "kernels", True),
        ("model", "layers", False), ("model", "tasks", True), ("tasks", "model", False),
        ("tasks", "kernels", True), ("errors", "packed", True), ("threads", "errors", True),
        ("functional", "cells", False), ("functional", "layers", True), ("packed", "errors", False),
    ],
)  # fmt: skip
def test_the_law_itself(here: str, there: str, wrong: bool) -> None:
    assert upward(here, there) is wrong


def test_cells_take_their_array_module_as_an_argument() -> None:
    """In the mathematics NumPy serves init alone: everything else is `xp`."""
    for path in sorted((PACKAGE / "cells").glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for f in (n for n in tree.body if isinstance(n, ast.FunctionDef)):
            if "xp" in [a.arg for a in f.args.args]:
                names = {n.id for s in f.body for n in ast.walk(s) if isinstance(n, ast.Name)}
                assert "np" not in names, f"{path}: {f.name}"


def test_no_attics() -> None:
    attics = {"utils", "util", "helpers", "helper", "misc", "common", "core", "manager"}
    files = [p for p in PACKAGE.rglob("*") if "__pycache__" not in p.parts]
    assert not [p for p in files if p.name.split(".")[0].strip("_") in attics]


@pytest.mark.parametrize("path", PYTHON + CYTHON, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_files_have_one_subject(path: Path) -> None:
    """420 lines is far more than a subject needs."""
    assert len(path.read_text(encoding="utf-8").splitlines()) < 420


@pytest.mark.parametrize("path", PYTHON, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_nothing_runs_code_from_a_file(path: Path) -> None:
    """No pickle, eval or exec, by import, by name, or by a keyword of NumPy."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {name.split(".")[0] for name, _ in python_imports(path)}
    assert not modules & {"pickle", "cPickle", "dill", "marshal", "shelve", "joblib"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            assert node.id not in {"eval", "exec", "compile", "__import__"}, ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            assert isinstance(node.value, ast.Constant) and node.value.value is False


def test_no_unfinished_business() -> None:
    for path in PYTHON + CYTHON:
        words = re.findall(r"\b(TODO|FIXME|XXX|HACK)\b", path.read_text(encoding="utf-8"))
        assert not words, f"{path}: {words}"


def test_the_same_stem_at_every_depth() -> None:
    """A kernel of a cell has the name of the cell's file; the lstm is found in one look."""
    cells = {p.stem for p in (PACKAGE / "cells").glob("*.py")} - {"__init__", "cell"}
    layers = {p.stem for p in (PACKAGE / "layers").glob("*.py")}
    kernels = {p.stem for p in CYTHON if p.suffix == ".pyx" and not p.stem.startswith("_")}
    assert {"rnn", "lstm", "gru"} <= cells & layers
    if kernels:
        assert kernels - cells == {"dense", "embedding", "update", "crossentropy"}
        assert {"rnn", "lstm", "gru"} <= kernels
