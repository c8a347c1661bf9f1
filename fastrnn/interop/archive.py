"""Zip files of the plainest kind: members that are stored, not compressed, and lie behind each other.

The format is PKWARE's "APPNOTE.TXT", sections 4.3 and 4.5.3 (zip64).  Everything that a member says about
itself is checked when the archive is opened; its bytes are read, and their CRC-32 checked, when they are
asked for.  Nothing is unpacked, so nothing can be larger than the file is.
"""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..errors import ModelFormatError

_MEMBERS, _DIRECTORY = 20_000, 1 << 21  # members, and bytes of their list: thousands of tensors
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_ENTRY, _LOCAL = b"PK\x01\x02", b"PK\x03\x04"
_FULL32 = 0xFFFFFFFF


class Member(NamedTuple):
    """Where a member's bytes are."""

    start: int
    size: int
    crc: int


class Archive:
    """A zip file, open for reading; a context.

    Parameters
    ----------
    owner : who reads which file, for messages: "from_torch: model.pt"
    path : the file

    Raises
    ------
    ModelFormatError : it is no zip file, or a member is compressed, encrypted, outside the file, over another
        one, twice there, or named like a path that leads out
    FileNotFoundError
    """

    def __init__(self, owner: str, path: Any) -> None:
        self.owner = owner
        self._file: BinaryIO = Path(path).open("rb")  # noqa: SIM115, closed by __exit__
        try:
            self.members = self._members()
        except (ValueError, struct.error) as error:
            self._file.close()
            raise ModelFormatError(f"{owner}: it is no zip file that is read here: {error}.") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def read(self, name: str, at_most: int | None = None) -> bytes:
        """The bytes of a member.

        Raises
        ------
        ModelFormatError : it is not there, larger than `at_most`, or damaged
        """
        if name not in self.members:
            raise ModelFormatError(f"{self.owner}: its member {name[:80]!r} is missing.")
        start, size, crc = self.members[name]
        if at_most is not None and size > at_most:
            raise ModelFormatError(
                f"{self.owner}: {name!r} has {size} bytes, at most {at_most} were expected."
            )
        self._file.seek(start)
        data = self._file.read(size)
        if len(data) != size or zlib.crc32(data) != crc:
            raise ModelFormatError(f"{self.owner}: its member {name!r} is damaged: the CRC does not match.")
        return data

    def _members(self) -> dict[str, Member]:
        count, length, offset = self._directory()
        if count > _MEMBERS or length > _DIRECTORY:
            raise ValueError(f"it has {count} members, listed in {length} bytes; that is too many")
        self._file.seek(offset)
        listed, at = self._file.read(length), 0
        members: dict[str, Member] = {}
        for _ in range(count):
            at = self._entry(listed, at, offset, members)
        if at != length:
            raise ValueError("its list of members has another length than it says")
        last, last_name = 0, ""
        for name, member in sorted(members.items(), key=lambda item: item[1][:2]):
            if member.start < last:
                raise ValueError(f"{name!r} lies over {last_name!r}")
            last, last_name = member.start + member.size, name
        return members

    def _directory(self) -> tuple[int, int, int]:
        """(members, bytes of their list, where it begins)."""
        whole = os.fstat(self._file.fileno()).st_size
        tail = min(whole, 22 + 0xFFFF)  # the comment behind the end record has at most 65,535 bytes
        self._file.seek(whole - tail)
        data = self._file.read(tail)
        at = data.rfind(_END)
        if at < 0 or at + 22 > tail:
            raise ValueError("it has no end record; it may be truncated")
        disk, first, here, count, length, offset, comment = struct.unpack_from("<4H2LH", data, at + 4)
        if at + 22 + comment != len(data):
            raise ValueError("it does not end with its end record")
        end = whole - tail + at
        if end >= 20:
            self._file.seek(end - 20)
            mark, _, where, _ = struct.unpack("<4sLQL", self._file.read(20))
            if mark == _LOCATOR:
                if where > end - 20 - 56:
                    raise ValueError("its zip64 record is not where it says")
                self._file.seek(where)
                values = struct.unpack("<4sQ2H2L4Q", self._file.read(56))
                mark, _, _, _, disk, first, here, count, length, offset = values
                if mark != _END64:
                    raise ValueError("its zip64 record is missing")
        if disk or first or here != count or offset + length > end:
            raise ValueError("its list of members is not inside the file")
        return count, length, offset

    def _entry(self, listed: bytes, at: int, limit: int, members: dict[str, Member]) -> int:
        """Add the member that is listed at `at`; give where the next one is listed."""
        (mark, _, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, _, _, _, offset) = (
            struct.unpack_from("<4s6H3L5H2L", listed, at)
        )
        end = at + 46 + n_name + n_extra + n_comment
        if mark != _ENTRY or end > len(listed):
            raise ValueError("its list of members is damaged")
        raw = listed[at + 46 : at + 46 + n_name]
        name = raw.decode("utf-8")
        if flags & 0x2041:  # encrypted, strongly encrypted, or with its list masked
            raise ValueError(f"{name!r} is encrypted")
        if method:
            raise ValueError(f"{name!r} is compressed; store it as it is")
        packed, size, offset = _zip64(
            listed[at + 46 + n_name : at + 46 + n_name + n_extra], (size, packed, offset)
        )
        if packed != size:
            raise ValueError(f"{name!r} has two sizes")
        if "\0" in name or "\\" in name or name.startswith("/") or ".." in name.split("/"):
            raise ValueError(f"{name!r} is a path that leads out of the archive")
        if name in members:
            raise ValueError(f"{name!r} is there twice")
        if offset + 30 > limit:
            raise ValueError(f"{name!r} lies outside the file")
        self._file.seek(offset)
        local = self._file.read(30)
        mark, n_name, n_extra = struct.unpack("<4s22x2H", local)
        start = offset + 30 + n_name + n_extra
        if mark != _LOCAL or self._file.read(n_name) != raw or start + size > limit:
            raise ValueError(f"{name!r} lies outside the file")
        members[name] = Member(start, size, crc)
        return end


def _zip64(extra: bytes, given: tuple[int, ...]) -> tuple[int, ...]:
    """(packed size, size, offset), widened by the extra field where they do not fit into 32 bits."""
    size, packed, offset = given
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == 1:
            wide = list(struct.unpack_from(f"<{length // 8}Q", extra[at + 4 : at + 4 + length]))
            values = [wide.pop(0) if n == _FULL32 and wide else n for n in (size, packed, offset)]
            size, packed, offset = values
            break
        at += 4 + length
    return packed, size, offset
