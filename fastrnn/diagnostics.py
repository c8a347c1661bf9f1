"""Does the gradient reach the beginning of a sequence, or does it vanish or explode on its way?

`diagnose` measures, before or after training, what decides whether a recurrent network can learn from far
back (Hochreiter 1991; Bengio, Simard and Frasconi 1994): the gradient of the loss at the state of every time
step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import plot
from .advice import advice
from .batches import Targets
from .errors import sentence
from .gradient_flow import END, LAST, Flow, flows
from .layers.base import check_units
from .losses import get as get_loss
from .model import Sequential

# The share of the gradient that has to arrive at the far end.  What the far end says has to stand out of what
# the nearer steps say by chance, and n sequences average chance down by sqrt(n): 0.1 % takes a million, and
# the longest training of Hochreiter and Schmidhuber (1997) took 853,000.
LEAST = 1e-3
# How much it may grow.  Where a gradient grows g-fold the curvature grows g^2-fold (Pascanu, Mikolov and
# Bengio 2013, section 2.3), and the learning rate that fits shrinks by as much: 30-fold takes the same
# thousand.
MOST = 30.0


@dataclass(frozen=True, eq=False)
class LayerDiagnosis:
    """One recurrent layer, or one direction of it; steps in the order in which it reads.

    Attributes
    ----------
    name : of the layer; "bidirectional.forward" and "bidirectional.backward" for two directions
    cell, units : name of its cell, size of its state
    gradient_norm : float64 [T], the norm of dL/dh_t, the mean over the sequences that have a step t
    cell_gradient_norm : likewise dL/dc_t of an LSTM, else None
    arriving : float64 [T], the share of the gradient at a sequence's last step that is left d steps before
        it; of c for an LSTM, else of h.  Where there is a loss at every step, that of the last step alone is
        counted
    half_life : steps in which it halves, on average over the whole way; inf where it does not decay
    verdict : "healthy", "vanishing" (less than 0.1 % arrives at the far end) or "exploding" (more than
        30-fold anywhere)
    saturation : share of gate activations where the activation is flat: a sigmoid outside (0.1, 0.9), a
        tanh outside (-0.9, 0.9), a relu at 0; None for a cell that does not show its gates
    gate_saturation : the same, gate by gate
    gates : letter -> [T, H], the mean activation at each step; `fastrnn.plot.gate_activity` draws it
    advice : sentences
    """

    name: str
    cell: str
    units: int
    gradient_norm: np.ndarray
    cell_gradient_norm: np.ndarray | None
    arriving: np.ndarray
    half_life: float
    verdict: str
    saturation: float | None
    gate_saturation: dict[str, float]
    gates: dict[str, np.ndarray]
    advice: list[str]

    def __str__(self) -> str:
        T = len(self.arriving)
        pace = "does not decay" if math.isinf(self.half_life) else f"half-life {self.half_life:.3g} steps"
        lines = [f"{self.name} ({self.cell}, {self.units} units): {self.verdict}"]
        lines.append(f"  left of the gradient after {T - 1} steps: {self.arriving[-1]:.2g}, {pace}")
        if self.saturation is not None:
            each = ", ".join(f"{letter} {share:.0%}" for letter, share in self.gate_saturation.items())
            lines.append(f"  saturated gates: {self.saturation:.0%} ({each})")
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `fastrnn.diagnose` found; `print` shows it.

    The attributes of the layer that decides are here as well: `gradient_norm`, `cell_gradient_norm`,
    `arriving`, `half_life`, `verdict`, `saturation`, `gate_saturation`, `gates`.  It is the one whose
    gradient explodes, if there is one, else the first recurrent layer: through it, and all above it, the loss
    has to reach the input. Of two directions it is the worse.

    Attributes
    ----------
    layers : a `LayerDiagnosis` for each recurrent layer and direction, from the first
    decides : index of the one that decides
    advice : sentences, those of all layers; empty where all are healthy
    """

    layers: list[LayerDiagnosis]
    decides: int
    advice: list[str]

    @property
    def _layer(self) -> LayerDiagnosis:
        return self.layers[self.decides]

    @property
    def gradient_norm(self) -> np.ndarray:
        return self._layer.gradient_norm

    @property
    def cell_gradient_norm(self) -> np.ndarray | None:
        return self._layer.cell_gradient_norm

    @property
    def arriving(self) -> np.ndarray:
        return self._layer.arriving

    @property
    def half_life(self) -> float:
        return self._layer.half_life

    @property
    def verdict(self) -> str:
        return self._layer.verdict

    @property
    def saturation(self) -> float | None:
        return self._layer.saturation

    @property
    def gate_saturation(self) -> dict[str, float]:
        return self._layer.gate_saturation

    @property
    def gates(self) -> dict[str, np.ndarray]:
        return self._layer.gates

    def plot(self, ax: Any = None) -> Any:
        """The gradient norm of every layer, step by step, on a log axis; returns the Axes."""
        curves = {}
        for layer in self.layers:
            before = f"{layer.name}: " if len(self.layers) > 1 else ""
            curves[f"{before}dL/dh"] = layer.gradient_norm
            if layer.cell_gradient_norm is not None:
                curves[f"{before}dL/dc"] = layer.cell_gradient_norm
        labels = {"ylabel": "mean norm of the gradient", "xlabel": "time step, 0 is the last"}
        ax = plot.gradient_norms(curves, ax, **labels)
        ax.set_title(f"{self._layer.name}: {self.verdict}", fontsize="medium")
        return ax

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}", *map(str, self.layers)]
        return "\n".join([*lines, *(f"- {line}" for line in self.advice)])


