from typing import Any

def forward(
    params: dict[str, Any], rows: Any, target: Any, weights: Any, *, threads: int
) -> tuple[Any, Any]: ...
def backward(
    params: dict[str, Any], rows: Any, target: Any, weights: Any, count: int | None = None, *,
    threads: int, into: Any = None,
) -> tuple[Any, Any, Any, dict[str, Any]]: ...
def exponential(x: Any) -> Any: ...
