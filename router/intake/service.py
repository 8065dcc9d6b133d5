"""Accepts a submission: checks it, expands its addressees, encodes what will travel, and commits all of it at once."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol, TypeVar

import structlog

from router.content import ContentStore
from router.content.encoding import Encoder
from router.content.possession import Possession
from router.directory import Directory, Recall, Resolution, resolve, resolve_recall
from router.errors import (
    AddressingError,
    ForbiddenIssuerError,
    LedgerUnavailableError,
    MalformedError,
    RefusedError,
    RouterError,
    SecrecyRefusedError,
    UnknownAttachmentError,
)
from router.intake.rights import ByRole, RightsOf, judge
from router.ledger.people.audit import By
from router.ledger.way import acceptance, recalls
from router.ledger.way.acceptance import NewDispatch, RepeatCheck
from router.ledger.writer import Writer
from router.planning.draft import take_over
from schemas.accounts import Account, Role
from schemas.attachment import PLAIN, Attachment, Forms, TravellingAttachment, content_digest
from schemas.clock import now_ms, to_ms
from schemas.descriptor import MAX_DESCRIPTOR_BYTES, Descriptor, encode, fits, full_descriptor, stub, travelling
from schemas.dispatch import Accepted, Kind, Secrecy, Submission, Urgency
from schemas.errors import AddressingError as RuleError
from schemas.errors import FieldProblem
from schemas.events import Event
from schemas.ids import new_id
from schemas.keys import read_key
from schemas.rights import Rights
from schemas.trace import child_of
from schemas.unit import Unit

T = TypeVar("T")
log = structlog.get_logger()
_SERVER_ERROR = 500
_ANSWER_WITHIN = 30.0
_INLINE_OVERHEAD = 16
"""Bytes of JSON around an inline attachment's base64."""
_KNOWN_RESOLUTIONS = 256


class Directories(Protocol):
    """Where the intake finds the organisation as it is now."""

    @property
    def directory(self) -> Directory:
        """The present snapshot."""
        ...

    @property
    def today(self) -> date:
        """The day on which a unit has to exist."""
        ...


@dataclass(frozen=True, slots=True)
class _Request:
    """Who submits, under which of their keys, in which trace; of a person, who it is and why."""

    sender: Account
    key: str
    traceparent: str = ""
    by: By | None = None


