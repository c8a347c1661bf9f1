"""The peers: one file each, named in one table. To add one, write the file and its line.

A peer is a module with two functions; it runs in a process of its own.

``start(threads) -> dict``
    Hold the library to `threads` threads (None: its own default). Returns ``{"threads": number it
    will use, "versions": {library: version}}``. A library that is not installed: let the
    ImportError of the module through, and the peer is skipped with a sentence.

``setup(case, given) -> Work``
    Prepare `case` for the data of its subject (`bench.recurrent.data`, `bench.dense.data`); raise
    `Unsupported` where the library cannot do it. What a user does once (converting weights,
    building a session) belongs here; what he does for each call belongs into the call.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

OURS = "fastrnn"
PEERS = {
    OURS: "bench.peers.fastrnn_peer",
    "pytorch": "bench.peers.pytorch",
    "pytorch_compile": "bench.peers.pytorch_compile",
    "onnxruntime": "bench.peers.onnx_runtime",
    "openvino": "bench.peers.open_vino",
    "jax": "bench.peers.jax_scan",
    "keras": "bench.peers.keras_layers",
    "numpy": "bench.peers.numpy_cell",
}
# Runs when it is asked for by name: fastrnn's own cells are the reference, nobody's peer.
NOT_BY_DEFAULT = ("numpy",)
# Compile every shape anew, in up to a second, so that --quick gives them the cases marked `few` ...
FEW_IN_QUICK = ("jax", "keras")
# ... or, at half a minute for the first one, none but the tiny ones.
NONE_IN_QUICK = ("pytorch_compile",)


@dataclass(frozen=True)
class Work:
    """A prepared case.

    Attributes
    ----------
    call : what is timed
    outputs : run once, before anything is timed: name -> array, named and shaped as in
        ``expected`` of the case's subject
    """

    call: Callable[[], Any]
    outputs: Callable[[], dict[str, Any]]


class Unsupported(RuntimeError):
    """This peer cannot run this case; the message says why."""
