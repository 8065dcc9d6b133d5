# Run as root by prepare.sh: installs the named Debian packages; their services neither start now nor at the next boot.
set -euo pipefail

policy=/usr/sbin/policy-rc.d
services=(rabbitmq-server postgresql pgbouncer nginx epmd.socket epmd)
present=$(ls /lib/systemd/system /etc/init.d 2>/dev/null || true)

if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" # 101: the action is forbidden (invoke-rc.d's convention)
    chmod 0755 "$policy"
fi

# A clean environment: the packages' scripts would honour the caller's LOG, CONFIG_FILE, NODENAME.
apt() { env -i PATH="$PATH" LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@"; }

apt update || echo "apt-get update failed; going on with the package lists that are there" >&2
apt install -y --no-install-recommends "$@" >/dev/null

for service in "${services[@]}"; do
    grep -qxF -e "$service" -e "$service.service" <<<"$present" && continue # it was here before: not ours to change
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet "$service" 2>/dev/null || true # not every package brings every one
    elif [ -e "/etc/init.d/$service" ]; then
        update-rc.d "$service" disable >/dev/null
    fi
done
