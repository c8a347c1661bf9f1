"""What this installation is made of."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import Any

import numpy as np

from ._version import __version__
from .backends import get_backend
from .errors import BackendError
from .threads import available_cpus, get_num_threads


def config() -> dict[str, Any]:
    """Versions, processor, threads, BLAS and backends, JSON-able."""
    from threadpoolctl import threadpool_info

    backends = {}
    for name in ("cpu", "reference", "cupy"):
        try:
            get_backend(name)
            backends[name] = "ready"
        except BackendError as error:
            backends[name] = str(error)
    blas = [
        {k: info.get(k) for k in ("internal_api", "version", "architecture", "num_threads")}
        for info in threadpool_info()
        if info["user_api"] == "blas"
    ]
    optional = ("tqdm", "matplotlib", "sklearn", "cupy", "torch", "onnxruntime", "h5py")
    return {
        "fastrnn": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "platform": platform.platform(),
        "processor": _processor(),
        "cpus": available_cpus(),
        "threads": get_num_threads(),
        "openmp": _openmp(),
        "simd": simd(),
        "blas": blas,
        "backend": get_backend().name,
        "backends": backends,
        "optional": {name: importlib.util.find_spec(name) is not None for name in optional},
        "environment": {
            k: os.environ[k]
            for k in ("FASTRNN_BACKEND", "FASTRNN_NUM_THREADS", "FASTRNN_SIMD", "OMP_NUM_THREADS")
            if k in os.environ
        },
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def simd() -> str:
    """The level of the step engine that runs, of those that this CPU supports."""
    try:
        from .kernels._engine import LEVEL, supported
    except ImportError:
        return "none"
    return f"{LEVEL} (of {', '.join(supported())})"


def _openmp() -> bool:
    try:
        from .kernels._engine import built_with_openmp
    except ImportError:
        return False
    return bool(built_with_openmp())


def show_config(file: Any = None) -> None:
    """Print what `config` finds."""
    out = file or sys.stdout
    for key, value in config().items():
        if isinstance(value, dict):
            print(f"{key}:", file=out)
            for k, v in value.items():
                print(f"  {k}: {v}", file=out)
        elif isinstance(value, list):
            print(f"{key}:", file=out)
            for item in value:
                print("  " + ", ".join(f"{k} {v}" for k, v in item.items()), file=out)
        else:
            print(f"{key}: {value}", file=out)
