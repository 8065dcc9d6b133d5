"""What has yet to come to units, in the forms that travel; over which lines; which of them hold what."""

from dataclasses import replace

from sqlalchemy import Engine, insert, update

from router.ledger.engine import writing
from router.ledger.models import delivery, line
from router.ledger.way.backlog import Coming, backlog, holders, lines_of
from schemas.attachment import Forms
from schemas.dispatch import Submission
from schemas.states import Status
from support.ledgers import Clerk, accept_with_files, attachment, new_dispatch, unit

NEAR, FAR = unit("LCA.02"), unit("LCA.03")
BIG, SMALL = attachment(b"b" * 50_000), attachment(b"s" * 2999, "s.txt")
HERE = (Status.QUEUED, Status.TAKEN, Status.ARRIVED)


def sizes(found: list[Coming]) -> list[tuple[int, int]]:
    return sorted((item.urgency, item.size) for item in found)


def test_what_is_on_its_way_counts_with_its_message_and_its_files(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        plain = clerk.dispatch("LCA.VP", [NEAR, FAR], attachments=[BIG.model_dump(), SMALL.model_dump()], urgency=3)
        clerk.tell(plain, NEAR.code, Status.QUEUED, Status.TAKEN)
        clerk.tell(plain, FAR.code, *HERE)
        found = backlog(conn, [NEAR.code, FAR.code])
    ((urgency, size),) = sizes(list(found.by_unit[NEAR.code]))
    assert urgency == 3
    assert 50_000 < size < 51_500, "the file and the message; the small one rides inside"
    assert FAR.code not in found.by_unit
    assert found.whole


def test_the_smallest_form_counts_and_of_it_what_has_not_come(ledger: Engine) -> None:
    letter = {"issuer": "LCA.VP", "notation": "1", "subject": "s", "addressees": ["LCA.#"]}
    with writing(ledger) as conn:
        new = new_dispatch(Submission.model_validate(letter | {"attachments": [BIG.model_dump()]}), [NEAR, FAR], 1)
        forms = {BIG.sha256: Forms(zstd_size=20_000, dcz_size=2_000, dictionary="a" * 64)}
        accept_with_files(conn, replace(new, forms=forms, body=b"x" * 1000))
        held = update(delivery).where(delivery.c.unit == FAR.code).values(bytes_held=25_000, bytes_total=50_000)
        conn.execute(held)
        found = backlog(conn, [NEAR.code, FAR.code]).by_unit
    assert sizes(list(found[NEAR.code])) == [(0, 3_000)]
    assert sizes(list(found[FAR.code])) == [(0, 1_500)]


def test_only_units_that_have_a_file_and_did_not_give_it_back_hold_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        key = clerk.dispatch("LCA.VP", [NEAR, FAR], attachments=[BIG.model_dump()])
        clerk.tell(key, NEAR.code, *HERE)
        clerk.tell(key, FAR.code, *HERE, Status.RECALLED)
        assert holders(conn, BIG.sha256, [NEAR.code, FAR.code]) == {NEAR.code}
        assert holders(conn, SMALL.sha256, [NEAR.code]) == set()


def test_lines_are_known_as_far_as_their_gateways_told(ledger: Engine) -> None:
    told = {"since": 0, "heard_at": 0, "every_ms": 1000, "clock_skew_ms": 0}
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), NEAR, FAR)
        conn.execute(insert(line).values(told | {"unit": NEAR.code, "state": "down", "rate_down": 4100}))
        found = lines_of(conn, [NEAR.code, FAR.code])
    assert {code: (known.is_up, known.rate_down) for code, known in found.items()} == {NEAR.code: (False, 4100)}
