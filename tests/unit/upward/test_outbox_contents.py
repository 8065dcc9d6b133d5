"""Whatever lies in the outbox ends in sent or rejected with a reason, nothing is lost, nothing of others is sent."""

import os
import threading
import time
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.errors import OutgoingRejectedError
from consumers.sending import folder as module
from consumers.sending.document import DocumentRules, OutgoingDocument, read_document
from consumers.sending.folder import ClaimedFolder, OutboxFolder
from consumers.sending.litter import is_litter
from consumers.sending.notes import OURS, reason_note
from support.outboxes import put_out

RULES = DocumentRules(issuer="LCA.02.05", hosts=lambda code: code.startswith("LCA.02"), max_bytes=10_000)
LITTER = [
    "Thumbs.db",
    "desktop.ini",
    "~$Báo cáo.docx",
    ".DS_Store",
    "._a.pdf",
    ".~lock.a.odt#",
    "__MACOSX",
    "~WRL0001.tmp",
]
NAMES = st.sampled_from(["a.pdf", "Báo cáo.docx", "reason.txt", "accepted.json", "-rf", "a b", ".hidden", *LITTER])


def read(outbox: OutboxFolder, claimed: ClaimedFolder) -> OutgoingDocument:
    with outbox.opened(claimed) as directory:
        return read_document(directory, RULES)


def end(outbox: OutboxFolder, claimed: ClaimedFolder) -> tuple[Path, OutgoingDocument | OutgoingRejectedError]:
    """What the watch and the courier do with it, in short."""
    try:
        document = read(outbox, claimed)
    except OutgoingRejectedError as error:
        return outbox.file_rejected(claimed, reason_note(error)), error
    return outbox.file_sent(claimed, orjson.dumps({"outbox_id": claimed.id})), document


def grow_old(path: Path) -> None:
    before = time.time() - 3600
    os.utime(path, (before, before), follow_symlinks=False)


@settings(max_examples=60, deadline=None)
@given(files=st.dictionaries(NAMES, st.binary(max_size=20), max_size=6), letter=st.booleans())
def test_all_that_lies_in_a_folder_is_sent_or_told(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], *, letter: bool
) -> None:
    outbox = OutboxFolder(tmp_path_factory.mktemp("outbox"))
    folder = put_out(outbox.root, "công văn", files)
    if not letter:
        (folder / "dispatch.json").unlink()
    grow_old(folder)
    (path,) = outbox.appeared()
    final, told = end(outbox, outbox.claim(path))
    assert outbox.claimed() == []
    assert {path.name: path.read_bytes() for path in final.iterdir() if path.name in files} == files, "nothing is lost"
    if isinstance(told, OutgoingDocument):
        assert {file.file_name for file in told.files} | set(told.left_out) == set(files)
        assert all(is_litter(name) or name.startswith(".") for name in told.left_out)
        assert final.parent.name == "sent"
    else:
        notes = [path.read_text(errors="replace") for path in final.iterdir() if path.name.startswith("reason")]
        assert any(str(told) in note for note in notes)
        assert told.vi
        assert final.parent.name == "rejected"
        assert not letter or OURS.intersection(files)


@pytest.mark.parametrize("name", LITTER)
def test_what_systems_leave_behind_is_not_sent(tmp_path: Path, name: str) -> None:
    document = read_document(put_out(tmp_path, "a", {name: b"x", "a.pdf": b"a"}), RULES)
    assert [file.file_name for file in document.files] == ["a.pdf"]
    assert document.left_out == (name,)


def test_what_the_letter_lists_is_sent_whatever_its_name(tmp_path: Path) -> None:
    listed = [{"name": "Thumbs.db"}]
    document = read_document(put_out(tmp_path, "a", {"Thumbs.db": b"x"}, attachments=listed), RULES)
    assert [file.file_name for file in document.files] == ["Thumbs.db"]


def test_a_rejected_folder_moved_back_leaves_out_our_note_and_no_other(tmp_path: Path) -> None:
    outbox = OutboxFolder(tmp_path / "outbox")
    put_out(outbox.root, "a", {"a.pdf": b"a"}, subject="")
    final, _ = end(outbox, outbox.claim(outbox.appeared()[0]))
    note = (final / "reason.txt").read_text()
    assert note.startswith("dispatch.json có chỗ không hợp lệ")
    letter = orjson.loads((final / "dispatch.json").read_bytes()) | {"subject": "x"}
    (final / "dispatch.json").write_bytes(orjson.dumps(letter))
    final.rename(outbox.root / "a")
    final, told = end(outbox, outbox.claim(outbox.appeared()[0]))
    assert isinstance(told, OutgoingDocument)
    assert [file.file_name for file in told.files] == ["a.pdf"]
    assert told.left_out == ("reason.txt",)


