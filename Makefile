# Everything a developer runs. `make demo` is the way in; it needs Python 3.11 and, for the Axum candidate, cargo.
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python
AXUM := examples/candidate-axum
POSTGRES_TESTS := tests/audit tests/rollout tests/shadow tests/traffic tests/bad_input

.DEFAULT_GOAL := help
.PHONY: help deps candidate demo walkthrough drill storm coverage test test-fast test-postgres test-real lint bench lock clean

help:  ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

deps:  ## Create .venv from the hash-locked requirements, when they changed
	@sha256sum --check --status $(VENV)/lock.sha256 2>/dev/null || { \
	  $(PYTHON) -c 'import sys; sys.exit("Banyan needs Python 3.11, this is " + sys.version.split()[0] if sys.version_info[:2] != (3, 11) else 0)' \
	  && echo "Installing into $(VENV) (about a minute)" \
	  && $(PYTHON) -m venv $(VENV) \
	  && $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt \
	  && sha256sum requirements/dev.txt > $(VENV)/lock.sha256; }

# A rustup cargo finds its toolchain through HOME. With another HOME, look for it beside the program.
candidate:  ## Build the Axum candidate with cargo; without cargo the demo runs a Python one
	@if ! cargo --version >/dev/null 2>&1; then \
	  beside=$$(dirname "$$(command -v cargo)" 2>/dev/null)/../../.rustup; \
	  [ -d "$$beside" ] && export RUSTUP_HOME="$$beside"; \
	fi; \
	if cargo --version >/dev/null 2>&1; then \
	  cargo build --release --locked --quiet --manifest-path $(AXUM)/Cargo.toml; \
	else \
	  echo "No working cargo: the Axum candidate is not built, a Python one stands in (examples/candidate-python)."; \
	fi

# The same as `manage.py runstack --demo`, two seconds sooner: Django is not loaded for the supervisor.
demo: deps candidate  ## Run everything with the example pair and traffic; SCENARIO=drift|errors|slow|schema|f32
	@$(RUN) -m controlplane.stack --demo $(ARGS)

walkthrough: deps candidate  ## Drive a whole migration over REST and write walkthrough.json; CHECKS=all: every fault against every check
	@$(RUN) -m tests.walkthrough $(if $(CHECKS),--checks $(CHECKS)) $(ARGS)

drill: deps candidate  ## Hurt a running stack in every way and check the invariants; ARGS="--seed 7 --only web"
	@$(RUN) -m tests.drill $(ARGS)

storm: deps  ## 50 promotes at once and 500 kills, on SQLite and PostgreSQL; ARGS="--crowd 5 --kills 20"
	@$(RUN) -m tests.storm $(ARGS)

# What decides: the judge, the life, whatever writes a place, the chain. Every branch of it is tested.
DECIDES := judge/*,audit/chain.py,rollout/lifecycle.py,rollout/services/approvals.py,rollout/services/builds.py
DECIDES := $(DECIDES),rollout/services/consent.py,rollout/services/decide.py,rollout/services/endings.py
DECIDES := $(DECIDES),rollout/services/policies.py,rollout/services/promote.py,rollout/services/reviews.py
DECIDES := $(DECIDES),rollout/services/verbs.py,rollout/services/verdicts.py,rollout/services/waivers.py
COVERED := --cov=judge --cov=audit --cov=rollout --cov-branch --cov-report=

coverage: deps  ## Fail unless every branch of what decides is tested
	$(RUN) -m pytest -q -n auto -m "not real" tests/judge tests/audit tests/rollout tests/bad_input $(COVERED)
	$(VENV)/bin/coverage report --include="$(DECIDES)" --show-missing --skip-covered --fail-under=100

test: test-fast test-postgres test-real  ## Every test: fast ones, the same on PostgreSQL, those with real processes

test-fast: deps
	$(RUN) -m pytest -q -n auto -m "not real"

test-postgres: deps
	$(RUN) -m tests.postgres -- $(RUN) -m pytest -q -n auto -m "not real" $(POSTGRES_TESTS)

test-real: deps candidate
	$(RUN) -m pytest -q -m real --randomly-dont-reorganize

lint: deps  ## Style, types, import direction, templates, Django's own checks
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@templates=$$(find templates -name '*.html'); [ -z "$$templates" ] || { set -x; \
	  $(VENV)/bin/djade --check --target-version 5.2 $$templates && $(VENV)/bin/djlint --lint --quiet templates; }
	$(RUN) manage.py check --fail-level WARNING
	$(RUN) manage.py makemigrations --check --dry-run

bench: deps candidate  ## Measure against the peers and write bench/results.json
	@$(RUN) -m bench $(ARGS)

lock: deps  ## Write requirements/*.txt anew from requirements/*.in
	$(VENV)/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 requirements/run.in -o requirements/run.txt
	$(VENV)/bin/uv pip compile --quiet --generate-hashes --python-version 3.11 requirements/dev.in -o requirements/dev.txt

clean:  ## Remove what was built and cached; ./state stays
	rm -rf $(VENV) $(AXUM)/target staticfiles htmlcov .coverage .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
