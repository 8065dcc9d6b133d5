"""What the ledger knows of units: the organisation, its gateways and lines, and what is done with them."""
