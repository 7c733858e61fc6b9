#!/usr/bin/env bash
# Format, lint and types; first argument: the folder with the tools.
set -euo pipefail
bin=$1
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/snakefmt" --check Snakefile workflow
"$bin/mypy"
