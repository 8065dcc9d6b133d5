"""The page of bounds: what one caller may cost at the doors, each figure taken from the code that keeps to it."""

from consumers.sending.document import MAX_LETTER_BYTES
from consumers.taking.queues import MESSAGE_BYTES
from router.api.body import MAX_JSON_BYTES
from router.api.submissions import OFF_THE_LOOP_BYTES
from router.assembly import PREFETCH
from router.broker.consumer import bounded_prefetch
from router.broker.message import PROPERTIES_BYTES
from router.broker.tuning import Tuning
from router.console import composing, unit_import, unit_rules
from router.console.access import MAX_LIST_FORM_BYTES
from router.intake.amqp import MAX_SUBMISSION_BYTES
from router.ledger.acts.certificate_acts import MOST_AN_HOUR
from router.pages import brought, multipart, wire_guard
from router.pages.people import passwords, throttle
from router.pages.safety import MAX_FORM_BYTES
from router.settings import RouterSettings
from router.tls.requests import MAX_REQUEST_BYTES
from schemas.accounts import Role
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.dispatch import MAX_ATTACHMENTS, MAX_FLASH_BYTES, MAX_RULES
from schemas.errors import MAX_PROBLEMS
from schemas.keys import MAX_KEY_LENGTH
from schemas.model import MAX_PARTS
from schemas.receipt import MAX_BURST, MAX_RUNS, MAX_SAID_BYTES
from schemas.rights import DEFAULTS
from schemas.text import MAX_FILE_NAME_BYTES

_GATEWAY = DEFAULTS[Role.GATEWAY]
_HEAD = """# Bounds

What one caller may cost, and what is answered beyond it. Generated from the code; what is set by a setting names it.
"""


def _default(name: str) -> object:
    return RouterSettings.model_fields[name].get_default(call_default_factory=True)


def bounds_page() -> str:
    """The page in Markdown."""
    return "\n".join([_HEAD, *(_section(title, rows) for title, rows in _sections())])


def _section(title: str, rows: list[tuple[str, object, str]]) -> str:
    lines = [f"## {title}\n", "| what | bound | beyond it |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {what} | {bound} | {beyond} |" for what, bound, beyond in rows), ""])


def _sections() -> list[tuple[str, list[tuple[str, object, str]]]]:
    return [
        ("Before anybody has said who calls", _unknown()),
        ("Logins to the console", _logins()),
        ("A document", _documents()),
        ("What a gateway's account sends", _gateways()),
    ]


def _unknown() -> list[tuple[str, object, str]]:
    gone = wire_guard.KEEPALIVE_IDLE + wire_guard.KEEPALIVE_EVERY * wire_guard.KEEPALIVE_PROBES
    return [
        ("request line and headers", f"{wire_guard.MAX_HEAD_BYTES} bytes", "431, closed"),
        ("time for them", f"{wire_guard.HEAD_SECONDS:.0f} s", "closed"),
        (
            "connections of one address (`CONGVAN_CONNECTIONS_PER_ADDRESS`; proxies are not counted)",
            _default("connections_per_address"),
            "closed",
        ),
        ("silence of a side that is gone", f"{gone} s", "closed"),
        ("time without an acknowledgement of what is sent", f"{wire_guard.UNSENT_SECONDS} s", "closed"),
        ("a form of the console", f"{MAX_FORM_BYTES} bytes", "413"),
        ("a form with a list of units, of who administers units", f"{MAX_LIST_FORM_BYTES} bytes", "413"),
        ("a list of units in the console", f"{unit_import.MAX_LIST_BYTES} bytes", "422"),
        ("rules that are tried in the console", f"{unit_rules.MAX_LENGTH} characters", "422"),
    ]


def _logins() -> list[tuple[str, object, str]]:
    return [
        (
            "failures of a name at one address",
            throttle.FREE_AT_ADDRESS,
            "429 for 30 s, then twice as long, to 1 h",
        ),
        ("failures of one address, of whatever names", throttle.FREE_BY_ADDRESS, "as above"),
        ("failures of a name from everywhere", throttle.FREE_BY_NAME, "as above; known browsers pass"),
        ("a browser is known after its last login for", f"{throttle.DEVICE_DAYS} days", "counted as a stranger"),
        ("browsers of one person", throttle.MAX_DEVICES, "the oldest is forgotten"),
        ("logins looked at or waiting at once", passwords.MAX_TURNS, "429"),
        ("of these from one address", passwords.MAX_TURNS_OF_ADDRESS, "429"),
    ]


