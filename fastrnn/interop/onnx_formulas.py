"""Operators that work on each number for itself: activations, alone or several operators together.

An exporter writes silu as x Sigmoid(x), and gelu as five operators.  What such operators make of a number is
carried along as its values at fixed points (`Formula`) until something else reads it; then it is the
activation that has these values, or it is refused.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..cells.activations import FORMULAS
from ..layers.activation import FUNCTIONS
from .onnx_activations import OPERATORS
from .onnx_chain import Reading
from .onnx_graph import Node
from .onnx_values import Constant, Data

# The first two are 0 and 1, where a straight line is read.  Operators here have no jumps, so that what is the
# same at points this close is the same between them; those far off and near 0 see bounds and steep slopes.
_SCALES = (*np.geomspace(1e-9, 1, 28), 1e1, 3e1, 1e2, 1e3, 1e6, 1e30)
POINTS = np.array([0.0, 1.0, *np.linspace(-8, 8, 513), *_SCALES, *(-scale for scale in _SCALES)])
_FEW = slice(None, None, 64)  # to leave out at once what is far from the same
_STEEP = 100.0  # a number of this size may bend a function between two points
_OVERFLOWS = np.abs(POINTS) > 80  # exp and its like may have no number there
_NUMBERS_AT_MOST = 8
_BASES_AT_MOST = 4
_OPERATORS_AT_MOST = 32
_SEARCHES_AT_MOST = 48  # each takes a millisecond
_FUNCTIONS = {operator: (ours, names) for ours, (operator, names) in OPERATORS.items() if ours != "selu"}
_UNARY: dict[str, Callable[[np.ndarray], Any]] = {
    "Abs": np.abs, "Erf": lambda a: np.array([math.erf(one) for one in a]), "Log": np.log,
    "Neg": np.negative, "Reciprocal": np.reciprocal, "Sqrt": np.sqrt,
}  # fmt: skip
_BINARY: dict[str, Callable[..., Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Max": np.maximum,
    "Min": np.minimum, "Pow": np.power,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Formula:
    """A function of one number.

    Attributes
    ----------
    values : at `POINTS`, float64, as a function of each formula behind which it can be; None is the data
    made : the node that gives it
    depth : how many operators made it
    numbers : those that its operators had
    dtype : of the most exact of these
    activation : as layers take it, where the last operator says it
    """

    values: dict[Formula | None, np.ndarray]
    made: str
    depth: int = 1
    numbers: tuple[float, ...] = ()
    dtype: Any = np.float32
    activation: Any = None

    def search(self, behind: Formula | None) -> Any:
        """The activation that it is behind another formula; None where layers have none such."""
        f = self.values[behind]
        numbers = [_shortest(n, self.dtype) for n in (*self.numbers, f[0], f[1] - f[0], 0.0, 1.0)]
        numbers = list(dict.fromkeys(n for n in numbers if math.isfinite(n)))
        lost = _OVERFLOWS & ~np.isfinite(f)
        exact = 1e-12 if self.dtype == np.float64 else 4e-6
        steep = any(abs(n) >= _STEEP for n in self.numbers)
        for name in ("linear", "affine") if steep else sorted(FORMULAS, key=_numbers_of):
            left = np.array(list(itertools.product(numbers, repeat=_numbers_of(name))))
            for at in (_FEW, slice(None)):
                if len(left):
                    with np.errstate(all="ignore"):
                        g = np.atleast_2d(FORMULAS[name].value(np, POINTS[at], *left.T[..., None]))
                        left = left[(lost[at] | (np.abs(f[at] - g) <= exact * (1 + np.abs(g)))).all(axis=1)]
            if len(left):
                return [name, *left[0].tolist()] if left.size else name
        return None


def _numbers_of(name: str) -> int:
    return len(FORMULAS[name].numbers)


def _shortest(number: float, dtype: Any) -> float:
    """A number of a float32 model as the shortest that is the same there, as 0.2."""
    return float(str(np.float32(number))) if dtype == np.float32 else float(number)


def calculate(run: Reading, node: Node, function: Callable[..., Any], *given: Any) -> Data:
    """`function` of each number of the data that are among `given`, and of constants."""
    made: list[Data] = [x for x in given if isinstance(x, Data)]
    bare = [replace(x, formula=None) for x in made]
    if any(x != bare[0] for x in bare):
        raise ValueError("computes with two parts of the data: a Sequential has no branches")
    if not bare or bare[0].ids:
        raise ValueError("computes with integers, which are read as they come in, or with constants alone")
    formulas = [x.formula for x in made if x.formula is not None]
    depth = 1 + max((formula.depth for formula in formulas), default=0)
    if depth > _OPERATORS_AT_MOST:
        raise ValueError(f"is more than {_OPERATORS_AT_MOST} operators behind the layer before it")
    numbers, dtypes = [n for one in formulas for n in one.numbers], [one.dtype for one in formulas]
    columns: list[Any] = []  # of each argument its values, or one number
    for x in given:
        if isinstance(x, Data):
            columns.append({None: POINTS} if x.formula is None else {**x.formula.values, x.formula: POINTS})
            continue
        if not isinstance(x, Constant) or x.array.size != 1 or x.array.dtype.kind != "f":
            raise ValueError(f"{node.op} of data and several numbers is no layer")
        numbers.append(float(x.array.reshape(-1)[0]))
        dtypes.append(x.array.dtype)
        columns.append(numbers[-1])
    tables = [column for column in columns if isinstance(column, dict)]
    bases = [base for base in tables[0] if all(base in table for table in tables)]
    values = {}
    with np.errstate(all="ignore"):
        for base in (bases[0], *bases[1:][-_BASES_AT_MOST:]):
            own = (column[base] if isinstance(column, dict) else column for column in columns)
            values[base] = np.asarray(function(*own), np.float64)
    met = tuple(dict.fromkeys(numbers))[:_NUMBERS_AT_MOST]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float32)
    return replace(bare[0], formula=Formula(values, str(node), depth, met, dtype))


def settled(run: Reading, x: Any) -> Any:
    """What others read of data: behind their activation, which is then a layer, or part of the Dense before.

    Raises
    ------
    ValueError : layers have no such activation, nor several that are it one behind the other
    """
    if not isinstance(x, Data) or x.formula is None:
        return x
    found = _settled(run, x, x.formula)
    if found is None:
        names = ", ".join(FORMULAS)
        raise ValueError(f"what {x.formula.made} and those before it make of each number is none of {names}")
    return found


def _settled(run: Reading, x: Data, formula: Formula) -> Data | None:
    if formula not in run.settled:
        run.settled[formula] = None
        said = formula.activation
        for behind in formula.values if said is None else [next(reversed(formula.values))]:
            activation = said or _searched(run, formula, behind)
            before = replace(x, formula=None) if behind is None else activation and _settled(run, x, behind)
            if activation and before is not None:
                last = before if activation == "linear" else run.chain.activate(before, activation)
                run.settled[formula] = last
                break
    return run.settled[formula]


def _searched(run: Reading, formula: Formula, behind: Formula | None) -> Any:
    run.searches += 1
    if run.searches > _SEARCHES_AT_MOST:
        raise ValueError(f"is the activation of more than {_SEARCHES_AT_MOST} that several operators make")
    return formula.search(behind)


def arithmetic(run: Reading, node: Node, a: Any, b: Any) -> Data:
    """Two operands, one of them data."""
    return calculate(run, node, _BINARY[node.op], a, b)


def _unary(run: Reading, node: Node, x: Any) -> Data:
    return calculate(run, node, _UNARY[node.op], x)


def _activation(run: Reading, node: Node, x: Any) -> Data:
    ours, names = _FUNCTIONS[node.op]
    usual = FUNCTIONS[ours].numbers
    numbers = [_shortest(node.take(name, float, usual[k]), np.float32) for k, name in enumerate(names)]
    activation = [ours, *numbers] if numbers else ours
    if ours == "thresholded_relu":  # it jumps
        return run.chain.activate(settled(run, x), activation)
    return _named(run, node, x, activation)


def _named(run: Reading, node: Node, x: Any, activation: Any) -> Data:
    """An activation that one operator says: known by its name."""
    name, *numbers = activation if isinstance(activation, list) else [activation]
    found = calculate(run, node, lambda a: FORMULAS[name].value(np, a, *numbers), x)
    assert found.formula is not None
    return replace(found, formula=replace(found.formula, activation=activation))


def _selu(run: Reading, node: Node, x: Any) -> Data:
    numbers = node.take("alpha", float, 1.6732632), node.take("gamma", float, 1.0507010)
    if not np.allclose(numbers, (1.6732632, 1.0507010), rtol=1e-6):
        raise ValueError(f"has the numbers {numbers}")
    return _named(run, node, x, "selu")


def _gelu(run: Reading, node: Node, x: Any) -> Data:
    if node.take("approximate", str, "none") != "none":
        raise ValueError("is approximated; the exact one is read")
    return _named(run, node, x, "gelu")


def _clip(run: Reading, node: Node, x: Any, *given: Any) -> Data:
    bounds = [node.take(name, float) for name in ("min", "max")]
    far = (-np.inf, np.inf)
    ends = [
        one if one is not None else Constant.of(np.float32(end if bound is None else bound))
        for one, bound, end in zip(given, bounds, far, strict=True)
    ]
    return calculate(run, node, np.clip, x, *ends)


# operator -> (fewest inputs, most inputs, what reads it); Add, Sub, Mul and Div are read in `onnx_layers`.
FORMULA_OPERATORS: dict[str, tuple[int, int, Callable[..., Any]]] = {
    "Clip": (1, 3, _clip), "Gelu": (1, 1, _gelu), "Max": (2, 2, arithmetic),
    "Min": (2, 2, arithmetic),    "Pow": (2, 2, arithmetic), "Selu": (1, 1, _selu),
    **{op: (1, 1, _activation) for op in _FUNCTIONS},
    **{op: (1, 1, _unary) for op in _UNARY},
}  # fmt: skip
