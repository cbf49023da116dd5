# Every target sets up .venv by itself from pinned constraints. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Through the environment, so that the build of the package itself is pinned too.
PIP := PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/pip install --quiet --disable-pip-version-check
SIZES ?= 10000 100000
BENCH ?=
SECONDS ?= 1200
OUT ?= results/demo

.DEFAULT_GOAL := help
.PHONY: help demo test test-fast test-lowest test-matrix check format bench evidence fuzz docs clean

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Python 3.11 or newer is needed. Name one: make PYTHON=python3.12 ...'; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo 'No virtual environment could be made. On Debian: apt install python3-venv'; exit 1; }

$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable '.[test,peers,check,spark,postgres]'
	@touch $@

demo: $(VENV)/.core  ## Score the CDNOW customers that ship with the package; results in results/demo
	$(BIN)/klantwaarde demo --out $(OUT)

test: $(VENV)/.dev  ## The whole test suite
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-fast: $(VENV)/.dev  ## The quick part of it, while you work
	$(BIN)/python -m pytest -n 2 -m 'not slow'

# Old libraries are allowed what newer ones beneath them deprecate.
test-lowest:  ## The quick tests on the lowest versions that pyproject.toml allows
	@test -x .venv-lowest/bin/python || $(PYTHON) -m venv .venv-lowest
	PIP_CONSTRAINT=$(CURDIR)/constraints-lowest.txt .venv-lowest/bin/pip install --quiet --disable-pip-version-check \
		--editable '.[test,sqlite]'
	.venv-lowest/bin/python -m pytest -n 2 -m 'not slow' -W ignore::DeprecationWarning -W ignore::FutureWarning

test-matrix:  ## The quick tests on the newer Pythons that are found
	@for version in 3.12 3.13; do \
		python=$$(command -v python$$version || ls -d $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
		"$$python" -c '' 2>/dev/null || python=$$(ls -d $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null | tail -1); \
		[ -n "$$python" ] || { echo "Python $$version is skipped: none was found on PATH or with pyenv."; continue; }; \
		venv=.venv-$$version; test -x $$venv/bin/python || "$$python" -m venv $$venv; \
		PIP_CONSTRAINT=$(CURDIR)/constraints.txt $$venv/bin/pip install --quiet --disable-pip-version-check \
			--editable '.[test,postgres]' && $$venv/bin/python -m pytest -n 2 -m 'not slow' || exit 1; \
	done

check: $(VENV)/.dev  ## Style, types, imports, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/.dev  ## Put the code in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.dev  ## Speed and memory next to peers; SIZES="1000000" BENCH="--peer-cap 1000000"
	$(BIN)/python -m benchmarks $(SIZES) $(BENCH)

evidence: $(VENV)/.dev  ## Every quantity of every model at a million random points; minutes
	$(BIN)/python -m evidence.numeric_fuzz

fuzz: $(VENV)/.dev  ## Anything that can be typed or handed in, at random; SECONDS=1200
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS)

docs: $(VENV)/.dev  ## Pages and pictures that are made from the code
	$(BIN)/python -m docs.make

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
