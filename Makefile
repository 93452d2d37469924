# Everything runs in .venv, which scripts/setup.sh creates and updates from pyproject.toml and constraints.txt.
PY := .venv/bin/python
# Worker processes for pytest: one more than cores, since many tests wait; 0 runs them in one process.
JOBS ?= $(shell expr $$(nproc) + 1)
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-all coverage services services-stop lint format types contracts bench bench-audit bench-neo4j lab build pins picture screenshots docs setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## Run two real multi-agent systems and show what AgentGuard finds (KEEP=1 leaves the server running)
	@scripts/setup.sh demo
	@.venv/bin/agentguard demo $(if $(filter 1 true yes,$(KEEP)),--keep)

test: setup ## Run the tests (PYTEST_ARGS=…, JOBS=…)
	@$(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

test-all: setup ## Run all tests, with the full kill and health matrices and the browser walks, and record in tests/matrix.sha256 that they passed
	@CI=true $(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup -m "" $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,$(PY) -m scripts.matrix write)

coverage: setup ## Run the tests and write a coverage report to htmlcov/ (PYTEST_ARGS=…, JOBS=…)
	@$(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup --cov --cov-report=html $(PYTEST_ARGS)
	@$(PY) -m coverage report --format=total | sed 's/$$/ % of lines and branches/'

services: setup ## Start PostgreSQL, Redis, RabbitMQ, Neo4j and an EVM node on free loopback ports, and print their settings
	@$(PY) -m scripts.services start

services-stop: setup ## Stop these services
	@$(PY) -m scripts.services stop

lint: setup ## Check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: setup ## Format the code and fix style automatically where possible
	@$(PY) -m ruff check --fix-only --exit-zero .
	@$(PY) -m ruff format .

types: setup ## Check types
	@$(PY) -m mypy

contracts: setup ## Check the import contracts
	@.venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter

bench: setup ## Compare a scan of generated spans with plain Python (BENCH_SPANS=1000000), the API with a bare endpoint, and failures by chance with CyNetDiff
	@$(PY) -m benchmarks.run
	@$(PY) -m benchmarks.cascade
	@$(PY) -m benchmarks.http
	@$(PY) -m benchmarks.size

bench-audit: setup ## Compare the audit log with plain inserts, and time proofs in a log of 1,000,000 entries
	@$(PY) -m benchmarks.audit

bench-neo4j: setup ## Compare bulk loading of a large graph into Neo4j with row by row (BENCH_COMPONENTS=10000 BENCH_DEPENDENCIES=50000)
	@$(PY) -m benchmarks.neo4j

lab: setup ## Put faults into real systems and score what the simulation says of them (LAB_ARGS="--systems ecommerce --most 2")
	@$(PY) -m lab run $(LAB_ARGS)

build: setup ## Build the wheel and the source archive into dist/
	@$(PY) -m build --no-isolation

pins: ## Pin the newest versions of all dependencies in constraints.txt
	@scripts/pins.sh

picture: setup ## Draw docs/terminal.svg from the recorded demo
	@$(PY) -m scripts.picture

screenshots: setup ## Take the screenshots of docs/ from the web UI with the recorded demo
	@$(PY) -m tests.ui.screenshots

docs: setup ## Regenerate the generated pages of docs/
	@$(PY) -m scripts.reference

setup:
	@scripts/setup.sh dev