def test_a_persons_own_reason_txt_is_neither_left_out_nor_written_over(tmp_path: Path) -> None:
    outbox = OutboxFolder(tmp_path / "outbox")
    put_out(outbox.root, "a", {"reason.txt": "lý do của tôi".encode()})
    final, told = end(outbox, outbox.claim(outbox.appeared()[0]))
    assert isinstance(told, OutgoingRejectedError)
    assert (final / "reason.txt").read_text() == "lý do của tôi"
    assert "reason.txt" in (final / "reason (2).txt").read_text()


def test_a_loose_file_ends_in_rejected_with_a_reason(tmp_path: Path) -> None:
    outbox = OutboxFolder(tmp_path / "outbox")
    for make in (lambda path: path.write_bytes(b"x"), lambda path: path.symlink_to("/etc/passwd"), os.mkfifo):
        loose = outbox.root / "Báo cáo.pdf"
        make(loose)
        assert outbox.appeared() == [], "somebody may be writing it"
        grow_old(loose)
        assert outbox.appeared() == [loose]
        final, told = end(outbox, outbox.claim(loose))
        assert isinstance(told, OutgoingRejectedError)
        assert "Hãy đặt các tệp vào một thư mục" in (final / "reason.txt").read_text()
        assert not loose.is_symlink()
        assert not loose.exists()
    assert outbox.appeared() == []


@pytest.mark.parametrize("ahead", [1, 90, 10 * 365 * 86_400])
def test_a_time_ahead_of_the_clock_does_not_make_it_wait_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    outbox = OutboxFolder(tmp_path / "outbox")
    (outbox.root / "half").mkdir()
    future = time.time() + ahead
    os.utime(outbox.root / "half", (future, future))
    assert outbox.appeared() == []
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + module.PATIENCE + 1)
    assert [path.name for path in outbox.appeared()] == ["half"]


def test_what_systems_leave_in_the_outbox_itself_is_left_alone(tmp_path: Path) -> None:
    outbox = OutboxFolder(tmp_path / "outbox")
    for name in (*LITTER, ".new-1"):
        (outbox.root / name).write_bytes(b"x")
        grow_old(outbox.root / name)
    assert outbox.appeared() == []


def test_nobody_else_has_rights_where_documents_are_taken(tmp_path: Path) -> None:
    root = tmp_path / "outbox"
    root.mkdir()
    root.chmod(0o2770)
    (root / ".taken").mkdir()
    (root / ".taken").chmod(0o770)  # as an older gateway made it
    OutboxFolder(root)
    assert (root / ".taken").stat().st_mode & 0o7777 == 0o700


def test_a_link_that_flips_never_has_a_secret_sent(tmp_path: Path) -> None:
    """Somebody with rights in the outbox swaps the folder and its files for links to the gateway's own directory."""
    secret = tmp_path / "data"
    secret.mkdir()
    for name in ("a.pdf", "dispatch.json"):
        (secret / name).write_bytes(b"the gateway's own")
    outbox = OutboxFolder(tmp_path / "outbox")
    put_out(outbox.root, "a", {"a.pdf": b"a person's"})
    claimed = outbox.claim(outbox.appeared()[0])
    stop = threading.Event()

    def flip() -> None:
        folder, file = claimed.path, claimed.path / "a.pdf"
        while not stop.is_set():
            for real, link in ((folder, secret), (file, secret / "a.pdf")):
                aside = real.with_name(f"{real.name}.aside")
                try:
                    real.rename(aside)
                    real.symlink_to(link)
                    real.unlink()
                    aside.rename(real)
                except OSError:
                    continue

    flipping = threading.Thread(target=flip)
    flipping.start()
    read_ones = 0
    try:
        deadline = time.monotonic() + 20
        while read_ones < 50 and time.monotonic() < deadline:
            try:
                document = read(outbox, claimed)
            except (OSError, OutgoingRejectedError):
                continue
            read_ones += 1
            sizes = {file.file_name: file.size for file in document.files}
            assert sizes.get("a.pdf", len(b"a person's")) == len(b"a person's")
            assert all(size != len(b"the gateway's own") for size in sizes.values())
    finally:
        stop.set()
        flipping.join()
    assert read_ones


def test_another_name_of_a_file_of_ours_is_not_sent(tmp_path: Path) -> None:
    own = tmp_path / "spool.sqlite3"
    own.write_bytes(b"ours")
    folder = put_out(tmp_path, "a")
    os.link(own, folder / "a.pdf")
    with pytest.raises(OutgoingRejectedError, match=r"a\.pdf is no plain file"):
        read_document(folder, RULES)
