# make demo   the demo panel on http://127.0.0.1:8000 (HOST, PORT, WORKERS and EXAMPLE_STORE change it)
# make test   the whole test suite, with branch coverage
# make lint   ruff and mypy
# make bench-growth   how requests slow down as orders pile up (two minutes)
# make clean  remove what the others made

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint bench-growth clean

demo: .venv/demo
	@$(BIN)/python -m example_app

test: .venv/test
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-growth: .venv/test
	$(BIN)/python -m benchmarks.growth

clean:
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

# One environment for all; .venv/demo and .venv/test say which extra is installed in it.
.venv/demo .venv/test: .venv/%: setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed: make PYTHON=…")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$*]"
	@touch $@