def diagnose(
    model: Sequential, x: Any, y: Any, *, loss: Any = None, examples: int | None = 128, lengths: Any = None,
    mask: Any = None,
) -> Diagnosis:  # fmt: skip
    """Measure the gradient of the loss at every time step of every recurrence, and judge it.

    The gradient is the total derivative of the mean loss of the batch, exact, and computed in float64 inside
    the recurrence whatever the model's dtype.  Dropout is off and states start from zero.  Nothing of the
    model changes: weights, gradients, seed and states are afterwards what they were (one that is not built
    yet is built, as by `predict`).

    Parameters
    ----------
    model : a Sequential with a recurrent layer
    x, y : as for `fit`
    loss : name or object; None takes the one of `compile`
    examples : how many of x are read, evenly spaced; None reads all of them.  They make one batch
    lengths, mask : as for `fit`, for padded x

    Returns
    -------
    Diagnosis

    Raises
    ------
    TypeError, ValueError : model is no Sequential, has no recurrent layer or no loss; x has no steps
    ShapeError, DtypeError : x or y do not fit, as in `fit`

    >>> import numpy as np, fastrnn as fr
    >>> x, y = fr.samples.adding_problem(32, T=100)
    >>> def verdict(layer):
    ...     model = fr.Sequential([layer, fr.Dense(1)], seed=0)
    ...     return fr.diagnose(model, x, y, loss="mse").verdict
    >>> verdict(fr.RNN(32)), verdict(fr.LSTM(32, bias_initializer=fr.initializers.Chrono(110)))
    ('vanishing', 'healthy')
    """
    if not isinstance(model, Sequential):
        raise TypeError(sentence("diagnose", "model", "a fastrnn.Sequential", model))
    if loss is None and model.loss is None:
        expected, remedy = "given for a model that is not compiled", "For example loss='mse'; or compile it."
        raise ValueError(sentence("diagnose", "loss", expected, None, remedy))
    chosen = model.loss if loss is None else get_loss(loss)
    inputs = model.inputs("diagnose", x, lengths, mask)
    targets = Targets("diagnose", y, inputs)
    index = np.arange(len(inputs))
    if examples is not None and check_units("diagnose", "examples", examples) < len(index):
        index = np.linspace(0, len(index) - 1, examples).round().astype(np.int64)
    if not inputs.lengths[index].any():
        got = f"{len(index)} empty ones"
        raise ValueError(sentence("diagnose", "x", "sequences of at least one step", got))
    whole = flows(model, chosen, inputs, targets, index)
    if not whole:
        expected = "a model with a recurrent layer, such as LSTM(64)"
        raise ValueError(sentence("diagnose", "model", expected, f"{model!r}"))
    # How far a gradient reaches is seen from one loss at the end, and from where a direction ends that reads
    # backwards: it reads the last step first.
    alone, out_shape = whole, model.layers[-1].out_shape
    assert out_shape is not None
    if out_shape.sequence:
        alone = flows(model, chosen, inputs, targets, index, LAST)
    if any(flow.backwards and flow.layer.return_sequences for flow in whole):
        ends = flows(model, chosen, inputs, targets, index, END)
        alone = [end if end.backwards else flow for flow, end in zip(alone, ends, strict=True)]
    layers = [_judge(model, *pair) for pair in zip(whole, alone, strict=True)]
    decides = _decides(layers, [flow.place for flow in whole])
    return Diagnosis(layers, decides, list(dict.fromkeys(line for layer in layers for line in layer.advice)))


def _judge(model: Sequential, whole: Flow, alone: Flow) -> LayerDiagnosis:
    """whole : with all losses; alone : with what starts where the recurrence stops reading."""
    layout = whole.layout
    h = _mean(whole.h, layout.step)
    c = None if whole.c is None else _mean(whole.c, layout.step)
    back = alone.layout.lengths[alone.layout.sequence] - 1 - alone.layout.step
    reaching = _mean(alone.h if alone.c is None else alone.c, back)
    with np.errstate(divide="ignore", invalid="ignore"):
        arriving = reaching / reaching[0] if np.isfinite(reaching[0]) else np.full(len(reaching), np.inf)
    arriving = np.where(np.isnan(arriving), 0.0, arriving)  # 0 / 0: there is nothing that could arrive
    verdict = "healthy"
    if arriving.max() > MOST:
        verdict = "exploding"
    elif arriving[-1] < LEAST:
        verdict = "vanishing"
    saturation = float(np.mean(list(whole.saturated.values()))) if whole.saturated else None
    lines = advice(model, whole, verdict, arriving, _half_life(arriving))
    return LayerDiagnosis(
        whole.name, whole.layer.cell.name, whole.layer.units, h, c, arriving, _half_life(arriving), verdict,
        saturation, whole.saturated, whole.gates, lines,
    )  # fmt: skip


def _mean(norms: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The mean of the norms at each place; a gradient that left the range of float64 is infinite."""
    norms = np.where(np.isnan(norms), np.inf, norms)
    return np.asarray(np.bincount(place, norms) / np.bincount(place))


def _half_life(arriving: np.ndarray) -> float:
    """Steps in which the share halves, from the first to the last that is not 0."""
    alive = np.flatnonzero(arriving)
    if not len(alive):
        return 0.0
    share = float(arriving[alive[-1]])
    return float(alive[-1] / -np.log2(share)) if share < 1 else math.inf


def _decides(layers: list[LayerDiagnosis], places: list[int]) -> int:
    """The layer that explodes most, or else the worse direction of the first layer."""
    bursting = [k for k, layer in enumerate(layers) if layer.verdict == "exploding"]
    if bursting:
        return max(bursting, key=lambda k: float(layers[k].arriving.max()))
    first = [k for k, place in enumerate(places) if place == places[0]]
    return min(first, key=lambda k: float(layers[k].arriving[-1]))
