# Everything starts from nothing: `make run` and `make test` create .venv first.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/pip --disable-pip-version-check

.PHONY: help setup run test check bench lock clean

help:  ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

# torch comes first and pinned: the CPU build, where an open range would fetch several GB of CUDA packages
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "taskgroup needs Python 3.11 or newer, found $$($(PYTHON) --version); set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt torch
	$(PIP) install -q -c constraints.txt -e '.[dev]'
	@touch $@

setup: $(READY)  ## create .venv with what CI runs

run: $(READY)  ## the main job: plan ten tasks on handwritten digits
	$(BIN)/taskgroup run search_spaces/digits.yaml --workers 2

test: $(READY)  ## style, types, floors and all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest -q -n 2

check: $(READY)  ## style, types and floors only
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: $(READY)  ## every benchmark; writes results/bench
	$(BIN)/taskgroup bench build
	$(BIN)/taskgroup bench digits
	$(BIN)/taskgroup bench lookahead
	$(BIN)/taskgroup bench affinity
	$(BIN)/taskgroup bench grouping --tables ../shared/tables
	$(BIN)/taskgroup bench samplers
	$(BIN)/taskgroup bench plans --data ../shared/data

lock: $(READY)  ## renew constraints.txt from .venv
	{ head -1 constraints.txt; $(PIP) freeze --exclude-editable | sed 's/+cpu$$//'; } > constraints.new && mv constraints.new constraints.txt

clean:  ## remove .venv and caches; results stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
