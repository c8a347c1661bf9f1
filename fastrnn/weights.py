"""The parameters of one recurrence, which keep the form that the kernels read.

Kernels read weights in an order of their own (`fastrnn/kernels/_panels.pxd`).  From a plain dict they make
it anew at every call, for anybody may have written into its arrays since.  The arrays of `Weights` are
read-only, so what was made once stays right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from .errors import FLOATS, DtypeError, sentence


class Weights(dict[str, Any]):
    """Parameters that do not change between calls: a dict of read-only arrays.

    Parameters
    ----------
    params : name -> array, as the functions of `fastrnn.functional` take them; copied

    Attributes
    ----------
    version : how often they were written (`writing`)

    >>> import numpy as np, fastrnn as fr
    >>> params = {"W_ih": np.ones((3, 2)), "W_hh": np.ones((3, 3)), "b": np.zeros(3)}
    >>> weights = fr.Weights(params)
    >>> y, h, _ = fr.functional.rnn_forward(np.ones((1, 1, 2)), weights)
    >>> with weights.writing():
    ...     weights["b"] += 1
    >>> weights.version
    1
    """

    def __init__(self, params: Mapping[str, Any] = {}) -> None:
        if not isinstance(params, Mapping):
            raise TypeError(sentence("Weights", "params", "a dict of arrays", params))
        for name, array in params.items():
            if not hasattr(array, "dtype") or array.dtype not in FLOATS:
                expected = "a float32 or float64 array"
                raise DtypeError(sentence("Weights", f"params[{name!r}]", expected, array))
        super().__init__({name: array.copy() for name, array in params.items()})
        self.version = 0
        self.panels: Any = None  # made and read by the kernels
        self._writers = 0
        self._set_writeable(False)

    @classmethod
    def of(cls, arrays: Mapping[str, Any]) -> Weights:
        """The same without a copy: takes the arrays over."""
        weights = cls()
        dict.update(weights, arrays)
        weights._set_writeable(False)
        return weights

    @property
    def keeps_panels(self) -> bool:
        """Whether `panels` may be kept for the next call: not while somebody writes."""
        return not self._writers

    def _set_writeable(self, writeable: bool) -> None:
        for array in self.values():
            if isinstance(array, np.ndarray):  # CuPy has no such flag, and no kernels
                array.flags.writeable = writeable

    def unlock(self) -> None:
        """Let the arrays be written; `lock` follows.  `writing` does both."""
        self._writers += 1
        self.panels = None
        self._set_writeable(True)

    def lock(self) -> None:
        """The arrays count as new and, where nobody else writes, are read-only again."""
        self._writers -= 1
        self.version += 1
        self.panels = None
        if not self._writers:
            self._set_writeable(False)

    @contextmanager
    def writing(self) -> Iterator[Weights]:
        """Inside this block the arrays can be written, in place; after it they count as new.

        A view that is made inside stays writable, as NumPy's views do: do not write through it later.
        """
        self.unlock()
        try:
            yield self
        finally:
            self.lock()

    def __setitem__(self, name: str, array: Any) -> None:
        if self.get(name) is not array:  # `weights["b"] += 1` puts the same array back
            self._refuse()

    def _refuse(self, *args: Any, **options: Any) -> NoReturn:
        raise TypeError("Weights: the arrays are fixed. Write into them inside `with weights.writing():`.")

    __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> Any:
        return Weights, (dict(self),)
