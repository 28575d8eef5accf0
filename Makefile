# Every target sets up .venv by itself. ARGS="…" is passed to the command behind a target, for
# example: make demo ARGS="--events 1000000 --json report.json"
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do command -v $$p >/dev/null \
  && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
  && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready
ARGS ?=

# --no-deps: the lock is complete. pip's resolver would otherwise look past a pin at a release made
# since, for any requirement with extras, and refuse it for want of a hash.
$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "headrace: needs Python 3.11, 3.12 or 3.13 on the PATH"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	$(BIN)/python -m pip check
	@touch $@

.PHONY: help demo test check bench bench-check chaos up down clean lock

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

demo: $(READY) ## Everything at once with a live view, then the proof (ARGS="--events N --json FILE")
	$(BIN)/headrace demo $(ARGS)

test: check ## Lint, types, then all tests with the coverage gate (ARGS goes to pytest)
	$(BIN)/python -m coverage erase
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report= $(ARGS) && $(BIN)/python -m coverage report --skip-covered

check: $(READY) ## Lint, format, types, imports, the topology itself and its schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/headrace check
	$(BIN)/headrace schemas check

bench: $(READY) ## Measure Headrace beside its peers (ARGS="--json FILE")
	$(BIN)/python -m bench $(ARGS)

bench-check: $(READY) ## Compare the bench's ratios with the recorded ones (ARGS="--short" as in CI)
	$(BIN)/python -m bench.check $(ARGS)

chaos: $(READY) ## Kill workers and services under load, then prove the results (ARGS="--faults N --seed S --json FILE")
	$(BIN)/python -m tests.chaos $(ARGS)

up: $(READY) ## Start the local Kafka, Redis and ClickHouse
	$(BIN)/headrace up

down: $(READY) ## Stop them
	$(BIN)/headrace down

lock: ## Compile requirements.lock again from pyproject.toml (needs uv)
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --no-emit-index-url \
	  --no-strip-extras --no-annotate --no-header -p 3.11 --quiet -o requirements.lock

clean: ## Stop local services; remove .venv, .headrace and caches
	if [ -x $(BIN)/headrace ]; then $(BIN)/headrace down; fi
	rm -rf .venv .headrace .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* build *.egg-info
