"""Brings contents over the line: from the byte where it stopped, the most urgent first, verified at the end."""
