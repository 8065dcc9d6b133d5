"""What can go wrong when the parts are put together and started.

::

    DeployError                   exit_code, hint
    ├── SettingsError             a setting that is needed is missing
    ├── StartError                the all-in-one cannot start: another one runs, a port is taken …
    └── ChildError                a program it keeps did not come up; with the end of its log
"""

from deploy.exits import ExitCode


class DeployError(Exception):
    """Base of the errors of this package; ``hint`` says what to do."""

    exit_code = ExitCode.FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class SettingsError(DeployError):
    """A setting that is needed is missing."""

    exit_code = ExitCode.USAGE


class StartError(DeployError):
    """The all-in-one cannot start as things are."""

    exit_code = ExitCode.UNAVAILABLE


class ChildError(DeployError):
    """A program that is kept running did not come up.

    Args:
        message: which, and what it did.
        last_lines: the end of its log.
    """

    def __init__(self, message: str, last_lines: str) -> None:
        super().__init__(message, f"the end of its log:\n{last_lines}" if last_lines else "")
