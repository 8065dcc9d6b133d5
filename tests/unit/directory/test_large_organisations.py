"""Rules over a whole country take a second: they are expanded beside the event loop, and with as few steps as units."""

import asyncio
import threading
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.content import ContentStore
from router.directory import Directory, recalling, resolve_recall
from router.intake import Intake
from router.ledger.writer import Writer
from schemas.addressing import Rule
from schemas.dispatch import Submission
from schemas.unit import Unit
from support.organisation import a_unit

DAY = date(2026, 1, 1)
UNITS = [a_unit("LCA"), *(a_unit(f"LCA.{number}") for number in range(1, 301))]


class Slow(Directory):
    """Answers only when the event loop has had its turn meanwhile."""

    loop: asyncio.AbstractEventLoop

    def named_by(self, rule: Rule) -> tuple[Unit, ...]:
        turned = threading.Event()
        self.loop.call_soon_threadsafe(turned.set)
        assert turned.wait(30), "the event loop stands still"
        return super().named_by(rule)


@pytest.mark.parametrize("kind", ["new", "recall"])
async def test_the_event_loop_goes_on_while_rules_are_expanded(tmp_path: Path, kind: str) -> None:
    directory = Slow(UNITS)
    directory.loop = asyncio.get_running_loop()

    class Answers:
        async def run(self, *_: Any) -> frozenset[str]:
            return frozenset(unit.code for unit in UNITS)

    intake = Intake(
        writer=cast("Writer", Answers()),
        content=ContentStore(tmp_path, reserve_bytes=0),
        possession=cast("Any", None),
        encoder=cast("Any", None),
        directories=cast("Any", SimpleNamespace(directory=directory, today=DAY)),
    )
    named = {"refers_to": ["019e0000-0000-7000-8000-000000000000"]} if kind == "recall" else {}
    letter = Submission.model_validate(
        {"issuer": "LCA", "notation": "1-CV", "subject": "x", "addressees": ["LCA.#"], "kind": kind} | named
    )
    assert len((await intake._reached_by(letter)).units) == len(UNITS)


@pytest.mark.parametrize("size", [3, 300])
def test_a_recall_joins_its_sets_as_often_for_many_units_as_for_few(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    joined = []
    real = recalling._named

    class Counted(set[str]):
        def __or__(self, other: Any) -> Any:
            joined.append(len(self))
            return super().__or__(other)

    def named(directory: Directory, rules: Sequence[Rule]) -> set[str]:
        return Counted(real(directory, rules))

    monkeypatch.setattr(recalling, "_named", named)
    resolve_recall(Directory(UNITS), ["LCA.#", "!LCA.1"], DAY, {unit.code for unit in UNITS[:size]})
    assert len(joined) == 1
