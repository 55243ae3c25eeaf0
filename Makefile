# make demo   the demo panel on http://127.0.0.1:8000 (HOST, PORT, WORKERS and EXAMPLE_STORE change it)
# make demo-existing   a panel with SQL tables of its own, and the extension in it (HOST, PORT, DATABASE_URL, PANEL_ORDERS)
# make test   the whole test suite, with branch coverage
# make fuzz   100,000 requests that nobody should send, other ones each time (a quarter of an hour; CASES=1000 for less)
# make long   what takes too long for every change: fuzz, faults, load, mutants; writes docs/hardening.md (PARTS=load for one)
# make lint   ruff, mypy and bandit
# make lock   write requirements/ anew: the newest versions that setup.cfg allows, and the hashes of their files
# make bench  the product beside its peers, in ten minutes (QUICK=1: a look, in two); docs/performance.md says how to read it
# make bench-growth   how requests slow down as orders pile up, up to a million (three minutes)
# make docs   write docs/configuration.md and docs/conformance.md anew
# make screenshots   take the pictures in docs/images anew (it wants Chromium)
# make clean  remove what the others made

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# LOCKED=no takes the newest versions that setup.cfg allows, instead of those in requirements/.
LOCKED ?= yes

.PHONY: demo demo-existing test fuzz long lint lock bench bench-growth docs screenshots clean

demo: .venv/demo
	@$(BIN)/python -m example_app

demo-existing: export FLASK_APP := example_app.existing_panel
demo-existing: export FLASK_RUN_HOST := $(or $(HOST),127.0.0.1)
demo-existing: export FLASK_RUN_PORT := $(or $(PORT),8000)
demo-existing: .venv/demo-existing
	@$(BIN)/flask seed
	@$(BIN)/flask run

test: .venv/test
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

fuzz: export SMMAPI_FUZZ_CASES := $(or $(CASES),100000)
fuzz: .venv/test
	$(BIN)/python -m pytest -q $(wildcard tests/test_fuzz_*.py)

long: .venv/long
	$(BIN)/python -m tests.long $(PARTS)

lint: .venv/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml flask_smmapi example_app

# Each lock holds for every platform and for its oldest Python and later; schemathesis wants 3.11. What builds the project
# is in it, too.
lock: export UV_CUSTOM_COMPILE_COMMAND := make lock
lock:
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(PIP) uv
	@mkdir -p requirements
	@set -e; for lock in demo:3.10 demo-existing:3.10 test:3.11; do extra=$${lock%:*}; \
	echo setuptools | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version $${lock#*:} --generate-hashes \
	--no-annotate --extra $$extra --output-file requirements/$$extra.txt setup.cfg -; done

bench: .venv/bench
	$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--plots docs/images)

bench-growth: .venv/test
	$(BIN)/python -m benchmarks.growth

docs: .venv/test
	$(BIN)/python docs/configuration.py > docs/configuration.md
	$(BIN)/python -m docs.conformance > docs/conformance.md.new
	mv docs/conformance.md.new docs/conformance.md

screenshots: .venv/test
	$(BIN)/python -m docs.screenshots

clean:
	rm -rf .venv build dist *.egg-info .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache

# One environment for all; .venv/demo and .venv/test say which extra is installed in it.
.venv/demo .venv/demo-existing .venv/test: .venv/%: requirements/%.txt setup.cfg pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or later is needed: make PYTHON=…")'
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
ifeq ($(LOCKED),no)
	$(PIP) --editable ".[$*]"
else
	@$(PIP) --require-hashes --requirement $< || { echo "To take other versions than those in $<: make LOCKED=no …"; exit 1; }
	$(PIP) --no-deps --no-build-isolation --editable .
endif
	@touch $@

# What is not locked, on top of what is: the peers of the bench, and the tools of the long tests.
.venv/bench: .venv/demo
.venv/long: .venv/test
.venv/bench .venv/long: .venv/%:
	$(PIP) --editable ".[$*]"
	@touch $@
