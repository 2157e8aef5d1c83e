# Everything a person needs is two words: `make demo` and `make test`. Both set up .venv first.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup demo test test-long test-browser lint bench docs reference gallery lock clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1	/' | expand -t 20

setup: $(READY) ## make .venv with every pinned package

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Python 3.11 to 3.13 is needed, this is {v[0]}.{v[1]}; name another: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

demo: $(READY) ## the flagship outage: two runs, one table, one report (about two minutes)
	$(BIN)/blackstart compare experiments/dns_race.yaml --variant naive --variant budget

test: $(READY) ## the tests, in virtual time where time matters
	$(BIN)/pytest -q -m "not long"

test-long: $(READY) ## the long tests: published tables, planted truth, a million random steps
	$(BIN)/pytest -q -m long

test-browser: $(READY) ## the Recovery tab in Chromium (part of the long tests)
	$(BIN)/pytest -q tests/browser

lint: $(READY) ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(READY) ## timings as ratios against a peer in the same run
	for bench in benchmarks/*.py; do $(BIN)/python $$bench || exit 1; done

docs: $(READY) ## the documentation as a site, in site/; a broken link fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

reference: $(READY) ## the pages that are made from the code
	$(BIN)/python -m harness.reference

gallery: $(READY) ## the gallery: simulates the experiments that changed (about eight minutes for all of them)
	$(BIN)/python -m harness.reference.gallery

lock: ## pin the newest allowed versions (names, versions and hashes only)
	$(BIN)/python -m pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras --no-annotate --no-header \
	  --extra dev --extra sim --extra cluster --extra parquet --extra otel -o requirements.lock pyproject.toml
	sed -i '/^--/d; /^#/d; /^$$/d' requirements.lock

clean: ## remove .venv, caches and run folders
	rm -rf $(VENV) runs .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
