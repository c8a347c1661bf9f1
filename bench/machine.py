"""What the numbers were taken on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

from . import ROOT

BUSY = 0.5  # load average above which other work disturbs the times


def describe() -> dict[str, Any]:
    """Processor, cores, caches, system, Python, date, commit and load, before anything runs."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count() or 1,
        "usable_cores": usable_cores(),
        "caches": _caches(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": {},
    }


def usable_cores() -> int:
    """Cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def warning(machine: dict[str, Any]) -> str:
    """A sentence where the machine was busy, or nothing."""
    load = machine["load"]
    if load is None or load <= BUSY:
        return ""
    return (
        f"The machine is busy (load average {load:.2f} at the start): the ratios are noisy and the "
        "times too long. Do not conclude from them."
    )


def sentence(machine: dict[str, Any]) -> str:
    """What machine it was, in one sentence."""
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    versions = ", ".join(f"{name} {text}" for name, text in sorted(machine["versions"].items()))
    load = "" if machine["load"] is None else f", load average {machine['load']:.2f} at the start"
    cores = f"{machine['usable_cores']} of {machine['cores']} cores"
    return (
        f"Measured on {machine['cpu']} ({cores}{', ' + caches if caches else ''}), "
        f"{machine['system']}, Python {machine['python']}, {versions}, commit "
        f"{machine['commit']}, {machine['date']}{load}."
    )


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    name = _output("sysctl", "-n", "machdep.cpu.brand_string")
    return name or platform.processor() or platform.machine() or "an unknown processor"


def _caches() -> dict[str, str]:
    """Sizes by level, of the first core; empty where they cannot be read."""
    found = {}
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = (
                (folder / name).read_text().strip() for name in ("level", "type", "size")
            )
        except OSError:
            continue
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _commit() -> str:
    commit = _output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD")
    changed = _output("git", "-C", str(ROOT), "status", "--porcelain")
    return f"{commit} with changes" if commit and changed else commit or "unknown"


def _output(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