def _documents() -> list[tuple[str, object, str]]:
    return [
        ("a JSON body; the letter of a form", f"{MAX_JSON_BYTES} bytes", "413"),
        ("a JSON body that is read on the event loop", f"{OFF_THE_LOOP_BYTES} bytes", "read in a thread"),
        ("commas in a JSON text, and so its keys and items", MAX_PARTS, "422"),
        ("problems in one answer", MAX_PROBLEMS, "the rest is counted"),
        ("addressing rules", MAX_RULES, "422"),
        ("attachments; files of a form", MAX_ATTACHMENTS, "422; 413"),
        ("an attachment, whatever the settings say", f"{MAX_ATTACHMENT_BYTES} bytes", "422"),
        ("an attachment (`CONGVAN_MAX_ATTACHMENT_BYTES`)", f"{_default('max_attachment_bytes')} bytes", "413"),
        ("fields of a page's form that sends, without its files", f"{brought.MAX_FIELDS_BYTES} bytes", "413"),
        (
            "addressees of a page whose times are worked out by themselves",
            composing.MOST_AT_ONCE,
            "only when asked for",
        ),
        ("headers of a form's part", f"{multipart.MAX_PART_HEADERS}, {multipart.MAX_PART_HEADER_BYTES} bytes", "400"),
        ("a file's name", f"{MAX_FILE_NAME_BYTES} bytes", "its middle is left out"),
        ("text that travels ahead (`flash_text`)", f"{MAX_FLASH_BYTES} bytes", "422"),
        ("an idempotency key", f"{MAX_KEY_LENGTH} characters", "400"),
        ("a letter in an outbox", f"{MAX_LETTER_BYTES} bytes", "rejected"),
        ("receipts in one message", MAX_BURST, "`dead`"),
        ("runs of receipt numbers in one question", MAX_RUNS, "asked for later"),
        *_messages(),
    ]


def _messages() -> list[tuple[str, object, str]]:
    """What comes over AMQP, of whatever a broker lets through."""
    aside = "not kept; the broker moves it to `dead`"
    ahead = Tuning().unacked_bytes
    queues = {"`intake`": MAX_SUBMISSION_BYTES, "`receipts.ledger`": MAX_SAID_BYTES}
    return [
        *((f"the body of a message in {queue}", f"{most} bytes", aside) for queue, most in queues.items()),
        ("the body of a message in a unit's queues", f"{MESSAGE_BYTES} bytes", aside),
        ("a message's properties", f"{PROPERTIES_BYTES} bytes", "the first headers, cut short"),
        ("bytes that a consumer takes ahead", f"{ahead} bytes", "wait at the broker"),
        *(
            (f"messages of {queue} taken ahead", bounded_prefetch(PREFETCH, most, 1, ahead), "wait at the broker")
            for queue, most in queues.items()
        ),
    ]


def _gateways() -> list[tuple[str, object, str]]:
    hourly = _GATEWAY.hourly
    return [
        ("a request for a certificate", f"{MAX_REQUEST_BYTES} bytes", "413"),
        ("certificates an hour", MOST_AN_HOUR, "429"),
        ("whom it may address", ", ".join(_GATEWAY.reach), "403"),
        ("urgency", _GATEWAY.max_urgency, "403"),
        ("dispatches an hour", hourly.dispatches, "429"),
        ("deliveries an hour", hourly.deliveries, "429"),
        ("bytes of files, for each addressee, an hour", hourly.bytes, "429"),
        ("unfinished uploads (`CONGVAN_UPLOADS_PER_ACCOUNT`)", _default("uploads_per_account"), "507"),
        ("their bytes (`CONGVAN_UPLOAD_BYTES_PER_ACCOUNT`)", _default("upload_bytes_per_account"), "507"),
    ]
