"""Arrays and texts out of an HDF5 file that nobody vouches for, read here and not by the HDF5 library.

The format is The HDF Group's "HDF5 File Format Specification Version 3.0".  What is read is what h5py writes
of itself, and Keras with it: files of version 0 or 1, groups with an index and a heap of names, plain arrays of
IEEE floats that lie in the file in one piece, and single texts.  The rest is refused: links that lead
elsewhere, virtual, external, compressed and chunked arrays, groups of the newer form.

Over a damaged file the library can run without end (an unused text of size 0, an index that leads to itself),
and a reader cannot stop it.  Here every address and size is checked before anything is read, an object is read
once, and no two arrays share bytes.  So no more is allocated than the file has bytes, and time is proportional
to the number of its objects.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelFormatError

MAGIC = b"\x89HDF\r\n\x1a\n"
MEMBERS = 1000  # of groups, together; an LSTM of Keras has seven
DEPTH = 16  # of groups; Keras needs six
_PARTS = 10_000  # parts of headers, indices and collections of texts, together
_NOWHERE = (1 << 64) - 1  # the address of nothing

# Messages of an object's header.
_SPACE, _TYPE, _LINKS, _EXTERNAL, _LINK, _LAYOUT = 1, 3, 2, 7, 6, 8
_FILTERS, _ATTRIBUTE, _MORE, _TABLE = 11, 12, 16, 17
_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2

# The two floats, little-endian: class 1, where the sign is, size, and where exponent and mantissa are.
_FLOATS = {
    struct.pack("<B3BI2H4BI", 0x11, 0x20, 31, 0, 4, 0, 32, 23, 8, 0, 23, 127): "<f4",
    struct.pack("<B3BI2H4BI", 0x11, 0x20, 63, 0, 8, 0, 64, 52, 11, 0, 52, 1023): "<f8",
}


class _Array(NamedTuple):
    start: int
    shape: tuple[int, ...]
    dtype: str
    size: int


class Hdf5:
    """An open file; a context.

    Parameters
    ----------
    owner : who reads which file, for messages
    source : a path, or the whole file as bytes

    Raises
    ------
    ModelFormatError : here and in all that follows: the file is damaged, or holds something that is not read
    """

    def __init__(self, owner: str, source: Path | bytes) -> None:
        self.owner, self._file, self._parts = owner, None, 0
        self._data: bytes | mmap.mmap
        if isinstance(source, bytes):
            self._data = source
        else:
            with source.open("rb") as file:
                self._data = self._file = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            with self._faults():
                self._root = self._begin()
        except BaseException:
            self.__exit__()
            raise

    def __enter__(self) -> Hdf5:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._file is not None:
            self._file.close()

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except ModelFormatError:
            raise
        except (ValueError, struct.error, OverflowError) as error:
            raise ModelFormatError(f"{self.owner}: it is no whole HDF5 file: {error}.") from error

    def text(self, name: str) -> str | None:
        """A text among the attributes of the file itself; None where there is no such attribute."""
        with self._faults():
            found = [self._attribute(data) for kind, data in self._messages(self._root) if kind == _ATTRIBUTE]
            for kind, space, value in (rest for own, *rest in found if own == name):
                shape = self._shape(space)
                size = int.from_bytes(kind[4:8], "little")
                if shape != () or kind[0] & 15 not in (3, 9) or (kind[0] & 15 == 9 and kind[1] & 15 != 1):
                    raise ModelFormatError(f"{self.owner}: the attribute {name!r} is no text.")
                text = value[:size] if kind[0] & 15 == 3 else self._kept_text(*struct.unpack_from("<IQI", value))
                return text.rstrip(b"\0").decode()
            return None

    def names(self) -> list[str]:
        """The members of the file's own group."""
        with self._faults():
            return sorted(name for name, _ in self._members("", self._root))

    def arrays(self, path: str) -> dict[str, np.ndarray]:
        """All arrays below a member of the file's own group, by their paths from there; {} without it."""
        with self._faults():
            root = dict(self._members("", self._root)).get(path)
            if root is None:
                return {}
            found: dict[str, _Array] = {}
            self._walk(root, f"{path}/", 1, found, {self._root, root})
            self._check_places(found)
            return {name.removeprefix(f"{path}/"): self._read(one) for name, one in found.items()}

    # -- bytes ---------------------------------------------------------------------------------------

    def _at(self, address: int, size: int) -> bytes:
        """That part of the file; asked for too often, the file is no model."""
        self._parts += 1
        if self._parts > _PARTS:
            raise ModelFormatError(f"{self.owner}: it holds more than {_PARTS} parts, which no model of Keras has.")
        if address + size > len(self._data):
            raise ValueError(f"{size} bytes at {address} are not in it; it may be truncated")
        return self._data[address : address + size]

    def _begin(self) -> int:
        """Where the header of the file's own group is."""
        head = self._at(0, 96)
        # Version 1 has four bytes more before the addresses, for an index of chunks.
        if head[:8] != MAGIC or head[8] > 1:
            raise ModelFormatError(
                f"{self.owner}: it is no HDF5 file of the form that h5py writes by itself (libver='earliest')."
            )
        if head[13:15] != b"\x08\x08":
            raise ValueError("its addresses are not of 8 bytes")
        base, _, end, driver, _, root = struct.unpack_from("<6Q", head, 24 + 4 * head[8])
        if base or driver != _NOWHERE:
            raise ValueError("its addresses do not count from its begin, or lead to other files")
        if end > len(self._data):
            raise ValueError("it is truncated")
        return int(root)

    def _messages(self, address: int) -> list[tuple[int, bytes]]:
        """(kind, content) of what the header of an object says."""
        version, count, size = struct.unpack("<B1xH4xI", self._at(address, 12))
        if version != 1:
            raise ValueError(f"an object has a header of version {version}")
        blocks, found = [(address + 16, size)], []
        seen = {address + 16}
        while blocks:
            block = self._at(*blocks.pop(0))
            at = 0
            while at + 8 <= len(block) and len(found) < count:
                kind, length, flags = struct.unpack_from("<HHB", block, at)
                data = block[at + 8 : at + 8 + length]
                if len(data) != length:
                    raise ValueError("a header is longer than its block")
                if flags & 2 and kind in (_SPACE, _TYPE, _LAYOUT, _FILTERS, _ATTRIBUTE):
                    raise ValueError("a header shares a part with another one")
                if kind == _MORE:
                    start, more = struct.unpack("<2Q", data[:16])
                    if start in seen:
                        raise ValueError("a header leads to itself")
                    seen.add(start)
                    blocks.append((start, more))
                found.append((kind, data))
                at += 8 + length
        return found

    # -- groups --------------------------------------------------------------------------------------

    def _members(self, path: str, address: int) -> list[tuple[str, int]]:
        """(name, header) of the members of a group."""
        messages = dict(self._messages(address))
        if _LINK in messages or _LINKS in messages:
            raise ModelFormatError(
                f"{self.owner}: the group {path!r} has links to other files, or is of a newer form; they are "
                "not followed."
            )
        if _TABLE not in messages:
            raise ModelFormatError(f"{self.owner}: {path.rstrip('/')!r} is neither a group nor an array.")
        tree, heap = struct.unpack("<2Q", messages[_TABLE][:16])
        mark, size, start = struct.unpack("<4s4xQ8xQ", self._at(heap, 32))
        if mark != b"HEAP":
            raise ValueError("a group has no names")
        names, found = self._at(start, size), []
        for entry in self._entries(tree):
            offset, header, cache = struct.unpack("<QQI", entry)
            end = names.find(b"\0", offset)
            if offset >= size or end < 0:
                raise ValueError("a name is outside its heap")
            name = names[offset:end].decode()
            if cache == 2:
                raise ModelFormatError(f"{self.owner}: {path + name!r} is a soft link, which is not followed.")
            found.append((name, header))
        if len(dict(found)) != len(found) or any(name in ("", ".", "..") or "/" in name for name, _ in found):
            raise ValueError("a group has a name twice, or one that is no name")
        return found

    def _entries(self, tree: int) -> Iterator[bytes]:
        """What an index tells of each member; each of its nodes is read once."""
        count, seen, nodes = 0, {tree}, [tree]
        while nodes:
            address = nodes.pop()
            head = self._at(address, 8)
            if head[:4] == b"TREE" and head[4] == 0:
                entries = int.from_bytes(head[6:8], "little")
                # Between the keys, addresses of nodes below; those on the lowest level lead to members.
                below = struct.unpack(f"<{2 * entries}Q", self._at(address + 24, 16 * entries))[1::2]
                if seen & set(below) or len(set(below)) != len(below):
                    raise ValueError("an index of a group leads to a node twice")
                seen.update(below)
                nodes += below
            elif head[:4] == b"SNOD":
                entries = int.from_bytes(head[6:8], "little")
                count += entries
                self._check_count(count)
                content = self._at(address + 8, 40 * entries)
                yield from (content[k : k + 20] for k in range(0, len(content), 40))
            else:
                raise ValueError("an index of a group is damaged")

    def _check_count(self, count: int) -> None:
        if count > MEMBERS:
            raise ModelFormatError(f"{self.owner}: it holds more than {MEMBERS} groups and arrays.")

    def _walk(self, group: int, path: str, depth: int, found: dict[str, _Array], seen: set[int]) -> None:
        if depth > DEPTH:
            raise ModelFormatError(f"{self.owner}: its groups are nested more than {DEPTH} deep.")
        for name, header in self._members(path, group):
            if header in seen:
                raise ModelFormatError(f"{self.owner}: {path + name!r} is reached in two ways.")
            seen.add(header)
            self._check_count(len(seen))
            messages = self._messages(header)
            if any(kind == _LAYOUT for kind, _ in messages):
                found[path + name] = self._array(path + name, header, dict(messages))
            else:
                self._walk(header, f"{path}{name}/", depth + 1, found, seen)

    # -- arrays --------------------------------------------------------------------------------------

    def _shape(self, space: bytes) -> tuple[int, ...] | None:
        """The sizes of a data space; None where there is none."""
        version, rank = space[0], space[1]
        if version not in (1, 2) or (version == 2 and space[3] == 2):
            return None
        return struct.unpack_from(f"<{rank}Q", space, 8 if version == 1 else 4)

    def _array(self, where: str, header: int, messages: dict[int, bytes]) -> _Array:
        """Where an array lies, before its size is believed."""
        layout = messages[_LAYOUT]
        if _EXTERNAL in messages or (layout[0] >= 3 and layout[1] > _CHUNKED):
            raise ModelFormatError(f"{self.owner}: the numbers of {where!r} are in another file.")
        if layout[0] != 3 or layout[1] == _CHUNKED or _FILTERS in messages:
            raise ModelFormatError(
                f"{self.owner}: {where!r} is compressed or cut into chunks, which Keras does not write. Load "
                "the file in Keras and save it again."
            )
        kind, space = bytearray(messages.get(_TYPE, b"")[:20]), messages.get(_SPACE, b"\0\0")
        swapped = len(kind) > 1 and kind[1] & 1
        if swapped:
            kind[1] &= 0xFE
        dtype, shape = _FLOATS.get(bytes(kind)), self._shape(space)
        if dtype is None:
            raise ModelFormatError(f"{self.owner}: {where!r} is not float32 or float64.")
        if shape is None:
            raise ModelFormatError(f"{self.owner}: {where!r} has no shape.")
        wanted = int(dtype[2])
        for n in shape:
            wanted *= n
        start, size = self._place(layout, header)
        if wanted != size or (size and start + size > len(self._data)):
            raise ModelFormatError(
                f"{self.owner}: {where!r} says {list(shape)}, the file has no so many numbers."
            )
        return _Array(start, shape, dtype.replace("<", ">") if swapped else dtype, size)

    def _place(self, layout: bytes, header: int) -> tuple[int, int]:
        """(first byte, bytes) of an array; a small one lies inside its header."""
        if layout[1] == _CONTIGUOUS:
            start, size = struct.unpack_from("<2Q", layout, 2)
            return (0, 0) if start == _NOWHERE else (start, size)
        size = int.from_bytes(layout[2:4], "little")
        at = self._data.find(layout[: 4 + size], header)
        return at + 4, size if len(layout) >= 4 + size and at >= 0 else -1

    def _check_places(self, found: dict[str, _Array]) -> None:
        """Refuse arrays that share bytes: one byte could stand for any number of them."""
        end = 0
        for where, one in sorted(found.items(), key=lambda item: item[1].start):
            if one.size and one.start < end:
                raise ModelFormatError(f"{self.owner}: {where!r} lies where another array does.")
            end = max(end, one.start + one.size)

    def _read(self, one: _Array) -> np.ndarray:
        data = self._data[one.start : one.start + one.size]
        return np.frombuffer(data, one.dtype).astype(one.dtype[1:]).reshape(one.shape)

    # -- texts ---------------------------------------------------------------------------------------

    def _attribute(self, data: bytes) -> tuple[str, bytes, bytes, bytes]:
        """(name, type, data space, value) of an attribute."""
        version, _, *sizes = struct.unpack_from("<2B3H", data)
        if version not in (1, 2, 3):
            raise ValueError(f"an attribute is of version {version}")
        at, parts = 9 if version == 3 else 8, []
        for size in sizes:
            parts.append(data[at : at + size])
            at += (size + 7) // 8 * 8 if version == 1 else size
        name, kind, space = parts
        if at > len(data) or len(kind) < 8 or len(space) < 4:
            raise ValueError("an attribute is shorter than it says")
        return name.rstrip(b"\0").decode(errors="replace"), kind, space, data[at:]

    def _kept_text(self, length: int, address: int, index: int) -> bytes:
        """A text of a collection, which is a row of texts, each behind its number and size."""
        mark, size = struct.unpack("<4s4xQ", self._at(address, 16))
        if mark != b"GCOL" or address + size > len(self._data):
            raise ValueError("a text is not where it says")
        at, end = address + 16, address + size
        while at + 16 <= end:
            number, own = struct.unpack("<H6xQ", self._at(at, 16))
            if number == index and number:
                if length > own or at + 16 + own > end:
                    break
                return self._at(at + 16, length)
            if not number:  # the rest is not used
                break
            at += 16 + (own + 7) // 8 * 8
        raise ValueError("a text is not where it says")
