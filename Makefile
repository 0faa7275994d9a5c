# BillerJacket. `make help` lists what can be done here.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# A stamp says "installed, and the list has not changed since": a second start installs nothing.
RUNTIME := $(VENV)/.stamp-runtime
TESTING := $(VENV)/.stamp-tests
BENCHING := $(VENV)/.stamp-bench

# More arguments for pytest, for example: make test PYTEST_ARGS="-k overpayment"
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run app worker test check format bench venv browser clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: $(RUNTIME) ## Start everything: migrations, demo data, front end, app and worker
	@exec $(BIN)/python -m scripts.run all

app: $(RUNTIME) ## Start the app and its API alone (PORT=8000)
	@exec $(BIN)/python -m scripts.run app

worker: $(RUNTIME) ## Start the worker alone
	@exec $(BIN)/python -m scripts.run worker

# Handed out in small portions, so that none is left with the long tests at the end; and in order,
# so that in each process the tests of a file follow each other as they stand.
test: $(TESTING) browser ## Run all tests; installs what they need, the browser too
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --maxschedchunk 8 $(PYTEST_ARGS)

check: $(TESTING) ## Format, lint, types and import contracts: fast, no servers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(TESTING) ## Rewrite the sources in the project's format
	$(BIN)/ruff check --fix --select I .
	$(BIN)/ruff format .

bench: $(BENCHING) ## Run the benchmarks; prints a table, writes bench/results.json
	$(BIN)/python -m bench

venv: $(TESTING) $(BENCHING) ## Make .venv with everything in it

clean: ## Remove caches and the built front end; keeps .venv and data
	rm -rf .web .reflex .states .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# The tests drive Chromium's headless shell; any other Chromium does as well, at three times the cost.
APT = apt-get -q -o Dpkg::Use-Pty=0
browser: $(TESTING)
	@command -v chromium-headless-shell >/dev/null \
	|| { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && $(APT) update \
		&& DEBIAN_FRONTEND=noninteractive $(APT) install -y chromium-headless-shell; } \
	|| command -v chromium || command -v chromium-browser || command -v google-chrome \
	|| $(BIN)/python -m playwright install chromium

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "BillerJacket needs Python 3.11 or newer as '$(PYTHON)'" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(PIP) install -r $<
	@touch $@

$(TESTING): tests/requirements.txt $(RUNTIME)
	$(PIP) install -r $<
	@touch $@

$(BENCHING): bench/requirements.txt $(RUNTIME)
	$(PIP) install -r $<
	@touch $@
