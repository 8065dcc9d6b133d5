"""What people do about documents that are being written: save them, drop them, put right what was rejected.

A file is durable under a name of its own before the transaction that names it as a content; one that a kill leaves
unnamed is removed at the gateway's next start, as any content that nobody uses.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from consumers.errors import DocumentMovedError, DraftDroppedError, DraftSentError, UnknownDeliveryError
from consumers.fetching.content import DIRECTORY_NAME, files_of, remove_unused
from consumers.reading.handling import Acting, looked_at
from consumers.spool import Spool, desk_letters, drafts, journal
from consumers.spool.desk_letters import OutgoingLetter
from consumers.spool.drafts import Draft, DraftAuthor, DraftFile, DraftWords
from consumers.spool.journal import JournalAct
from consumers.spool.scope import UnitScope
from router.storage.files import sync_directory
from schemas.dispatch import Submission
from schemas.errors import FieldProblem, InvalidError, TransitionError
from schemas.model import parse
from schemas.stages import Stage


@dataclass(frozen=True, slots=True)
class SeenDraft:
    """A draft as a person was shown it; ``version`` 0: it begins, its id was made with the empty form."""

    id: str
    version: int


@dataclass(frozen=True, slots=True)
class BroughtFile:
    """A file that came whole to a place of its own, synced, and becomes a content of its hash."""

    file: DraftFile
    path: Path


def save_draft(
    spool: Spool,
    seen: SeenDraft,
    words: DraftWords,
    by: Acting,
    new: Sequence[BroughtFile] = (),
    *,
    keep: Collection[str] | None = None,
) -> tuple[Draft, list[DraftFile]] | None:
    """Keep what was typed and the files that came with it.

    Args:
        spool: an open spool.
        seen: the draft, as the person was shown it.
        words: what was typed.
        by: who writes, at which units.
        new: files, which lie among the contents afterwards.
        keep: of the files that it has, the names of those that stay; None: all.

    Returns:
        The draft as it is now, and its files; None: the person has sent it already, as by a second click.

    Raises:
        UnknownDraftError: it is of a unit that the person does not write for.
        DocumentMovedError: somebody changed it since it was shown, threw it away or sent it.
        InvalidError: there are too many drafts or files, it would be a state secret and the person sees none, or it
            answers what its unit has not got or they do not see.
        OSError: a file cannot be put among the contents.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        if _is_sent(conn, seen.id, by):
            return None
        as_seen(conn, seen, by.units)
        require_theirs(conn, words.unit, words.answers, by.units, secret=words.secret)
        drafts.save(conn, seen.id, words, DraftAuthor(by.card.login, by.card.full_name, by.at))
        now = drafts.get(conn, seen.id, by.units)
        free = drafts.add_files(conn, now.pos, [item.file for item in new], keep=keep)
        files = drafts.files(conn, now.pos)
        _keep(spool.path.parent / DIRECTORY_NAME, new)
    _release(spool, free)
    return now, files


def drop_draft(spool: Spool, seen: SeenDraft, by: Acting) -> None:
    """Remove a draft and its files.

    Raises:
        UnknownDraftError: there is none at a unit that the person writes for.
        DocumentMovedError: somebody changed it since it was shown.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        found = _unchanged(drafts.get(conn, seen.id, by.units), seen.version)
        free = drafts.drop(conn, found.pos)
        if found.mends:
            desk_letters.set_mended(conn, found.mends, None)
        subject = found.words.notation or found.words.subject or seen.id
        told = by.noted(JournalAct.DRAFT_DROPPED, found.words.unit, subject, secret=found.words.secret)
        journal.record(conn, told)
    _release(spool, free)


def mend(spool: Spool, outgoing_id: str, draft_id: str, words: DraftWords, by: Acting) -> str:
    """Make a draft of a document that was rejected, under the number that it has; the draft's id.

    Args:
        spool: an open spool.
        outgoing_id: the document.
        draft_id: for the draft; when there is one already, that one's is given.
        words: what the document says, as it is typed.
        by: who does it, at which units.

    Raises:
        UnknownDraftError: nothing was sent as this at a unit of the person.
        TransitionError: it was not rejected, or lies in the outbox's folder.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    with spool.writing() as conn:
        letter = desk_letters.get(conn, outgoing_id, by.units)
        if letter.stage is not Stage.REJECTED or letter.saying is None or letter.saying.recalls:
            raise TransitionError(f"{letter.document.notation} was not rejected, or was not sent at the desk")
        if letter.saying.mended_as:
            return letter.saying.mended_as
        author = DraftAuthor(by.card.login, by.card.full_name, by.at)
        drafts.save(conn, draft_id, words, author, mends=outgoing_id)
        made = drafts.get(conn, draft_id, by.units)
        drafts.add_files(conn, made.pos, _files_again(conn, letter))
        desk_letters.set_mended(conn, outgoing_id, draft_id)
        return draft_id


