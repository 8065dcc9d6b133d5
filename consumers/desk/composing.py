"""Soạn văn bản đi: the form that writes a document, the tree that addressees are picked from, the plan beside it."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import Connection

from consumers.asking.told import told
from consumers.desk.access import DeskViewer, Drafting, Parts
from consumers.desk.asking import Say, ask, level_below, nodes_of, plan_of, units_named
from consumers.desk.pages import environment_of, link, page
from consumers.desk.services import DeskServices
from consumers.desk.typed import TypedDraft
from consumers.reading.handling import looked_at
from consumers.reading.inbox import descriptor_of
from consumers.spool import book_entries, desk_letters, drafts, letter_forms
from consumers.spool.drafts import Draft, DraftFile
from consumers.spool.people import DeskRight
from consumers.spool.questions import QuestionKind
from consumers.spool.units import names_of
from router.pages.brought import Fields
from router.pages.language import translations
from router.pages.letters import faults_by_field
from router.pages.preferences import Preferences
from router.pages.rendering import part
from router.pages.sending import NodePage, SendingForm
from schemas.accounts import Role
from schemas.codes import MAX_CODE_LENGTH
from schemas.dispatch import Secrecy
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import Id, new_id
from schemas.rights import DEFAULTS

_SEE_OTHER = 303
_MOST_BYTES = 10**15
_VERSION_DIGITS = 10
PLACE = "/outgoing"
router = APIRouter(prefix=PLACE)
Below = Annotated[str, Query(alias="of", max_length=MAX_CODE_LENGTH)]
After = Annotated[str, Query(max_length=MAX_CODE_LENGTH)]
Find = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True)
class ComposedDraft:
    """A document as it stands in the form.

    Attributes:
        typed: its fields.
        draft: as it was saved; None: it is new.
        files: those that it has.
        version: of the draft that its person has seen, which the form says when it comes back; 0: none yet.
        is_kept: the form came with files, and the draft has them now.
        is_sent: somebody else has sent it.
        yours: what came, where somebody else had saved it otherwise and that stands in the form.
        problems: what is wrong.
        problem: what is wrong with it as a whole, as a message to be translated.
        plan: what the router says of it.
        waits: the router was asked for the plan.
        tree: what is shown of it; None: the topmost level.
    """

    typed: TypedDraft
    draft: Draft | None = None
    files: Sequence[DraftFile] = ()
    version: int = 0
    is_kept: bool = False
    is_sent: bool = False
    yours: TypedDraft | None = None
    problems: Sequence[FieldProblem] = ()
    problem: str = ""
    plan: Mapping[str, Any] | None = None
    waits: bool = False
    tree: NodePage | None = None


@router.get("/new")
async def show_new(
    *,
    request: Request,
    services: Parts,
    viewer: Drafting,
    unit: Annotated[str, Query(max_length=MAX_CODE_LENGTH)] = "",
    answers: Annotated[Id | None, Query()] = None,
    below: Below = "",
    find: Find = "",
) -> Response:
    """The empty form, with the next number of the outgoing book; or begun as an answer to what came."""
    if answers is None:
        typed = await services.look(lambda conn: _begun(conn, services, viewer, unit))
    else:
        typed = await _answering(services, viewer, answers)
    tree = await tree_of(request, services, below, find)
    return await compose_page(request, services, viewer, ComposedDraft(typed, tree=tree))


@router.get("/drafts/{draft_id}")
async def show_draft(
    *, request: Request, services: Parts, viewer: Drafting, draft_id: str, below: Below = "", find: Find = ""
) -> Response:
    """A document that was saved; one that was sent since is shown as that."""
    units = viewer.units(DeskRight.DRAFT)

    def read(conn: Connection) -> tuple[Draft, list[DraftFile]] | None:
        if desk_letters.is_known(conn, draft_id):
            desk_letters.get(conn, draft_id, viewer.units())  # or it is not there, either
            return None
        found = drafts.get(conn, draft_id, units)
        return found, drafts.files(conn, found.pos)

    found = await services.look(read)
    if found is None:
        return RedirectResponse(link(f"{PLACE}/{draft_id}"), _SEE_OTHER)
    draft, files = found
    tree = await tree_of(request, services, below, find)
    composed = ComposedDraft(TypedDraft.of_draft(draft), draft, files, draft.version, tree=tree)
    return await compose_page(request, services, viewer, composed)


@router.get("/units")
async def show_units(
    *, request: Request, services: Parts, viewer: Drafting, below: Below = "", after: After = "", find: Find = ""
) -> Response:
    """A branch of the tree, as far as the router has said it."""
    del viewer  # that they may write is all that matters
    nodes = await tree_of(request, services, below, find, after)
    macro = "rows" if after else "branch"
    return _part(request, services, "sending.html", macro, link(f"{PLACE}/units"), link(f"{PLACE}/new"), nodes)


@router.post("/plan")
async def show_plan(request: Request, services: Parts, viewer: Drafting) -> Response:
    """Whom the document would reach and when: as the router said it last, else asked now."""
    form = await request.form()
    fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
    composed = await _planned(services, TypedDraft.of(fields), _bytes_in(fields))
    if "hx-request" not in request.headers:
        units = viewer.units(DeskRight.DRAFT)
        composed = replace(composed, version=version_of(fields))
        composed = await services.look(lambda conn: with_saved(conn, composed, units))
        return await compose_page(request, services, viewer, composed)
    if composed.waits and composed.plan is None:
        return _part(request, services, "outgoing_parts.html", "plan_waits")
    faults = faults_by_field(composed.problems, say_of(request))
    return _part(request, services, "sending.html", "plan", composed.plan, faults)


async def compose_page(
    request: Request, services: DeskServices, viewer: DeskViewer, composed: ComposedDraft, *, status: int = 200
) -> Response:
    """The form with what stands in it."""
    typed, units = composed.typed, viewer.units(DeskRight.DRAFT)

    def read(conn: Connection) -> dict[str, Any]:
        key = typed.book(services.today) if units.sees(typed.issuer, secret=typed.is_secret) else None
        entry = desk_letters.get(conn, composed.draft.mends, units) if composed.draft and composed.draft.mends else None
        return {
            "names": names_of(conn, units),
            "next": key and book_entries.next_number(conn, key),
            "reserved": key and book_entries.reserved_numbers(conn, key),
            "mended": entry,
        }

    found = await services.look(read)
    where = link(f"{PLACE}/drafts/{composed.draft.id}" if composed.draft else f"{PLACE}/new")
    form = SendingForm(
        page=where,
        action=link(f"{PLACE}/send"),
        plan_at=link(f"{PLACE}/plan"),
        units_at=link(f"{PLACE}/units"),
        csrf=viewer.csrf,
        typed=typed,
        issuers=[(code, found["names"].get(code, "")) for code in units],
        tree=composed.tree or await tree_of(request, services),
        most_bytes=services.most_file_bytes,
        faults=faults_by_field(composed.problems, say_of(request)),
        plan=composed.plan,
        is_new=composed.draft is None and not composed.problems and not composed.problem and not typed.answers,
        sends=viewer.may(DeskRight.REGISTER, typed.issuer) or (not typed.issuer and viewer.may(DeskRight.REGISTER)),
        secrecies=tuple(Secrecy) if units.secret else (Secrecy.NONE,),
        saves=True,
        is_kept=composed.is_kept,
    )
    return page(request, viewer, "compose.html", status=status, form=form, composed=composed, **found)


async def tree_of(
    request: Request, services: DeskServices, below: str = "", find: str = "", after: str = ""
) -> NodePage:
    """A level of the tree, or what was found; where it is not known yet, it says where to ask again."""
    question = units_named(find, after) if find.strip() else level_below(below, after)
    answer = await ask(services, question)
    nodes = nodes_of(answer, say_of(request), find=find, is_top=not below and not after)
    if nodes is not None:
        return nodes
    asked = urlencode({name: value for name, value in {"of": below, "after": after, "find": find}.items() if value})
    return NodePage((), find=find, again=link(f"{PLACE}/units") + (f"?{asked}" if asked else ""))


def with_saved(conn: Connection, composed: ComposedDraft, units: Collection[str]) -> ComposedDraft:
    """A form that came, with the files of its draft; its words and the version that its person has seen stay.

    Raises:
        UnknownDraftError: it is of a unit that the person does not write for.
    """
    if drafts.find(conn, composed.typed.once) is None:
        return composed
    draft = drafts.get(conn, composed.typed.once, units)
    return replace(composed, draft=draft, files=drafts.files(conn, draft.pos))


def version_of(fields: Fields) -> int:
    """The version of the draft that a form says its person has seen."""
    said = (fields.get("version") or ["0"])[-1]
    return int(said) if said.isascii() and said.isdecimal() and len(said) < _VERSION_DIGITS else 0


def say_of(request: Request) -> Say:
    """Translates into the language of the page."""
    return translations(Preferences.of(request.cookies).language).gettext


def _begun(
    conn: Connection, services: DeskServices, viewer: DeskViewer, unit: str, *, secrecy: Secrecy = Secrecy.NONE
) -> TypedDraft:
    units = list(viewer.units(DeskRight.DRAFT))
    issuer = unit if unit in units else units[0]
    form = letter_forms.get(conn, issuer)
    typed = TypedDraft(
        once=new_id(),
        issuer=issuer,
        secrecy=secrecy.value,
        type="công văn",
        issued_on=services.today.isoformat(),
        place=form.place,
        keeper=form.keeper,
        copies="1",
    )
    return typed.numbered(form, book_entries.next_number(conn, typed.book(services.today)))


async def _answering(services: DeskServices, viewer: DeskViewer, delivery_id: str) -> TypedDraft:
    """The form as it answers a document: as secret as that, and at most as urgent as gateways may send."""
    units = viewer.units(DeskRight.DRAFT)
    entry, _, _ = await services.look(lambda conn: looked_at(conn, delivery_id, units))
    letter = await asyncio.to_thread(descriptor_of, services.spool, delivery_id)
    begun = await services.look(lambda conn: _begun(conn, services, viewer, entry.unit, secrecy=letter.secrecy))
    answered = f"V/v trả lời {letter.type} số {letter.notation}: {letter.subject}"
    return replace(
        begun,
        subject=answered[:500],
        addressees=(letter.issuer,),
        refers_to=(entry.dispatch_id,),
        answers=delivery_id,
        completes="true" if letter.due is not None else "",
        urgency=str(min(int(letter.urgency), DEFAULTS[Role.GATEWAY].max_urgency)),
    )


async def _planned(services: DeskServices, typed: TypedDraft, more_bytes: int) -> ComposedDraft:
    if not typed.addressees:
        return ComposedDraft(typed)
    try:
        answer = await ask(services, plan_of(typed.to_plan(services.zone), more_bytes))
    except InvalidError as error:
        return ComposedDraft(typed, problems=error.problems)
    if answer.problem and not answer.waits:
        return ComposedDraft(typed, problems=[FieldProblem("addressees", answer.problem)])
    return ComposedDraft(typed, plan=told(QuestionKind.PLAN, answer), waits=answer.waits)


def _bytes_in(fields: Fields) -> int:
    """The bytes of its files together, as the form says."""
    told_ = (fields.get("bytes") or ["0"])[-1]
    saved = (fields.get("saved_bytes") or ["0"])[-1]
    return sum(min(int(text[:15]), _MOST_BYTES) for text in (told_, saved) if text.isascii() and text.isdecimal())


def _part(request: Request, services: DeskServices, template: str, macro: str, *values: Any) -> Response:
    environment = environment_of(Preferences.of(request.cookies).language, services.calendar.zone)
    return part(request, environment, template, macro, *values)
