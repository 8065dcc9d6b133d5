"""What the gateway says: receipts, and that it is there."""
