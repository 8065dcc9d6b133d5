"""Copies of what people wrote, which outlive the PC: on a stick, and encrypted at the router; how they come back."""
