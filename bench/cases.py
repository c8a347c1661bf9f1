"""The named sizes: what is measured, as plain numbers.  Nothing here needs NumPy.

Names read ``<cell>-<mode>-<shape>``; a shape is B x T x I x H (sequences, steps, inputs, units).
Ragged shapes are B x shortest..longest x I x H, dense ones B x units-units-...
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from fnmatch import fnmatchcase
from typing import Any

CELLS = ("lstm", "gru", "rnn")
MODES = ("inference", "training")

# B, T, I, H: from one step of one sequence (latency) to weights that stream from memory.
SHAPES = (
    (1, 1, 64, 128),
    (1, 100, 16, 16),
    (1, 100, 64, 64),
    (1, 100, 128, 256),
    (1, 50, 512, 512),
    (1, 50, 1024, 1024),
    (8, 50, 64, 64),
    (32, 50, 64, 128),
    (32, 100, 128, 256),
    (64, 50, 512, 512),
    (128, 25, 1024, 1024),
    (256, 50, 64, 64),
)
# The three slowest, without which --quick keeps its promise.
LARGE = ((1, 50, 1024, 1024), (64, 50, 512, 512), (128, 25, 1024, 1024))
DENSE = (
    (32, (64, 32, 8, 32, 64)),
    (128, (784, 256, 64, 256, 784)),
    (256, (784, 512, 128, 512, 784)),
)


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    name : unique, for ``--case`` and for reports
    subject : "recurrent", "ragged" or "dense": the module that makes its data
    cell : "lstm", "gru", "rnn"; "autoencoder" where the subject is "dense"
    mode : "inference", "training"
    B : rows of the batch
    T, I, H : steps, inputs, units of a recurrence
    lengths : B numbers of steps, T the largest of them; empty where every row has T
    units : sizes of a dense network, input included
    twin : name of the case that fastrnn runs in the same rounds, for comparison
    large : left out by ``--quick``
    """

    name: str
    subject: str
    cell: str
    mode: str
    B: int
    T: int = 0
    I: int = 0
    H: int = 0
    lengths: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    twin: str = ""
    large: bool = False

    @property
    def time_major(self) -> bool:
        """Whether arrays are [T, B, F]: all but the ragged cases and their twins."""
        return self.subject == "recurrent"

    @property
    def training(self) -> bool:
        return self.mode == "training"

    @property
    def shape(self) -> str:
        """The last part of the name."""
        return self.name.removeprefix(f"{self.cell}-{self.mode}-")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Case:
        """The case whose fields were written as JSON, which has lists in place of tuples."""
        known: dict[str, Any] = {}
        for field in fields(cls):
            value = values[field.name]
            known[field.name] = tuple(value) if isinstance(value, list) else value
        return cls(**known)


def recurrent(cell: str, mode: str, shape: tuple[int, int, int, int], mark: str = "") -> Case:
    """A batch in which every sequence has T steps."""
    B, T, I, H = shape
    name = f"{cell}-{mode}-{mark}{B}x{T}x{I}x{H}"
    return Case(name, "recurrent", cell, mode, B, T, I, H, large=shape in LARGE)


def ragged(
    cell: str, mode: str, lengths: tuple[int, ...], inputs: int, units: int, mark: str = ""
) -> tuple[Case, Case]:
    """A ragged batch, and its padded twin: as many rows, the same number of real steps."""
    B, total = len(lengths), sum(lengths)
    if total % B:
        raise ValueError(f"{total} steps do not fill {B} rows of equal length.")
    twin = recurrent(cell, mode, (B, total // B, inputs, units), f"{mark}padded-")
    twin = replace(twin, subject="ragged")
    span = f"{min(lengths)}..{max(lengths)}"
    name = f"{cell}-{mode}-{mark}ragged-{B}x{span}x{inputs}x{units}"
    case = Case(name, "ragged", cell, mode, B, max(lengths), inputs, units, lengths, twin=twin.name)
    return case, twin


def dense(batch: int, units: tuple[int, ...], mark: str = "") -> Case:
    """One training step of an autoencoder with Adam."""
    name = f"autoencoder-training-{mark}{batch}x{'-'.join(map(str, units))}"
    return Case(name, "dense", "autoencoder", "training", batch, units=units)


def spread(rows: int, shortest: int, longest: int) -> tuple[int, ...]:
    """`rows` lengths, evenly spread and unsorted, whose sum is a multiple of `rows`."""
    step = (longest - shortest) / (rows - 1)
    lengths = [round(shortest + step * row) for row in range(rows)]
    surplus = sum(lengths) % rows
    first = (rows - surplus) // 2  # taken from the middle: both ends stay as they were asked for
    for row in range(first, first + surplus):
        lengths[row] -= 1
    return tuple(lengths[::2] + lengths[1::2][::-1])


def _all() -> list[Case]:
    cases = [recurrent(c, m, shape) for c in CELLS for m in MODES for shape in SHAPES]
    for cell in CELLS:
        for mode in MODES:
            cases += ragged(cell, mode, spread(32, 5, 100), 128, 256)
    return cases + [dense(batch, units) for batch, units in DENSE]


def _tiny() -> list[Case]:
    cases = [recurrent(c, m, (2, 3, 4, 5), "tiny-") for c in CELLS for m in MODES]
    for cell in CELLS:
        for mode in MODES:
            cases += ragged(cell, mode, (1, 4, 4), 3, 5, "tiny-")
    return [*cases, dense(4, (6, 3, 6), "tiny-")]


CASES = tuple(_all())
# For trying a peer and for the tests: milliseconds each, selected only by a pattern with "tiny".
TINY = tuple(_tiny())
BY_NAME = {case.name: case for case in (*CASES, *TINY)}


def select(patterns: Iterable[str] = (), quick: bool = False) -> list[Case]:
    """The cases whose name matches one of `patterns` (all without one), in the order of the list.

    Parameters
    ----------
    patterns : as in a shell: ``*``, ``?``, ``[...]``
    quick : leave the large ones out
    """
    patterns = list(patterns) or ["*"]
    chosen = [
        case
        for case in CASES
        if not (quick and case.large) and any(fnmatchcase(case.name, p) for p in patterns)
    ]
    asked = [p for p in patterns if "tiny" in p]
    return chosen + [case for case in TINY if any(fnmatchcase(case.name, p) for p in asked)]
