"""The program in a file of `torch.save`, followed without running anything.

It is for a small stack machine (documented in Python's `pickletools`) and builds what was saved.  The machine
here knows the instructions that dicts, lists, tuples, texts, numbers and tensors need, and the names of four
functions and ten storages; whatever else a program asks for is refused by its name.  What it makes of a
tensor is a `Tensor`, a view of a storage, checked against the storage's size, that holds no numbers yet.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..tensors import ELEMENTS

INSTRUCTIONS, STACK = 60_000, 20_000  # a checkpoint of 1,500 tensors has 55,000 instructions
_EMPTY = 1 << 40  # of a tensor without numbers: its other axes, which NumPy multiplies all the same
HOW = "Save weights alone: torch.save(model.state_dict(), path)."
_STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL",
}  # fmt: skip
_NAMES = {
    ("collections", "OrderedDict"): "dict",
    ("torch._utils", "_rebuild_tensor_v2"): "tensor",
    ("torch._utils", "_rebuild_parameter"): "parameter",
    ("torch", "Size"): "size",
} | {("torch", name): name for name in _STORAGES}


@dataclass(frozen=True)
class _Name:
    """One of the names that a program may ask for."""

    what: str


@dataclass(frozen=True)
class Storage:
    """A row of numbers: their type (a key of `ELEMENTS`), the member they are in, how many there are."""

    element: str
    member: str
    size: int


@dataclass(frozen=True)
class Tensor:
    """A view of a storage that lies inside it; offset and strides count numbers."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Refused(ValueError):
    """What the file holds, as the rest of a sentence."""


def follow(program: bytes, members: Mapping[str, int], root: str) -> Any:
    """What the program builds, with `Tensor` for tensors.

    Parameters
    ----------
    program : the bytes of data.pkl
    members : name -> size of what is beside it
    root : what comes before ``data/0`` in those names: "model/"

    Raises
    ------
    Refused : with the reason
    """
    try:
        return _Machine(program, members, root).run()
    except Refused:
        raise
    except (IndexError, KeyError, ValueError, TypeError, struct.error, OverflowError) as error:
        raise Refused(f"its data.pkl is damaged: {error!r}.") from error


class _Machine:
    """The stack machine of a program."""

    def __init__(self, program: bytes, members: Mapping[str, int], root: str) -> None:
        self.program, self.at = program, 0
        self.members, self.root = members, root
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """What the program builds."""
        if self.program[:1] != b"\x80" or not 2 <= self.program[1] <= 5:
            raise Refused("its data.pkl is not of protocol 2 to 5.")
        self.at = 2
        program, stack = self.program, self.stack
        for _ in range(INSTRUCTIONS):
            code = program[self.at]
            self.at += 1
            if code == 0x2E:  # STOP
                if len(stack) != 1 or self.at != len(program):
                    raise Refused("its data.pkl goes on behind its end.")
                return stack.pop()
            act = _ACTS.get(code)
            if act is None:
                raise Refused(f"it needs the instruction 0x{code:02x}, which no state dict does. {HOW}")
            act(self)
            if len(stack) > STACK:
                raise Refused(f"its data.pkl puts more than {STACK} things on the stack.")
        raise Refused(f"its data.pkl has more than {INSTRUCTIONS} instructions.")

    # -- reading ------------------------------------------------------------------------------------

    def take(self, size: int) -> bytes:
        if size > len(self.program) - self.at:
            raise ValueError("truncated")
        self.at += size
        return self.program[self.at - size : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def line(self) -> str:
        end = self.program.index(b"\n", self.at, self.at + 256)
        return self.take(end + 1 - self.at)[:-1].decode("utf-8")

    def above(self, size: int | None) -> list[Any]:
        """Take so many things from the stack, or all above the last mark, in the order of the stack."""
        first = self.marks.pop() if size is None else len(self.stack) - size
        if not 0 <= first <= len(self.stack):
            raise ValueError("a stack that is too short")
        values = self.stack[first:]
        del self.stack[first:]
        return values

    # -- instructions ---------------------------------------------------------------------------------

    def frame(self) -> None:
        if self.unsigned(8) > len(self.program) - self.at:
            raise ValueError("truncated")

    def mark(self) -> None:
        if len(self.marks) > 100:
            raise Refused("its data.pkl is nested more than 100 deep.")
        self.marks.append(len(self.stack))

    def text(self, size: int) -> None:
        self.stack.append(self.take(self.unsigned(size)).decode("utf-8"))

    def integer(self, size: int, signed: bool) -> None:
        self.stack.append(int.from_bytes(self.take(size), "little", signed=signed))

    def long(self) -> None:
        size = self.unsigned(1)
        if size > 8:
            raise Refused("its data.pkl has a whole number of more than 64 bits.")
        self.integer(size, True)

    def real(self) -> None:
        self.stack.append(struct.unpack(">d", self.take(8))[0])

    def put(self, size: int) -> None:
        self.memo[self.unsigned(size)] = self.stack[-1]

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, size: int) -> None:
        self.stack.append(self.memo[self.unsigned(size)])

    def tuple_of(self, size: int | None) -> None:
        self.stack.append(tuple(self.above(size)))

    def append(self, many: bool) -> None:
        values = self.above(None if many else 1)
        if type(self.stack[-1]) is not list:
            raise ValueError("it appends to what is no list")
        self.stack[-1].extend(values)

    def set(self, many: bool) -> None:
        values = self.above(None if many else 2)
        if type(self.stack[-1]) is not dict or len(values) % 2:
            raise ValueError("it sets items of what is no dict")
        for key, value in zip(values[::2], values[1::2], strict=True):
            if type(key) not in (str, int):
                raise ValueError("a key that is neither text nor number")
            self.stack[-1][key] = value

    def name(self, module: Any, name: Any) -> None:
        if type(module) is not str or type(name) is not str or (module, name) not in _NAMES:
            raise Refused(f"it needs {module}.{name}, and code is not run here. {HOW}"[:300])
        self.stack.append(_Name(_NAMES[module, name]))

    def global_name(self) -> None:
        module = self.line()
        self.name(module, self.line())

    def stack_name(self) -> None:
        name = self.stack.pop()
        self.name(self.stack.pop(), name)

    def storage(self) -> None:
        """A persistent id: ("storage", its type, key, device, number of elements)."""
        kind, typ, key, _, size = self.stack.pop()
        if kind != "storage" or type(typ) is not _Name or typ.what not in _STORAGES or type(key) is not str:
            raise ValueError("a storage of another kind")
        element, member = _STORAGES[typ.what], f"{self.root}data/{key}"
        if member not in self.members:
            raise Refused(f"its member {member[:80]!r} is missing.")
        there = self.members[member]
        if type(size) is not int or size < 0 or size * ELEMENTS[element].itemsize != there:
            raise Refused(f"{member!r} has {there} bytes, which is not what its type and size say.")
        self.stack.append(Storage(element, member, size))

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        if type(function) is not _Name or type(arguments) is not tuple:
            raise ValueError("it calls what is no name")
        what, kinds = function.what, [type(one) for one in arguments]
        if what == "dict" and not kinds:
            self.stack.append({})
        elif (what == "size" and kinds == [tuple]) or (what == "parameter" and kinds == [Tensor, bool, dict]):
            self.stack.append(arguments[0])
        elif what == "tensor" and len(kinds) in (6, 7):
            self.stack.append(_tensor(*arguments[:4]))
        else:
            raise ValueError("it calls a name with other arguments than torch.save writes")

    def build(self) -> None:
        """Attributes of a dict: state dicts have `_metadata`, the versions of their modules."""
        if type(self.stack.pop()) is not dict or type(self.stack[-1]) is not dict:
            raise ValueError("it gives attributes to what is no dict")


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
    """A view of a storage, checked: inside it, and with no more numbers than it."""
    if type(storage) is not Storage or type(shape) is not tuple or type(strides) is not tuple:
        raise ValueError("a tensor of other things than storage, shape and strides")
    values = (offset, *shape, *strides)
    if not all(type(n) is int and 0 <= n < 1 << 63 for n in values) or len(shape) != len(strides):
        raise Refused("a tensor's offset, shape or strides are not whole numbers from 0.")
    if len(shape) > 8:
        raise Refused(f"a tensor has {len(shape)} axes; no recurrent model has.")
    count, last = math.prod(shape), offset + sum((n - 1) * k for n, k in zip(shape, strides, strict=True))
    if not count:
        if math.prod(n for n in shape if n) > _EMPTY:
            raise Refused(f"a tensor {list(shape)} of no numbers is too large.")
        return Tensor(storage, 0, shape, strides)
    if last >= storage.size or count > storage.size:
        raise Refused(f"a tensor {list(shape)} does not fit into its storage of {storage.size} numbers.")
    return Tensor(storage, offset, shape, strides)


