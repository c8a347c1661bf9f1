from typing import Any

def forward(
    params: dict[str, Any], x: Any, s0: Any, training: bool, h_mask: Any = None, *, threads: int
) -> tuple[Any, tuple[Any, ...], Any]: ...
def backward(
    params: dict[str, Any], cache: Any, dy: Any, dsT: Any, *, threads: int
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]: ...
