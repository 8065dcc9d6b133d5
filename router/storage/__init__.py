"""The storage kit: durable files, locks, opened databases and group commit, for router and gateways alike."""
