"""A person of the console as the intake knows who sends: for the units of their roles, within what these give."""

from dataclasses import KW_ONLY, dataclass

from router.ledger.people.persons import PersonRole, Right
from router.pages.people import Person
from schemas.accounts import Account, Role
from schemas.codes import covers, covers_whole
from schemas.rights import DEFAULTS, Rights


@dataclass(frozen=True, slots=True)
class PersonSender(Account):
    """Who sends. No program has such a name, as no account's role is called ``person``.

    Attributes:
        person: who it is, with the grants of now.
        rights: what they may send for the unit of :attr:`pattern`.
    """

    _: KW_ONLY
    person: Person
    rights: Rights

    @property
    def name(self) -> str:
        """As contents, allowances and keys know them."""
        return f"person:{self.person.name}"

    def stands_for(self, unit: str) -> bool:
        """Whether the person may send for a unit."""
        return self.person.may(Right.SEND, unit)


def sender_of(person: Person, issuer: str) -> PersonSender:
    """A person who sends for a unit.

    Whoever was made an issuer may do what an issuer's program may. An administrator of a part sends as far as a gateway
    of that part does: as with tokens, whoever administers a part lets nobody write to the whole.
    """
    granted = [grant for grant in person.grants if grant.role in Right.SEND.roles and covers(grant.pattern, issuer)]
    is_issuer = any(grant.role is PersonRole.ISSUER or covers_whole(grant.pattern) for grant in granted)
    rights = DEFAULTS[Role.ISSUER] if is_issuer else DEFAULTS[Role.GATEWAY] if granted else Rights(())
    return PersonSender(Role.ISSUER, issuer, person=person, rights=rights)
