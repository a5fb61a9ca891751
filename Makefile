# Two commands on a machine with Python and make: `make demo` and `make test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: demo test lint clean

demo: $(INSTALLED) examples/consult.mp4
	$(BIN)/fer-video analyze examples/consult.mp4 --force --out examples/consult.parquet \
		--video examples/consult.annotated.mp4 --plot examples/consult.png

test: $(INSTALLED) lint
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

examples/consult.mp4: examples/make_consult.py $(INSTALLED)
	$(BIN)/python examples/make_consult.py $@

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) examples/consult.* build dist
