# make help tells what there is. Everything runs in .venv, made from requirements.lock.

SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SCALE ?= laptop
EXPERIMENT ?=
PROFILE ?= default
MIRROR ?=
CORES ?=
ARGS ?=
export PYTHONHASHSEED := 0
# Threads that spin while they wait slow a shared machine down many times over.
export OMP_WAIT_POLICY ?= PASSIVE

# The stamp carries the hash of the lock: the environment is re-used for as long as the lock is unchanged.
STAMP := $(VENV)/.lock-$(shell sha256sum requirements.lock 2>/dev/null | cut -c1-16)

.PHONY: help setup results report test lint format bench scan classify score review graph reference clean

help:  ## This list
	@echo "Skyneedle: rare things in the sky found with neural networks."
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'
	@echo
	@echo "  make results SCALE=smoke|laptop|paper EXPERIMENT=strain|lenses|transfer|transients PROFILE=default|slurm MIRROR=folder CORES=n \\"
	@echo "               ARGS=\"options of snakemake\""

$(STAMP): requirements.lock
	@bash workflow/setup.sh "$(PYTHON)" "$(VENV)"
	@rm -f $(VENV)/.lock-* && touch $@

setup: $(STAMP)  ## Make the virtual environment from requirements.lock

results: $(STAMP)  ## Regenerate all figures, tables and the scoreboard (SCALE, EXPERIMENT, PROFILE, MIRROR)
	@$(BIN)/python workflow/launch.py --scale "$(SCALE)" --experiment "$(EXPERIMENT)" --profile "$(PROFILE)" \
		--mirror "$(MIRROR)" --cores "$(CORES)" $(ARGS)

report: $(STAMP)  ## Self-contained report.html of the results of SCALE
	@$(BIN)/python workflow/launch.py --scale "$(SCALE)" --experiment "$(EXPERIMENT)" --mirror "$(MIRROR)" --report report.html

test: $(STAMP)  ## Everything that CI checks: format, lint, types, unit tests, dry runs, smoke run, report
	@bash tests/run.sh "$(BIN)"

lint: $(STAMP)  ## Format, lint and types
	@bash tests/lint.sh "$(BIN)"

format: $(STAMP)  ## Rewrite all sources in the house style
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/snakefmt Snakefile workflow

bench: $(STAMP)  ## Speed and memory, as ratios within one run
	@bad=0; for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file || bad=1; done; exit $$bad

scan: $(STAMP)  ## Search strain files: make scan ARGS="H1=file.hdf5 L1=file.hdf5"
	@$(BIN)/skyneedle scan $(ARGS)

classify: $(STAMP)  ## Score stamps as lenses: make classify ARGS="folder_of_stamps"
	@$(BIN)/skyneedle classify $(ARGS)

score: $(STAMP)  ## Score candidates of transients: make score ARGS="stamps.tar alerts.avro"
	@$(BIN)/skyneedle score $(ARGS)

review: $(STAMP)  ## Review suspect labels in a browser: make review ARGS="suspects.parquet data_folder --log review.sqlite"
	@$(BIN)/skyneedle review $(ARGS)

graph: $(STAMP)  ## The graph of rules as a mermaid diagram
	@$(BIN)/snakemake --configfile config/smoke.yaml --rulegraph mermaid-js results/smoke/scoreboard.csv 2>/dev/null

reference: $(STAMP)  ## Copy the small trained networks and the picture of the README from finished laptop results
	@$(BIN)/python workflow/reference.py

clean:  ## Remove the environment; results and downloads stay
	rm -rf $(VENV)
