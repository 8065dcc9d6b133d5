"""Unfinished uploads on a real disk: what is told is durable, what is whole is verified, what is left expires."""

import hashlib
import itertools
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from router.content import ContentStore, Verified
from router.content.uploads import Appender, UploadLimits, UploadStore
from router.content.uploads.records import Announced
from router.errors import (
    ContentFullError,
    NotFoundError,
    OffsetConflictError,
    TooLargeError,
    UploadExpiredError,
    UploadMismatchError,
    UploadQuotaError,
)

ACCOUNT, OTHER = "gateway:LCA.02.05", "issuer:LCA.VP:records"
DATA = bytes(range(256)) * 40
LIMITS = UploadLimits(largest=100_000, uploads=3, total=150_000, expire_after=1000.0)


class Clock:
    """Seconds since 1970, with what a test adds."""

    def __init__(self) -> None:
        self.later = 0.0

    def __call__(self) -> float:
        return time.time() + self.later


def announced(data: bytes = DATA, *, length: int | None = None) -> Announced:
    sha256 = hashlib.sha256(data).hexdigest()
    return Announced(sha256=sha256, length=len(data) if length is None else length, metadata="sha256 x")


SHA = announced().sha256


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path, reserve_bytes=0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads(content: ContentStore, clock: Clock) -> UploadStore:
    return UploadStore(content, LIMITS, clock=clock)


def bring(uploads: UploadStore, data: bytes, offset: int, *, account: str = ACCOUNT, sha256: str = SHA) -> int:
    appender = uploads.go_on(account, sha256, offset)
    appender.append(data)
    return uploads.settle(appender).offset


def test_what_came_in_pieces_is_content_under_its_hash(uploads: UploadStore, content: ContentStore) -> None:
    assert uploads.announce(ACCOUNT, announced()).offset == 0
    assert bring(uploads, DATA[:4000], 0) == 4000
    assert content.size(SHA) is None
    assert bring(uploads, DATA[4000:], 4000) == len(DATA)
    assert content.path(SHA).read_bytes() == DATA


def test_a_finished_upload_is_remembered_and_nothing_of_it_is_sent_again(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA, 0)
    assert uploads.look(ACCOUNT, SHA).whole
    assert uploads.announce(ACCOUNT, announced()).whole


def test_who_announces_again_finds_the_upload_where_it_was(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA[:4000], 0)
    assert uploads.announce(ACCOUNT, announced()).offset == 4000


def test_another_length_for_the_same_hash_begins_anew(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced(length=5000))
    bring(uploads, DATA[:4000], 0)
    assert uploads.announce(ACCOUNT, announced()).offset == 0


def test_an_account_neither_sees_nor_learns_of_anothers_upload(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA, 0)
    for ask in (uploads.look, uploads.terminate):
        with pytest.raises(NotFoundError):
            ask(OTHER, SHA)
    assert uploads.announce(OTHER, announced()).offset == 0, "only who has the bytes learns that they are here"


