"""ONNX's messages on the wire: the few that describe a model, read and written without the onnx package.

A message is a dict of the fields that it has, by the names of the specification (onnx.proto, and "Encoding"
in the documentation of Protocol Buffers).  One table says which number and kind a field has; what it does
not name is skipped unread when reading.  A message holds messages only as deep as the table goes: sub-graphs
and nested types are left as bytes, so no file makes the reader recurse.

>>> data = encode("Model", {"ir_version": 8, "opset_import": [{"domain": "", "version": 17}]})
>>> decode("Model", data)
{'ir_version': 8, 'opset_import': [{'domain': '', 'version': 17}]}
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

FIELDS_AT_MOST = 20_000  # of a file, each integer of a list counted: a recurrent model has hundreds
TEXT_AT_MOST = 4096  # bytes of a name


class Field(NamedTuple):
    """One field of a message.

    name : of the specification
    kind : "int" (varint, int64), "float", "double", "text", "bytes" (not copied when read), or a message
    many : "" once, "each" repeated with a tag each, "packed" repeated numbers behind one tag; readers take
        repeated numbers in both forms
    """

    name: str
    kind: str
    many: str = ""


MESSAGES: dict[str, dict[int, Field]] = {
    "Model": {
        1: Field("ir_version", "int"),
        2: Field("producer_name", "text"),
        3: Field("producer_version", "text"),
        4: Field("domain", "text"),
        5: Field("model_version", "int"),
        7: Field("graph", "Graph"),
        8: Field("opset_import", "OperatorSet", "each"),
        25: Field("functions", "bytes", "each"),
    },
    "OperatorSet": {1: Field("domain", "text"), 2: Field("version", "int")},
    "Graph": {
        1: Field("node", "Node", "each"),
        2: Field("name", "text"),
        5: Field("initializer", "Tensor", "each"),
        11: Field("input", "ValueInfo", "each"),
        12: Field("output", "ValueInfo", "each"),
        15: Field("sparse_initializer", "bytes", "each"),
    },
    "Node": {
        1: Field("input", "text", "each"),
        2: Field("output", "text", "each"),
        3: Field("name", "text"),
        4: Field("op_type", "text"),
        5: Field("attribute", "Attribute", "each"),
        7: Field("domain", "text"),
        8: Field("overload", "text"),
    },
    "Attribute": {
        1: Field("name", "text"),
        2: Field("f", "float"),
        3: Field("i", "int"),
        4: Field("s", "bytes"),
        5: Field("t", "Tensor"),
        6: Field("g", "bytes"),
        7: Field("floats", "float", "each"),
        8: Field("ints", "int", "each"),
        9: Field("strings", "bytes", "each"),
        10: Field("tensors", "bytes", "each"),
        11: Field("graphs", "bytes", "each"),
        14: Field("tp", "bytes"),
        15: Field("type_protos", "bytes", "each"),
        20: Field("type", "int"),
        21: Field("ref_attr_name", "text"),
        22: Field("sparse_tensor", "bytes"),
        23: Field("sparse_tensors", "bytes", "each"),
    },
    "Tensor": {
        1: Field("dims", "int", "each"),
        2: Field("data_type", "int"),
        3: Field("segment", "bytes"),
        4: Field("float_data", "float", "packed"),
        5: Field("int32_data", "int", "packed"),
        6: Field("string_data", "bytes", "each"),
        7: Field("int64_data", "int", "packed"),
        8: Field("name", "text"),
        9: Field("raw_data", "bytes"),
        10: Field("double_data", "double", "packed"),
        11: Field("uint64_data", "int", "packed"),
        13: Field("external_data", "Entry", "each"),
        14: Field("data_location", "int"),
    },
    "Entry": {1: Field("key", "text"), 2: Field("value", "text")},
    "ValueInfo": {1: Field("name", "text"), 2: Field("type", "Type")},
    "Type": {
        1: Field("tensor_type", "TensorType"),
        4: Field("sequence_type", "bytes"),
        5: Field("map_type", "bytes"),
        8: Field("sparse_tensor_type", "bytes"),
        9: Field("optional_type", "bytes"),
    },
    "TensorType": {1: Field("elem_type", "int"), 2: Field("shape", "TensorShape")},
    "TensorShape": {1: Field("dim", "Dimension", "each")},
    "Dimension": {1: Field("dim_value", "int"), 2: Field("dim_param", "text")},
}

_NUMBERS: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5  # wire types; 3 and 4 are groups, which ONNX never had
_WIRE = {"int": _VARINT, "float": _FIXED32, "double": _FIXED64}
_NUMBERS_BY_NAME = {
    message: {field.name: (number, field) for number, field in fields.items()}
    for message, fields in MESSAGES.items()
}


# -- reading -----------------------------------------------------------------------------------------


def decode(message: str, data: Any) -> dict[str, Any]:
    """The fields of `data`, which is one `message`.

    Parameters
    ----------
    message : a key of `MESSAGES`
    data : bytes, or a memoryview of them

    Returns
    -------
    name -> int, float, str, memoryview into `data` or dict; lists of these where a field is repeated, and for
    repeated "float" and "double" an array.  Fields that `data` lacks are not there.

    Raises
    ------
    ValueError : `data` is no such message, or it is larger than `FIELDS_AT_MOST` and `TEXT_AT_MOST` say
    """
    view = memoryview(data).cast("B")
    return _Reader(view).message(message, 0, len(view))


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data, self.left = data, FIELDS_AT_MOST

    def varint(self, at: int, end: int) -> tuple[int, int]:
        """(value in [0, 2^64), where the next byte is)."""
        value = shift = 0
        while at < end:
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >> 64:
                    raise ValueError(f"the number before byte {at} has more than 64 bits")
                return value, at
            shift += 7
            if shift > 63:
                raise ValueError(f"the number before byte {at} has more than ten bytes")
        raise ValueError(f"it ends at byte {at} within a number")

    def message(self, message: str, at: int, end: int) -> dict[str, Any]:
        fields: dict[int, Field] = MESSAGES[message]
        found: dict[str, Any] = {}
        while at < end:
            self.count()
            start = at
            tag, at = self.varint(at, end)
            number, wire = tag >> 3, tag & 7
            value: Any = None
            if wire == _VARINT:
                value, at = self.varint(at, end)
                stop = at
            elif wire in (_LENGTH, _FIXED32, _FIXED64):
                size, at = self.varint(at, end) if wire == _LENGTH else (4 if wire == _FIXED32 else 8, at)
                stop = at + size
            else:
                raise ValueError(f"the field at byte {start} has the unknown wire type {wire}")
            if not 0 < number < 1 << 29:
                raise ValueError(f"the field at byte {start} has the number {number}")
            if stop > end:
                raise ValueError(f"the field at byte {start} ends {stop - end} bytes past its message")
            field = fields.get(number)
            if field is not None:
                if wire != _VARINT:
                    value = self.value(message, field, wire, at, stop)
                elif field.kind != "int":
                    raise _wrong_wire(message, field)
                else:
                    value = _signed(value)
                    value = [value] if field.many else value
                if not field.many:
                    if field.name in found:
                        raise ValueError(f"{field.name} of {message} is there twice")
                    found[field.name] = value
                else:
                    found.setdefault(field.name, []).extend(value)
            at = stop
        for field in fields.values():
            if field.many and field.kind in _NUMBERS and field.name in found:
                found[field.name] = np.concatenate(found[field.name])
        return found

    def value(self, message: str, field: Field, wire: int, at: int, stop: int) -> Any:
        """What stands in bytes at .. stop; a list where the field is repeated."""
        content = self.data[at:stop]
        if field.kind in _WIRE:
            if wire == _LENGTH and field.many:
                return self.packed(message, field, at, stop)
            if wire != _WIRE[field.kind]:
                raise _wrong_wire(message, field)
            number = np.frombuffer(content, _NUMBERS[field.kind])
            return [number] if field.many else float(number[0])
        if wire != _LENGTH:
            raise _wrong_wire(message, field)
        value: Any = content
        if field.kind == "text":
            if len(content) > TEXT_AT_MOST:
                raise ValueError(f"{field.name} of {message} has {len(content)} bytes")
            value = str(content, "utf-8")
        elif field.kind != "bytes":
            value = self.message(field.kind, at, stop)
        return [value] if field.many else value

    def packed(self, message: str, field: Field, at: int, stop: int) -> list[Any]:
        if field.kind in _NUMBERS:
            dtype = _NUMBERS[field.kind]
            if (stop - at) % dtype.itemsize:
                raise ValueError(f"{field.name} of {message} ends within a number")
            return [np.frombuffer(self.data[at:stop], dtype)]
        values = []
        while at < stop:
            self.count()
            value, at = self.varint(at, stop)
            values.append(_signed(value))
        return values

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it has more than {FIELDS_AT_MOST} fields")


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _wrong_wire(message: str, field: Field) -> ValueError:
    return ValueError(f"{field.name} of {message} is not written as {field.kind}")


# -- writing -----------------------------------------------------------------------------------------


def encode(message: str, fields: dict[str, Any]) -> bytes:
    """The bytes of a `message` with these fields, in the order given; the opposite of `decode`.

    None, and an empty list, leave a field out.
    """
    known = _NUMBERS_BY_NAME[message]
    parts: list[Any] = []
    for name, value in fields.items():
        number, field = known[name]
        if value is None:
            continue
        if field.many == "packed":
            if len(value):
                parts += _with_length(number, _pack(field.kind, value))
        else:
            for one in value if field.many else (value,):
                parts += _encode_one(number, field.kind, one)
    return b"".join(parts)


def _encode_one(number: int, kind: str, value: Any) -> list[Any]:
    """The bytes of one field, in parts."""
    if kind in _WIRE:
        return [_varint(number << 3 | _WIRE[kind]), _pack(kind, (value,))]
    if kind == "text":
        value = value.encode()
    elif kind != "bytes":
        value = encode(kind, value)
    return _with_length(number, value)


def _with_length(number: int, content: Any) -> list[Any]:
    return [_varint(number << 3 | _LENGTH), _varint(len(content)), content]


def _pack(kind: str, values: Any) -> bytes:
    if kind in _NUMBERS:
        return np.asarray(values, _NUMBERS[kind]).tobytes()
    return b"".join(_varint(int(value) & (1 << 64) - 1) for value in values)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
