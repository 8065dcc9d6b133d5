"""Whom a person of the console sends for, and how far, is what their roles give: no more than a program has."""

import pytest

from router.intake.rights import ByRole
from router.ledger.people.persons import PersonRole
from router.ledger.people.senders import sender_of
from router.pages.people import Person, RoleGrant
from schemas.accounts import Role, parse_account
from schemas.rights import DEFAULTS, Rights

ISSUER, ADMIN, OPERATOR = PersonRole.ISSUER, PersonRole.ADMIN, PersonRole.OPERATOR
WHOLE, PART, NONE = DEFAULTS[Role.ISSUER], DEFAULTS[Role.GATEWAY], Rights(())


@pytest.mark.parametrize(
    ("grants", "unit", "rights"),
    [
        ([(ISSUER, "LCA.VP")], "LCA.VP", WHOLE),
        ([(ISSUER, "LCA.02.#")], "LCA.02.05", WHOLE),
        ([(ISSUER, "LCA.VP")], "LCA.02", NONE),
        ([(ADMIN, "LCA.#")], "LCA.VP", WHOLE),
        ([(ADMIN, "LCA.02.#")], "LCA.02.05", PART),
        ([(ADMIN, "LCA.02.#"), (ISSUER, "LCA.02")], "LCA.02", WHOLE),
        ([(ADMIN, "LCA.02.#"), (ISSUER, "LCA.02")], "LCA.02.05", PART),
        ([(OPERATOR, "LCA.#"), (PersonRole.VIEWER, "LCA.#"), (PersonRole.AUDITOR, "LCA.#")], "LCA.VP", NONE),
        ([], "LCA.VP", NONE),
    ],
)
async def test_a_person_sends_as_far_as_their_roles_reach(
    grants: list[tuple[PersonRole, str]], unit: str, rights: Rights
) -> None:
    person = Person("hoa", tuple(RoleGrant(role, pattern) for role, pattern in grants))
    sender = sender_of(person, unit)
    assert await ByRole().of(sender) == rights
    assert sender.stands_for(unit) is (rights is not NONE)
    assert not sender.stands_for("YBA")


def test_no_programs_account_has_the_name_of_a_person() -> None:
    name = sender_of(Person("lca", (RoleGrant(ISSUER, "LCA.VP"),)), "LCA.VP").name
    assert name == "person:lca"
    with pytest.raises(ValueError, match="is not an account name"):
        parse_account(name.upper().replace("PERSON", "person"))
