# `make demo` and `make test` each work alone: a fresh clone, Python 3.11 or newer, git and make are enough.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# The first interpreter that runs and is new enough; `make PYTHON=/path/to/python` chooses another.
PYTHON ?= $(shell for candidate in python3.11 python3 python3.12 python3.13; do \
	"$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$candidate" && break; done)

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TRIALS := $(wildcard mappings/trials/*)

# What must be covered to the last branch: everything that decides.
CORE := fhir_trial/logic.py,fhir_trial/times.py,fhir_trial/quantities.py,fhir_trial/terminology/*,fhir_trial/records/*,fhir_trial/facts/*,$\
	fhir_trial/scores/*,fhir_trial/criteria/*,fhir_trial/trials/*,fhir_trial/verdict/*,fhir_trial/screening/*

.PHONY: help setup demo torture test check style types layers dependencies security unit coverage-gate trials bench bench-server \
	bench-hospital bench-memory same-answers wheel skips fuzz mutants lock mappings java java-if-possible clean

help:  ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

setup: $(READY)  ## a virtual environment with everything, from hashed requirements

$(READY): requirements/dev.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY)  ## a FHIR server and the service on this machine, every sample patient screened twice, and what was written
	$(BIN)/python -m fhir_trial.sandbox.demo $(DEMO)

torture: $(READY)  ## 200 processes killed at random moments, and what the next ones make of it (TORTURE_KILLS, TORTURE_SEED)
	$(BIN)/python -m tests.torture.random_kills

test: check unit coverage-gate trials bench skips  ## everything that CI runs
	@echo "Not part of this run: mutation testing (make mutants), 200 random kills (make torture; a few were), the container files under docker/ (they need an engine)."

check: style types layers dependencies security containers  ## everything that needs no test run

style: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

layers: $(READY)
	$(BIN)/lint-imports

dependencies: $(READY)
	$(BIN)/deptry .
	$(BIN)/python -m pip check

security: $(READY)
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive fhir_trial

# Linted only: no container engine is asked for.
containers: $(READY)
	@if test -x $(BIN)/hadolint; then $(BIN)/hadolint docker/Dockerfile; \
	else echo "hadolint is not made for this machine: docker/Dockerfile is not linted."; fi

# Tests that share a costly server are grouped for the workers; each worker may still start a server of its own.
unit: $(READY) java-if-possible
	@mkdir -p build
	$(BIN)/pytest --numprocesses auto --dist loadgroup --cov --cov-report=term --junitxml=build/junit.xml

# HAPI FHIR and the validator, which the contract tests talk to: tests/servers/<part>/target/<part>.jar.
JAVA_PARTS := hapi validator
define JAVA_PART
tests/servers/$(1)/target/$(1).jar: tests/servers/$(1)/pom.xml $(shell find tests/servers/$(1)/src -type f)
	cd tests/servers/$(1) && mvn -q -B package
	@touch $$@
endef
$(foreach part,$(JAVA_PARTS),$(eval $(call JAVA_PART,$(part))))

java: $(foreach part,$(JAVA_PARTS),tests/servers/$(part)/target/$(part).jar)  ## builds the Java parts of the tests (Maven, JDK 17)

# Without them the tests that need them are skipped by name, unless no test may be.
java-if-possible:
	@if ! command -v mvn >/dev/null || ! command -v javac >/dev/null; then \
		echo "Maven or a JDK is missing: HAPI FHIR and the validator are not built, their tests are skipped."; \
	elif ! $(MAKE) java; then \
		test -z "$${FORBID_SKIPS:-}" || exit 1; \
		echo "HAPI FHIR or the validator could not be built: their tests are skipped."; \
	fi

coverage-gate: unit
	$(BIN)/coverage report --include='$(CORE)' --fail-under=100

trials: $(READY)
	@test -n "$(TRIALS)" || { echo "No trial under mappings/trials/." >&2; exit 1; }
	$(BIN)/fhir-trial trial check
	@for trial in $(notdir $(TRIALS)); do echo "fhir-trial trial test $$trial"; $(BIN)/fhir-trial trial test "$$trial"; done

bench: $(READY)  ## screening one patient of 300 resources, as a ratio to decoding the same bytes (limit 10: not met yet)
	$(BIN)/python -m benchmarks.screen_patient

bench-server: $(READY)  ## screening 500 patients from a server, as a ratio to a bare loop of the same requests (limit 1.5: not met yet)
	$(BIN)/python -m benchmarks.screen_server

bench-hospital: $(READY)  ## speed of bulk screening against wc and plain decoding (limits 6.5 and 5: not met; not part of CI)
	$(BIN)/python -m benchmarks.hospital_speed --everyone

bench-memory: $(READY)  ## memory of bulk screening at 1, 2 and 4 times the patients (limit 150 MiB, within a tenth of each other)
	$(BIN)/python -m benchmarks.hospital_memory

same-answers: $(READY)  ## a population at once against one patient at a time, 2,000 patients in every form of JSON (long; not part of CI)
	$(BIN)/python -m benchmarks.same_answers --patients 2000

skips: unit  ## names the tests that did not run
	$(BIN)/python scripts/skips.py build/junit.xml

fuzz: $(READY)  ## asks the service much more at random than `make test` does (long; not part of CI)
	FUZZ_EXAMPLES=1000 $(BIN)/pytest tests/functional/test_openapi_fuzzed.py -k to_its_document

mutants: $(READY)  ## mutation testing of criteria, quantities, times and logic (long; not part of CI)
	$(BIN)/mutmut run
	$(BIN)/mutmut results
	$(BIN)/mutmut export-cicd-stats
	$(BIN)/python scripts/survivors.py mutants/mutmut-cicd-stats.json

wheel: $(READY)  ## dist/*.whl and dist/*.tar.gz
	$(BIN)/hatchling build

# Hashes for every platform; no address of an index inside, so any mirror serves.
UV := $(BIN)/uv --quiet pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--custom-compile-command 'make lock' --upgrade
lock: $(READY)  ## compiles requirements/*.txt anew from pyproject.toml
	$(UV) --output-file requirements/base.txt
	$(UV) --extra postgres --output-file requirements/service.txt
	$(UV) --extra sandbox --output-file requirements/sandbox.txt
	$(UV) --extra sandbox --extra postgres --group dev --output-file requirements/dev.txt
	$(BIN)/uv --quiet pip compile --group build --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--custom-compile-command 'make lock' --upgrade --output-file requirements/build.txt

mappings: $(READY)  ## builds value sets, concept maps and facts from mappings/sources/
	$(BIN)/python scripts/build_mappings.py

clean:
	rm -rf build dist mutants $(JAVA_PARTS:%=tests/servers/%/target) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache $(VENV)
	find fhir_trial tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
