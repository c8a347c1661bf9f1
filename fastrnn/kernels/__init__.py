"""The mathematics, written to be fast: Cython over BLAS, one file a cell.  See `docs/design.md`."""
