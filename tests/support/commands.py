"""``congvan`` as a user runs it, in the test's own process: its arguments, its two outputs, its exit code."""

import json
import sys
from dataclasses import dataclass
from typing import Any

import pytest

from deploy.main import main


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Its lines of JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True, slots=True)
class Congvan:
    """Runs sub-commands of a group."""

    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]
    group: str

    def __call__(self, *arguments: str) -> Ended:
        """Run one to its end."""
        self.monkeypatch.setattr(sys, "argv", ["congvan", self.group, *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        shown = self.capsys.readouterr()
        return Ended(int(end.value.code or 0), shown.out, shown.err)
