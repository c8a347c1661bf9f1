"""Which fastrnn is tested: the installed one, or, where none is installed, the one in place."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("fastrnn") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))

pytest.register_assert_rewrite("gradcheck")

# Children of the tests must find what the tests found. Python puts the working directory first, and in the
# checkout that would be the sources, whose kernels may not be built: so the tests run elsewhere.
_home = Path(importlib.util.find_spec("fastrnn").origin).resolve().parents[1]  # type: ignore[union-attr,arg-type]
os.environ["PYTHONPATH"] = os.pathsep.join([str(_home), str(Path(__file__).resolve().parent)])

# A shell that runs the tests in the background has them, and their children, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.chdir(tmp_path_factory.getbasetemp())


def pytest_report_header() -> str:
    """Say which one, because a stale install is the commonest reason for a puzzling failure."""
    import fastrnn

    return f"fastrnn {fastrnn.__version__} from {Path(fastrnn.__file__).resolve().parent}"


@pytest.fixture
def data_set(request: pytest.FixtureRequest) -> Path:
    """The folder of a real data set, ``@pytest.mark.data("name")``; skips where it is absent."""
    name = request.node.get_closest_marker("data").args[0]
    home = os.environ.get("FASTRNN_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
    folder = Path(home) / name
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    return folder
