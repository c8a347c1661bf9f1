# One line per habit; .ci/run calls the same lines. Before a commit: make build test lint types
.PHONY: setup build debug test lint types sanitize serial neon dist ci clean

setup:  ; pip install -e '.[dev]'
build:  ; python setup.py --quiet build_ext --inplace
debug:  ; FASTRNN_DEBUG=1 python setup.py --quiet build_ext --inplace --force
test:   ; pytest
lint:   ; ruff check .
types:  ; mypy
sanitize: ; .ci/sanitize
serial: ; .ci/no_openmp
neon:   ; .ci/neon
dist:   ; python -m build
ci:     ; .ci/run
clean:  ; rm -rf build dist *.egg-info fastrnn/kernels/*.so fastrnn/kernels/*.pyd
