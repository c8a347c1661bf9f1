"""An array module that behaves like CuPy where it hurts: arrays of the device never mix with NumPy's.

CuPy refuses NumPy arrays as operands, as indices and as values, and refuses to become one silently. A machine
without a GPU cannot run the cupy backend, but it can run the same array code under the same rules.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _refuse(value: Any) -> None:
    if isinstance(value, (tuple, list)):
        for item in value:
            _refuse(item)
    elif type(value) is np.ndarray and value.ndim > 0:
        raise TypeError(f"a NumPy array {value.shape} met an array of the device")


def _plain(value: Any) -> Any:
    if isinstance(value, DeviceArray):
        return value.view(np.ndarray)
    if isinstance(value, (tuple, list)):
        return type(value)(_plain(v) for v in value)
    return value


def _device(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.view(DeviceArray)
    if isinstance(value, np.generic):  # a reduction gives an array of no dimensions on a device
        return np.asarray(value).view(DeviceArray)
    if isinstance(value, (tuple, list)):
        return type(value)(_device(v) for v in value)
    return value


class DeviceArray(np.ndarray):
    """An array that meets its own kind only."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        _refuse(inputs)
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = tuple(_plain(o) for o in out)
        result = getattr(ufunc, method)(*(_plain(i) for i in inputs), **kwargs)
        return out[0] if out is not None else _device(result)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"numpy.{function.__name__} was given an array of the device; use xp")

    def __getitem__(self, index: Any) -> Any:
        _refuse(index)
        return _device(_plain(self)[_plain(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        _refuse(index)
        _refuse(value)
        _plain(self)[_plain(index)] = _plain(value)

    def get(self) -> np.ndarray:
        """The host's copy."""
        return np.array(_plain(self))


for _name in ("sum", "mean", "max", "min", "all", "any", "argmax", "cumsum", "copy", "astype", "reshape"):

    def _method(self: Any, *args: Any, _name: str = _name, **kwargs: Any) -> Any:
        return _device(getattr(_plain(self), _name)(*args, **kwargs))

    setattr(DeviceArray, _name, _method)


class Module:
    """NumPy under those rules."""

    float32, float64, uint32, int64, pi = np.float32, np.float64, np.uint32, np.int64, np.pi

    def asarray(self, value: Any, dtype: Any = None) -> Any:
        """The one way from the host to the device."""
        return np.array(_plain(value), dtype=dtype).view(DeviceArray)

    array = asarray

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, type):
            return function

        def run(*args: Any, **kwargs: Any) -> Any:
            _refuse(args)
            out = kwargs.get("out")
            result = function(*(_plain(a) for a in args), **{k: _plain(v) for k, v in kwargs.items()})
            return out if isinstance(out, DeviceArray) else _device(result)

        if name == "add":
            run.at = lambda *args: (_refuse(args), np.add.at(*map(_plain, args)))[1]  # type: ignore[attr-defined]
        return run
