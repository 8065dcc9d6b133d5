"""What is counted, and what is looked up when it is scraped."""

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine

from router.ledger.engine import writing
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.units.unit_list import import_units
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Recorded, Unknown
from router.metrics import METRICS, MetricKind, Metrics
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.line import LineReport
from schemas.states import Effect, Status, Step
from schemas.unit import Link
from support.ledgers import Clerk, unit


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Every sample: its name and label values → its value."""
    text = metrics.exposition().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def entry(status: Status) -> NewReceipt:
    return NewReceipt(new_id(), new_id(), status, iso(now_ms()), now_ms())


def test_receipts_are_counted_by_effect_and_stages_measured_from_acceptance() -> None:
    metrics = Metrics()
    metrics.recorded(
        [
            Recorded(entry(Status.QUEUED), Step(Effect.ADVANCE), 40),
            Recorded(entry(Status.ARRIVED), Step(Effect.ADVANCE), 2000),
            Recorded(entry(Status.ARRIVED), Step(Effect.STALE), 9000),
            Recorded(entry(Status.REGISTERED), Step(Effect.ADVANCE), 9000),
            Unknown(entry(Status.TAKEN), "is not in this ledger"),
        ]
    )
    seen = values(metrics)
    assert seen["congvan_receipts_total", "advance"] == 3
    assert seen["congvan_receipts_total", "stale"] == 1
    assert seen["congvan_receipts_total", "unknown"] == 1
    assert seen["congvan_delivery_stage_seconds_sum", "arrived"] == 2
    assert seen["congvan_delivery_stage_seconds_count", "queued"] == 1
    assert ("congvan_delivery_stage_seconds_count", "registered") not in seen


def test_publishes_commits_and_submissions_are_counted() -> None:
    metrics = Metrics()
    metrics.published("confirmed", 500)
    metrics.published("lost", 0)
    metrics.committed(500, 0.02)
    metrics.taken_in("amqp", "accepted")
    seen = values(metrics)
    assert seen["congvan_publishes_total", "confirmed"] == 500
    assert ("congvan_publishes_total", "lost") not in seen
    assert (seen["congvan_commit_rows_sum",], seen["congvan_commit_seconds_count",]) == (500, 1)
    assert seen["congvan_intake_total", "amqp", "accepted"] == 1


def test_gauges_are_what_the_ledger_says_when_it_is_asked(ledger: Engine) -> None:
    units = [unit("LCA"), unit("LCA.01", Link.DIALUP), unit("LCA.02", Link.NONE)]
    metrics = Metrics(ledger)
    assert values(metrics)["congvan_undelivered_oldest_age_seconds",] == 0
    with writing(ledger) as conn:
        import_units(conn, units, now_ms=now_ms())
        clerk = Clerk(conn, now=now_ms() - 60_000)
        sent = clerk.dispatch("LCA", units)
        clerk.tell(sent, "LCA", Status.ARRIVED)
        said = LineReport(every=60)
        presence.note_report(conn, ["LCA.01"], Report(said, now_ms(), now_ms()))
        presence.note_report(conn, ["LCA"], Report(said, now_ms(), 0))
        presence.note_silent(conn, Listening(now_ms(), 0))
    seen = values(metrics)
    assert seen["congvan_ledger_up",] == 1
    assert seen["congvan_deliveries_open", "pending"] == 2
    assert seen["congvan_deliveries_held",] == 1
    assert 58 < seen["congvan_undelivered_oldest_age_seconds",] < 90
    assert (seen["congvan_lines", "dialup"], seen["congvan_lines_up", "dialup"]) == (1, 1)
    assert (seen["congvan_lines", "none"], seen["congvan_lines_up", "none"]) == (1, 0)
    assert [seen["congvan_lines_down", link] for link in ("lan", "dialup", "none")] == [1, 0, 0]


def test_a_scrape_without_the_ledger_still_tells_the_rest(tmp_path: Path) -> None:
    from router.ledger.engine import open_engine

    (tmp_path / "away.sqlite3").mkdir()
    metrics = Metrics(open_engine(f"sqlite:///{tmp_path / 'away.sqlite3'}"))
    metrics.taken_in("http", "accepted")
    seen = values(metrics)
    assert seen["congvan_ledger_up",] == 0
    assert seen["congvan_intake_total", "http", "accepted"] == 1


def test_every_metric_has_a_unit_and_a_meaning_and_its_name_says_its_kind() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.unit
        assert metric.meaning.endswith(".")
        assert metric.name.startswith("congvan_")
        assert metric.name.endswith("_total") is (metric.kind is MetricKind.COUNTER)
        assert bool(metric.buckets) is (metric.kind is MetricKind.HISTOGRAM)
        assert metric.name.endswith("_seconds") is (metric.unit == "seconds")
