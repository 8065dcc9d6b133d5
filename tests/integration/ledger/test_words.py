"""The words by which documents are found: kept with what is taken in, made anew by an upgrade, known once each."""

import pytest
from sqlalchemy import Connection, Engine, select, update

from router.ledger.engine import downgrade, reading, upgrade, writing
from router.ledger.models import dispatch_word, line
from router.ledger.people.audit import Act, Wanted, find_entries
from router.ledger.queries import Filter, list_dispatches
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import Pace
from router.ledger.redrives.making import NewRedrive, make
from router.ledger.redrives.stepping import step
from router.ledger.scope import EVERYTHING
from router.ledger.units.presence import Report, note_report
from router.ledger.way.words import MOST_WORDS, kept
from schemas.ids import new_id
from schemas.line import LineReport
from schemas.states import Status
from support.ledgers import Clerk, attachment, unit

UNITS = [unit("LCA.01"), unit("LCA.02")]


def fill(conn: Connection) -> Clerk:
    clerk = Clerk(conn)
    clerk.units(*UNITS)
    files = [attachment(b"scan", "Bản đồ_ngập.pdf")]
    key = clerk.dispatch("LCA.VP", UNITS, notation="12-CĐ/TU", subject="Mưa lũ", signer="Lò Văn D", attachments=files)
    clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    clerk.tell(key, "LCA.01", Status.REGISTERED, register_number="45/2026", person="Vàng A Páo")
    clerk.tell(key, "LCA.01", Status.COMPLETED, person="Vàng A Páo")
    clerk.tell(key, "LCA.02", Status.QUEUED, Status.PARKED, reason="disk full")
    return clerk


def words(engine: Engine) -> set[tuple[str, str, str]]:
    with reading(engine) as conn:
        return {(row.word, row.unit, row.dispatch_id) for row in conn.execute(select(dispatch_word))}


def test_a_document_is_kept_by_what_it_says_and_what_its_units_said(ledger: Engine) -> None:
    with writing(ledger) as conn:
        fill(conn)
    found = {(word, code) for word, code, _ in words(ledger) if len(word) < 64}
    own = {"12", "cd", "tu", "mua", "lu", "lo", "van", "d", "ban", "do", "ngap", "pdf"}
    assert found == {(word, "") for word in own} | {(word, "LCA.01") for word in ("45", "2026", "vang", "a", "pao")}
    with reading(ledger) as conn:
        for typed in ("lu mua", "NGẬP", "tu 12", "45/2026", "pao vang", "lo van", attachment(b"scan").sha256[:10]):
            assert len(list_dispatches(conn, EVERYTHING, text=typed).items) == 1, typed
        for typed in ("ua", "lũ quét", "46", "%", "-"):
            assert list_dispatches(conn, EVERYTHING, text=typed).items == [], typed


def test_a_text_without_end_keeps_a_bounded_number_of_bounded_words() -> None:
    assert len(kept(" ".join(f"w{number}" for number in range(1000)))) == MOST_WORDS
    assert {len(word) for word in kept("x" * 1000)} == {64}


@pytest.mark.parametrize("times", [1, 2])
def test_an_upgrade_makes_words_observed_time_and_redrives_of_an_older_ledger_as_they_would_be(
    ledger: Engine, times: int
) -> None:
    with writing(ledger) as conn:
        clerk = fill(conn)
        note_report(conn, ["LCA.01"], Report(LineReport(every=60), clerk.now, clerk.now))
        new = NewRedrive(
            who=Authority(AuthorityKind.TERMINAL, "root@here"),
            token=new_id(),
            text="is:parked",
            wanted=Filter(states=frozenset({Status.PARKED})),
            cut_at=clerk.now + 1,
            reason="freed",
            pace=Pace.ALL,
            watch_ms=1000,
        )
        key = make(conn, new, now_ms=clerk.now)
        step(conn, key, now_ms=clerk.now + 1)
        conn.execute(update(line).values(since=clerk.now))
    before = words(ledger)
    for _ in range(times):
        downgrade(ledger, "0001")
        upgrade(ledger)
    assert words(ledger) == before
    with reading(ledger) as conn:
        assert conn.scalar(select(line.c.known_since)) == clerk.now
        acts = find_entries(conn, EVERYTHING, Wanted(job=key))
        assert [row.entry.act for row in acts] == [Act.REDRIVEN, Act.REDRIVE_MADE]
        (folded,) = find_entries(conn, EVERYTHING, Wanted(), folded=True)
        assert (folded.entry.act, folded.more) == (Act.REDRIVE_MADE, 1)
