from typing import Any

NAMES: dict[int, tuple[str, ...]]

def forward(
    cell: int, params: dict[str, Any], x: Any, s0: Any, training: bool, h_mask: Any, threads: int
) -> tuple[Any, tuple[Any, ...], Any]: ...
def backward(
    cell: int, params: dict[str, Any], cache: Any, dy: Any, dsT: Any, threads: int
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]: ...
