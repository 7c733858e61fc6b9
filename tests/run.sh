#!/usr/bin/env bash
# The whole test: format, lint, types, unit, dry runs, smoke run, second run, report. First argument: folder of the tools.
set -euo pipefail
bin=$1
step() { echo; echo "=== $1 ($(( SECONDS / 60 )) min)"; }

step "format, lint, types"
bash tests/lint.sh "$bin"

step "unit tests"
OMP_NUM_THREADS=1 "$bin/python" -m pytest tests/unit -n 2 --durations=10

step "workflow: lint, dry runs of all scales and profiles, smoke run twice, report"
"$bin/python" -m pytest tests/workflow --durations=10
