"""The named sizes: what is measured, as plain numbers.  Nothing here needs NumPy.

Names read ``<cell>-<mode>-<shape>``; a shape is B x T x I x H (sequences, steps, inputs, units).
Ragged shapes are B x shortest..longest x I x H, dense ones B x units-units-...
A word in front of a shape (``stream-``, ``call-``, ``padded-``) says what is special about it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
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
# What a library that compiles every shape anew takes part in with --quick.
FEW = ((1, 100, 64, 64), (32, 50, 64, 128))
DENSE = (
    (32, (64, 32, 8, 32, 64)),
    (128, (784, 256, 64, 256, 784)),
    (256, (784, 512, 128, 512, 784)),
)
STREAM = (16, 64, 128)  # units, and as many inputs, of one step of one sequence
CALL = (1, 1, 16, 16)  # what a call costs where there is next to nothing to compute
CLASSIFIER = (50, 64, 128)  # words, numbers a word, units: a review of a few sentences
# The depth, width and batch of thinc's tagger: 32 sentences of 30 words, 300 numbers a word.
WORDS = (32, 30, 300, 300)


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    Attributes
    ----------
    name : unique, for ``--case`` and for reports
    subject : "recurrent", "ragged", "dense", "stream", "words", "classifier": the module that makes its data
    group : what the case is one of, for goals: "grid", "ragged", "padded", "dense", "stream", "call",
        "words", "classifier", "tiny"
    cell : "lstm", "gru", "rnn"; "autoencoder" where the subject is "dense", "bilstm" where it is "words",
        "classifier" where it is that
    mode : "inference", "training"
    B : rows of the batch
    T, I, H : steps, inputs, units of a recurrence
    lengths : B numbers of steps, T the largest of them; empty where every row has T
    units : sizes of a dense network, input included
    twin : name of the case that fastrnn runs in the same rounds, for comparison
    full_only : left out by ``--quick``: the largest shapes, and padded batches, which are timed beside their
        ragged twins anyway
    few : one of those that ``--quick`` leaves to libraries that compile every shape
    threads : everybody is held to so many; 0: fastrnn's default against the others' better count
    """

    name: str
    subject: str
    group: str
    cell: str
    mode: str
    B: int
    T: int = 0
    I: int = 0
    H: int = 0
    lengths: tuple[int, ...] = ()
    units: tuple[int, ...] = ()
    twin: str = ""
    full_only: bool = False
    few: bool = False
    threads: int = 0

    @property
    def time_major(self) -> bool:
        """Whether arrays are [T, B, F]: those of the grid and of single calls."""
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


def recurrent(cell: str, mode: str, shape: tuple[int, int, int, int], group: str = "grid") -> Case:
    """A batch in which every sequence has T steps."""
    B, T, I, H = shape
    mark = "" if group == "grid" else f"{group}-"
    name = f"{cell}-{mode}-{mark}{B}x{T}x{I}x{H}"
    few = group == "tiny" or (group == "grid" and shape in FEW)
    large = group == "grid" and shape in LARGE
    return Case(name, "recurrent", group, cell, mode, B, T, I, H, full_only=large, few=few)


def ragged(
    cell: str, mode: str, lengths: tuple[int, ...], inputs: int, units: int, mark: str = ""
) -> tuple[Case, Case]:
    """A ragged batch, and its padded twin: as many rows, the same number of real steps."""
    B, total = len(lengths), sum(lengths)
    if total % B:
        raise ValueError(f"{total} steps do not fill {B} rows of equal length.")
    span = f"{min(lengths)}..{max(lengths)}"
    end = f"x{inputs}x{units}"
    twin = Case(
        f"{cell}-{mode}-{mark}padded-{B}x{total // B}{end}", "ragged", "tiny" if mark else "padded",
        cell, mode, B, total // B, inputs, units, full_only=not mark, few=bool(mark),
    )  # fmt: skip
    case = Case(
        f"{cell}-{mode}-{mark}ragged-{B}x{span}{end}", "ragged", "tiny" if mark else "ragged",
        cell, mode, B, max(lengths), inputs, units, lengths, twin=twin.name, few=bool(mark),
    )  # fmt: skip
    return case, twin


