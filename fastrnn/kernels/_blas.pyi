from typing import Any

def check_sizes(owner: str, *sizes: int) -> None: ...
def matmul(
    a: Any,
    b: Any,
    c: Any = None,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    panels: bool = False,
    repeat: int = 1,
) -> Any: ...