def require_theirs(conn: Connection, unit: str, answers: str, units: Collection[str], *, secret: bool) -> None:
    """Go on only with a letter that its person could read and that answers what they could read.

    Args:
        conn: a transaction that reads.
        unit: whose letter it is.
        answers: the delivery that it answers; empty: none.
        units: where the person may; a scope says where state secrets, too.
        secret: whether it is one.

    Raises:
        InvalidError: it is not so.
    """
    scope = UnitScope.of(units)
    if secret and unit in scope and not scope.sees(unit, secret=True):
        raise InvalidError("letter", [FieldProblem("secrecy", "is for those who are cleared for state secrets")])
    if answers:
        try:
            looked_at(conn, answers, scope.only(unit))
        except UnknownDeliveryError:
            raise InvalidError(
                "letter", [FieldProblem("answers", "is no document of the unit's that is here")]
            ) from None


def as_seen(conn: Connection, seen: SeenDraft, units: Collection[str]) -> Draft | None:
    """A draft as its person saw it; None: it begins.

    Raises:
        UnknownDraftError: it is of none of the units.
        DocumentMovedError: somebody changed it since.
        DraftDroppedError: somebody threw it away since: its files are gone, so nothing goes on without them unseen.
    """
    if drafts.find(conn, seen.id) is not None:
        return _unchanged(drafts.get(conn, seen.id, units), seen.version)
    if seen.version:
        raise DraftDroppedError("the draft was thrown away meanwhile by somebody else, with its files")
    return None


def _unchanged(found: Draft, version: int) -> Draft:
    if found.version != version:
        subject = found.words.notation or found.words.subject
        raise DocumentMovedError(f"{subject} was changed meanwhile by somebody else; look at it again")
    return found


def _is_sent(conn: Connection, draft_id: str, by: Acting) -> bool:
    """Whether the person has sent it.

    Raises:
        DraftSentError: somebody else has.
    """
    if not desk_letters.is_known(conn, draft_id):
        return False
    sent = desk_letters.get(conn, draft_id, by.units)
    if sent.saying is None or sent.saying.login != by.card.login:
        who = sent.saying.full_name if sent.saying else "the gateway"
        raise DraftSentError(f"{sent.document.notation} was sent meanwhile by {who}")
    return True


def _files_again(conn: Connection, letter: OutgoingLetter) -> list[DraftFile]:
    sent = parse(Submission, desk_letters.body_of(conn, letter.document.id), what="submission")
    return [DraftFile(file.name, file.media_type, file.sha256, file.size) for file in sent.attachments]


def _keep(contents: Path, new: Sequence[BroughtFile]) -> None:
    """Put files among the contents; durably, so that what a commit names is there. What lies there is what it is."""
    if new:
        contents.mkdir(mode=0o700, exist_ok=True)  # no gateway may have run here yet
    for item in new:
        os.replace(item.path, contents / item.file.sha256)  # noqa: PTH105 - atomic, whoever reads the old one goes on
    if new:
        sync_directory(contents)


def _release(spool: Spool, names: Collection[str]) -> None:
    """Remove contents that nobody uses any more."""
    if names:
        files = files_of(spool.path.parent / DIRECTORY_NAME, names)
        with spool.writing() as conn:
            remove_unused(conn, files)
