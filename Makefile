# make demo: set up, then run a federation on the embedded world.   make test: set up, then run the tests.
# make test-slow: those that take more than about ten seconds each.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.tacit-installed
# PyTorch processes beside each other must not spin while they wait: two one-thread processes beat one of two threads.
export OMP_WAIT_POLICY = PASSIVE
export TOKENIZERS_PARALLELISM = false
export FLWR_TELEMETRY_ENABLED = 0
# Two tests at a time, one thread each. Of the quick ones a file's stay together, which share what takes long to set up;
# of the slow ones a process that has done its own takes over the other's.
SIDE_BY_SIDE = --numprocesses 2

.PHONY: demo test test-slow setup bench-peers lint clean
demo: setup
	@$(BIN)/tacit-sim run --preset demo --out runs/demo --overwrite

test: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not slow' $(SIDE_BY_SIDE) --dist loadfile

test-slow: setup
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow $(SIDE_BY_SIDE) --dist worksteal

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Tacit needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing Tacit into $(VENV) (PyTorch is large: a few minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[sim,bench,dev]'
	@touch $(STAMP)

# What `tacit-sim bench simulate` compares with, beside what setup brings. pfl asks for an older dp-accounting than Tacit's,
# which what is measured does not use.
bench-peers: setup
	@$(BIN)/python -m pip install --quiet --no-deps pfl==0.6.0 prv-accountant==0.2.0

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

clean:
	rm -rf $(VENV) runs build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
