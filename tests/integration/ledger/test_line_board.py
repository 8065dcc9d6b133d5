"""Lines over a span: which are down, which were, for how long, and what went down together."""

from sqlalchemy import Engine, insert

from router.ledger import queries
from router.ledger.engine import reading, writing
from router.ledger.models import line, outage
from router.ledger.queries import Downtime, LineBoard, Span, line_board
from router.ledger.scope import EVERYTHING, Scope
from router.ledger.units.unit_list import record_seen
from router.rules.outages import LineState
from schemas.ids import new_id
from support.ledgers import START, Clerk, unit

MINUTE, HOUR = 60_000, 3_600_000
CODES = [f"LCA.02.{number:02}" for number in range(1, 7)]
DAY = Span(START, START + 24 * HOUR, START + 24 * HOUR)


def down(ledger: Engine, code: str, *times: tuple[int, int | None]) -> None:
    """Outages of a line, by hours and milliseconds after the start."""
    state = "down" if any(ended is None for _, ended in times) else "up"
    with writing(ledger) as conn:
        known = {"since": START, "heard_at": START, "every_ms": MINUTE, "clock_skew_ms": 0}
        conn.execute(insert(line), [known | {"unit": code, "state": state}])
        rows = [
            {"unit": code, "began_at": START + began, "ended_at": None if ended is None else START + ended}
            for began, ended in times
        ]
        if rows:
            conn.execute(insert(outage), [row | {"told_by": "gateway"} for row in rows])


def story(ledger: Engine) -> None:
    """A district's six lines went for an hour at eight; one is down since noon; one other had two short drops."""
    with writing(ledger) as conn:
        Clerk(conn).units(*(unit(code) for code in ("LCA", "LCA.02", "LCA.03", "LCA.04", *CODES)))
    for number, code in enumerate(CODES):
        down(ledger, code, (8 * HOUR + number * 1000, 9 * HOUR))
    down(ledger, "LCA.03", (-HOUR, HOUR), (12 * HOUR, None))
    down(ledger, "LCA.04", (2 * HOUR, 2 * HOUR + 25_000), (2 * HOUR + 60_000, 2 * HOUR + 85_000))


def look(ledger: Engine, scope: Scope = EVERYTHING, span: Span = DAY, units: str = "", limit: int = 60) -> LineBoard:
    with reading(ledger) as conn:
        return line_board(conn, scope, span, units=units, limit=limit)


def test_what_is_down_comes_first_then_what_was_down_longest(ledger: Engine) -> None:
    story(ledger)
    board = look(ledger)
    assert (board.up, board.down, board.disturbed) == (7, 1, 8)
    assert [row.line.unit for row in board.rows] == ["LCA.03", *CODES, "LCA.04"]
    assert board.rows[0].downtime == Downtime(2, 13 * HOUR)
    assert board.down_ms == sum(row.downtime.down_ms for row in board.rows)


def test_bands_begin_and_end_within_the_span_and_short_drops_are_one_band(ledger: Engine) -> None:
    story(ledger)
    rows = {row.line.unit: row.bands for row in look(ledger).rows}
    first, last = rows["LCA.03"]
    assert (first.began_at, first.ended_at, first.down_ms) == (START, START + HOUR, HOUR)
    assert (last.began_at, last.ended_at) == (START + 12 * HOUR, START + 24 * HOUR)
    (drops,) = rows["LCA.04"]
    assert (drops.ended_at - drops.began_at, drops.down_ms, drops.outages) == (85_000, 50_000, 2)


def test_lines_that_went_together_are_told_together(ledger: Engine) -> None:
    story(ledger)
    (group,) = look(ledger).together
    assert (group.head, group.units, group.lines) == ("LCA.02", tuple(CODES), 6)
    assert (group.began_at, group.ended_at) == (START + 8 * HOUR, START + 9 * HOUR)


def test_a_scope_a_pattern_and_a_limit_hold_for_all_of_it(ledger: Engine) -> None:
    story(ledger)
    district = look(ledger, scope=Scope(units=("LCA.02.#",)))
    assert {row.line.unit for row in district.rows} == set(CODES)
    assert (district.up, district.down, len(district.together)) == (6, 0, 1)
    other = look(ledger, units="LCA.03.#")
    assert ([row.line.unit for row in other.rows], other.together) == (["LCA.03"], [])
    assert len(look(ledger, limit=3).rows) == 3
    assert look(ledger, scope=Scope(issuers=("LCA.#",))).lines == 0


def test_the_tree_tells_of_each_unit_how_its_line_stands_and_when_it_was_heard_of(ledger: Engine) -> None:
    story(ledger)
    with writing(ledger) as conn:
        record_seen(conn, ["LCA", "LCA.03"], START - HOUR, new_id(), "0.1.0")
        rows = {row.code: row for row in queries.children(conn, EVERYTHING, "LCA")}
        (head,) = queries.heads(conn, EVERYTHING)
    assert (head.line_state, head.last_seen_at) == (None, START - HOUR)
    assert (rows["LCA.03"].line_state, rows["LCA.03"].last_seen_at) == (LineState.DOWN, START)
    assert (rows["LCA.04"].line_state, rows["LCA.04"].line_since) == (LineState.UP, START)


def test_nothing_is_known_where_no_gateway_reports(ledger: Engine) -> None:
    board = look(ledger)
    assert (board.lines, board.rows, board.together) == (0, [], [])
    with reading(ledger) as conn:
        assert queries.count_lines(conn, EVERYTHING) == {LineState.UP: 0, LineState.DOWN: 0}
