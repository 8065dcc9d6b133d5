from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from support.mail_server import MailServer, mail_server
from support.mailing import PostOffice


@pytest.fixture
def post(ledger: Engine) -> PostOffice:
    """Two people of one unit who are told by e-mail, on either kind of database."""
    made = PostOffice(ledger)
    made.let_in("hoa")
    made.let_in("nam")
    return made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    """A mail server on this machine that asks for nothing."""
    with mail_server(tmp_path / "box") as running:
        yield running
