"""The TLS kit: certificates and the authority that issues them, for router and gateways alike."""
