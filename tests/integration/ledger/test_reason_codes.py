"""Whatever a machine gives as a reason has its code in the ledger, whoever told it; rows of before codes get theirs."""

from sqlalchemy import Connection, Engine, select, update

from router.ledger.engine import downgrade, open_engine, reading, upgrade, writing
from router.ledger.models import delivery, receipt
from router.ledger.models import unit as unit_table
from router.ledger.people.audit import By
from router.ledger.queries import Filter, attention, find_deliveries, stuck
from router.ledger.scope import EVERYTHING
from router.ledger.units.leftovers import give_up
from router.ledger.units.lines import align
from router.ledger.units.unit_acts import pause
from router.ledger.way.new_receipt import NewReceipt, take_back
from router.ledger.way.outbox import Failed, record_failures
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.clock import day_at, iso
from schemas.ids import new_id
from schemas.reasons import ReasonCode as R
from schemas.states import Status
from schemas.unit import Link
from support.ledgers import Clerk, unit

NEAR = [unit(f"LCA.{number:02}") for number in range(1, 8)]
NO_LINE = unit("LCA.09", Link.NONE)
FULL = "/srv/inbox: [Errno 28] No space left on device"
OUTCOMES = ("returned", "nacked", "timed_out", "lost")
EXPECTED = {
    "LCA.01": R.SINK_DISK_FULL,  # parked by a gateway that tells no codes
    "LCA.02": R.RECALLED,
    "LCA.03": R.NOT_BELIEVED,
    "LCA.04": R.PAUSED,
    "LCA.05": R.UNIT_GONE,
    "LCA.06": "",  # refused by a person, in words that look like a machine's
    "LCA.07": R.SINK_LOGIN,  # told with its code
    "LCA.09": R.NO_LINE,
}


def fill(conn: Connection) -> tuple[Clerk, str]:
    """A delivery for each way in which something gets its reason."""
    clerk = Clerk(conn)
    clerk.units(unit("LCA"), *NEAR, NO_LINE)
    key = clerk.dispatch("LCA", [*NEAR, NO_LINE])
    clerk.publish()
    clerk.tell(key, "LCA.01", Status.QUEUED, Status.TAKEN)
    clerk.tell(key, "LCA.01", Status.PARKED, reason=FULL)
    apply(conn, [take_back(clerk.deliveries[key, "LCA.02"], new_id(), clerk.now, Status.RECALLED)], Silence())
    other = NewReceipt(
        new_id(),
        clerk.deliveries[key, "LCA.03"],
        Status.ARRIVED,
        iso(clerk.now),
        clerk.now,
        unit="LCA.03",
        content_sha256="0" * 64,
    )
    apply(conn, [other], Silence())
    pause(conn, ["LCA.04"], By("hoa", "moving house", clerk.now))
    conn.execute(update(unit_table).where(unit_table.c.code == "LCA.05").values(valid_to=day_at(0, "UTC")))
    give_up(conn, "LCA.05", By("lan", "merged", clerk.now), day=day_at(clerk.now, "UTC"))
    clerk.tell(key, "LCA.06", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    clerk.tell(key, "LCA.06", Status.REFUSED, reason="our disk is full", person="Lan")
    clerk.tell(key, "LCA.07", Status.QUEUED, Status.TAKEN)
    parked = clerk.entry(clerk.deliveries[key, "LCA.07"], Status.PARKED, "LCA.07", 1)
    apply(conn, [parked._replace(reason="HTTP 507: whatever", code=R.SINK_LOGIN)], Silence())
    return clerk, key


def codes(conn: Connection) -> dict[str, str]:
    return {row.unit: row.reason_code for row in find_deliveries(conn, EVERYTHING, Filter(), now_ms=0)}


def test_every_way_to_a_reason_gives_its_code(ledger: Engine) -> None:
    with writing(ledger) as conn:
        fill(conn)
        assert codes(conn) == EXPECTED


def test_a_failed_publish_has_its_code_until_the_next_confirm(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(unit("LCA"), *NEAR[: len(OUTCOMES)])
        key = clerk.dispatch("LCA", NEAR[: len(OUTCOMES)])
        clerk.publish()
        failed = [
            Failed(clerk.deliveries[key, it.code], clerk.now, outcome, "it failed", 0)
            for it, outcome in zip(NEAR, OUTCOMES, strict=False)
        ]
        record_failures(conn, [failed])
        found = [code for _, code in sorted(codes(conn).items())]
        assert found == [f"publish_{outcome}" for outcome in OUTCOMES]
        clerk.tell(key, "LCA.01", Status.QUEUED)
        assert codes(conn)["LCA.01"] == ""


def test_a_line_that_comes_back_takes_its_reason_with_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(unit("LCA"), NO_LINE)
        clerk.dispatch("LCA", [NO_LINE])
        for link, code in ((Link.LAN, ""), (Link.NONE, R.NO_LINE)):
            clerk.units(unit(NO_LINE.code, link))
            align(conn, clerk.now)
            assert codes(conn) == {"LCA.09": code}


def test_rows_of_before_codes_get_theirs_and_groups_and_filters_go_by_them(ledger_url: str) -> None:
    upgrade(ledger_url)
    engine = open_engine(ledger_url)
    with writing(engine) as conn:
        clerk, _ = fill(conn)
        told = dict(conn.execute(select(receipt.c.id, receipt.c.code)).all())
    downgrade(engine, "0009")
    with writing(engine) as conn:  # as a router without codes left them
        conn.execute(update(delivery).where(delivery.c.unit != "LCA.07").values(reason_code=""))
        conn.execute(update(receipt).where(receipt.c.code != R.SINK_LOGIN).values(code=""))
    upgrade(engine)
    with reading(engine) as conn:
        assert codes(conn) == EXPECTED
        assert dict(conn.execute(select(receipt.c.id, receipt.c.code)).all()) == told
        groups = {group.code for group in attention(conn, EVERYTHING, now_ms=clerk.now) if group.code}
        assert groups == {R.SINK_DISK_FULL, R.NOT_BELIEVED, R.UNIT_GONE, R.SINK_LOGIN}
        parked = {
            group.code
            for group in stuck(conn, EVERYTHING, now_ms=clerk.now, day=day_at(clerk.now, "UTC"))
            if group.state is Status.PARKED
        }
        assert parked == {R.SINK_DISK_FULL, R.NOT_BELIEVED, R.SINK_LOGIN}
        (found,) = find_deliveries(conn, EVERYTHING, Filter(code=R.NOT_BELIEVED), now_ms=clerk.now)
        assert found.unit == "LCA.03"
    engine.dispose()
