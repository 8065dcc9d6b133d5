"""A list of the organisation is looked at and then taken over: what was shown is what is done, or nothing is."""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from starlette.datastructures import FormData, UploadFile

from router.console.access import NO_REASON, Bringing, Parts, Viewer
from router.console.pages import page, preferences_of
from router.console.reads import change, look
from router.console.unit_acts import NO_DAY, typed_day
from router.directory import load_list
from router.directory.difference import Changed, Difference
from router.errors import DirectoryError
from router.faces import Services
from router.ledger import queries
from router.ledger.people.audit import MAX_REASON
from router.ledger.people.persons import Right
from router.ledger.units.unit_import import ListOutdatedError, NewList, foresee, import_list
from router.ledger.units.unit_list import list_units
from router.pages.faults import Fault, fault_of
from router.pages.language import N_, translations
from router.rules.schedule import is_reachable
from schemas.errors import FieldProblem
from schemas.text import OneLine, safe_file_name

MAX_LIST_BYTES = 750_000
"""A list of some 10,000 units; a longer one is imported on the router's machine."""
MOST_SHOWN = 200
"""Units of a kind, and faults, that a page shows; all of them are counted."""
_UNPROCESSABLE = 422
_MAX_NAME = 1000
_NO_FILE = N_("Choose a file; one that was chosen before has to be chosen again.")
_TOO_LARGE = N_("The file is too large for a page; divide it, or have it imported on the router's machine.")
_LOST = N_("The list did not come back as it was shown; choose the file again.")
_MEANWHILE = N_("The organisation has changed meanwhile. This is what the list would change now; nothing was done yet.")
_FAULTY = N_("The list cannot be taken over as it is; nothing of it was.")
router = APIRouter()


class _Sent(BaseModel):
    """What either form says besides a file."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    day: Annotated[str, Field(max_length=10)] = ""
    reason: Annotated[OneLine, Field(max_length=MAX_REASON)] = ""
    name: Annotated[str, Field(max_length=_MAX_NAME)] = ""
    kept: str = ""
    seal: Annotated[str, Field(max_length=64)] = ""


@dataclass(frozen=True, slots=True)
class _SubmittedList:
    """A list as it came: its bytes under its name, and what else was typed."""

    name: str
    data: bytes
    last_day: date | None
    typed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Looked:
    """What a list would change, and how much waits for units that it retires, or whose line it gives or takes."""

    found: Difference
    undelivered: Mapping[str, int]


class _ProblemError(Exception):
    """A form that cannot be done; its text is what the page says."""


@router.get("/units/import")
async def show_form(request: Request, viewer: Bringing) -> Response:
    """The form that brings a list."""
    return _page(request, viewer)


@router.post("/units/import")
async def show_difference(request: Request, services: Parts, viewer: Bringing) -> Response:
    """What a list would change; nothing is done."""
    form = await request.form()
    sent = _sent(form)
    typed = {"day": sent.day, "reason": sent.reason}
    try:
        brought = _SubmittedList(*await _file_of(form), _day(sent.day), typed)
        return await _show(request, services, viewer, brought)
    except _ProblemError as error:
        return _page(request, viewer, problem=str(error), typed=typed)
    except DirectoryError as error:
        return _page(request, viewer, problem=_FAULTY, typed=typed, faults=error.problems)
    finally:
        await form.close()


@router.post("/units/import/apply")
async def take_over(request: Request, services: Parts, viewer: Bringing) -> Response:
    """Do what was shown; when it would do something else by now, that is shown instead."""
    sent = _sent(await request.form())
    typed = {"day": sent.day, "reason": sent.reason}
    try:
        brought = _SubmittedList(safe_file_name(sent.name), _unpack(sent.kept), _day(sent.day), typed)
        if not sent.reason:
            return await _show(request, services, viewer, brought, problem=NO_REASON)
        by = viewer.by(sent.reason)
        new = await look(services, lambda conn: _loaded(conn, viewer, brought))
        done = await change(services, lambda conn: import_list(conn, new, by, seal=sent.seal or "none was shown"))
    except _ProblemError as error:
        return _page(request, viewer, problem=str(error), typed=typed)
    except ListOutdatedError:
        return await _show(request, services, viewer, brought, problem=_MEANWHILE)
    except DirectoryError as error:
        return _page(request, viewer, problem=_FAULTY, typed=typed, faults=error.problems)
    return _page(request, viewer, done=done, name=brought.name)


def _sent(form: FormData) -> _Sent:
    try:
        return _Sent.model_validate({name: value for name, value in form.items() if isinstance(value, str)})
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


async def _file_of(form: FormData) -> tuple[str, bytes]:
    """The name and the bytes of the file that was chosen.

    Raises:
        _ProblemError: there is none, or it is too large.
    """
    file = form.get("list")
    if not isinstance(file, UploadFile) or not file.filename:
        raise _ProblemError(_NO_FILE)
    data = await file.read(MAX_LIST_BYTES + 1)
    if len(data) > MAX_LIST_BYTES:
        raise _ProblemError(_TOO_LARGE)
    return safe_file_name(file.filename), data


def _day(text: str) -> date | None:
    day = typed_day(text)
    if text and day is None:
        raise _ProblemError(NO_DAY)
    return day


def _pack(data: bytes) -> str:
    """A list as one field of the form that confirms it; nothing of it is kept on the server."""
    return urlsafe_b64encode(zlib.compress(data)).decode()


def _unpack(text: str) -> bytes:
    """What :func:`_pack` packed; no more than a list is unpacked, whatever it holds.

    Raises:
        _ProblemError: it is nothing of ours.
    """
    try:
        reader = zlib.decompressobj()
        data = reader.decompress(urlsafe_b64decode(text), MAX_LIST_BYTES)
    except (zlib.error, binascii.Error, ValueError) as error:
        raise _ProblemError(_LOST) from error
    if not reader.eof:
        raise _ProblemError(_LOST)
    return data


def _loaded(conn: Connection, viewer: Viewer, brought: _SubmittedList) -> NewList:
    """The list, checked against what is there; a line of a unit that is not the person's is wrong."""
    own = viewer.person.patterns(Right.ADMINISTER)
    units = load_list(brought.name, brought.data, beside=list_units(conn), own=own)
    return NewList(brought.name, units, brought.last_day, own)


