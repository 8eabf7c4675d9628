# The commands for a checkout. They install into $(VENV) only and need neither root nor docker.
# PIP_OPTIONS goes to every pip install: make setup PIP_OPTIONS="--index-url ..."

PYTHON ?= python3.11
VENV ?= .venv
PIP_OPTIONS ?=
DATA_DIR ?= $(CURDIR)/.netmorph
EXPORT ?= exports/digits
TEST_PROCESSES ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt $(PIP_OPTIONS)

.DEFAULT_GOAL := help
.PHONY: help setup search up test slow faults mutants check fix docs site bench clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run-ready: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[worker,embedded]'
	@touch $@

$(VENV)/.dev-ready: $(VENV)/.run-ready
	$(PIP) --editable '.[worker,embedded,dev,docs]'
	@touch $@

$(VENV)/.bench-ready: $(VENV)/.dev-ready
	$(PIP) --editable '.[worker,embedded,dev,docs,bench]'
	@touch $@

setup: $(VENV)/.run-ready  ## Create the virtual environment and install Netmorph into it

search: setup  ## Search, train and export a network for the digits data set
	$(BIN)/netmorph search --dataset digits --minutes 4 --data-dir $(DATA_DIR) --export $(EXPORT)

up: setup  ## Run the service on this machine until Ctrl-C
	$(BIN)/netmorph up --data-dir $(DATA_DIR)

# Tests start many processes: they keep what they compile of our modules, whatever the shell says.
test slow faults: export PYTHONDONTWRITEBYTECODE =

test: $(VENV)/.dev-ready  ## Run the tests on private PostgreSQL and Valkey servers
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --dist loadgroup $(PYTEST_OPTIONS)

slow: $(VENV)/.dev-ready  ## Run the long tests
	$(BIN)/python -m pytest -m "slow and not gpu" $(PYTEST_OPTIONS)

faults: $(VENV)/.dev-ready  ## Interrupt real processes in all the ways that the tests know
	$(BIN)/python -m pytest tests/faults tests/e2e/test_faults.py -m "slow or not slow" $(PYTEST_OPTIONS)

mutants: $(VENV)/.dev-ready  ## Plant faults in a copy of the code and run the tests that must notice
	$(BIN)/python -m tests.mutants.run $(MUTANTS)

check: $(VENV)/.dev-ready  ## Check format, lint, types, import contracts, dead code and spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vulture
	$(BIN)/codespell

fix: $(VENV)/.dev-ready  ## Fix format and lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev-ready  ## Write the parts of the documents that come from the code
	$(BIN)/python -m docs.generate

site: $(VENV)/.dev-ready  ## Build the documentation site in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: $(VENV)/.bench-ready  ## Run the benchmarks, with peers if .venv-peers exists (BENCH_OPTIONS=--quick: fewer)
	$(BIN)/python -m benchmarks $(BENCH_OPTIONS)

clean:  ## Remove the virtual environment, the caches and the data of the local service
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	rm -rf .import_linter_cache $(DATA_DIR)
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
