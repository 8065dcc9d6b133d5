"""The organisation in the ledger: merged, followed by its deliveries, and seen."""

from datetime import date

from sqlalchemy import Engine, select

from router.ledger.engine import reading, writing
from router.ledger.models import delivery
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units.lines import align
from router.ledger.units.unit_list import ImportResult, import_units, list_seen, list_units, record_seen
from schemas.states import Status
from schemas.unit import Link, OtherCode, Unit
from support.ledgers import START, Clerk, unit

PROVINCE = unit("LCA")
OLD_CODE = OtherCode(scheme="old", code="000.00.00.H38", valid_to=date(2025, 6, 30))


def load(ledger: Engine, *units: Unit, now: int = START, retire_missing: date | None = None) -> ImportResult:
    with writing(ledger) as conn:
        return import_units(conn, units, now_ms=now, retire_missing=retire_missing)


def units_of(ledger: Engine) -> list[Unit]:
    with reading(ledger) as conn:
        return list_units(conn)


def waiting(ledger: Engine) -> list[tuple[str, int | None, str, str]]:
    columns = delivery.c.unit, delivery.c.next_due_at, delivery.c.reason, delivery.c.link
    with reading(ledger) as conn:
        return [tuple(row) for row in conn.execute(select(*columns).order_by(delivery.c.id))]


def test_what_is_imported_is_read_back_as_it_was(ledger: Engine) -> None:
    whole = unit(
        "LCA.02",
        Link.DIALUP,
        note="qua bưu điện",
        valid_from=date(2012, 1, 1),
        valid_to=date(2025, 6, 30),
        successor="LCA",
        codes=[OLD_CODE, OtherCode(scheme="new", code="H38.02.05", valid_from=date(2025, 7, 1))],
    )
    result = load(ledger, PROVINCE, whole)
    assert units_of(ledger) == [PROVINCE, whole]
    assert result == ImportResult(("LCA", "LCA.02"), (), (), 0, 0, 0)


def test_the_same_list_again_changes_nothing(ledger: Engine) -> None:
    coded = unit("LCA.02", codes=[OLD_CODE])
    load(ledger, PROVINCE, coded)
    assert load(ledger, PROVINCE, coded) == ImportResult((), (), (), 2, 0, 0)


