# make run   environment, weights, server      make test   the whole test suite
# make lint  style and types                   make clean  remove what these made (not the weights)
# make conformance   stock clients, in environments of their own, against a real server

VENV    := .venv
BIN     := $(VENV)/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check -qq
TORCH   := 2.13.0
HOST    ?= 127.0.0.1
PORT    ?= 8000

# The first interpreter that is new enough and can make an environment.
PYTHON  ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo $$p && break; done)

# Where a CPU build of torch for Linux can be had, if pip is not already set up with one.
CPU_INDEX := https://download.pytorch.org/whl/cpu
CPU_INDEX_OPTION = $$($(BIN)/python -c 'import urllib.request as u; \
	u.urlopen("$(CPU_INDEX)/torch/", timeout=4); \
	print("--extra-index-url $(CPU_INDEX)")' 2>/dev/null || true)

# Would a plain torch bring CUDA packages along?
BRINGS_CUDA = $(PIP) install --dry-run --ignore-installed --report - torch==$(TORCH) | grep -q '"name": "nvidia-'

# Installs packages where that can be done without asking.
DEBIAN = { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && apt-get update -qq && \
	apt-get install -y -qq $(1) > /dev/null; }

.PHONY: run test lint conformance clean install dev weights

run: install
	@HOST=$(HOST) PORT=$(PORT) $(BIN)/voiceserver serve

test: dev weights
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m pytest

lint: dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

conformance: dev weights
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python tests/conformance/run.py \
		--write benchmarks/results/conformance.md

install: $(VENV)/.installed

dev: $(VENV)/.dev

weights: install
	@$(BIN)/voiceserver models pull --all > /dev/null

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer with its venv module is needed" \
		"(Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@echo "making the environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install --upgrade pip
	@touch $@

# A machine without an NVIDIA GPU gets the CPU build, and never gigabytes of CUDA packages.
$(VENV)/.torch: $(VENV)/.python
	@echo "installing torch $(TORCH)"
	@if nvidia-smi -L > /dev/null 2>&1; then \
		$(PIP) install torch==$(TORCH); \
	elif $(PIP) install $(CPU_INDEX_OPTION) torch==$(TORCH)+cpu 2>/dev/null; then :; \
	elif [ -z "$(ALLOW_CUDA)" ] && $(BRINGS_CUDA); then \
		echo "No CPU build of torch $(TORCH) can be had from where pip looks, nor from" \
		"$(CPU_INDEX). 'make run ALLOW_CUDA=1' takes the CUDA build (gigabytes)." >&2; exit 1; \
	else \
		$(PIP) install torch==$(TORCH); \
	fi
	@touch $@

$(VENV)/.installed: $(VENV)/.torch pyproject.toml constraints.txt
	@echo "installing voiceserver"
	@$(PIP) install --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo "installing what tests need"
	@$(PIP) install --constraint constraints.txt --editable '.[dev]'
	@command -v chromium chromium-browser google-chrome > /dev/null || $(call DEBIAN,chromium) || \
		echo "no chromium: the browser tests will be skipped (Debian: apt install chromium)" >&2
	@{ command -v baresip && command -v sipp; } > /dev/null || \
		$(call DEBIAN,--no-install-recommends baresip sip-tester) || \
		echo "no baresip, no sipp: tests with real SIP phones will be skipped" \
		"(Debian: apt install baresip sip-tester)" >&2
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
