"""The way of a dispatch through the ledger: accepted, due, received, recalled, kept."""
