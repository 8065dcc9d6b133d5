#!/usr/bin/env bash
# Shows the whole way on this machine: broker, router, gateways, three dispatches, their receipts. --keep leaves it up.
set -euo pipefail
. "$(dirname -- "${BASH_SOURCE[0]}")/prepare.sh"

case "${1-}" in
-h | --help)
    say "usage: deploy/demo.sh [--keep]   (--keep: leave it running until Ctrl-C)"
    exit 0
    ;;
esac

need_packages rabbitmq-server
need_environment demo
cd "$root"
exec "$venv/bin/python" -m deploy.demo "$@"
