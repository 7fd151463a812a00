# Two commands are the whole set-up: `make demo` and `make test`. They need Python 3.11 or newer and nothing else.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
PIP    := $(PY) -m pip --quiet --disable-pip-version-check install --constraint constraints.txt
READY  := $(VENV)/.ready
DRAWS  := $(VENV)/.draws
WORLDS ?= 5000
ARGS   ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-peers soak fidelity mutants crash clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 13

setup: $(READY) ## make .venv and install everything into it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "fillwatch needs Python 3.11 or newer; try: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

demo: setup ## watch 250 orders of a simulated broker over HTTP and compare every result with the truth
	$(VENV)/bin/fillwatch demo $(ARGS)

test: setup ## run the test suite (ARGS: more for pytest)
	$(PY) -m pytest --numprocesses auto $(ARGS)

check: setup ## lint, formatting, types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# Without what draws, the figures are measured all the same.
$(DRAWS): $(READY)
	$(PIP) --no-build-isolation --editable '.[bench]' && touch $@ || echo 'there will be no pictures'

bench: $(DRAWS) ## measure; the figures go to the terminal, JSON and pictures to reports/bench
	$(PY) -m benchmarks $(ARGS)

bench-peers: $(DRAWS) ## measure what people use today as well, each in an environment of its own (a quarter of an hour)
	$(PY) -m benchmarks peers table

soak: setup ## run WORLDS seeded worlds with faults in virtual time (ARGS: --seed N replays one)
	$(PY) -m tests.soak --worlds $(WORLDS) $(ARGS)

fidelity: setup ## hold the simulated server to alpaca-py and Alpaca's OpenAPI document; prints a table
	$(PY) -m tests.fidelity $(ARGS)

mutants: setup ## plant known bugs one at a time and see the tests catch them
	$(PY) -m tests.mutants $(ARGS)

crash: setup ## kill trading and watching processes N times (N=200) at any instant and compare what is left with the truth
	FILLWATCH_CRASHES=$(or $(N),200) FILLWATCH_WATCH_LIVES=$(or $(N),200) \
	    $(PY) -m pytest tests/execution/test_crash.py tests/engine/test_recover_crash.py

clean: ## remove the environment and everything that was generated
	rm -rf $(VENV) build dist reports .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
