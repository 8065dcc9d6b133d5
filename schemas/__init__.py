"""What travels and what it means: pure models and rules, no I/O."""
