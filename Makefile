# The two commands of the project: `make demo` and `make test`. Both set everything up by themselves.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: help setup demo test up lint format types lock screenshots clean

help:  ## list the commands
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

# Set-up is one stamp file: it is made anew when the lock or the project's packaging changes.
.venv/ready: requirements.lock pyproject.toml scripts/setup
	@PYTHON="$(PYTHON)" scripts/setup
	@touch $@

KERNELS := market regimes genome features backtest evolution

.venv/compiled: .venv/ready $(wildcard kasauti/*.py $(KERNELS:%=kasauti/%/*.py))
	@$(BIN)/kasauti compile
	@touch $@

setup: .venv/compiled  ## virtual environment, pinned packages, compiled kernels

demo: setup  ## real bars -> evolved strategies -> verdict -> signals -> guarded paper orders
	@$(BIN)/kasauti demo

up: setup  ## Dagster's web page and daemon, and the desk, on the state that the demo left
	@$(BIN)/kasauti up

test: setup  ## lint, types and tests
	@scripts/check

lint: .venv/ready  ## ruff, without changing anything
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: .venv/ready  ## mypy, strict
	@$(BIN)/mypy

format: .venv/ready  ## format and mend what ruff can mend
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: .venv/ready  ## pin every package anew, with hashes and without an index address
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header pyproject.toml --group dev -o requirements.lock

screenshots: setup  ## the README's pictures, from the demo's state
	@$(BIN)/python scripts/screenshots.py

clean:  ## delete the environment; the state in var/ stays
	@rm -rf .venv *.egg-info
