# Everything runs in .venv, which scripts/setup.sh makes and keeps in step with pyproject.toml and constraints.txt.
PY := .venv/bin/python
# Worker processes for pytest; 0 runs the tests in one process.
JOBS ?= auto
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help demo test test-all coverage services services-stop lint format types contracts bench bench-neo4j build pins picture docs setup

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: ## Run two real multi-agent systems and show what AgentGuard finds (KEEP=1 leaves the server running)
	@scripts/setup.sh demo
	@.venv/bin/agentguard demo $(if $(filter 1 true yes,$(KEEP)),--keep)

test: setup ## Run the tests (PYTEST_ARGS=…, JOBS=…)
	@$(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

test-all: setup ## Run the tests and the full kill and health matrices, and note in tests/matrix.sha256 that they passed
	@$(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup -m "" $(PYTEST_ARGS)
	@$(if $(PYTEST_ARGS),,$(PY) -m scripts.matrix write)

coverage: setup ## Run the tests and write which lines and branches they reach to htmlcov/ (PYTEST_ARGS=…, JOBS=…)
	@$(PY) -m scripts.services run $(PY) -m pytest -n $(JOBS) --dist loadgroup --cov --cov-report=html $(PYTEST_ARGS)
	@$(PY) -m coverage report --format=total | sed 's/$$/ % of lines and branches/'

services: setup ## Start PostgreSQL, Redis, RabbitMQ, Neo4j and an EVM node on free loopback ports, and print their settings
	@$(PY) -m scripts.services start

services-stop: setup ## Stop them
	@$(PY) -m scripts.services stop

lint: setup ## Check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: setup ## Fix what can be fixed of style and formatting
	@$(PY) -m ruff check --fix-only --exit-zero .
	@$(PY) -m ruff format .

types: setup ## Check types
	@$(PY) -m mypy

contracts: setup ## Check who imports whom
	@.venv/bin/lint-imports --no-logo --cache-dir .cache/import-linter

bench: setup ## Measure a scan of generated spans against plain Python (BENCH_SPANS=1000000)
	@$(PY) -m benchmarks.run

bench-neo4j: setup ## Measure a large graph into Neo4j against the same rows one by one (BENCH_COMPONENTS=10000 BENCH_DEPENDENCIES=50000)
	@$(PY) -m benchmarks.neo4j

build: setup ## Build the wheel and the source archive into dist/
	@$(PY) -m build --no-isolation

pins: ## Pin the newest versions of everything in constraints.txt
	@scripts/pins.sh

picture: setup ## Draw docs/terminal.svg from the recorded demo
	@$(PY) -m scripts.picture

docs: setup ## Write the generated parts of docs/ anew
	@$(PY) -m scripts.reference

setup:
	@scripts/setup.sh dev
