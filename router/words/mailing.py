"""Makes the router's sender of notices, as the settings say."""

import socket
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Engine

from router.broker import Session, SessionState
from router.content import ContentStore
from router.ledger.engine import reading, writing
from router.mail.sender import MailSender
from router.mail.settings import MailSettings
from router.metrics import Metrics
from router.settings import RouterSettings
from router.words.incidents import Trouble, broker_away, contents_damaged
from router.words.notices import MAILING, RouterNotices
from schemas.office import office_calendar

_MACHINE_CHARS = 60


def sender_of(
    settings: RouterSettings, engine: Engine, metrics: Metrics, troubles: Callable[[], Sequence[Trouble]]
) -> MailSender | None:
    """What sends notices; None: there is no mail server.

    Args:
        settings: the router's.
        engine: the ledger.
        metrics: what is counted.
        troubles: what this router itself knows of incidents.
    """
    mail = MailSettings()
    if not mail.is_on:
        return None
    pages = f"{settings.public_url}/console" if settings.public_url else ""
    return MailSender(
        mail,
        MAILING,
        RouterNotices(office_calendar(), mail.digest_minute, pages, troubles),
        reading=partial(reading, engine),
        writing=partial(writing, engine),
        pages=pages,
        on_ended=metrics.mailed,
    )


def troubles_of(session: Session, content: ContentStore) -> list[Trouble]:
    """What a router with this connection and this store knows of incidents by itself."""
    machine = socket.gethostname()[:_MACHINE_CHARS]
    is_up = session.state is SessionState.UP
    return [broker_away(machine, is_up=is_up), contents_damaged(machine, len(content.damaged()))]
