"""What the router counts: one list of metrics with unit and meaning, and the functions that observe them.

Counters and histograms are this process's own. Most gauges are looked up in the ledger when they are scraped, so they
are the same at every router of one ledger: take them from any one, do not add them up.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import prometheus_client
import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector
from sqlalchemy import Engine

from router.errors import LedgerUnavailableError
from router.ledger.engine import reading
from router.ledger.figures import figures
from router.ledger.way.receipts import Recorded, Result
from router.tls.contexts import TlsStanding
from schemas.clock import now_ms
from schemas.events import Event
from schemas.states import Effect, Status

log = structlog.get_logger()


class MetricKind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exported: its name, kind, unit, meaning, labels, and the bounds of a histogram's buckets."""

    name: str
    kind: MetricKind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_STAGE_BUCKETS = (
    *(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    *(_MINUTE, 5 * _MINUTE, 15 * _MINUTE, _HOUR, 4 * _HOUR, 12 * _HOUR, _DAY, 3 * _DAY, 7 * _DAY),
)
_SHORT_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_ROW_BUCKETS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

DELIVERIES = Metric(
    "congvan_deliveries_open",
    MetricKind.GAUGE,
    "deliveries",
    "Deliveries that are on their way or parked, by state.",
    ("state",),
)
HELD = Metric(
    "congvan_deliveries_held", MetricKind.GAUGE, "deliveries", "Of those on their way, the ones that wait for a line."
)
OLDEST = Metric(
    "congvan_undelivered_oldest_age_seconds",
    MetricKind.GAUGE,
    "seconds",
    "Age of the oldest open delivery that does not wait for a line; 0: there is none.",
)
LINES = Metric("congvan_lines", MetricKind.GAUGE, "units", "Units of the directory, by their link.", ("link",))
LINES_UP = Metric(
    "congvan_lines_up",
    MetricKind.GAUGE,
    "units",
    "Units whose gateway reports and is heard, by their link.",
    ("link",),
)
LINES_DOWN = Metric(
    "congvan_lines_down",
    MetricKind.GAUGE,
    "units",
    "Units whose gateway has reported and is silent now, by their link; those that never reported are in neither.",
    ("link",),
)
TOPOLOGY_STANDS = Metric(
    "congvan_topology_stands",
    MetricKind.GAUGE,
    "1 or 0",
    "Whether the broker stood as planned when it was last compared.",
)
TOPOLOGY_FITS = Metric(
    "congvan_broker_queues_fit",
    MetricKind.GAUGE,
    "queues",
    "Quorum queues for which the broker has file handles; 0: it does not tell.",
)
LEDGER_UP = Metric("congvan_ledger_up", MetricKind.GAUGE, "1 or 0", "Whether the ledger answered this scrape.")
STAGE = Metric(
    "congvan_delivery_stage_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "From acceptance until a delivery reached a stage: queued, taken, arrived.",
    ("stage",),
    _STAGE_BUCKETS,
)
PUBLISHES = Metric(
    "congvan_publishes_total",
    MetricKind.COUNTER,
    "messages",
    "Deliveries published, by what the broker said: confirmed, returned, nacked, timed_out, lost.",
    ("outcome",),
)
RECEIPTS = Metric(
    "congvan_receipts_total",
    MetricKind.COUNTER,
    "receipts",
    "Receipts recorded, by effect: advance, stale, refused, or unknown when there is no such delivery.",
    ("effect",),
)
INTAKE = Metric(
    "congvan_intake_total",
    MetricKind.COUNTER,
    "submissions",
    "Submissions, by door (http, amqp) and outcome: accepted, duplicate, or the problem's slug.",
    ("door", "outcome"),
)
DEAD = Metric(
    "congvan_dead_messages",
    MetricKind.GAUGE,
    "messages",
    "Messages in the queue dead, as the broker said when it was last asked; left out until it has answered.",
)
SET_APART = Metric(
    "congvan_messages_set_apart_total",
    MetricKind.COUNTER,
    "messages",
    "Times that a message was given back by itself because it fails again and again while others pass, by queue.",
    ("queue",),
)
SET_APART_NOW = Metric(
    "congvan_messages_set_apart",
    MetricKind.GAUGE,
    "messages",
    "Messages that come back to this router again and again now.",
)
COMMIT_ROWS = Metric(
    "congvan_commit_rows",
    MetricKind.HISTOGRAM,
    "rows",
    "Changes that shared a commit of the ledger.",
    buckets=_ROW_BUCKETS,
)
COMMIT_SECONDS = Metric(
    "congvan_commit_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "How long a commit of the ledger took, the wait for an absent database with it.",
    buckets=_SHORT_BUCKETS,
)
LEDGER_FAILURES = Metric(
    "congvan_ledger_failures_total",
    MetricKind.COUNTER,
    "failures",
    "Transactions that the database failed and that were tried again, by its code: SQLSTATE, or SQLite's name.",
    ("code",),
)
HTTP_SECONDS = Metric(
    "congvan_http_seconds",
    MetricKind.HISTOGRAM,
    "seconds",
    "From a request's head until its answer was sent, by method, route and status.",
    ("method", "route", "status"),
    _SHORT_BUCKETS,
)
CONTENT_DAMAGED = Metric(
    "congvan_content_damaged",
    MetricKind.GAUGE,
    "contents",
    "Stored contents that are not what they were, or are gone, and whose bytes have to come again.",
)
MAILS = Metric(
    "congvan_mails_total",
    MetricKind.COUNTER,
    "tries",
    "Tries to send an e-mail, by what became of it: sent, waiting (put off), refused, given_up, dropped.",
    ("state",),
)
CERTIFICATE_DAYS_LEFT = Metric(
    "congvan_certificate_days_left",
    MetricKind.GAUGE,
    "days",
    "Days until a certificate ends, negative after it, as last seen: of the web API, broker, management API, ledger, "
    "and the authority that issues.",
    ("which",),
)
TLS_TROUBLES = Metric(
    "congvan_tls_troubles",
    MetricKind.GAUGE,
    "1",
    "Certificates that stand in the way of what this router connects to, by what that is and by the code of the "
    "trouble; the ledger's are in congvan_ledger_failures_total.",
    ("to", "code"),
)
METRICS = (
    *(DELIVERIES, HELD, OLDEST, LINES, LINES_UP, LINES_DOWN, LEDGER_UP, TOPOLOGY_STANDS, TOPOLOGY_FITS),
    *(STAGE, PUBLISHES, RECEIPTS, INTAKE, DEAD, SET_APART, SET_APART_NOW, CONTENT_DAMAGED),
    *(COMMIT_ROWS, COMMIT_SECONDS, LEDGER_FAILURES, HTTP_SECONDS, MAILS, CERTIFICATE_DAYS_LEFT, TLS_TROUBLES),
)
"""Everything that is exported, apart from the process's own CPU, memory and file figures."""

_STAGES = frozenset({Status.QUEUED, Status.TAKEN, Status.ARRIVED})


class Metrics:
    """The metrics of one router process.

    Args:
        engine: the ledger that the gauges are looked up in; None leaves the gauges out.
    """

    def __init__(self, engine: Engine | None = None) -> None:
        self.registry = prometheus_client.CollectorRegistry()
        ProcessCollector(registry=self.registry)
        if engine is not None:
            self.registry.register(_LedgerGauges(engine))
        stage = self._histogram(STAGE)
        self._stages = {status: stage.labels(status.value) for status in _STAGES}
        self._publishes = self._counter(PUBLISHES)
        self._receipts = self._counter(RECEIPTS)
        self._intake = self._counter(INTAKE)
        self._apart = self._counter(SET_APART)
        self.dead: int | None = None
        """Messages in the queue ``dead``; None: not known."""
        """Whether the broker was brought in line at the last try; None: nobody tried."""
        self.set_apart_now = 0
        self._certificates: Mapping[str, int] = {}
        self.registry.register(_BrokerGauges(self))
        self._commit_rows = self._histogram(COMMIT_ROWS)
        self._commit_seconds = self._histogram(COMMIT_SECONDS)
        self._ledger_failures = self._counter(LEDGER_FAILURES)
        self._mails = self._counter(MAILS)
        self._http = self._histogram(HTTP_SECONDS)
        self._stands = self._gauge(TOPOLOGY_STANDS)
        self._fits = self._gauge(TOPOLOGY_FITS)

    def published(self, outcome: str, count: int = 1) -> None:
        """So many publishes ended with an outcome of :class:`router.broker.PublishOutcome`."""
        if count:
            self._publishes.labels(outcome).inc(count)

    def recorded(self, results: Sequence[Result]) -> None:
        """Receipts were recorded; what only repeated one counts for nothing."""
        results = [item for item in results if not isinstance(item, Recorded) or item.new]
        effects = Counter(item.step.effect.value if isinstance(item, Recorded) else "unknown" for item in results)
        for effect, count in effects.items():
            self._receipts.labels(effect).inc(count)
        for item in results:
            if isinstance(item, Recorded) and item.step.effect is Effect.ADVANCE and item.entry.status in self._stages:
                self._stages[item.entry.status].observe(item.age_ms / 1000)

    def compared(self, *, stands: bool, fits: int | None) -> None:
        """The broker was compared with the plan."""
        self._stands.set(int(stands))
        self._fits.set(fits or 0)

    def taken_in(self, door: str, outcome: str) -> None:
        """A submission came by a door and ended with an outcome."""
        self._intake.labels(door, outcome).inc()

    def set_apart(self, queue: str) -> None:
        """A message of a queue was given back by itself."""
        self._apart.labels(queue).inc()

    def committed(self, rows: int, seconds: float) -> None:
        """The ledger committed a group of changes."""
        self._commit_rows.observe(rows)
        self._commit_seconds.observe(seconds)

    def ledger_failed(self, code: str) -> None:
        """The database failed a transaction, which is tried again."""
        self._ledger_failures.labels(code).inc()

    def seen_certificates(self, ends: Mapping[str, int]) -> None:
        """When each certificate ends, UTC ms, as far as it was seen."""
        self._certificates = ends

    @property
    def certificate_ends(self) -> Mapping[str, int]:
        """What was last told of that."""
        return self._certificates

    def mailed(self, state: str) -> None:
        """An e-mail was tried, and is in a state of :class:`router.mail.states.MailState` now."""
        self._mails.labels(state).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """The web API answered a request; ``route`` is the path's template, so that its values stay few."""
        self._http.labels(method, route, str(status)).observe(seconds)

    def watch_damaged(self, count: Callable[[], int]) -> None:
        """Have a scrape show how many contents are damaged; ``count`` looks it up."""
        gauge = prometheus_client.Gauge(CONTENT_DAMAGED.name, CONTENT_DAMAGED.meaning, registry=self.registry)
        gauge.set_function(count)

    def watch_tls(self, standing: Callable[[], Sequence[TlsStanding]]) -> None:
        """Have a scrape show which certificates stand in the way; ``standing`` looks it up."""
        self.registry.register(_TlsGauges(standing))

    def exposition(self) -> bytes:
        """All metrics in the Prometheus text format; reads the ledger, so call it in a thread."""
        return prometheus_client.generate_latest(self.registry)

    def _counter(self, metric: Metric) -> prometheus_client.Counter:
        return prometheus_client.Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> prometheus_client.Gauge:
        return prometheus_client.Gauge(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> prometheus_client.Histogram:
        return prometheus_client.Histogram(
            metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
        )


class _LedgerGauges(Collector):
    """The gauges, looked up when they are scraped."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with reading(self._engine) as conn:
                seen = figures(conn, now_ms=now_ms())
        except LedgerUnavailableError as error:
            log.warning(Event.METRICS_WITHOUT_LEDGER, error=error.detail)
            yield _gauge(LEDGER_UP, {"": 0})
            return
        yield _gauge(LEDGER_UP, {"": 1})
        yield _gauge(DELIVERIES, seen.open_by_state)
        yield _gauge(HELD, {"": seen.held})
        yield _gauge(OLDEST, {"": seen.oldest_age_ms / 1000})
        yield _gauge(LINES, seen.lines)
        yield _gauge(LINES_UP, seen.lines_up)
        yield _gauge(LINES_DOWN, seen.lines_down)


class _BrokerGauges(Collector):
    """What is known of the broker: told by whoever looks, shown when it is scraped."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield _gauge(SET_APART_NOW, {"": self._metrics.set_apart_now})
        if self._metrics.dead is not None:
            yield _gauge(DEAD, {"": self._metrics.dead})
        now = now_ms()
        left = {which: round((end - now) / 86_400_000, 2) for which, end in self._metrics.certificate_ends.items()}
        yield _gauge(CERTIFICATE_DAYS_LEFT, left)


class _TlsGauges(Collector):
    """The certificates that stand in the way, looked up when they are scraped."""

    def __init__(self, standing: Callable[[], Sequence[TlsStanding]]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(TLS_TROUBLES.name, TLS_TROUBLES.meaning, labels=TLS_TROUBLES.labels)
        for item in self._standing():
            family.add_metric([item.to, item.code.value], 1)
        yield family


def _gauge(metric: Metric, values: Mapping[str, float] | Mapping[Status, int]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for label, value in values.items():
        family.add_metric([label] if metric.labels else [], value)
    return family
