#!/usr/bin/env bash
# Write constraints.txt anew: resolve pyproject.toml's dependencies to the newest versions in a fresh environment, freeze them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${PYTHON:-python3.11}" -m venv "$fresh"
"$fresh/bin/python" -m pip install --quiet --upgrade pip hatchling editables
"$fresh/bin/python" -m pip install --quiet --no-build-isolation -e ".[dev]"
{
    echo "# What AgentGuard is tested with, on Python 3.11; written by scripts/pins.sh."
    "$fresh/bin/python" -m pip freeze --all --exclude-editable | grep -v '^setuptools=='
} >constraints.txt
