"""Files that mean harm: every reader refuses every one, before it allocates or runs anything.

Each format has a module of its own with the files (`hostile_*.py`: KINDS builds one in a folder, READ must
refuse it).  Time is measured by `python -m bench.hostile`; here it only must not be out of all proportion.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

import fastrnn as fr

MODULES = ("hostile_torch", "hostile_safetensors", "hostile_hdf5", "hostile_keras", "hostile_onnx")
NEEDS = {"hostile_hdf5": "h5py", "hostile_keras": "h5py"}
MEMORY = 50e6  # bytes beyond what there was


def kinds() -> list[Any]:
    found = []
    for name in MODULES:
        package = NEEDS.get(name)
        if package is not None and importlib.util.find_spec(package) is None:
            skip = pytest.mark.skip(f"{package} is not installed")
            found.append(pytest.param(None, None, id=name, marks=skip))
            continue
        module = importlib.import_module(name)
        found += [
            pytest.param(build, module.READ, id=f"{name}: {kind}") for kind, build in module.KINDS.items()
        ]
    return found


# Audit events (PEP 578) of running code, and of writing or asking outside.
FORBIDDEN = {
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "pickle.find_class",
    "marshal.loads", "socket.connect", "socket.getaddrinfo", "urllib.Request", "os.remove", "os.rename",
    "os.mkdir", "shutil.rmtree", "ctypes.dlopen",
}  # fmt: skip


class Watch:
    """What ran inside a ``with`` block.  An audit hook stays for ever, so there is one for all tests."""

    seen: list[str] | None = None
    hooked = False

    def __enter__(self) -> list[str]:
        if not Watch.hooked:
            sys.addaudithook(Watch.hook)
            Watch.hooked = True
        Watch.seen = []
        return Watch.seen

    def __exit__(self, *exc: object) -> None:
        Watch.seen = None

    @staticmethod
    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if Watch.seen is not None and event in FORBIDDEN:
            Watch.seen.append(f"{event} {arguments}")


@pytest.fixture(scope="module")
def ready() -> None:
    """What a reader imports at its first call is not what the file costs."""
    importlib.import_module("safetensors.numpy")
    if importlib.util.find_spec("h5py") is not None:
        importlib.import_module("h5py")


@pytest.mark.parametrize(("build", "read"), kinds())
def test_a_hostile_file_is_refused(build: Any, read: Any, tmp_path: Path, ready: None) -> None:
    path = build(tmp_path)
    before = sorted(os.listdir(tmp_path))
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with Watch() as ran, pytest.raises(fr.ModelFormatError) as caught:
            read(path)
        seconds, peak = time.perf_counter() - start, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not ran
    assert sorted(os.listdir(tmp_path)) == before
    assert peak < MEMORY, f"{peak / 1e6:.0f} MB"
    assert seconds < 5, f"{seconds:.1f} s"
    assert path.name in str(caught.value) and len(str(caught.value)) < 2000


def test_there_are_as_many_kinds_as_promised() -> None:
    there = [name for name in MODULES if NEEDS.get(name) is None or importlib.util.find_spec(NEEDS[name])]
    assert sum(len(importlib.import_module(name).KINDS) for name in there) >= 30


def test_the_watch_sees_what_runs() -> None:
    with Watch() as ran:
        os.system("true")
    assert len(ran) == 1 and ran[0].startswith("os.system")
