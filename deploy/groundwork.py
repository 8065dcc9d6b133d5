"""What has to be there before the first start: the ledger's tables, an example's units, tokens in private files."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, Engine

from deploy.errors import StartError
from router.directory import load_csv
from router.errors import AccountExistsError
from router.ledger.engine import reading
from router.ledger.people import audit
from router.ledger.people.accounts import authenticate, create_account, rotate
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.persons import PEOPLE, PersonRole
from router.ledger.scope import Scope
from router.ledger.units.unit_list import import_units, list_seen, list_units
from router.pages.people import RoleGrant
from schemas.accounts import Account, Role
from schemas.clock import now_ms, today
from schemas.zone import zone

EXAMPLES = Path(__file__).parent / "examples"
FIRST_PERSON = "admin"
"""The name of the console's first administrator, who sets a password by a one-time link."""


def import_example(engine: Engine, name: str) -> None:
    """Merge an example's units into the ledger.

    Raises:
        StartError: there is no such example.
    """
    file = EXAMPLES / name / "units.csv"
    if not file.is_file():
        known = ", ".join(sorted(path.parent.name for path in EXAMPLES.glob("*/units.csv")))
        raise StartError(f"there is no example {name!r}", f"there is: {known}")
    units = load_csv(file.read_text("utf-8"))
    with engine.begin() as conn:
        import_units(conn, units, now_ms=now_ms())


def root_codes(engine: Engine) -> list[str]:
    """The heads of the organisation: today's units that have no parent."""
    day = today(zone().key)
    with reading(engine) as conn:
        return [unit.code for unit in list_units(conn) if unit.parent is None and unit.exists_on(day)]


def heard_of(engine: Engine, pattern: str, since: int) -> bool:
    """Whether a gateway has said hello for a unit of the pattern since then (UTC milliseconds)."""
    with reading(engine) as conn:
        return any((unit.last_seen_at or 0) >= since for unit in list_seen(conn, Scope(units=(pattern,))))


def accounts_for(roots: Sequence[str], gateways: Sequence[str]) -> list[Account]:
    """The callers of an all-in-one: an operator and an issuer for each root, and its gateways."""
    everything = [f"{root}.#" for root in roots]
    people = [Account(role, pattern) for pattern in everything for role in (Role.OPERATOR, Role.ISSUER)]
    return people + [Account(Role.GATEWAY, pattern) for pattern in gateways]


def ensure_tokens(engine: Engine, accounts: Sequence[Account], directory: Path) -> dict[str, str]:
    """Account name → token; each is kept in a file for its owner only, and made when the file holds no good one."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return {account.name: _ensure_token(engine, account, token_file(directory, account)) for account in accounts}


def invite_first(engine: Engine, roots: Sequence[str]) -> str:
    """A one-time token for the console's first administrator; empty when somebody can log in already."""
    with engine.begin() as conn:
        if not roots or any(row.has_password for row in PEOPLE.list_all(conn)):
            return ""
        now = now_ms()
        audit.record(conn, *(AuditEntry(now, "up (command)", Act.INVITED, FIRST_PERSON, root) for root in roots))
        return PEOPLE.invite(
            conn, FIRST_PERSON, [RoleGrant(PersonRole.ADMIN, f"{root}.#") for root in roots], now_ms=now
        )


def token_file(directory: Path, account: Account) -> Path:
    """Where an account's token is kept."""
    return directory / f"{account.name.replace(':', '-').replace('#', 'all')}.token"


def write_private(file: Path, text: str) -> None:
    """Replace a file at once with one that its owner alone can read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def _ensure_token(engine: Engine, account: Account, file: Path) -> str:
    if file.exists():
        token = file.read_text("utf-8").strip()
        with reading(engine) as conn:
            if authenticate(conn, token, now_ms=now_ms()) == account:
                return token
    with engine.begin() as conn:
        token = _fresh_token(conn, account)
    write_private(file, token + "\n")
    return token


def _fresh_token(conn: Connection, account: Account) -> str:
    try:
        return create_account(conn, account, now_ms=now_ms())
    except AccountExistsError:  # the file was lost, the account was not
        return rotate(conn, account.name, now_ms=now_ms())
