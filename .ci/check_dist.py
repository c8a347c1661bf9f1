"""Check what the sdist and the wheel in a folder hold: ``python check_dist.py FOLDER``."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

LIMIT = 5_000_000  # bytes of the wheel
SOURCES = {".pyx", ".pxd", ".h", ".hpp", ".c", ".cpp"}  # what a wheel holds in compiled form


def the_only(folder: Path, pattern: str) -> Path:
    """The one file of that name; two would mean that an old one is checked."""
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise SystemExit(f"{folder}: expected one {pattern}, found {len(found)}")
    return found[0]


def tracked() -> list[str]:
    """The files under version control; without git (an unpacked sdist) there is no list."""
    try:
        listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return listed.stdout.splitlines()


def main(folder: Path) -> None:
    sdist, wheel = the_only(folder, "*.tar.gz"), the_only(folder, "*.whl")
    with tarfile.open(sdist) as archive:
        paths = (PurePosixPath(name) for name in archive.getnames())
        in_sdist = {str(PurePosixPath(*path.parts[1:])) for path in paths}
    with zipfile.ZipFile(wheel) as archive:
        in_wheel = set(archive.namelist())

    rooms = ("fastrnn/", "tests/", "bench/", "docs/")
    ours = [path for path in tracked() if path.startswith(rooms)]
    package = [path for path in ours if path.startswith("fastrnn/")]
    kernels = {path for path in in_sdist if path.endswith(".pyx")}
    compiled = {name.split(".")[0] for name in in_wheel if name.endswith((".so", ".pyd"))}
    problems = [
        *(f"sdist lacks {path}" for path in sorted({*ours, "setup.py", "LICENSE"} - in_sdist)),
        *(
            f"wheel lacks {path}"
            for path in sorted({*package, "fastrnn/py.typed"} - in_wheel)
            if PurePosixPath(path).suffix not in SOURCES
        ),
        *(
            f"sdist holds generated {path}"
            for path in sorted(in_sdist)
            if path.endswith((".c", ".cpp")) and path.rsplit(".", 1)[0] + ".pyx" in kernels
        ),
        *(
            f"wheel holds {path}"
            for path in sorted(in_wheel)
            if PurePosixPath(path).suffix in SOURCES
            or not path.startswith(("fastrnn/", "fastrnn-"))
        ),
        *(
            f"wheel lacks the compiled {path}"
            for path in sorted(kernels)
            if path.removesuffix(".pyx") not in compiled
        ),
    ]
    if not kernels:
        problems.append("sdist holds no kernels")
    size = wheel.stat().st_size
    if size >= LIMIT:
        problems.append(f"wheel has {size:,} bytes, the limit is {LIMIT:,}")
    if problems:
        raise SystemExit("\n".join(problems))
    print(f"{sdist.name}: {len(in_sdist)} files")
    print(f"{wheel.name}: {len(in_wheel)} files, {size:,} bytes, {len(compiled)} kernels")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
