# Sourced by demo.sh and test.sh: installs what is missing (Debian packages, a virtual environment), and only that.
# shellcheck shell=bash

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
unset PYTHONHOME PYTHONPATH

say() { printf '%s\n' "$*" >&2; }
die() {
    say "error: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "Debian packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
    fi
}

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# need_packages NAME…: installs the missing ones without starting the services they bring, now or at the next boot.
need_packages() {
    missing=()
    local name
    for name in "$@"; do installed "$name" || missing+=("$name"); done
    [ ${#missing[@]} -eq 0 ] && return
    command -v apt-get >/dev/null || die "this is no Debian; install by hand: ${missing[*]}"
    say "installing Debian packages: ${missing[*]}"
    as_root bash -s -- "${missing[@]}" <"$root/deploy/install-packages.sh" || die "apt-get could not install ${missing[*]}"
}

recent_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
makes_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# find_python: sets `python` to an interpreter of at least 3.11 that can make virtual environments.
find_python() {
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if recent_python "$candidate" && makes_environments "$candidate"; then
            python=$(command -v "$candidate")
            return
        fi
    done
    need_packages python3 python3-venv
    python=/usr/bin/python3
    recent_python "$python" || die "Python 3.11 or later is needed; $python is $("$python" -V 2>&1)"
}

# environment_path: .venv of the checkout when it may be written, else one of this checkout's own under the cache.
environment_path() {
    if [ -w "$root" ] && { [ ! -e "$root/.venv" ] || [ -w "$root/.venv" ]; }; then
        printf '%s/.venv' "$root"
    else
        printf '%s/congvan/venv-%s' "${XDG_CACHE_HOME:-$HOME/.cache}" "$(printf '%s' "$root" | sha256sum | cut -c1-12)"
    fi
}

# need_environment router|dev: makes or updates the virtual environment, with what deploy/requirements/NAME.txt pins, when
# that or pyproject.toml has changed; sets `venv`.
need_environment() {
    venv=$(environment_path)
    mkdir -p "$venv"
    exec 9<"$root/pyproject.toml" # what is locked is the checkout: one at a time prepares it
    flock 9
    find_python
    "$venv/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$venv"
    local state
    state="$root $(cat "$root"/pyproject.toml "$root"/deploy/requirements/*.txt | sha256sum) $("$venv/bin/python" -V)"
    if ! has_installed "$1" && ! has_installed dev; then
        say "installing Python packages into $venv"
        rm -f "$venv/.installed-$1"
        # The pinned ones, each checked by its hash; then the checkout itself, by the pinned tools and with nothing else.
        "$venv/bin/python" -m pip install --quiet --require-hashes --requirement "$root/deploy/requirements/$1.txt"
        "$venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --editable "$root"
        printf '%s' "$state" >"$venv/.installed-$1"
    fi
    exec 9<&-
}

has_installed() { [ "$(cat "$venv/.installed-$1" 2>/dev/null)" = "$state" ]; }
