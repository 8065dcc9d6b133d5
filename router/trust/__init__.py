"""What makes the ledger provable to others: the key of its log, and its checkpoints."""
