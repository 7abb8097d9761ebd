# Two commands for a newcomer: `make demo` and `make test`. Both create .venv and install by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test fast check format bench clean

demo: $(VENV)/.core
	$(BIN)/twosignal demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser"
	$(BIN)/python -m pytest -n 2 -m "slow and not browser"
	$(BIN)/python -m pytest -m browser

fast: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not slow and not browser"

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy src tests
	$(BIN)/python -m pytest -q tests/test_layout.py tests/test_docs.py

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/twosignal bench

clean:
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml constraints.txt hatch_build.py package-lock.json | $(VENV)/bin/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt hatch_build.py package-lock.json | $(VENV)/bin/python
	$(PIP) -e '.[dev,hub]'
	@touch $@ $(VENV)/.core
