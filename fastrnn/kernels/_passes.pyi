from typing import Any

def forward(
    cell: int, params: dict[str, Any], x: Any, s0: Any, training: bool, h_mask: Any, threads: int,
    last: bool = False,
) -> tuple[Any, tuple[Any, ...], Any]: ...
def backward(
    cell: int, params: dict[str, Any], cache: Any, dy: Any, dsT: Any, threads: int, into: Any = None
) -> tuple[Any, tuple[Any, ...], dict[str, Any]]: ...
def forward_at(
    cell: int, params: Any, x: Any, s0: Any, training: bool, x_at: Any, y_at: Any, y: Any, threads: int
) -> Any: ...
def backward_at(
    cell: int, params: Any, cache: Any, dy: Any, dy_at: Any, dsT: Any, threads: int
) -> Any: ...
def forward_both(
    cell: int, params: Any, x: Any, s0: Any, training: bool, masks: Any, threads: int
) -> tuple[Any, Any, Any]: ...
def backward_both(
    cell: int, params: Any, caches: Any, dy: Any, dsT: Any, threads: int
) -> tuple[Any, Any, Any]: ...
