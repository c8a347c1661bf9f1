"""The version, written once: pyproject.toml and ``fastrnn.__version__`` both read it here."""

__version__ = "0.1.0"
