"""What is known to last is a short list; every other code is tried again. Whole tables, not examples."""

import errno
import socket
import sqlite3

import psycopg
import pytest
from psycopg import errors as postgres
from sqlalchemy.exc import DBAPIError

from router.process.fate import (
    Fate,
    code_of,
    fate_of,
    fate_of_database,
    fate_of_errno,
    fate_of_sqlite,
    fate_of_sqlstate,
)

CLASSES = {
    **dict.fromkeys(("08", "28", "3D", "53", "57", "58", "F0"), Fate.AWAY),
    **dict.fromkeys(("40", "72"), Fate.CROSSED),
    **dict.fromkeys(("23",), Fate.CLASHING),
    **dict.fromkeys(("22", "44"), Fate.LASTING),
    **dict.fromkeys(
        [
            "02",
            "03",
            "09",
            "0A",
            "0B",
            "0F",
            "0L",
            "0P",
            "0Z",
            "10",
            "20",
            "21",
            "24",
            "25",
            "26",
            "27",
            "2B",
            "2D",
            "2F",
            "34",
            "38",
            "39",
            "3B",
            "3F",
            "42",
            "54",
            "55",
            "HV",
            "P0",
            "XX",
        ],
        Fate.UNKNOWN,
    ),
}
"""Every class of PostgreSQL's appendix A."""
EXCEPTIONS = {
    "25006": Fate.AWAY,
    "25P03": Fate.AWAY,
    "25P04": Fate.AWAY,
    "40002": Fate.CLASHING,
    "40003": Fate.AWAY,
    "55006": Fate.CROSSED,
    "55P03": Fate.CROSSED,
    "57014": Fate.UNKNOWN,
}
STATES = sorted({code for code in postgres._sqlcodes if len(code) == 5 and any(char.isdigit() for char in code)})
LASTING_ERRNOS = {"ENAMETOOLONG", "EILSEQ", "EFBIG", "E2BIG"}
NEVER_A_DOCUMENTS_FAULT = {"EMFILE", "ENFILE", "EIO", "ENOSPC", "EROFS", "ESTALE", "EDQUOT", "ENOMEM"}
SQLITE = {
    name: getattr(sqlite3, name)
    for name in dir(sqlite3)
    if name.startswith("SQLITE_") and name.count("_") == 1 and isinstance(getattr(sqlite3, name), int)
}
SQLITE_LASTING = {"SQLITE_TOOBIG", "SQLITE_MISMATCH"}
SQLITE_CLASHING = {"SQLITE_CONSTRAINT"}


def test_every_class_that_the_driver_knows_is_in_the_table() -> None:
    assert {code[:2] for code in STATES} <= set(CLASSES)
    assert len(STATES) > 200


def test_a_sqlstate_is_what_its_class_is_unless_it_is_named() -> None:
    expected = {code: EXCEPTIONS.get(code, CLASSES[code[:2]]) for code in STATES}
    assert {code: fate_of_sqlstate(code) for code in STATES} == expected


@pytest.mark.parametrize("letters", ["QQ", "99", "Z1", ""])
def test_a_class_that_nobody_knows_is_not_lasting(letters: str) -> None:
    assert fate_of_sqlstate(f"{letters}000") is Fate.UNKNOWN


def test_of_all_errnos_four_last_and_none_of_a_machine_in_trouble() -> None:
    fates = {name: fate_of_errno(number) for number, name in errno.errorcode.items()}
    assert {name for name, fate in fates.items() if fate is Fate.LASTING} == LASTING_ERRNOS
    assert {fates[name] for name in NEVER_A_DOCUMENTS_FAULT} == {Fate.SHORT}


def test_an_errno_that_no_system_has_is_not_lasting() -> None:
    assert {fate_of_errno(number) for number in (None, -1, 0, 4096)} == {Fate.UNKNOWN}


@pytest.mark.parametrize("code", sorted(set(SQLITE.values()) & set(range(1, 100))))
def test_of_sqlites_codes_those_of_the_row_alone_last(code: int) -> None:
    names = {name for name, value in SQLITE.items() if value == code}
    fate = fate_of_sqlite(code)
    assert fate_of_sqlite(code | 7 << 8) is fate, "an extended code is its primary one's"
    if names & {"SQLITE_BUSY", "SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_NOMEM"}:
        assert fate is Fate.AWAY


def test_what_lasts_in_sqlite_is_a_list_of_two_and_clashes_one() -> None:
    primary = {name: code for name, code in SQLITE.items() if 0 < code < 100}
    found = {
        fate: {name for name, code in primary.items() if fate_of_sqlite(code) is fate}
        for fate in (Fate.LASTING, Fate.CLASHING)
    }
    assert found[Fate.LASTING] >= SQLITE_LASTING
    assert {sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH} == {primary[name] for name in found[Fate.LASTING]}
    assert {sqlite3.SQLITE_CONSTRAINT} == {primary[name] for name in found[Fate.CLASHING]}


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (psycopg.OperationalError("connection refused"), Fate.AWAY),
        (psycopg.InterfaceError("the connection is closed"), Fate.AWAY),
        (psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"), Fate.LASTING),
        (psycopg.ProgrammingError("cannot adapt type"), Fate.UNKNOWN),
        (postgres.ReadOnlySqlTransaction(), Fate.AWAY),
        (postgres.InvalidSqlStatementName(), Fate.UNKNOWN),
        (sqlite3.OperationalError("without a code"), Fate.UNKNOWN),
    ],
)
def test_a_driver_without_a_code_is_judged_by_its_class(error: Exception, fate: Fate) -> None:
    assert fate_of_database(error) is fate
    assert fate_of(DBAPIError("SELECT 1", None, error)) is fate


@pytest.mark.parametrize(
    ("error", "fate"),
    [
        (OSError(errno.EMFILE, "Too many open files"), Fate.SHORT),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), Fate.AWAY),
        (TimeoutError(), Fate.AWAY),
        (ConnectionResetError(), Fate.AWAY),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), Fate.AWAY),
        (MemoryError(), Fate.SHORT),
        (PermissionError(errno.EACCES, "Permission denied"), Fate.UNKNOWN),
        (OSError("of a library's own"), Fate.UNKNOWN),
        (KeyError("x"), Fate.UNKNOWN),
    ],
)
def test_any_error_has_a_fate_and_a_bug_is_not_lasting(error: Exception, fate: Fate) -> None:
    assert fate_of(error) is fate


def test_what_is_shown_is_a_code_and_no_message() -> None:
    locked = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError) as caught:
        locked.execute("SELECT * FROM nothing")
    assert code_of(caught.value) == "SQLITE_ERROR"
    assert code_of(DBAPIError("", None, postgres.ReadOnlySqlTransaction())) == "25006"
    assert code_of(OSError(errno.ENFILE, "secret")) == "ENFILE"
    assert code_of(ValueError("secret")) == "ValueError"
