"""The benchmarks of fastrnn: ``python -m bench list | run | compare`` from the project's root.

Which fastrnn is measured
-------------------------
``python -m bench`` puts the project's root first on ``sys.path``.  There lies the *source* folder
``fastrnn/``, which would hide an installed fastrnn and, where nothing was built in place, has no
compiled kernels.  So the root moves to the end of the path before anything imports fastrnn: the
installed one is measured, and the one in place only where none is installed.  That is the rule of
the tests, too.  A root that was asked for (``PYTHONPATH=.``) stands in the path a second time and
stays where it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if sys.path and Path(sys.path[0]).resolve() == ROOT:
    del sys.path[0]
    sys.path.append(str(ROOT))
