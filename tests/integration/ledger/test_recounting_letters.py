"""A page is read with the content store beside it: long letters come from there, small files that are lost go there."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from router.content import ContentStore
from router.delivery.recounting import Recounting
from router.ledger.engine import reading, writing
from router.ledger.models import delivery, dispatch
from router.ledger.recovery import forgotten, recovering
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from schemas.clock import now_ms
from schemas.descriptor import Descriptor, encode, fits
from schemas.dispatch import Submission
from schemas.ids import new_id
from schemas.model import parse
from schemas.recount import Kept
from support.deliveries import a_descriptor, by_reference, inside, record_of
from support.ledgers import Clerk, unit

A = "LCA.01"


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


@pytest.fixture
def recounting(ledger: Engine, store: ContentStore) -> Iterator[Recounting]:
    """The part of the router that enters pages; no broker is asked here."""
    writer = Writer(ledger)
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), unit(A))
    parts: dict[str, Any] = dict.fromkeys(("session", "publisher", "organisation", "steady"))
    yield Recounting(engine=ledger, writer=writer, content=store, silence=Silence(), grace=30.0, **parts)
    writer.close()


def open_recovery(ledger: Engine) -> None:
    with writing(ledger) as conn:
        recovering.begin(conn, recovering.NewRecovery("thu", now_ms(), 0))


def a_page(letter: Descriptor, **told: Any) -> Kept:
    item = {"id": new_id(), "dispatch_id": letter.id, "seq": 1, **(told or {"descriptor": letter})}
    around = {"unit": A, "spool_id": new_id(), "after": 0, "through": 1, "highest": 1}
    return Kept.model_validate(around | {"deliveries": [item]})


def long_letter() -> Descriptor:
    files = tuple(by_reference(f"{number}.pdf", b"%d" % number) for number in range(40))
    letter = a_descriptor(issuer="LCA", attachments=files, flash_text="x" * 1000)
    assert not fits(encode(letter))
    return letter


@pytest.mark.parametrize("as_stub", [False, True])
async def test_a_long_letter_is_read_from_the_content_that_holds_it(
    recounting: Recounting, ledger: Engine, store: ContentStore, *, as_stub: bool
) -> None:
    from schemas.descriptor import stub

    await asyncio.to_thread(open_recovery, ledger)
    letter = long_letter()
    record, body = record_of(letter)
    await store.put(body)
    page = a_page(letter, descriptor=stub(letter, record)) if as_stub else a_page(letter, record=record.sha256)
    await recounting.enter(page)
    with reading(ledger) as conn:
        row = conn.execute(select(dispatch)).one()
        assert conn.scalar(select(delivery.c.state)) == "queued"
    travelling = parse(Descriptor, row.body, what="body")
    assert travelling.record is not None
    assert (travelling.record.sha256, fits(row.body)) == (record.sha256, True)
    assert len(Submission.model_validate_json(row.submission).attachments) == 40


async def test_a_long_letter_whose_content_is_not_there_is_named(
    recounting: Recounting, ledger: Engine, store: ContentStore
) -> None:
    await asyncio.to_thread(open_recovery, ledger)
    letter, other = long_letter(), long_letter()
    lost = record_of(letter)[0].sha256
    await recounting.enter(a_page(letter, record=lost))
    wrong = (await store.put(encode(other))).sha256
    await recounting.enter(a_page(letter, record=wrong))
    with reading(ledger) as conn:
        why = [item.why for item in forgotten.lost(conn, limit=5)]
        assert conn.execute(select(dispatch.c.id)).all() == []
    assert sorted(why) == sorted(
        [
            f"its letter is too long for a message, and {lost}, which holds it, is not in the store",
            f"the content {wrong} is not the letter of {letter.id}",
        ]
    )


async def test_small_files_that_the_store_has_lost_are_put_there_and_only_while_a_recovery_is_open(
    recounting: Recounting, ledger: Engine, store: ContentStore
) -> None:
    file = inside("a.txt", b"small")
    page = a_page(a_descriptor(issuer="LCA", attachments=(file,)))
    await recounting.enter(page)
    assert store.size(file.sha256) is None
    await asyncio.to_thread(open_recovery, ledger)
    await recounting.enter(page)
    assert store.size(file.sha256) == 5
    with reading(ledger) as conn:
        assert len(conn.execute(select(delivery.c.id)).all()) == 1