def dense(batch: int, units: tuple[int, ...], mark: str = "") -> Case:
    """One training step of an autoencoder with Adam."""
    name = f"autoencoder-training-{mark}{batch}x{'-'.join(map(str, units))}"
    few = bool(mark) or (batch, units) == DENSE[0]
    group = "tiny" if mark else "dense"
    return Case(name, "dense", group, "autoencoder", "training", batch, units=units, few=few)


def stream(units: int, mark: str = "") -> Case:
    """One step of one LSTM layer with its state kept; as many inputs as units."""
    name = f"lstm-inference-{mark}stream-1x1x{units}x{units}"
    group = "tiny" if mark else "stream"
    return Case(name, "stream", group, "lstm", "inference", 1, 1, units, units, few=bool(mark))


def words(mode: str, shape: tuple[int, int, int, int], mark: str = "") -> Case:
    """Two layers of bidirectional LSTM on one thread; H units each way."""
    B, T, I, H = shape
    group = "tiny" if mark else "words"
    name = f"bilstm-{mode}-{mark}{B}x{T}x{I}x{H}"
    return Case(name, "words", group, "bilstm", mode, B, T, I, H, few=bool(mark), threads=1)


def classifier(batch: int, shape: tuple[int, int, int], threads: int = 0, mark: str = "") -> Case:
    """A classifier imported from PyTorch, on one thread or on as many as there are."""
    T, I, H = shape
    alone = "one-thread-" if threads else ""
    name = f"classifier-inference-{mark}{alone}{batch}x{T}x{I}x{H}"
    group = "tiny" if mark else "classifier"
    return Case(name, "classifier", group, "classifier", "inference", batch, T, I, H, few=bool(mark),
                threads=threads)  # fmt: skip


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
    cases += [dense(batch, units) for batch, units in DENSE]
    cases += [stream(units) for units in STREAM]
    cases += [recurrent(cell, "inference", CALL, "call") for cell in CELLS]
    cases += [words(mode, WORDS) for mode in MODES]
    return cases + [classifier(batch, CLASSIFIER, threads) for threads in (1, 0) for batch in (1, 32)]


def _tiny() -> list[Case]:
    cases = [recurrent(c, m, (2, 3, 4, 5), "tiny") for c in CELLS for m in MODES]
    for cell in CELLS:
        for mode in MODES:
            cases += ragged(cell, mode, (1, 4, 4), 3, 5, "tiny-")
    cases += [dense(4, (6, 3, 6), "tiny-"), stream(4, "tiny-")]
    cases += [words(mode, (2, 3, 4, 5), "tiny-") for mode in MODES]
    return [*cases, classifier(2, (3, 4, 5), mark="tiny-")]


CASES = tuple(_all())
# For trying a peer and for the tests: milliseconds each, selected only by a pattern with "tiny".
TINY = tuple(_tiny())
BY_NAME = {case.name: case for case in (*CASES, *TINY)}


def select(patterns: Iterable[str] = (), quick: bool = False) -> list[Case]:
    """The cases whose name matches one of `patterns` (all without one), in the order of the list.

    Parameters
    ----------
    patterns : as in a shell: ``*``, ``?``, ``[...]``
    quick : leave out those marked `full_only`
    """
    patterns = list(patterns) or ["*"]
    chosen = [
        case
        for case in CASES
        if not (quick and case.full_only) and any(fnmatchcase(case.name, p) for p in patterns)
    ]
    asked = [p for p in patterns if "tiny" in p]
    return chosen + [case for case in TINY if any(fnmatchcase(case.name, p) for p in asked)]
