"""What the commands that count and measure share."""

import sys

import structlog


def log_to_stderr() -> None:
    """Leave stdout to the figures."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
