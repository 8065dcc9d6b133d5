"""Which earlier attachments are tried as a dictionary: the issuer's own, alike, and in the addressees' hands."""

from dataclasses import replace

import pytest
from sqlalchemy import Connection, Engine

from router.ledger.engine import reading, writing
from router.ledger.way.dictionaries import announced_forms, candidates
from schemas.attachment import Attachment, Forms
from schemas.dispatch import Secrecy, Submission
from schemas.states import Status
from support.ledgers import Clerk, accept_with_files, attachment, new_dispatch, unit

NEAR, FAR = unit("LCA.02"), unit("LCA.03")
HERE = (Status.QUEUED, Status.TAKEN, Status.ARRIVED)
PDF = "application/pdf"
ONE, TWO = attachment(b"1" * 5000), attachment(b"2" * 5000)


def found(conn: Connection, units: tuple[str, ...] = ("LCA.02",), media_type: str = PDF) -> list[str]:
    return candidates(conn, "LCA.VP", media_type, units, least=4096, largest=9000, count=3)


def send(
    clerk: Clerk, file: Attachment, *states: Status, issuer: str = "LCA.VP", secrecy: Secrecy = Secrecy.NONE
) -> None:
    """To both units; the near one says these."""
    key = clerk.dispatch(issuer, [NEAR, FAR], attachments=[file.model_dump()], secrecy=secrecy)
    clerk.tell(key, NEAR.code, *states)


def test_the_latest_that_an_addressee_holds_comes_first(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        send(clerk, ONE, *HERE)
        send(clerk, TWO, *HERE)
        assert found(conn) == [TWO.sha256, ONE.sha256]
        assert found(conn, ("LCA.03",)) == []


def test_one_that_more_addressees_hold_comes_before_a_later_one(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        both = clerk.dispatch("LCA.VP", [NEAR, FAR], attachments=[ONE.model_dump()])
        clerk.tell(both, NEAR.code, *HERE)
        clerk.tell(both, FAR.code, *HERE)
        send(clerk, TWO, *HERE)
        assert found(conn, ("LCA.02", "LCA.03")) == [ONE.sha256, TWO.sha256]


@pytest.mark.parametrize(
    "states", [(), (Status.QUEUED,), (*HERE, Status.REFUSED), (*HERE, Status.RECALLED)], ids=lambda states: states[-1:]
)
def test_what_a_unit_has_not_or_gave_back_is_none(ledger: Engine, states: tuple[Status, ...]) -> None:
    with writing(ledger) as conn:
        send(Clerk(conn), ONE, *states)
        assert found(conn) == []


def test_what_is_unlike_or_anothers_or_of_another_size_is_none(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        send(clerk, ONE, *HERE, issuer="LCA.02")
        send(clerk, attachment(b"s" * 4095), *HERE)
        send(clerk, attachment(b"l" * 9001), *HERE)
        send(clerk, TWO, *HERE)
        assert found(conn) == [TWO.sha256]
        assert found(conn, media_type="image/jpeg") == []


@pytest.mark.parametrize("secrecy", [degree for degree in Secrecy if degree is not Secrecy.NONE])
def test_a_file_of_a_classified_dispatch_is_none_unless_an_open_one_has_it_too(
    ledger: Engine, secrecy: Secrecy
) -> None:
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        send(clerk, TWO, *HERE)
        send(clerk, ONE, *HERE, secrecy=secrecy)
        assert found(conn) == [TWO.sha256]
        send(clerk, ONE, *HERE)
        assert found(conn) == [ONE.sha256, TWO.sha256]


def test_the_forms_that_descriptors_tell_are_found_again(ledger: Engine) -> None:
    letter = {"issuer": "LCA.VP", "notation": "1", "subject": "s", "addressees": ["LCA.#"]}
    told = Forms(zstd_size=400, dcz_size=100, dictionary=ONE.sha256)
    with writing(ledger) as conn:
        for forms in ({}, {TWO.sha256: told}, {TWO.sha256: told}):
            files = [ONE.model_dump(), TWO.model_dump() | {"name": "b"}]
            new = new_dispatch(Submission.model_validate(letter | {"attachments": files}), [NEAR], 1)
            accept_with_files(conn, replace(new, forms=forms))
    with reading(ledger) as conn:
        assert announced_forms(conn, TWO.sha256) == [told]
        assert announced_forms(conn, ONE.sha256) == []
