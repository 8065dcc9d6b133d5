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
from router.words.incidents import IncidentCause, broker_away, contents_damaged
from router.words.notices import MAILING, RouterNotices
from schemas.office import office_terms

_MACHINE_CHARS = 60


def sender_of(
    settings: RouterSettings, engine: Engine, metrics: Metrics, troubles: Callable[[], Sequence[IncidentCause]]
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
        RouterNotices(office_terms().calendar, mail.digest_minute, pages, troubles),
        reading=partial(reading, engine),
        writing=partial(writing, engine),
        pages=pages,
        on_ended=metrics.mailed,
    )


def router_name(settings: RouterSettings) -> str:
    """How a router is called in incidents: one that is well must not end that of another on the same machine."""
    return f"{socket.gethostname()[:_MACHINE_CHARS]}:{settings.http_port}"


def troubles_of(settings: RouterSettings, session: Session, content: ContentStore) -> list[IncidentCause]:
    """What a router with this connection and this store knows of incidents by itself."""
    router, is_up = router_name(settings), session.state is SessionState.UP
    return [broker_away(router, is_up=is_up), contents_damaged(router, len(content.damaged()))]
