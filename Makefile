# Every target works on a fresh machine: it makes .venv first, and again only when pyproject.toml changes.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# nox holds the checks; here it runs them in .venv instead of one new environment a session.
NOX := PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/nox --no-venv --session

.DEFAULT_GOAL := help
.PHONY: help install demo pictures pull test lint types schemas notebooks docs train format clean

help:  ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## Make .venv with everything the checks and the demo need

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[control,training]' --group dev
	touch $@

demo: install  ## Run one request of each of the 12 tasks; files and contact sheet in demo/
	$(BIN)/unison-agent demo

pictures: install  ## Make the README's picture again: the demo's contact sheet, seed 0
	$(BIN)/unison-agent demo --seed 0
	mkdir -p docs
	cp demo/contact-sheet.png docs/contact-sheet.png

pull: install  ## Fetch and verify the base weights of the nano profile
	$(BIN)/unison-agent pull nano

test: install  ## Run every check: style, imports, types, schemas, docs, tests with coverage, notebooks
	$(NOX) lint types schemas docs tests notebooks

lint: install  ## Check style and the direction of imports
	$(NOX) lint

types: install  ## Check types strictly
	$(NOX) types

schemas: install  ## Write schemas/ from the models, and what the MCP server answers at once
	$(BIN)/python -m unison_agent.schema
	$(BIN)/python -m unison_agent.integrations.mcp_opening_file

notebooks: install  ## Execute the notebooks
	$(NOX) notebooks

docs: install  ## Build the documentation site into site/; a warning is an error
	$(NOX) docs

train: install  ## Say how the nano models are trained
	$(BIN)/python -m unison_agent.training.nano --help

format: install  ## Format the code and sort the imports
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

clean:  ## Remove what the other targets made, except .venv
	rm -rf dist build demo site .coverage .nox .pytest_cache .ruff_cache .hypothesis .import_linter_cache
