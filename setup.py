"""Builds the compiled kernels; everything else about the package stands in pyproject.toml.

Environment variables
---------------------
FASTRNN_DEBUG=1 : -O0 -g and bounds checks. Switching needs ``build_ext --force``.
FASTRNN_NO_OPENMP=1 : build without OpenMP; the kernels then run on one thread.
FASTRNN_REQUIRE_OPENMP=1 : a compiler without OpenMP is an error instead of a warning.
CC, CFLAGS, LDFLAGS : as for every Python extension.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError, PlatformError

# setuptools provides distutils on every Python, so this import has to follow the ones above.
from distutils.ccompiler import new_compiler  # isort: skip
from distutils.sysconfig import customize_compiler  # isort: skip

KERNELS = Path("fastrnn", "kernels")
ENGINE = KERNELS / "simd"  # compiled into the extension _engine, and only there
JOBS = min(2, os.cpu_count() or 1)  # more would need gigabytes of memory: kernels are large units

ADVICE = {
    "linux": "on Debian or Ubuntu with `apt install g++ python3-dev`, on Fedora with "
    "`dnf install gcc-c++ python3-devel`",
    "darwin": "with `xcode-select --install`",
    "win32": "with the Build Tools for Visual Studio (workload: Desktop development with C++)",
}
PLAIN_C = "int main(void) { return 0; }\n"
PLAIN_CPP = "#include <atomic>\nint main() { return std::atomic<int>(0).load(); }\n"
PYTHON_C = "#include <Python.h>\nint main(void) { return PY_VERSION_HEX == 0; }\n"
OPENMP_C = "#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n"


def wish(name: str) -> bool:
    """Whether the environment variable `name` is set to something other than 0."""
    return os.environ.get(name, "0") not in ("", "0")


def make_compiler() -> Any:
    """The compiler that setuptools would use, with Python's own headers on its path."""
    compiler = new_compiler()
    customize_compiler(compiler)
    paths = sysconfig.get_paths()
    for key in ("include", "platinclude"):
        compiler.add_include_dir(paths[key])
    if sys.platform == "win32":
        compiler.add_library_dir(os.path.join(sys.base_exec_prefix, "libs"))
    return compiler


