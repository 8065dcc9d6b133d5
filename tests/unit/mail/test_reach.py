"""What a notice reaches is asked of its person again: who sees all of it may be told, nobody else."""

from hypothesis import given
from hypothesis import strategies as st

from consumers.desk import mailing as at_desk
from consumers.spool.people import DeskRight, DeskRole, seen_by
from router.ledger.people.persons import PersonRole, Right, scope_of
from router.mail.notices import NoticeKind, Reach
from router.pages.people import Person, RoleGrant
from router.words import notices as at_router
from schemas.codes import includes

UNITS = ("LCA.02", "LCA.02.05", "LCA.02.06", "LCA.03")
PATTERNS = st.builds(str.__add__, st.sampled_from(UNITS), st.sampled_from(["", ".#"]))


def people(roles: type[DeskRole] | type[PersonRole]) -> st.SearchStrategy[Person]:
    granted = st.lists(st.builds(RoleGrant, st.sampled_from(list(roles)), PATTERNS), max_size=5)
    return granted.map(lambda grants: Person("hoa", tuple(grants)))


@given(people(DeskRole), people(DeskRole))
def test_a_desks_digest_reaches_whoever_sees_all_of_it_and_works_there(before: Person, now: Person) -> None:
    reach, seen = at_desk.reach_of(seen_by(before, UNITS)), seen_by(now, UNITS)
    sees = set(reach.units) <= set(seen.units) and set(reach.secrets) <= seen.secret
    works = bool(now.patterns(DeskRight.PROCESS))
    assert at_desk.may_be_told(now, at_desk.DIGEST.name, reach) is (sees and works)


@given(people(DeskRole), st.sampled_from([at_desk.ARRIVED, at_desk.TASK]), st.sampled_from(UNITS), st.booleans())
def test_of_a_desks_document_nobody_is_told_who_does_not_see_it(
    person: Person,
    kind: NoticeKind,
    unit: str,
    secret: bool,  # noqa: FBT001 - hypothesis gives them by place
) -> None:
    reach = Reach(units=(unit,), secrets=(unit,) if secret else ())
    told = at_desk.may_be_told(person, kind.name, reach)
    assert not told or seen_by(person, UNITS).sees(unit, secret=secret)


@given(people(PersonRole), people(PersonRole))
def test_a_routers_digest_reaches_whoever_acts_on_all_units_of_it(before: Person, now: Person) -> None:
    units, own = scope_of(before, Right.ACT).units, now.patterns(Right.ACT)
    acts = bool(own) and all(any(includes(pattern, unit) for pattern in own) for unit in units)
    # of his own reach somebody is always told: else a digest would be made anew without end
    assert not units or at_router.may_be_told(before, at_router.DIGEST.name, Reach(units=units))
    assert at_router.may_be_told(now, at_router.DIGEST.name, Reach(units=units)) is acts