async def _show(
    request: Request, services: Services, viewer: Viewer, brought: _SubmittedList, *, problem: str = ""
) -> Response:
    def query(conn: Connection) -> _Looked:
        found = foresee(conn, _loaded(conn, viewer, brought))
        concerned = [item.code for item in (*found.retired, *filter(_line_changes, found.changed))]
        return _Looked(found, queries.undelivered_of(conn, concerned))

    looked = await look(services, query)
    return _page(
        request,
        viewer,
        problem=problem,
        typed=brought.typed,
        looked=looked,
        name=brought.name,
        kept=_pack(brought.data),
        last_day=brought.last_day,
        is_past=brought.last_day is not None and brought.last_day < services.organisation.today,
    )


def _line_changes(item: Changed) -> bool:
    return is_reachable(item.before.link.value) != is_reachable(item.after.link.value)


def _page(
    request: Request,
    viewer: Viewer,
    *,
    problem: str = "",
    faults: Sequence[FieldProblem] = (),
    typed: Mapping[str, str] | None = None,
    **shown: Any,
) -> Response:
    say = translations(preferences_of(request).language).gettext
    told: list[Fault] = [fault_of(item, say) for item in faults[:MOST_SHOWN]]
    return page(
        request,
        viewer,
        "units_import.html",
        status=_UNPROCESSABLE if problem else 200,
        problem=problem,
        faults=told,
        more_faults=len(faults) - len(told),
        typed={"day": "", "reason": ""} | dict(typed or {}),
        most=MOST_SHOWN,
        is_part=viewer.sees_part,
        own=viewer.person.patterns(Right.ADMINISTER),
        is_reachable=is_reachable,
        **({"looked": None, "done": None, "name": "", "kept": "", "last_day": None, "is_past": False} | shown),
    )