def test_a_changed_unit_takes_its_new_fields_and_codes(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02", codes=[OLD_CODE]))
    renamed = unit("LCA.02", name="Huyện Bát Xát", codes=[OtherCode(scheme="new", code="H38.02")])
    assert load(ledger, PROVINCE, renamed).changed == ("LCA.02",)
    assert units_of(ledger) == [PROVINCE, renamed]


def test_a_unit_that_is_not_in_the_list_stays_unless_told_otherwise(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02"))
    assert load(ledger, PROVINCE).retired == ()
    assert units_of(ledger)[1].valid_to is None


def test_a_missing_unit_is_closed_but_never_deleted_when_asked(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02", codes=[OLD_CODE]), unit("LCA.03", valid_to=date(2020, 1, 1)))
    last_day = date(2026, 11, 21)
    assert load(ledger, PROVINCE, retire_missing=last_day).retired == ("LCA.02",)
    closed = {item.code: item.valid_to for item in units_of(ledger)}
    assert closed == {"LCA": None, "LCA.02": last_day, "LCA.03": date(2020, 1, 1)}
    assert units_of(ledger)[1].codes == (OLD_CODE,)


def test_a_long_name_that_grows_when_folded_is_taken(ledger: Engine) -> None:
    load(ledger, unit("LCA", name="ß" * 200))
    assert len(units_of(ledger)) == 1


def test_every_import_is_later_than_the_one_before_even_within_a_millisecond(ledger: Engine) -> None:
    load(ledger, PROVINCE)
    load(ledger, unit("LCA", name="other"))
    with reading(ledger) as conn:
        assert conn.exec_driver_sql("SELECT max(changed_at) FROM unit").scalar() == START + 1


def test_a_unit_that_gets_a_line_has_what_waited_for_it_sent(ledger: Engine) -> None:
    held, other = unit("LCA.02", Link.NONE), unit("LCA.03", Link.NONE)
    load(ledger, PROVINCE, held, other)
    with writing(ledger) as conn:
        Clerk(conn).dispatch("LCA", [held, other])
    later = START + 50_000
    result = load(ledger, PROVINCE, unit("LCA.02", Link.DIALUP), other, now=later)
    assert (result.released, result.held) == (1, 0)
    assert waiting(ledger) == [("LCA.02", later, "", "dialup"), ("LCA.03", None, "no_line", "none")]


def test_a_unit_that_loses_its_line_has_what_is_on_the_way_wait(ledger: Engine) -> None:
    linked = unit("LCA.02", Link.WAN)
    load(ledger, PROVINCE, linked)
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.tell(clerk.dispatch("LCA", [linked]), "LCA.02", Status.QUEUED)
        clerk.tell(clerk.dispatch("LCA", [linked]), "LCA.02", Status.ARRIVED)
    result = load(ledger, PROVINCE, unit("LCA.02", Link.NONE))
    assert (result.released, result.held) == (0, 1)
    assert waiting(ledger) == [("LCA.02", None, "no_line", "none"), ("LCA.02", None, "", "wan")]


def test_another_kind_of_line_sends_nothing_anew(ledger: Engine) -> None:
    linked = unit("LCA.02", Link.WAN)
    load(ledger, PROVINCE, linked)
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.tell(clerk.dispatch("LCA", [linked]), "LCA.02", Status.QUEUED)
    due = waiting(ledger)[0][1]
    result = load(ledger, PROVINCE, unit("LCA.02", Link.DIALUP), now=START + 50_000)
    assert (result.released, result.held) == (0, 0)
    assert waiting(ledger) == [("LCA.02", due, "", "dialup")]


def test_a_parked_delivery_stays_parked_but_knows_the_new_line(ledger: Engine) -> None:
    held = unit("LCA.02", Link.NONE)
    load(ledger, PROVINCE, held)
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.tell(clerk.dispatch("LCA", [held]), "LCA.02", Status.PARKED, reason="disk full")
    assert load(ledger, PROVINCE, unit("LCA.02", Link.LAN)).released == 0
    assert waiting(ledger) == [("LCA.02", None, "disk full", "lan")]


def test_a_delivery_made_with_a_link_of_yesterday_is_put_right(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02", Link.LAN))
    with writing(ledger) as conn:
        Clerk(conn).dispatch("LCA", [unit("LCA.02", Link.NONE)])
        aligned = align(conn, START)
        assert (aligned.released, aligned.held) == (1, 0)
        assert align(conn, START).released == 0
    assert waiting(ledger) == [("LCA.02", START, "", "lan")]


def test_a_greeting_is_remembered_and_an_unknown_unit_passed_over(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02"))
    with writing(ledger) as conn:
        assert record_seen(conn, ["LCA.02", "XX"], START, "spool-1", "0.1.0") == []
    with reading(ledger) as conn:
        seen = {
            item.code: (item.last_seen_at, item.spool_id, item.gateway_version) for item in list_seen(conn, EVERYTHING)
        }
    assert seen == {"LCA": (None, None, None), "LCA.02": (START, "spool-1", "0.1.0")}


def test_a_new_spool_names_the_units_that_lost_theirs(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02"), unit("LCA.03"))
    with writing(ledger) as conn:
        record_seen(conn, ["LCA.02"], START, "spool-1", "")
        assert record_seen(conn, ["LCA.02", "LCA.03"], START + 1, "spool-1", "") == []
        assert record_seen(conn, ["LCA.03", "LCA.02"], START + 2, "spool-2", "") == ["LCA.02", "LCA.03"]
        assert record_seen(conn, ["LCA.03", "LCA.02"], START + 3, "spool-2", "") == []


def test_an_import_keeps_what_gateways_said(ledger: Engine) -> None:
    load(ledger, PROVINCE)
    with writing(ledger) as conn:
        record_seen(conn, ["LCA"], START, "spool-1", "0.1.0")
    load(ledger, unit("LCA", name="other"))
    with reading(ledger) as conn:
        assert list_seen(conn, EVERYTHING)[0].spool_id == "spool-1"


def test_only_units_of_the_scope_are_seen(ledger: Engine) -> None:
    load(ledger, PROVINCE, unit("LCA.02"), unit("LCA.02.01"), unit("LCA.03"))
    with reading(ledger) as conn:
        assert [item.code for item in list_seen(conn, Scope(units=("LCA.02.#",)))] == ["LCA.02", "LCA.02.01"]
        assert list_seen(conn, Scope(issuers=("LCA.#",))) == []


def test_the_hours_of_a_units_line_are_kept_and_a_change_of_them_is_one_of_the_unit(ledger: Engine) -> None:
    before, after = unit("LCA.02", opening="18:00-21:00"), unit("LCA.02", opening="05:00-06:30, 18:00-21:00")
    with writing(ledger) as conn:
        import_units(conn, [unit("LCA"), before], now_ms=START)
        assert list_units(conn)[1] == before
        assert import_units(conn, [unit("LCA"), after], now_ms=START).changed == ("LCA.02",)
        assert list_units(conn)[1].opening == after.opening
