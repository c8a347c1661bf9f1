"""Every example in a docstring runs, in whichever fastrnn is imported: installed or in place."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import fastrnn

# A module that is a program (fastrnn.__main__) runs when it is imported.
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastrnn.__path__, "fastrnn.")
    if not module.name.endswith("__main__")
)


@pytest.mark.parametrize("name", ["fastrnn", *MODULES])
def test_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # an example that saves a file leaves it there
    if name.startswith("fastrnn.estimators."):
        pytest.importorskip("sklearn", minversion="1.6")
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(
        module, optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    assert failed == 0