@contextmanager
def quiet() -> Iterator[None]:
    """Send what compilers print nowhere: a probe that fails is an answer, not an error."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(fd, os.dup(fd)) for fd in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for fd, _ in kept:
            os.dup2(nowhere, fd)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, copy in kept:
            os.dup2(copy, fd)
            os.close(copy)
        os.close(nowhere)


def compiles(
    compiler: Any, code: str, cflags: list[str], lflags: list[str], link: bool, name: str = "probe.c"
) -> bool:
    """Whether `code` compiles, and links to a program where `link` is set."""
    with tempfile.TemporaryDirectory() as folder, quiet():
        source = Path(folder, name)
        source.write_text(code)
        try:
            objects = compiler.compile([str(source)], output_dir=folder, extra_postargs=cflags)
            if link:
                compiler.link_executable(objects, str(Path(folder, "probe")), extra_postargs=lflags)
        except (CompileError, LinkError, PlatformError):
            return False
    return True


def require_compiler() -> None:
    """End the build with one sentence where it cannot succeed."""
    if not sorted(KERNELS.glob("*.pyx")):
        raise SystemExit(f"fastrnn: the sources of the kernels ({KERNELS / '*.pyx'}) are missing.")
    advice = ADVICE.get(sys.platform, "with your system's package manager")
    compiler = make_compiler()
    if not compiles(compiler, PLAIN_C, [], [], link=False):
        chosen = f" (CC={os.environ['CC']} does not run)" if "CC" in os.environ else ""
        raise SystemExit(
            f"fastrnn: a C compiler is needed to build it and none was found{chosen}; "
            f"install one {advice}."
        )
    if not compiles(compiler, PLAIN_CPP, [], [], link=False, name="probe.cpp"):
        raise SystemExit(
            "fastrnn: a C compiler was found, but no C++ compiler beside it, which the step engine needs; "
            f"install one {advice}."
        )
    if not compiles(compiler, PYTHON_C, [], [], link=False):
        raise SystemExit(
            "fastrnn: a C compiler was found, but Python's headers (Python.h) were not; "
            f"install them {advice}."
        )


def openmp_candidates(msvc: bool) -> list[tuple[list[str], list[str]]]:
    """Compile and link flags to try, in this order."""
    if msvc:
        return [(["/openmp"], [])]
    if sys.platform != "darwin":
        return [(["-fopenmp"], ["-fopenmp"])]
    found = [(["-Xpreprocessor", "-fopenmp"], ["-lomp"])]
    # Homebrew keeps libomp out of the default paths: Apple silicon first, then Intel.
    for prefix in ("/opt/homebrew/opt/libomp", "/usr/local/opt/libomp"):
        if os.path.isdir(prefix):
            cflags = ["-Xpreprocessor", "-fopenmp", f"-I{prefix}/include"]
            found.append((cflags, [f"-L{prefix}/lib", "-lomp"]))
    return found


def openmp_flags(compiler: Any, msvc: bool) -> tuple[list[str], list[str]]:
    """The flags that turn OpenMP on, or none, after a warning, where there are none."""
    if wish("FASTRNN_NO_OPENMP"):
        return [], []
    for cflags, lflags in openmp_candidates(msvc):
        if compiles(compiler, OPENMP_C, cflags, lflags, link=True):
            return cflags, lflags
    problem = "fastrnn: the C compiler has no OpenMP"
    if wish("FASTRNN_REQUIRE_OPENMP"):
        raise SystemExit(f"{problem}, and FASTRNN_REQUIRE_OPENMP is set.")
    advice = " (on macOS: `brew install libomp`)" if sys.platform == "darwin" else ""
    print(f"warning: {problem}{advice}; the kernels will run on one thread.", file=sys.stderr)
    return [], []


def base_flags(msvc: bool) -> tuple[list[str], list[str]]:
    """Compile and link flags without OpenMP.

    Never -ffast-math: gcc links it with code that flushes subnormals in the whole process, and
    it breaks isnan. Never -march=native: a wheel has to run elsewhere.
    """
    if msvc:
        return (["/Od", "/Zi"], ["/DEBUG"]) if wish("FASTRNN_DEBUG") else (["/O2"], [])
    if wish("FASTRNN_DEBUG"):
        return ["-O0", "-g"], []
    # -g0 because Python's own flags carry -g, which makes kernels several times as large.
    cflags = ["-O3", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-g0"]
    return cflags, ["-Wl,-s"] if sys.platform == "linux" else []


def engine_flags(msvc: bool) -> list[str]:
    """Further flags of the step engine: plain C++, and only the multiply-adds it asks for.

    Left to itself, the compiler would contract a * b + c in one tile and not in another, and rows would
    differ by their batch mates.
    """
    return ["/fp:precise"] if msvc else ["-ffp-contract=off", "-fno-exceptions"]


class Build(build):
    """Looks for a compiler before the first file is copied, so that the sentence stands alone."""

    def run(self) -> None:
        require_compiler()
        super().run()


class BuildKernels(build_ext):
    """Translates the kernels with Cython into the build folder, never beside their sources."""

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or JOBS

    def run(self) -> None:
        require_compiler()
        super().run()

    def build_extensions(self) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        cflags, lflags = base_flags(msvc)
        openmp_c, openmp_l = openmp_flags(make_compiler(), msvc)

        # Imported here: an sdist or a probe that fails needs neither.
        import numpy
        from Cython.Build import cythonize

        for extension in self.extensions:
            extension.include_dirs += [str(KERNELS), numpy.get_include()]
            extension.define_macros += [("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")]
            extension.extra_compile_args += cflags + openmp_c
            extension.extra_link_args += lflags + openmp_l
            if extension.name.endswith("._engine"):
                extension.extra_compile_args += engine_flags(msvc)
        debug = wish("FASTRNN_DEBUG")
        translated = cythonize(
            self.extensions,
            # Directives are no part of Cython's time stamps: each build has its own folder.
            build_dir=str(Path(self.build_temp, "cython-debug" if debug else "cython")),
            nthreads=JOBS,
            force=self.force,
            compiler_directives={
                "language_level": 3,
                "boundscheck": debug,
                "wraparound": False,
                "cdivision": True,
                "initializedcheck": debug,
            },
        )
        for extension, new in zip(self.extensions, translated, strict=True):
            extension.sources = new.sources
        super().build_extensions()


def kernels() -> list[Extension]:
    """One extension per .pyx; a change to any shared .pxd or .h builds them all again."""
    shared = sorted(str(path) for kind in ("pxd", "h", "hpp") for path in KERNELS.rglob(f"*.{kind}"))
    extensions = []
    for path in sorted(KERNELS.glob("*.pyx")):
        engine = sorted(str(body) for body in ENGINE.glob("*.cpp")) if path.stem == "_engine" else []
        name = ".".join(path.with_suffix("").parts)
        extensions.append(Extension(name, [str(path), *engine], depends=shared))
    return extensions


# The guard lets Cython's worker processes import this file where processes are spawned.
if __name__ == "__main__":
    setup(ext_modules=kernels(), cmdclass={"build": Build, "build_ext": BuildKernels})
