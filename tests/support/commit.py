"""The commit that a figure was measured at."""

import subprocess
from pathlib import Path


def commit() -> str:
    """The checkout's short hash, with a plus when the tree differs from it."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty=+", "--abbrev=10"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return found or "unknown"