def test_a_request_of_before_appends_nothing_once_the_offset_was_told(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    forgotten = uploads.go_on(ACCOUNT, SHA, 0)
    forgotten.append(DATA[:100])
    assert uploads.look(ACCOUNT, SHA).offset == 100
    with pytest.raises(OffsetConflictError):
        forgotten.append(DATA[100:200])
    forgotten.close()
    assert uploads.look(ACCOUNT, SHA).offset == 100


def test_a_request_at_another_byte_is_told_the_right_one(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA[:100], 0)
    with pytest.raises(OffsetConflictError) as told:
        uploads.go_on(ACCOUNT, SHA, 50)
    assert told.value.offset == 100


def test_wrong_bytes_begin_again_from_nothing(uploads: UploadStore, content: ContentStore) -> None:
    uploads.announce(ACCOUNT, announced())
    with pytest.raises(UploadMismatchError):
        bring(uploads, b"x" * len(DATA), 0)
    assert uploads.look(ACCOUNT, SHA).offset == 0
    assert content.size(SHA) is None
    assert bring(uploads, DATA, 0) == len(DATA)


def test_more_bytes_than_announced_are_refused_and_not_kept(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced())
    appender = uploads.go_on(ACCOUNT, SHA, 0)
    appender.append(DATA[:-1])
    with pytest.raises(TooLargeError):
        appender.append(b"ab")
    appender.close()
    assert uploads.look(ACCOUNT, SHA).offset == len(DATA) - 1


def test_an_empty_content_is_whole_at_once(uploads: UploadStore, content: ContentStore) -> None:
    assert uploads.announce(ACCOUNT, announced(b"")).whole
    assert content.size(announced(b"").sha256) == 0
    with pytest.raises(UploadMismatchError):
        uploads.announce(ACCOUNT, announced(length=0))


def test_an_account_has_so_many_unfinished_uploads_and_no_more(uploads: UploadStore) -> None:
    for number in range(LIMITS.uploads):
        uploads.announce(ACCOUNT, announced(b"%d" % number))
    with pytest.raises(UploadQuotaError):
        uploads.announce(ACCOUNT, announced())
    assert uploads.announce(ACCOUNT, announced(b"0")).offset == 0, "one that is known goes on"
    assert uploads.announce(OTHER, announced()).offset == 0, "others have limits of their own"
    bring(uploads, b"0", 0, sha256=announced(b"0").sha256)
    assert uploads.announce(ACCOUNT, announced()).offset == 0, "a finished one makes room"


def test_an_accounts_unfinished_uploads_have_so_many_bytes_and_no_more(uploads: UploadStore) -> None:
    uploads.announce(ACCOUNT, announced(b"1", length=LIMITS.largest))
    with pytest.raises(UploadQuotaError):
        uploads.announce(ACCOUNT, announced(b"2", length=LIMITS.largest))
    uploads.terminate(ACCOUNT, announced(b"1").sha256)
    assert uploads.announce(ACCOUNT, announced(b"2", length=LIMITS.largest)).offset == 0
    with pytest.raises(TooLargeError):
        uploads.announce(ACCOUNT, announced(b"3", length=LIMITS.largest + 1))


def test_a_full_disk_refuses_an_upload_before_its_first_byte(tmp_path: Path) -> None:
    uploads = UploadStore(ContentStore(tmp_path, reserve_bytes=1 << 60), LIMITS)
    with pytest.raises(ContentFullError):
        uploads.announce(ACCOUNT, announced())


def test_what_nothing_comes_for_expires_and_is_swept(uploads: UploadStore, clock: Clock, content: ContentStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA[:100], 0)
    assert uploads.sweep() == 0
    clock.later = LIMITS.expire_after + 1
    with pytest.raises(UploadExpiredError):
        uploads.look(ACCOUNT, SHA)
    clock.later = 0
    uploads.announce(ACCOUNT, announced())
    uploads.announce(OTHER, announced(b"x"))
    bring(uploads, b"x", 0, account=OTHER, sha256=announced(b"x").sha256)
    clock.later = LIMITS.expire_after + 1
    assert uploads.sweep() == 1, "the finished one is no upload any more"
    left = [path.name for path in (content.root / "uploads").rglob("*") if path.is_file()]
    assert set(left) == {"lock"}
    assert content.size(announced(b"x").sha256) == 1, "what is content stays"


@pytest.mark.parametrize("announced_before", [False, True])
def test_what_a_kill_in_the_middle_of_an_announcement_leaves_goes_too(
    uploads: UploadStore, clock: Clock, content: ContentStore, *, announced_before: bool
) -> None:
    uploads.announce(ACCOUNT, announced())
    if not announced_before:
        uploads.terminate(ACCOUNT, SHA)
    account = next(path for path in (content.root / "uploads").iterdir())
    (account / f"{SHA}.new").write_bytes(b"{")
    clock.later = LIMITS.expire_after + 1
    assert uploads.sweep() == announced_before
    assert [path.name for path in account.iterdir()] == ["lock"]


@pytest.mark.parametrize(("back", "gone"), [(24 * 3600.0, 1), (365 * 24 * 3600.0, 1), (60.0, 0)])
def test_what_came_while_the_clock_was_far_ahead_is_not_kept_for_so_long(
    uploads: UploadStore, clock: Clock, back: float, gone: int
) -> None:
    uploads.announce(ACCOUNT, announced())
    clock.later = -back
    assert uploads.sweep() == gone


def test_a_process_killed_between_the_verdict_and_the_store_is_made_up_for(
    uploads: UploadStore, content: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.announce(ACCOUNT, announced())

    def die(_file: Verified) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(content, "adopt", die)
        with pytest.raises(KeyboardInterrupt):
            bring(uploads, DATA, 0)
    assert content.size(SHA) is None
    assert uploads.look(ACCOUNT, SHA).whole
    assert content.path(SHA).read_bytes() == DATA


def test_a_process_killed_before_the_verdict_verifies_when_it_is_asked(
    uploads: UploadStore, content: ContentStore
) -> None:
    uploads.announce(ACCOUNT, announced())
    appender = uploads.go_on(ACCOUNT, SHA, 0)
    appender.append(DATA)
    appender.close()
    assert uploads.look(ACCOUNT, SHA).whole
    assert content.size(SHA) == len(DATA)


def test_content_that_was_lost_is_asked_for_again(uploads: UploadStore, content: ContentStore) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA, 0)
    content.path(SHA).unlink()
    assert uploads.announce(ACCOUNT, announced()).offset == 0


class Uploading(RuleBasedStateMachine):
    """Requests that come, stop anywhere and are overtaken: what was told is there, and only right bytes are content."""

    appenders = Bundle("appenders")

    @initialize()
    def begin(self) -> None:
        self.root = tempfile.TemporaryDirectory()
        self.content = ContentStore(Path(self.root.name), reserve_bytes=0)
        self.uploads = UploadStore(self.content, LIMITS)
        self.told = self.uploads.announce(ACCOUNT, announced()).offset

    def teardown(self) -> None:
        self.root.cleanup()

    @rule(target=appenders, off_by=st.sampled_from((0, 0, 0, 1, -1, 7)))
    def request(self, off_by: int) -> object:
        at = self.uploads.look(ACCOUNT, SHA).offset
        assert at >= self.told, "bytes that were told never go"
        self.told = at
        if off_by or at == len(DATA):
            with pytest.raises(OffsetConflictError):
                self.uploads.go_on(ACCOUNT, SHA, at + (off_by or 1))
            return multiple()
        return self.uploads.go_on(ACCOUNT, SHA, at)

    @rule(appender=appenders, count=st.integers(1, 6000))
    def bytes_come(self, appender: Appender, count: int) -> None:
        data = DATA[appender.position : appender.position + count]
        try:
            appender.append(data)
        except OffsetConflictError:
            assert not appender.files.has_turn(appender.turn)

    @rule(appender=consumes(appenders), whole=st.booleans())
    def request_ends(self, appender: Appender, whole: bool) -> None:  # noqa: FBT001 - drawn
        if not whole:
            appender.close()
            return
        try:
            self.told = max(self.told, self.uploads.settle(appender).offset)
        except OffsetConflictError:
            assert not appender.files.has_turn(appender.turn)

    @invariant()
    def only_the_right_bytes_are_content(self) -> None:
        path = self.content.path(SHA)
        assert not path.exists() or path.read_bytes() == DATA


TestUploading = Uploading.TestCase


@given(cuts=st.lists(st.integers(0, len(DATA)), max_size=8))
def test_any_cut_into_requests_gives_the_same_content(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = ContentStore(tmp_path_factory.mktemp("cuts"), reserve_bytes=0)
    uploads = UploadStore(content, LIMITS)
    uploads.announce(ACCOUNT, announced())
    edges = sorted({0, *cuts, len(DATA)})
    for begin, end in itertools.pairwise(edges):
        assert bring(uploads, DATA[begin:end], begin) == end
    assert content.path(SHA).read_bytes() == DATA
    assert not list((content.root / "uploads").rglob("*.part"))


def test_an_empty_request_at_the_end_of_a_finished_upload_leaves_the_content_whole(
    uploads: UploadStore, content: ContentStore
) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA, 0)
    assert uploads.settle(uploads.go_on(ACCOUNT, SHA, len(DATA))).whole
    assert uploads.look(ACCOUNT, SHA).whole
    assert content.path(SHA).read_bytes() == DATA


def test_too_long_a_request_at_the_end_of_a_finished_upload_leaves_the_content_whole(
    uploads: UploadStore, content: ContentStore
) -> None:
    uploads.announce(ACCOUNT, announced())
    bring(uploads, DATA, 0)
    appender = uploads.go_on(ACCOUNT, SHA, len(DATA))
    with pytest.raises(TooLargeError):
        appender.append(b"x")
    appender.close()
    assert uploads.look(ACCOUNT, SHA).whole
    assert content.path(SHA).read_bytes() == DATA