class Intake:
    """The function all doors call.

    Args:
        writer: the ledger's group commit.
        content: where attachments lie.
        possession: who may name which.
        encoder: makes the forms in which they travel.
        directories: holds the present directory.
        wake: called after a commit, so that the relay looks at once.
        allow_secrecy: take classified dispatches.
        rights: knows what accounts may send; when not given, what their roles give.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        content: ContentStore,
        possession: Possession,
        encoder: Encoder,
        directories: Directories,
        wake: Callable[[], None] = lambda: None,
        allow_secrecy: bool = False,
        rights: RightsOf | None = None,
    ) -> None:
        self._writer = writer
        self._content = content
        self._possession = possession
        self._encoder = encoder
        self._directories = directories
        self._wake = wake
        self._allow_secrecy = allow_secrecy
        self._rights = rights or ByRole()
        self._resolutions: dict[tuple[str, ...], tuple[Directory, date, Resolution]] = {}

    async def accept(
        self,
        submission: Submission,
        *,
        sender: Account,
        idempotency_key: str,
        traceparent: str = "",
        by: By | None = None,
    ) -> Accepted:
        """Accept a submission, once: the same key with the same content gives the same id.

        Returns after the commit. The attachments' bytes have to be in the content store before. What was accepted once
        is answered as it was then, whatever has changed since: units, contents, rules. The key is looked for when all
        is in order, which costs a submission nothing, and before it is refused. What a person sends (``by``) is in the
        audit log, in the same commit.

        Raises:
            RouterError: what is wrong, where, and how to mend it; nothing was kept then.
        """
        request = _Request(sender, _key_of(idempotency_key), traceparent, by)
        try:
            new = await self._made_ready(submission, request, self._content)
        except RouterError as error:
            before = await self._told_before(submission, request) if error.status < _SERVER_ERROR else None
            if before is None:
                raise
            return before
        accepted = await self._commit(new)
        self._wake()
        log.info(
            Event.DISPATCH_ACCEPTED,
            dispatch_id=accepted.id,
            issuer=submission.issuer,
            addressees=accepted.addressees,
            duplicate=accepted.duplicate,
            traceparent=new.traceparent,
        )
        return accepted

    async def rehearse(self, submission: Submission, *, sender: Account, content: ContentStore) -> NewDispatch:
        """What :meth:`accept` would commit; nothing is kept.

        Args:
            submission: as for :meth:`accept`.
            sender: who would send it.
            content: where its files are, and where what belongs to it is put; the caller removes it.

        Raises:
            RouterError: as :meth:`accept`.
        """
        return await self._made_ready(submission, _Request(sender, "rehearsal"), content)

    async def _made_ready(self, submission: Submission, request: _Request, content: ContentStore) -> NewDispatch:
        sender = request.sender
        self._check(submission, sender)
        files = submission.attachments
        await self._possession.require(sender, submission.issuer, files, store=self._content, own=content)
        if content is not self._content:
            await asyncio.to_thread(take_over, content, self._content, [file.sha256 for file in files])
        reached = await self._reached_by(submission)
        rights = await self.rights_of(sender)
        if sender.role is not Role.OPERATOR or content is self._content:  # an account that sends nothing may look
            judge(sender, rights, submission, [unit.code for unit in reached.units])
        return await self._prepare(submission, reached, request, content, rights)

    async def _reached_by(self, submission: Submission) -> Recall:
        """Whom a submission goes to; a recall goes to those who got what it recalls."""
        had: frozenset[str] = frozenset()
        if submission.kind is Kind.RECALL:
            had = await self._answered(self._writer.run(recalls.addressed, submission.refers_to))
        if not had:
            rules = submission.addressees
            resolution = self._known_resolution(rules)
            if resolution is None:
                resolution = await asyncio.to_thread(self.resolve, rules)
            units = resolution.included
            return Recall(tuple(unit.code for unit in units), frozenset(), units)
        directory, day = self._directories.directory, self._directories.today
        try:
            return await asyncio.to_thread(resolve_recall, directory, submission.addressees, day, had)
        except RuleError as error:
            raise AddressingError(str(error), problems=[FieldProblem("addressees", str(error))]) from error

    def resolve(self, rules: tuple[str, ...]) -> Resolution:
        """Who would be addressed today, who not, and why: the dry run. A second for a whole country: blocks.

        Raises:
            AddressingError: a rule cannot be read, or nobody is reached.
        """
        directory, day = self._directories.directory, self._directories.today
        known = self._known_resolution(rules)
        if known is not None:
            return known
        try:
            resolution = resolve(directory, rules, day)
        except RuleError as error:
            raise AddressingError(
                str(error), problems=error.problems or [FieldProblem("addressees", str(error))]
            ) from error
        if not resolution.included:
            raise AddressingError("the rules reach no unit", problems=[FieldProblem("addressees", "reach no unit")])
        if len(self._resolutions) >= _KNOWN_RESOLUTIONS:
            self._resolutions.clear()
        self._resolutions[rules] = (directory, day, resolution)
        return resolution

    def _known_resolution(self, rules: tuple[str, ...]) -> Resolution | None:
        """What the same rules came to with the same directory, on the same day."""
        known = self._resolutions.get(rules)
        directory, day = self._directories.directory, self._directories.today
        return known[2] if known is not None and known[0] is directory and known[1] == day else None

    async def rights_of(self, account: Account) -> Rights:
        """What an account may send.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
        """
        return await self._rights.of(account)

    def _check(self, submission: Submission, sender: Account) -> None:
        if not sender.stands_for(submission.issuer):
            raise ForbiddenIssuerError(f"{sender.name} may not send for {submission.issuer}")
        if submission.issuer not in self._directories.directory:
            raise RefusedError(
                f"there is no unit {submission.issuer} in the directory",
                hint="an administrator adds it with `congvan units import`",
                problems=[FieldProblem("issuer", "is not in the directory", submission.issuer)],
            )
        if submission.urgency is Urgency.EXPRESS_TIMED and submission.due and to_ms(submission.due) < now_ms():
            passed = FieldProblem(
                "due", "has passed; with urgency 4 the document has to be there by then", str(submission.due)
            )
            raise RefusedError("the time by which it has to be there has passed", problems=[passed])
        if submission.secrecy is not Secrecy.NONE and not self._allow_secrecy:
            raise SecrecyRefusedError(f"the dispatch is {submission.secrecy.value}")

    async def _prepare(
        self,
        submission: Submission,
        reached: Recall,
        request: _Request,
        content: ContentStore,
        rights: Rights,
    ) -> NewDispatch:
        dispatch_id, units = new_id(), reached.units
        forms = await self._forms_of(submission, units, content)
        body, record = await self._encode(full_descriptor(dispatch_id, submission, forms), content)
        submission_json, sha256 = _canonical(submission)
        return NewDispatch(
            id=dispatch_id,
            submission=submission,
            units=units,
            account=request.sender.name,
            idempotency_key=request.key,
            submission_json=submission_json,
            submission_sha256=sha256,
            body=body,
            content_sha256=content_digest(submission.attachments),
            forms=forms,
            record=record,
            traceparent=child_of(request.traceparent),
            accepted_at=now_ms(),
            called_back=reached.called_back,
            gone=reached.gone,
            rights=rights,
            by=request.by,
        )

    async def _forms_of(
        self, submission: Submission, units: Sequence[Unit], content: ContentStore
    ) -> Mapping[str, Forms]:
        """The forms of the attachments; of a classified dispatch none, and it is nobody's dictionary."""
        if submission.secrecy is not Secrecy.NONE:
            return {}
        codes = [unit.code for unit in units]
        return await self._encoder.forms_of(submission.issuer, submission.attachments, codes, store=content)

    async def _encode(self, descriptor: Descriptor, content: ContentStore) -> tuple[bytes, TravellingAttachment | None]:
        """The body that travels; when the letter is too long for a message, the content that holds it whole."""
        body = encode(descriptor)
        if fits(body):
            if not descriptor.attachments:
                return body, None
            return await asyncio.to_thread(_with_small_files, descriptor, body, content), None
        stored = await content.put(body)
        plain = Attachment(name="record.json", media_type="application/json", size=stored.size, sha256=stored.sha256)
        record = travelling(plain, await self._encoder.forms_of_record(plain, store=content))
        return encode(stub(descriptor, record)), record

    async def _commit(self, new: NewDispatch) -> Accepted:
        change = self._writer.run(acceptance.accept, new, weight=len(new.units), patient=False)
        return await self._answered(change)

    async def _told_before(self, submission: Submission, request: _Request) -> Accepted | None:
        """What this very submission was answered before; None: it never came.

        Raises:
            ConflictError: the key came with another submission.
        """
        question = RepeatCheck(request.sender.name, request.key, submission, _canonical(submission)[1])
        return await self._answered(self._writer.run(acceptance.told_before, question, patient=False))

    async def _answered(self, change: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                return await change
        except TimeoutError:
            raise LedgerUnavailableError(f"the ledger did not answer within {_ANSWER_WITHIN:.0f} s") from None


def _key_of(text: str) -> str:
    try:
        return read_key(text)
    except ValueError as error:
        raise MalformedError(str(error)) from None


def _canonical(submission: Submission) -> tuple[bytes, str]:
    """A submission as JSON, and its SHA-256."""
    text = submission.model_dump_json().encode()
    return text, hashlib.sha256(text).hexdigest()


def _with_small_files(descriptor: Descriptor, body: bytes, content: ContentStore) -> bytes:
    """The body with those attachments inside that fit, the smallest first. Blocks."""
    room = MAX_DESCRIPTOR_BYTES - len(body)
    inside: dict[str, TravellingAttachment] = {}
    for file in sorted(descriptor.attachments, key=lambda item: item.size):
        cost = -(-file.size // 3) * 4 + _INLINE_OVERHEAD
        if cost > room:
            break
        data = content.read(file.sha256)
        if data is None:
            raise UnknownAttachmentError(f"{file.name}: {file.sha256} is not here any more")
        inside[file.name] = file.model_copy(update={"inline": data, **PLAIN.model_dump()})
        room -= cost
    if not inside:
        return body
    files = tuple(inside.get(file.name, file) for file in descriptor.attachments)
    return encode(descriptor.model_copy(update={"attachments": files}))
