"""Models of other frameworks, in and out, exact; no other framework is needed to read a file."""

__all__: list[str] = []
