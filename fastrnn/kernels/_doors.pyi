from typing import Any

NAMES: dict[int, tuple[str, ...]]

def plain(
    cell: int, x: Any, params: Any, state: Any, time_major: bool, y_time_major: bool, training: bool,
    threads: int | None, count: Any, last_alone: bool = False,
) -> Any: ...
