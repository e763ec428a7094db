# The commands of this project; CI runs the same ones. `make` alone prints them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
PY := .venv/bin/python
# One test process more than cores: many tests wait for a server or for the disk.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) + 1)
LOCK_OPTIONS := --quiet --config pyproject.toml
# The lock files name everything there is to install; bytecode is made of what is used, when it is used.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-compile

.PHONY: help run test check bench docs e2e lock image

help:
	@grep -hE '^[a-z0-9]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /\1\t/' | awk -F'\t' '{printf "  make %-6s %s\n", $$1, $$2}'

run: .venv/.run ## start the sandbox on http://localhost:8000 (ARGS="--tls" and the like are passed on)
	.venv/bin/sandkasse serve $(ARGS)

test: .venv/.dev ## all tests, and the count of conformance cases; with coverage gates by COVERAGE=1
	$(PY) -m pytest -n $(WORKERS) --dist worksteal $(if $(COVERAGE),--cov --cov-report=term:skip-covered --cov-fail-under=90) $(ARGS)
ifdef COVERAGE
	$(PY) -m coverage report --include='app/trust/policy/*,app/trust/policy/rows/*,app/trust/gate.py,app/trust/dpop.py,app/trust/attest.py' --fail-under=100 --show-missing
endif

check: .venv/.dev ## style, types, import rules, release rules, generated pages, documentation, advisories
	$(PY) -m tools.check

bench: .venv/.dev ## measure against a bare route in the same run; start-up and a million resources (ARGS="--quick")
	$(PY) -m bench.run $(ARGS)
	$(PY) -m bench.start $(ARGS)
	$(PY) -m bench.scale $(ARGS)
	$(PY) -m bench.sandboxes $(ARGS)

docs: .venv/.dev ## generate the reference pages and build the documentation into site/
	$(PY) -m tools.generate_docs
	$(PY) -m mkdocs build --strict --quiet

e2e: .venv/.dev ## only the tests that start a real server: example client, browser, TLS, signals, crashes
	$(PY) -m pytest tests/e2e tests/crash $(ARGS)

lock: .venv/.dev ## resolve the dependencies again and write both lock files
	$(PY) -m piptools compile $(LOCK_OPTIONS) --upgrade --output-file requirements.lock pyproject.toml
	$(PY) -m piptools compile $(LOCK_OPTIONS) --upgrade --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

image: ## build the container image sandkasse:local
	docker build --tag sandkasse:local .

# The installed package is a link to this folder (-e), built with the locked setuptools: nothing unlocked is fetched.
.venv/.run: requirements.lock pyproject.toml | .venv/bin/python
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
