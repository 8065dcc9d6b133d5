"""Shows what the running gateway says of itself every few seconds."""

from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.cli.options import settings_with
from consumers.cli.words import speaks_vietnamese
from consumers.copies.standing import Place, standing_of
from consumers.errors import GatewayStoppedError, SecondGatewayError, SpoolMissingError
from consumers.reading.coming import STALE_SECONDS
from consumers.status import status_path
from schemas.clock import iso, to_ms
from schemas.reasons import WORDS, known_code
from schemas.zone import local_time

_TIMES = ("at", "oldest_waiting", *(f"copy_{place.value}" for place in Place))


def show_standing(data_dir: Path | None, *, as_json: bool) -> None:
    """Print the status file.

    Raises:
        SpoolMissingError: there is none.
        GatewayStoppedError: it is too old to be of a gateway that runs; it is printed all the same.
        SecondGatewayError: it runs and stands by, because another gateway works for its units; printed as well.
    """
    directory = settings_with(data_dir=data_dir).data_dir
    path = status_path(directory)
    if not path.exists():
        raise SpoolMissingError(f"no gateway has run with {directory}; name its directory by CONGVAN_GATEWAY_DATA_DIR")
    standing = orjson.loads(path.read_bytes()) | _copies(directory)
    if as_json:
        print(orjson.dumps(standing).decode())
    else:
        _print_table(standing)
    age = (datetime.now(UTC) - datetime.fromisoformat(standing["at"])).total_seconds()
    if age > STALE_SECONDS:
        raise GatewayStoppedError(
            f"the gateway of {directory} does not run: it last wrote its status at {_when(standing['at'])}"
        )
    if elsewhere := standing.get("held_elsewhere"):
        raise SecondGatewayError(
            f"another gateway works for {', '.join(elsewhere)}; this one stands by and takes nothing for them"
        )


def _copies(directory: Path) -> dict[str, object]:
    """When the books were copied last, and why they are not."""
    told: dict[str, object] = {}
    for place in Place:
        one = standing_of(directory, place)
        told[f"copy_{place.value}"] = iso(one.made_at) if one.made_at else ""
        if one.failing_since:
            told[f"copy_{place.value}_fails"] = f"since {iso(one.failing_since)}: {one.reason}"
    return told


def _print_table(standing: dict[str, object]) -> None:
    table = Table.grid(padding=(0, 2))
    for name, value in standing.items():
        shown = _when(value) if name in _TIMES and isinstance(value, str) and value else value
        shown = _certificates(value) if name == "tls" else shown
        table.add_row(Text(name.replace("_", " "), style="bold"), Text(str(shown)))
    Console(soft_wrap=True).print(table)


def _certificates(troubles: object) -> str:
    """Which certificates stand in the way, one a line, in the reader's language and then in detail."""
    if not isinstance(troubles, list):
        return ""
    return "\n".join(f"{item['to']}: {_words(item['code'])} ({item['reason']}); {_advice(item)}" for item in troubles)


def _words(text: str) -> str:
    code = known_code(text)
    return text if code is None else (WORDS[code].vi if speaks_vietnamese() else WORDS[code].en)


def _advice(item: dict[str, str]) -> str:
    code = known_code(item["code"])
    return WORDS[code].advice_vi if code is not None and speaks_vietnamese() else item["advice"]


def _when(at: str) -> str:
    return local_time(to_ms(datetime.fromisoformat(at)))
