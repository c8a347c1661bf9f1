"""Long memories: the puzzles of Hochreiter and Schmidhuber (1997), what `fastrnn.diagnose` says before, and
the cures.

Everything is made here: `--data` is not read.  A network sees every sequence once.  It is tested after each
2,000 on the next 2,000 of the stream, and stops where the paper stopped: all 2,000 right, that is, off by
less than 0.04 (adding) or by less than 0.3 at every output (temporal order).  The figures are from 2,560
other sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import fastrnn as fr
from fastrnn.initializers import Chrono, Identity, Normal, Orthogonal
from fastrnn.samples import adding_problem, temporal_order

PORTION, TEST = 2_000, 2_560
UNITS, BATCH, RATE = 32, 32, 1e-3
Figures = dict[str, Any]


@dataclass(frozen=True)
class Puzzle:
    """A puzzle, and what counts as solved."""

    name: str
    T: int
    budget: int  # sequences after which a network has failed

    @property
    def measure(self) -> str:
        return "accuracy" if self.name == "order" else "mse"

    @property
    def longest(self) -> int:
        return self.T + self.T // 10

    def draw(self, n: int, seed: int) -> tuple[Any, Any]:
        if self.name == "order":
            return temporal_order(n, self.T, seed)
        x, y = adding_problem(n, self.T, seed)
        return x, y[:, None]

    def model(self, layer: Any, seed: int, optimizer: Any) -> fr.Sequential:
        if self.name == "order":
            layers, loss = (
                [fr.OneHot(8), layer, fr.Dense(4, activation="softmax")],
                "sparse_categorical_crossentropy",
            )
        else:
            layers, loss = [layer, fr.Dense(1)], "mse"
        model = fr.Sequential(layers, seed=seed)
        model.compile(optimizer, loss)
        return model

    def errors(self, model: fr.Sequential, x: Any, y: Any) -> np.ndarray:
        """[n, outputs], how far each output is off."""
        wanted = np.eye(4)[y] if self.name == "order" else y
        return np.abs(model.predict(x) - wanted)

    def figure(self, model: fr.Sequential, x: Any, y: Any) -> float:
        """Share of right classes, or mean squared error."""
        if self.name == "order":
            return float((model.predict(x).argmax(axis=1) == y).mean())
        return float(np.mean(self.errors(model, x, y) ** 2))

    def wrong(self, errors: np.ndarray) -> int:
        right = errors.max(axis=1) < (0.3 if self.name == "order" else 0.04)
        return int((~right).sum())  # NaN is wrong as well


def adam(rate: float = RATE) -> fr.optimizers.Adam:
    return fr.optimizers.Adam(rate, global_clipnorm=1.0)


def solve(puzzle: Puzzle, layer: Any, seed: int, optimizer: Any = None) -> Figures:
    """Diagnose, train, and test one network."""
    model = puzzle.model(layer, seed, optimizer or adam())
    stream = [10_000 * (seed + 1)]  # seeds of the portions; those of the tests are smaller

    def portion() -> tuple[Any, Any]:
        stream[0] += 1
        return puzzle.draw(PORTION, stream[0])

    x, y = portion()
    report = fr.diagnose(model, x, y)
    seen, stopped, losses = 0, 0, []
    try:
        while seen < puzzle.budget and not stopped:
            losses.append(model.fit(x, y, batch_size=BATCH, verbose=0).history["loss"][0])
            seen += PORTION
            x, y = portion()
            stopped = 0 if puzzle.wrong(puzzle.errors(model, x, y)) else seen
    except fr.NonFiniteError:
        losses.append(np.inf)
    test = puzzle.draw(TEST, seed)
    return {
        "verdict": report.verdict,
        "half_life": round(report.half_life, 1),
        "arriving": float(f"{report.arriving[-1]:.3g}"),
        "sequences": stopped,  # 0: not within the budget
        "wrong": puzzle.wrong(puzzle.errors(model, *test)),
        puzzle.measure: float(f"{puzzle.figure(model, *test):.4g}"),
        "worst_loss": max(losses[1:] or losses),
    }


def chrono(puzzle: Puzzle, units: int = UNITS) -> Any:
    return fr.LSTM(units, bias_initializer=Chrono(puzzle.longest))


def lstm(forget: float) -> Any:
    def bias(rng: Any, shape: Any, dtype: Any) -> Any:
        b = np.zeros(shape, dtype)
        b[len(b) // 4 : len(b) // 2] = forget
        return b

    return fr.LSTM(UNITS, unit_forget_bias=False, bias_initializer=bias)


def identity() -> Any:
    """The relu network that starts as the identity (Le, Jaitly and Hinton 2015)."""
    return fr.RNN(UNITS, "relu", recurrent_initializer="identity", kernel_initializer=Normal(0.0, 0.01))


PANEL: dict[str, Callable[[Puzzle], Any]] = {
    "rnn": lambda puzzle: fr.RNN(UNITS),
    "rnn, weights x 2": lambda puzzle: fr.RNN(UNITS, recurrent_initializer=Orthogonal(2.0)),
    "rnn, relu, identity": lambda puzzle: identity(),
    "rnn, relu, weights x 1.3": lambda puzzle: fr.RNN(UNITS, "relu", recurrent_initializer=Orthogonal(1.3)),
    "gru": lambda puzzle: fr.GRU(UNITS),
    "gru, update bias 1": lambda puzzle: fr.GRU(UNITS, bias_initializer=_update),
    "gru, chrono": lambda puzzle: fr.GRU(UNITS, bias_initializer=Chrono(puzzle.longest)),
    "lstm, forget bias 0": lambda puzzle: lstm(0.0),
    "lstm, forget bias 1": lambda puzzle: lstm(1.0),
    "lstm, forget bias 3": lambda puzzle: lstm(3.0),
    "lstm, chrono": chrono,
}


def _update(rng: Any, shape: Any, dtype: Any) -> Any:
    """Half of 1 for the update gate, for the GRU adds two biases."""
    b = np.zeros(shape, dtype)
    b[len(b) // 3 : 2 * len(b) // 3] = 0.5
    return b


def _goal(puzzle: Puzzle, seed: int) -> Figures:
    """The LSTM with a long memory and the RNN, side by side."""
    found: Figures = {}
    for name, layer in (("lstm", chrono(puzzle)), ("rnn", fr.RNN(UNITS))):
        one = solve(puzzle, layer, seed, adam(rate=0.003))
        found |= {f"{name}_{key}": value for key, value in one.items()}
    return found


def adding_100(data: Path, seed: int) -> Figures:
    """Experiment 4; 74,000 sequences in 1997 (mean of 10 trials)."""
    return _goal(Puzzle("adding", 100, 200_000), seed)


def adding_200(data: Path, seed: int) -> Figures:
    """Experiment 4 at a length that the paper does not have."""
    return _goal(Puzzle("adding", 200, 200_000), seed)


def adding_500(data: Path, seed: int) -> Figures:
    """Experiment 4; 209,000 sequences in 1997."""
    return _goal(Puzzle("adding", 500, 209_000), seed)


def order_100(data: Path, seed: int) -> Figures:
    """Experiment 6a; 31,390 sequences in 1997 (mean of 20 trials)."""
    return _goal(Puzzle("order", 100, 100_000), seed)


def panel(data: Path, seed: int) -> Figures:
    """Which networks learn, and what was said before; and how many verdicts were right.

    A verdict is right if a network that is healthy solves the puzzle (adding: MSE < 0.01; order: 99 %) within
    the budget, and one that is not does not.
    """
    found: Figures = {}
    right = total = 0
    for puzzle in (Puzzle("adding", 100, 100_000), Puzzle("order", 100, 60_000)):
        for name, make in PANEL.items():
            one = solve(puzzle, make(puzzle), seed)
            value = one[puzzle.measure]
            learned = value < 0.01 if puzzle.name == "adding" else value >= 0.99
            right += learned == (one["verdict"] == "healthy")
            total += 1
            said = f"{one['verdict']}, half-life {one['half_life']}, {one['arriving']:.2g} arrives"
            result = f"{'learned' if learned else 'not learned'} ({puzzle.measure} {value:.4g})"
            found[f"{puzzle.name}: {name}"] = f"{said}; {result}"
    return {**found, "right": right, "of": total}


def cures(data: Path, seed: int) -> Figures:
    """Each cure with and without it, all else equal."""
    found: Figures = {}

    def note(name: str, one: Figures) -> None:
        found[f"{name}: accuracy"] = round(one["accuracy"], 4)
        worst = one["worst_loss"]
        found[f"{name}: worst loss"] = float(f"{worst:.3g}") if np.isfinite(worst) else "diverged"
        found[f"{name}: verdict"] = one["verdict"]

    near, far = Puzzle("order", 30, 30_000), Puzzle("order", 100, 40_000)
    for rate in (0.01, 0.1):
        for name, clip in (("not clipped", None), ("clipped", 1.0)):
            large = fr.RNN(
                UNITS, "relu", recurrent_initializer=Identity(1.2), kernel_initializer=Normal(0.0, 0.1)
            )
            sgd = fr.optimizers.SGD(rate, momentum=0.9, global_clipnorm=clip)
            note(f"relu, weights x 1.2, SGD {rate}, {name}", solve(near, large, seed, sgd))
    for start in ("normal", "glorot_uniform", "orthogonal"):
        note(f"rnn, {start}", solve(near, fr.RNN(UNITS, recurrent_initializer=start), seed))
    note("lstm instead", solve(near, fr.LSTM(UNITS), seed))
    for name, layer in (
        ("rnn, orthogonal", fr.RNN(UNITS)),
        ("lstm, forget bias 0", lstm(0.0)),
        ("lstm, forget bias 1", lstm(1.0)),
        ("lstm, chrono", chrono(far)),
    ):
        note(f"T = 100, {name}", solve(far, layer, seed))
    return found