def _push(value: Any) -> Callable[[_Machine], None]:
    return lambda m: m.stack.append(value)


# instruction -> what it does; the names are those of pickletools
_ACTS: dict[int, Callable[[_Machine], None]] = {
    0x95: _Machine.frame,
    0x28: _Machine.mark,
    0x4E: _push(None),  # NONE
    0x88: _push(True),  # NEWTRUE
    0x89: _push(False),  # NEWFALSE
    0x4B: lambda m: m.integer(1, False),  # BININT1
    0x4D: lambda m: m.integer(2, False),  # BININT2
    0x4A: lambda m: m.integer(4, True),  # BININT
    0x8A: _Machine.long,  # LONG1
    0x47: _Machine.real,  # BINFLOAT
    0x8C: lambda m: m.text(1),  # SHORT_BINUNICODE
    0x58: lambda m: m.text(4),  # BINUNICODE
    0x8D: lambda m: m.text(8),  # BINUNICODE8
    0x29: _push(()),  # EMPTY_TUPLE
    0x85: lambda m: m.tuple_of(1),  # TUPLE1
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    0x74: lambda m: m.tuple_of(None),  # TUPLE
    0x5D: lambda m: m.stack.append([]),  # EMPTY_LIST
    0x61: lambda m: m.append(False),  # APPEND
    0x65: lambda m: m.append(True),  # APPENDS
    0x7D: lambda m: m.stack.append({}),  # EMPTY_DICT
    0x73: lambda m: m.set(False),  # SETITEM
    0x75: lambda m: m.set(True),  # SETITEMS
    0x71: lambda m: m.put(1),  # BINPUT
    0x72: lambda m: m.put(4),  # LONG_BINPUT
    0x94: _Machine.memoize,  # MEMOIZE
    0x68: lambda m: m.get(1),  # BINGET
    0x6A: lambda m: m.get(4),  # LONG_BINGET
    0x63: _Machine.global_name,  # GLOBAL
    0x93: _Machine.stack_name,  # STACK_GLOBAL
    0x51: _Machine.storage,  # BINPERSID
    0x52: _Machine.call,  # REDUCE
    0x62: _Machine.build,  # BUILD
}
