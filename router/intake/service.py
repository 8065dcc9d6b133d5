"""Accepts a submission: checks it, expands its addressees, encodes what will travel, and commits all of it at once."""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

import structlog

from router.content import ContentStore
from router.directory import Directory, Resolution, resolve
from router.encoding import Encoder
from router.errors import (
    AddressingError,
    ForbiddenIssuerError,
    LedgerUnavailableError,
    MalformedError,
    SecrecyRefusedError,
    UnknownAttachmentError,
)
from router.ledger import acceptance
from router.ledger.acceptance import NewDispatch
from router.ledger.writer import Writer
from schemas.accounts import Account
from schemas.attachment import PLAIN, Attachment, Forms, TravellingAttachment, content_digest
from schemas.clock import now_ms
from schemas.descriptor import MAX_DESCRIPTOR_BYTES, Descriptor, encode, fits, full_descriptor, stub, travelling
from schemas.dispatch import Accepted, Secrecy, Submission
from schemas.errors import AddressingError as RuleError
from schemas.errors import FieldProblem
from schemas.events import Event
from schemas.ids import new_id
from schemas.trace import child_of
from schemas.unit import Unit

log = structlog.get_logger()
MAX_KEY_LENGTH = 200
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


class Intake:
    """The function all doors call.

    Args:
        writer: the ledger's group commit.
        content: where attachments lie.
        encoder: makes the forms in which they travel.
        directories: holds the present directory.
        knock: called after a commit, so that the relay looks at once.
        allow_secrecy: take classified dispatches.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        content: ContentStore,
        encoder: Encoder,
        directories: Directories,
        knock: Callable[[], None] = lambda: None,
        allow_secrecy: bool = False,
    ) -> None:
        self._writer = writer
        self._content = content
        self._encoder = encoder
        self._directories = directories
        self._knock = knock
        self._allow_secrecy = allow_secrecy
        self._resolutions: dict[tuple[str, ...], tuple[Directory, date, Resolution]] = {}

    async def accept(
        self, submission: Submission, *, sender: Account, idempotency_key: str, traceparent: str = ""
    ) -> Accepted:
        """Accept a submission, once: the same key with the same content gives the same id.

        Returns after the commit. The attachments' bytes have to be in the content store before.

        Raises:
            RouterError: what is wrong, where, and how to mend it; nothing was kept then.
        """
        new = await self._made_ready(submission, sender, idempotency_key, traceparent, self._content)
        accepted = await self._commit(new)
        self._knock()
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
        return await self._made_ready(submission, sender, "rehearsal", "", content)

    async def _made_ready(
        self, submission: Submission, sender: Account, idempotency_key: str, traceparent: str, content: ContentStore
    ) -> NewDispatch:
        self._check(submission, sender, idempotency_key, content)
        units = self.resolve(submission.addressees).included
        return await self._prepare(submission, units, idempotency_key, traceparent, content)

    def resolve(self, rules: tuple[str, ...]) -> Resolution:
        """Who would be addressed today, who not, and why: the dry run.

        Raises:
            AddressingError: a rule cannot be read, or nobody is reached.
        """
        directory, day = self._directories.directory, self._directories.today
        known = self._resolutions.get(rules)
        if known is not None and known[0] is directory and known[1] == day:
            return known[2]
        try:
            resolution = resolve(directory, rules, day)
        except RuleError as error:
            raise AddressingError(str(error), problems=[FieldProblem("addressees", str(error))]) from error
        if not resolution.included:
            raise AddressingError("the rules reach no unit", problems=[FieldProblem("addressees", "reach no unit")])
        if len(self._resolutions) >= _KNOWN_RESOLUTIONS:
            self._resolutions.clear()
        self._resolutions[rules] = (directory, day, resolution)
        return resolution

    def _check(self, submission: Submission, sender: Account, idempotency_key: str, content: ContentStore) -> None:
        if not sender.stands_for(submission.issuer):
            raise ForbiddenIssuerError(f"{sender.name} may not send for {submission.issuer}")
        if submission.secrecy is not Secrecy.NONE and not self._allow_secrecy:
            raise SecrecyRefusedError(f"the dispatch is {submission.secrecy.value}")
        if not idempotency_key or len(idempotency_key) > MAX_KEY_LENGTH or not idempotency_key.isprintable():
            raise MalformedError(f"the idempotency key needs 1 to {MAX_KEY_LENGTH} printable characters")
        missing = [
            problem
            for index, file in enumerate(submission.attachments)
            if (problem := _problem_of(index, file, content)) is not None
        ]
        if missing:
            raise UnknownAttachmentError("; ".join(item.problem for item in missing), problems=missing)

    async def _prepare(
        self,
        submission: Submission,
        units: Sequence[Unit],
        idempotency_key: str,
        traceparent: str,
        content: ContentStore,
    ) -> NewDispatch:
        dispatch_id = new_id()
        forms = await self._forms_of(submission, units, content)
        body, record = await self._encode(full_descriptor(dispatch_id, submission, forms), content)
        submission_json = submission.model_dump_json().encode()
        return NewDispatch(
            id=dispatch_id,
            submission=submission,
            units=units,
            idempotency_key=idempotency_key,
            submission_json=submission_json,
            submission_sha256=hashlib.sha256(submission_json).hexdigest(),
            body=body,
            content_sha256=content_digest(submission.attachments),
            forms=forms,
            record=record,
            traceparent=child_of(traceparent),
            accepted_at=now_ms(),
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
            return _with_small_files(descriptor, body, content), None
        stored = await content.put(body)
        plain = Attachment(name="record.json", media_type="application/json", size=stored.size, sha256=stored.sha256)
        record = travelling(plain, await self._encoder.forms_of_record(plain, store=content))
        return encode(stub(descriptor, record)), record

    async def _commit(self, new: NewDispatch) -> Accepted:
        change = self._writer.run(acceptance.accept, new, weight=len(new.units), patient=False)
        try:
            return await asyncio.wait_for(change, _ANSWER_WITHIN)
        except TimeoutError:
            raise LedgerUnavailableError(f"the ledger did not answer within {_ANSWER_WITHIN:.0f} s") from None


def _problem_of(index: int, file: Attachment, content: ContentStore) -> FieldProblem | None:
    size = content.size(file.sha256)
    if size is None:
        return FieldProblem(f"attachments.{index}.sha256", f"{file.name}: {file.sha256} was not uploaded")
    if size != file.size:
        return FieldProblem(f"attachments.{index}.size", f"{file.name}: {size} bytes were uploaded, not {file.size}")
    return None


def _with_small_files(descriptor: Descriptor, body: bytes, content: ContentStore) -> bytes:
    """The body with those attachments inside that fit, the smallest first."""
    room = MAX_DESCRIPTOR_BYTES - len(body)
    inside: dict[str, TravellingAttachment] = {}
    for file in sorted(descriptor.attachments, key=lambda item: item.size):
        cost = -(-file.size // 3) * 4 + _INLINE_OVERHEAD
        if cost > room:
            break
        data = content.path(file.sha256).read_bytes()
        inside[file.name] = file.model_copy(update={"inline": data, **PLAIN.model_dump()})
        room -= cost
    if not inside:
        return body
    files = tuple(inside.get(file.name, file) for file in descriptor.attachments)
    return encode(descriptor.model_copy(update={"attachments": files}))
