"""Subject: a batch of sequences of different lengths.

Everybody gets a padded array with lengths and returns one (y past a row's length is zero, as is
dx), so that packing and unpacking are part of the time, in fastrnn as in PyTorch
(`pack_padded_sequence`, `pad_packed_sequence`). Arrays are batch-first, the public
form of both. The padded twin of a case has as many rows and the
same number of real steps, but rows of equal length: work that is proportional to the sum of lengths
costs the same for both.
"""

from __future__ import annotations

from .recurrent import data, expected

__all__ = ["data", "expected"]
