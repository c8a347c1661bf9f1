from typing import Any

CODES: dict[str, int]

def forward(params: dict[str, Any], x: Any, activation: str, *, threads: int) -> Any: ...
def backward(
    params: dict[str, Any], x: Any, activation: str, y: Any, dy: Any, *, threads: int, into: Any = None
) -> tuple[Any, dict[str, Any]]: ...
