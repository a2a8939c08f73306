# `make repro` and `make test` do everything on a fresh machine; `make` alone lists the targets.

# A Python that is found before .venv/bin enters PATH; `make repro PYTHON=python3.12` takes another.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PYTHON := $(PYTHON)
SCALES := $(patsubst scales/%.yaml,%,$(sort $(wildcard scales/*.yaml)))
MADE := configs logs plots report scores $(addprefix data/,prepared classifiers features fid_stats models snapshots samples probes inception) \
        .pytest_cache .ruff_cache .mypy_cache .hypothesis

SHELL := /bin/bash
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help setup lock repro test lint fuzz audit bench scale clean
help:
	@echo "make repro                 set up, then run the pipeline: data, training, samples, scores, report"
	@echo "make test                  set up, then run the tests"
	@echo "make scale SCALE=<name>    put scales/<name>.yaml in place as params.yaml: $(SCALES)"
	@echo "make lint                  ruff and mypy"
	@echo "make fuzz                  ten minutes of tests with random input, other input each time"
	@echo "make audit                 known vulnerabilities of the versions in requirements.txt"
	@echo "make bench                 every script in benchmarks/"
	@echo "make clean                 remove what the pipeline made, except downloads and DVC's cache"
	@echo "make setup                 the environment alone: .venv with the versions of requirements.txt"
	@echo "make lock                  write requirements.txt again after a change of pyproject.toml"

setup: .venv/installed

.venv/installed: requirements.txt pyproject.toml scripts/setup.sh
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: '$(PYTHON)': expected Python 3.11 or newer; install it, or give its path: make setup PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	@test -x .venv/bin/python || "$(PYTHON)" -m venv .venv
	@bash scripts/setup.sh
	@touch $@

# The lock: versions that satisfy pyproject.toml, those of the present lock where possible.
lock: setup
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 --no-annotate \
	  --custom-compile-command "make lock" --quiet -o requirements.txt

# JOBS=4 runs four stages at a time; by default as many as there are cores.
repro: setup
	thirtytwo repro $(if $(JOBS),--jobs $(JOBS))
	@echo "the report is at $(CURDIR)/report/index.html"

# One process a core, each with one thread.
test: setup
	OMP_NUM_THREADS=1 pytest --numprocesses logical --dist loadfile --no-loadscope-reorder

lint: setup
	ruff check .
	ruff format --check .
	mypy

fuzz: setup
	OMP_NUM_THREADS=1 pytest tests/fuzz tests/cli/test_fuzz_commands.py tests/report/test_fuzz_results.py \
	  --hypothesis-profile nightly --timeout 3600 --numprocesses logical --dist loadfile

# pip-audit runs outside .venv, as its packages were on that day, and reads the lock without installing it.
audit: setup
	uvx --exclude-newer 2026-11-01 pip-audit==2.10.1 --strict --disable-pip --require-hashes -r requirements.txt

bench: setup
	@set -e; for script in benchmarks/*.py; do echo "== $$script"; python "$$script"; done

# Refuses to overwrite settings that are in none of the scale files.
scale:
	@if ! test -f "scales/$(SCALE).yaml"; then \
	  echo "error: no scale '$(SCALE)'; expected SCALE= one of: $(SCALES)" >&2; exit 1; fi
	@known=; test -f params.yaml || known=yes; \
	  for name in $(SCALES); do cmp -s "scales/$$name.yaml" params.yaml && known=yes; done; \
	  if test -z "$$known" && test -z "$(FORCE)"; then \
	    echo "error: params.yaml has edits of your own; copy it elsewhere, or add FORCE=1 to replace it" >&2; exit 1; fi
	@cp "scales/$(SCALE).yaml" params.yaml
	@echo "params.yaml is now scales/$(SCALE).yaml; \`dvc repro\` runs it"

clean:
	rm -rf $(MADE)
	@echo "kept: .venv, data/raw and data/downloads, .dvc/cache (\`dvc repro\` restores from it), .dvc/checkpoints, metrics, dvc.lock"
