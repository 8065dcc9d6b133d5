"""Whatever requests do to an upload, before its end and after: what was once answered as stored stays as it is."""

import hashlib
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from router.content import ContentStore
from router.content.uploads import Appender, UploadLimits, UploadStore
from router.content.uploads.records import Announced
from router.errors import NotFoundError, OffsetConflictError, TooLargeError, UploadExpiredError, UploadMismatchError
from support.rot import rot

ACCOUNTS = ("gateway:LCA.02.05", "issuer:LCA.VP:records")
CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (bytes(range(256)) * 4, b"b", b"")}
LIMITS = UploadLimits(largest=10_000, uploads=10, total=100_000, expire_after=1000.0)
REFUSALS = (NotFoundError, OffsetConflictError, TooLargeError, UploadExpiredError, UploadMismatchError)
accounts, names = st.sampled_from(ACCOUNTS), st.sampled_from(sorted(CONTENTS))


class Stored(RuleBasedStateMachine):
    """Two accounts that bring the same contents, with requests that come late, bring nothing, too much, or wrong bytes.

    A disk that rots, once in a while, is part of it: then the content is no more said to be there until it came again.
    """

    appenders = Bundle("appenders")

    @initialize()
    def begin(self) -> None:
        self.root = tempfile.TemporaryDirectory()
        self.content = ContentStore(Path(self.root.name), reserve_bytes=0)
        self.uploads = UploadStore(self.content, LIMITS)
        self.stored: set[str] = set()

    def teardown(self) -> None:
        self.root.cleanup()

    @rule(account=accounts, sha256=names, off_by=st.sampled_from((0, 0, 0, 1)))
    def announce(self, account: str, sha256: str, off_by: int) -> None:
        length = len(CONTENTS[sha256]) + off_by
        try:
            upload = self.uploads.announce(account, Announced(sha256=sha256, length=length, metadata=""))
        except UploadMismatchError:
            return
        self._answered(sha256, whole=upload.whole)

    @rule(account=accounts, sha256=names)
    def look(self, account: str, sha256: str) -> None:
        try:
            upload = self.uploads.look(account, sha256)
        except REFUSALS:
            return
        self._answered(sha256, whole=upload.whole)

    @rule(account=accounts, sha256=names)
    def terminate(self, account: str, sha256: str) -> None:
        try:
            self.uploads.terminate(account, sha256)
        except REFUSALS:
            return

    @rule(target=appenders, account=accounts, sha256=names)
    def request(self, account: str, sha256: str) -> object:
        try:
            offset = self.uploads.look(account, sha256).offset
            return self.uploads.go_on(account, sha256, offset)
        except REFUSALS:
            return multiple()

    @rule(appender=appenders, count=st.integers(0, 2000), wrong=st.sampled_from((False, False, False, True)))
    def bytes_come(self, appender: Appender, count: int, wrong: bool) -> None:  # noqa: FBT001 - drawn
        data = CONTENTS[appender.files.sha256][appender.position : appender.position + count]
        try:
            appender.append(bytes(len(data)) if wrong else data)
        except REFUSALS:
            return

    @rule(appender=appenders)
    def too_many_come(self, appender: Appender) -> None:
        try:
            appender.append(bytes(appender.length - appender.position + 1))
        except REFUSALS:
            return
        raise AssertionError("more bytes than announced were taken")

    @rule(appender=consumes(appenders), whole=st.booleans())
    def request_ends(self, appender: Appender, whole: bool) -> None:  # noqa: FBT001 - drawn
        if not whole:
            appender.close()
            return
        try:
            upload = self.uploads.settle(appender)
        except REFUSALS:
            return
        self._answered(appender.files.sha256, whole=upload.whole)

    @rule(sha256=names)
    def the_disk_rots(self, sha256: str) -> None:
        path = self.content.path(sha256)
        if path.exists() and path.stat().st_size:
            rot(path)
            self.content.verify(sha256)
            self.stored.discard(sha256)

    def _answered(self, sha256: str, *, whole: bool) -> None:
        if whole:
            self.stored.add(sha256)

    @invariant()
    def what_was_answered_as_stored_is_there_byte_for_byte(self) -> None:
        for sha256 in self.stored:
            assert self.content.path(sha256).read_bytes() == CONTENTS[sha256]

    @invariant()
    def what_lies_under_a_name_is_never_something_else(self) -> None:
        for sha256, data in CONTENTS.items():
            path = self.content.path(sha256)
            assert not path.exists() or path.read_bytes() == data
            assert not path.exists() or path.stat().st_mode & 0o777 == 0o440


TestStored = Stored.TestCase
TestStored.settings = settings(max_examples=60, stateful_step_count=40)
