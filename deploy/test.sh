#!/usr/bin/env bash
# Checks and tests everything: style, types, import rules, then the suite. Arguments go to pytest.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"

need_packages rabbitmq-server postgresql pgbouncer chromium faketime nginx-light # Chromium looks at the console, faketime bends clocks
need_environment dev
cd "$root"
export PATH="$venv/bin:$PATH"

# What the tests write is written to memory where there is enough: they pull no plug, so a disk would only take its time.
if [ "$(df --output=avail -BG /dev/shm 2>/dev/null | tail -n 1 | tr -dc 0-9)" -ge 8 ] 2>/dev/null; then
    TMPDIR=$(mktemp -d /dev/shm/congvan-tests.XXXXXX)
    chmod 0711 "$TMPDIR" # root's tests start PostgreSQL as its own user, who has to come through
    export TMPDIR
    trap 'rm -rf -- "$TMPDIR"' EXIT
fi

set -m # each step in a process group of its own, so that a stop reaches all of it, and its tests can tidy up
step=
failed=()
stop() {
    trap - INT TERM
    if [ -n "$step" ]; then
        kill -INT -- "-$step" 2>/dev/null || true
        timeout 15 tail --pid="$step" -f /dev/null || kill -KILL -- "-$step" 2>/dev/null || true
    fi
    exit 130
}
trap stop INT TERM

# run NAME COMMAND…: goes on after a failure, so that one run shows all that is wrong.
run() {
    local name=$1
    shift
    say "── $name"
    "$@" &
    step=$!
    wait "$step" || failed+=("$name")
    step=
}

run "ruff check" ruff check
run "ruff format" ruff format --check
run "mypy" mypy
run "import rules" lint-imports
# More workers than two cores: much of what is tested waits for brokers to start, lines to drop and clocks to pass.
workers=(-n 4 --dist worksteal)
if [ $# -gt 0 ]; then
    run "pytest" pytest "${workers[@]}" "$@"
else
    # Work for processors, so one worker for each. What they reach: `deploy/test.sh --cov tests/unit`, in twice the time.
    run "unit tests" pytest -n auto --dist worksteal tests/unit
    run "integration and fault tests" pytest "${workers[@]}" --durations=25 tests/integration tests/faults
    # It measures time, so nothing else may run beside it.
    run "thin line" pytest tests/benchmarks/test_thin_line_fast.py
fi

[ ${#failed[@]} -eq 0 ] || die "failed: ${failed[*]}"
say "all is well"
