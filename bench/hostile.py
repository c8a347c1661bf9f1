"""How long, and with how much memory, every reader refuses files that mean harm.

    python -m bench.hostile

The files are those of the tests (`tests/hostile_*.py`).  Goals: 0.1 s and 50 MB each.  Every file is read in
a process of its own, whose memory is what the system counts (the highest resident set, beyond that of a
process which has imported the same and read nothing).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

TESTS = Path(__file__).resolve().parents[1] / "tests"
MODULES = ("hostile_torch", "hostile_safetensors", "hostile_hdf5", "hostile_keras", "hostile_onnx")
SECONDS, MEGABYTES = 0.1, 50.0

ONE = """
import importlib, json, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fastrnn, safetensors.numpy
from fastrnn import interop
module = importlib.import_module(sys.argv[2])
path = module.KINDS[sys.argv[3]](Path(sys.argv[4]))
if importlib.util.find_spec("h5py"): import h5py
def peak():
    for line in open("/proc/self/status"):
        if line.startswith("VmHWM"): return int(line.split()[1]) / 1024
open("/proc/self/clear_refs", "w").write("5")  # the highest resident set begins anew
before, start = peak(), time.perf_counter()
try:
    module.READ(path)
    found = "read it"
except fastrnn.ModelFormatError as error:
    found = "refused"
except BaseException as error:
    found = type(error).__name__
print(json.dumps([found, time.perf_counter() - start, peak() - before]))
"""


def main() -> int:
    """Print a table; 1 where a file was not refused within the goals."""
    sys.path.insert(0, str(TESTS))
    missed, worst = 0, [0.0, 0.0]
    for name in MODULES:
        for kind in __import__(name).KINDS:
            with TemporaryDirectory() as folder:
                done = subprocess.run(
                    [sys.executable, "-c", ONE, str(TESTS), name, kind, folder],
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
            try:
                found, seconds, megabytes = json.loads(done.stdout)
            except ValueError:
                found, seconds, megabytes = f"ended with {done.returncode}", float("nan"), float("nan")
            good = found == "refused" and seconds <= SECONDS and megabytes <= MEGABYTES
            missed += not good
            worst = [max(worst[0], seconds), max(worst[1], megabytes)]
            mark = "" if good else "  <-"
            what = f"{name.removeprefix('hostile_'):12} {kind:50} {found:10}"
            print(f"{what} {seconds:7.4f} s {megabytes:6.1f} MB{mark}")
    print(f"slowest {worst[0]:.4f} s, largest {worst[1]:.1f} MB, {missed} beyond the goals")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
