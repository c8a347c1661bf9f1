"""The mathematics, written to be fast: Cython over a C++ step engine.  See `docs/design.md`."""
