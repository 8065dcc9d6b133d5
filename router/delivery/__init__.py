"""What keeps deliveries moving: the parts that run beside the API as long as the process does."""
