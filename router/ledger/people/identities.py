"""People's accounts at an identity provider: bound once by a verified e-mail address, known by their subject then.

Nobody comes in who was not invited. An address may be given to somebody else some day, a subject never is (OpenID
Connect Core 2): so the address is believed only until an account is bound.
"""

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from router.errors import NotFoundError, RefusedError
from router.ledger.models import person as table
from router.ledger.people.persons import PEOPLE
from router.mail.addresses import checked_address
from router.pages.people import Person

_NOBODY = "nobody was invited with this account at the identity provider"


def set_email(conn: Connection, name: str, email: str) -> None:
    """Let a person come in by the account that has an address; one that was bound before no longer is.

    Raises:
        ValueError: the text is no address.
        RefusedError: another person has it.
        UnknownPersonError: there is no such person.
    """
    address = checked_address(email)
    changed = update(table).where(table.c.name == name).values(email=address, identity=None)
    try:
        with conn.begin_nested():
            if not conn.execute(changed).rowcount:
                raise PEOPLE.unknown(name)
    except IntegrityError as error:
        raise RefusedError(f"{address} is another person's address", hint="give each their own") from error


def enter(conn: Connection, *, issuer: str, subject: str, email: str) -> Person:
    """The person whose account it is, when they may come in; binds an account that comes for the first time.

    Args:
        conn: a transaction that writes.
        issuer: the provider.
        subject: its name of the account, which never is another's.
        email: the address that the provider has verified; empty: none.

    Raises:
        NotFoundError: nobody was invited with it, or the person's access has ended.
    """
    identity = f"{issuer} {subject}"
    name = conn.scalar(select(table.c.name).where(table.c.identity == identity))
    if name is None:
        name = _bind(conn, identity, email)
    if name is None:
        raise NotFoundError(_NOBODY, hint="an administrator runs `congvan people invite NAME --email ADDRESS`")
    person = PEOPLE.find(conn, name)
    if person is None:
        raise NotFoundError(f"{name} has no access any more", hint="an administrator invites again")
    return person


def _bind(conn: Connection, identity: str, email: str) -> str | None:
    if not email:
        return None
    free = table.c.email == email, table.c.identity.is_(None), table.c.revoked_at.is_(None)
    name: str | None = conn.scalar(update(table).where(*free).values(identity=identity).returning(table.c.name))
    return name
