from typing import Any

RULES: dict[str, int]

def step(
    name: str, numbers: tuple[float, ...], clips: tuple[float | None, ...], params: tuple[Any, ...],
    grads: tuple[Any, ...], slots: tuple[tuple[Any, ...], ...], decays: tuple[bool, ...], *, threads: int,
) -> float: ...
