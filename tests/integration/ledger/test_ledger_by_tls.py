"""A real PostgreSQL by TLS: verified by a private authority; each wrong certificate is told, and over when mended."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from router.errors import LedgerUnavailableError
from router.ledger.engine import open_engine, reading
from router.process.fate import code_of
from router.settings import RouterSettings
from schemas.reasons import ReasonCode
from support.conditions import pauses
from support.installation import free_port
from support.issuer import DAY, Issuer, Pair
from support.postgres import PrivatePostgres

NAME = "127.0.0.1"


@dataclass
class Encrypted:
    """A server that takes TLS, and who vouches for it."""

    server: PrivatePostgres
    issuer: Issuer
    shown: Pair
    port: int

    def show(self, pair: Pair) -> None:
        """Show another certificate from the next connection on."""
        for source, target in ((pair.key, self.shown.key), (pair.certificate, self.shown.certificate)):
            shutil.copyfile(source, target)
        with psycopg.connect(self.server.libpq, autocommit=True) as conn:
            conn.execute("SELECT pg_reload_conf()")

    def url(self, authority: Path) -> str:
        ledger = f"postgresql://postgres@{NAME}:{self.port}/postgres?sslmode=verify-full"
        return RouterSettings(ledger_url=ledger, ca_file=authority).database_url


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    issuer, port = Issuer(tmp_path_factory.mktemp("issuer")), free_port()
    server = PrivatePostgres(port=port)
    shown = Pair(server.directory / "server.pem", server.directory / "server.key")
    issuer.issue(NAME, into=shown)
    for path in (shown.certificate, shown.key):
        if os.geteuid() == 0:
            shutil.chown(path, "postgres", "postgres")
    named = (f"ssl_cert_file={shown.certificate}", f"ssl_key_file={shown.key}")
    server.settings += [f"listen_addresses={NAME}", "ssl=on", *named]
    try:
        server.start()
        yield Encrypted(server, issuer, shown, port)
    finally:
        server.remove()


def code_at(url: str) -> str:
    """The code by which a router calls it that the ledger is away; empty: it is not."""
    engine = open_engine(url)
    try:
        with reading(engine) as conn:
            conn.execute(text("SELECT 1"))
    except LedgerUnavailableError as error:
        return code_of(error.__cause__ or error) if error.hint else "nothing to do is said"
    finally:
        engine.dispose()
    return ""


def test_a_wrong_certificate_is_told_with_its_state_until_it_is_mended(encrypted: Encrypted, tmp_path: Path) -> None:
    issuer, other = encrypted.issuer, Issuer(tmp_path, "other")
    url = encrypted.url(issuer.authority)
    assert code_at(url) == ""
    assert code_at(encrypted.url(other.authority)) == ReasonCode.TLS_UNKNOWN_CA.value
    wrong = {
        ReasonCode.TLS_EXPIRED: issuer.issue(NAME, shift=-10 * DAY),
        ReasonCode.TLS_NOT_YET_VALID: issuer.issue(NAME, shift=10 * DAY),
        ReasonCode.TLS_OTHER_NAME: issuer.issue("db.tinh.vn"),
        ReasonCode.TLS_UNKNOWN_CA: other.issue(NAME),
    }
    for code, pair in wrong.items():
        encrypted.show(pair)
        assert settled(url, code.value) == code.value
    encrypted.show(issuer.issue(NAME))
    assert settled(url, "") == ""


def settled(url: str, wanted: str) -> str:
    """The code when the server has read its files again, or the one that stays."""
    found = ""
    for _ in pauses(10.0):
        found = code_at(url)
        if found == wanted:
            break
    return found
