"""What an install promises: types, an instant import, one sentence where no compiler is found."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import fastrnn

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(fastrnn.__file__).resolve().parent


def python(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run Python outside the source tree on the very fastrnn that this process tests."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), **changes}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environment, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=120
    )


def printed(code: str) -> str:
    """What the program `code` prints."""
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_version_is_written_once() -> None:
    namespace: dict[str, str] = {}
    exec((ROOT / "fastrnn" / "_version.py").read_text(), namespace)
    assert fastrnn.__version__ == namespace["__version__"]
    try:
        installed = metadata.version("fastrnn")
    except metadata.PackageNotFoundError:
        pytest.skip("this checkout is used in place, not installed")
    assert fastrnn.__version__ == installed


def test_the_changelog_names_the_version() -> None:
    assert f"## [{fastrnn.__version__}]" in (ROOT / "CHANGELOG.md").read_text()


def test_the_package_is_typed_and_compiled() -> None:
    assert (PACKAGE / "py.typed").is_file()
    sources = {path.stem for path in (ROOT / "fastrnn" / "kernels").glob("*.pyx")}
    compiled = {
        path.name.split(".")[0]
        for path in (PACKAGE / "kernels").iterdir()
        if path.suffix in {".so", ".pyd"}
    }
    assert sources
    assert sources <= compiled


def test_dependencies_are_the_four_that_were_promised() -> None:
    try:
        required = metadata.requires("fastrnn") or []
    except metadata.PackageNotFoundError:
        pytest.skip("this checkout is used in place, not installed")
    names = {re.split(r"[^\w-]", line)[0] for line in required if "extra ==" not in line}
    assert names == {"numpy", "threadpoolctl", "safetensors"}
    extras = set(metadata.metadata("fastrnn").get_all("Provides-Extra") or [])
    promised = "demo plot progress sklearn onnx keras cuda12 cuda13 mpi bench peers torch test dev"
    assert extras == set(promised.split())


def test_import_is_instant() -> None:
    # The shortest of several runs: a busy machine only ever adds time.
    code = (
        "import numpy, time; start = time.perf_counter(); import fastrnn;"
        "print(time.perf_counter() - start)"
    )
    assert min(float(printed(code)) for _ in range(5)) < 0.1


def test_import_brings_no_heavy_modules() -> None:
    heavy = "scipy.linalg matplotlib sklearn torch onnx h5py cupy tqdm pandas".split()
    code = f"import sys, fastrnn; print(*[m for m in {heavy} if m in sys.modules])"
    assert printed(code) == ""


def test_import_and_kernels_leave_subnormal_numbers_alone() -> None:
    # A library linked with -ffast-math flushes them to zero in the whole process.
    code = (
        "import importlib, pathlib, numpy as np, fastrnn\n"
        "folder = pathlib.Path(fastrnn.__file__).parent / 'kernels'\n"
        "names = {p.name.split('.')[0] for p in folder.iterdir() if p.suffix in {'.so', '.pyd'}}\n"
        "for name in sorted(names): importlib.import_module(f'fastrnn.kernels.{name}')\n"
        "tiny = np.full(64, 1e-45, np.float32)\n"
        "print(len(names), np.count_nonzero(tiny * np.float32(1)))"
    )
    kernels, survivors = printed(code).split()
    assert int(kernels) > 0
    assert int(survivors) == 64


def build(tmp_path: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Start a build in a copy of what setup.py reads, so that the checkout stays as it is."""
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path)
    kernels = tmp_path / "fastrnn" / "kernels"
    kernels.mkdir(parents=True)
    for path in (ROOT / "fastrnn" / "kernels").glob("*.pyx"):
        shutil.copy(path, kernels)
    shutil.copy(ROOT / "fastrnn" / "_version.py", kernels.parent)
    environment = {**os.environ, **changes}
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build"]
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.mark.skipif(os.name == "nt", reason="MSVC is not chosen by CC")
def test_a_missing_compiler_gets_one_sentence(tmp_path: Path) -> None:
    done = build(tmp_path, CC="/nowhere/cc")
    assert done.returncode == 1
    said = (done.stdout + done.stderr).splitlines()
    assert len(said) == 1, said
    start = "fastrnn: a C compiler is needed to build it and none was found"
    assert said[0].startswith(f"{start} (CC=/nowhere/cc does not run); install one ")


@pytest.mark.skipif(os.name == "nt", reason="MSVC is not chosen by CC")
def test_missing_python_headers_get_one_sentence(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nfor a; do grep -qs Python.h "$a" && exit 1; done\nexit 0\n')
    compiler.chmod(0o755)
    done = build(tmp_path, CC=str(compiler))
    assert done.returncode == 1
    said = (done.stdout + done.stderr).splitlines()
    assert len(said) == 1, said
    assert "Python's headers (Python.h) were not; install them " in said[0]


@pytest.mark.skipif(os.name == "nt", reason="MSVC is not chosen by CC")
def test_missing_openmp_is_an_error_on_request(tmp_path: Path) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\ncase "$*" in *openmp*) exit 1;; esac\nexit 0\n')
    compiler.chmod(0o755)
    done = build(tmp_path, CC=str(compiler), FASTRNN_REQUIRE_OPENMP="1")
    assert done.returncode == 1
    said = (done.stdout + done.stderr).splitlines()
    assert said == ["fastrnn: the C compiler has no OpenMP, and FASTRNN_REQUIRE_OPENMP is set."]


def test_missing_kernel_sources_get_one_sentence(tmp_path: Path) -> None:
    for name in ("setup.py", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    command = [sys.executable, "-W", "ignore", "setup.py", "--quiet", "build"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "the sources of the kernels" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_sdist_is_told_to_hold_everything_a_build_and_a_test_need() -> None:
    lines = (ROOT / "MANIFEST.in").read_text().splitlines()
    start = "recursive-include fastrnn "
    (package,) = (line.removeprefix(start).split() for line in lines if line.startswith(start))
    needed = {
        path.suffix
        for path in (ROOT / "fastrnn").rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix not in {".so", ".pyd", ".typed", ".c", ".cpp"}
    }
    assert {f"*{suffix}" for suffix in needed} <= set(package)
    assert {"graft tests", "graft bench", "graft docs"} <= set(lines)
