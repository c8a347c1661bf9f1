"""Which fastrnn is tested: the installed one, or, where none is installed, the one in place."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

if importlib.util.find_spec("fastrnn") is None:
    sys.path.append(str(Path(__file__).resolve().parents[1]))

pytest.register_assert_rewrite("gradcheck")


def pytest_report_header() -> str:
    """Say which one, because a stale install is the commonest reason for a puzzling failure."""
    import fastrnn

    return f"fastrnn {fastrnn.__version__} from {Path(fastrnn.__file__).resolve().parent}"
