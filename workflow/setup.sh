#!/usr/bin/env bash
# Makes the virtual environment from requirements.lock and installs the package into it.
set -euo pipefail
python=$1 venv=$2

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
  3.11 | 3.12 | 3.13) ;;
  *) echo "skyneedle needs Python 3.11, 3.12 or 3.13, but $python is $version; call make PYTHON=python3.12" >&2; exit 1 ;;
esac
echo "Making $venv with Python $version (about 4 minutes and 8 GB at the first time) ..."
if ! "$python" -m venv "$venv" 2>/dev/null; then
  echo "$python cannot make a virtual environment; on Debian or Ubuntu: apt-get install python3-venv" >&2
  rm -rf "$venv"
  exit 1
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements.lock
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
echo "$venv is ready."
