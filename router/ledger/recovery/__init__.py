"""Brings back what a restored ledger has forgotten, from what gateways hold."""
