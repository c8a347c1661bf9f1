from typing import Any

NAMES: dict[int, tuple[str, ...]]

def weights_of(cell: int, params: Any) -> Any: ...
