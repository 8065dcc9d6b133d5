#!/usr/bin/env bash
# Pins every library with its hashes, for all platforms and Pythons that are supported: deploy/requirements/*.txt.
# Run it after a change of pyproject.toml; with --upgrade it takes the newest versions that are allowed.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"

find_python
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$python" -m venv "$tools"
"$tools/bin/python" -m pip install --quiet 'uv>=0.9' # of the lockers the one that resolves for every platform at once
cd "$root"

# lock NAME OPTIONS…: what is pinned already stays, unless it has to change or --upgrade is given.
lock() {
    local name=$1
    shift
    say "locking $name"
    UV_CUSTOM_COMPILE_COMMAND=./deploy/lock.sh "$tools/bin/uv" pip compile pyproject.toml --group build "$@" \
        --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --quiet \
        --output-file "deploy/requirements/$name.txt" ${upgrade[@]+"${upgrade[@]}"}
}

upgrade=("$@")
lock dev --extra router --extra desk --group dev
lock router --extra router --constraints deploy/requirements/dev.txt # one version of each everywhere
lock demo --extra router --extra desk --constraints deploy/requirements/dev.txt
lock desk --extra desk --constraints deploy/requirements/dev.txt
lock gateway --constraints deploy/requirements/dev.txt
