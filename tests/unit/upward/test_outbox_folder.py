"""The outbox on disk: taken once, ended once, whatever is killed between two steps."""

import os
import time
from pathlib import Path

import pytest

from consumers.errors import OutgoingRejectedError
from consumers.sending.document import DocumentRules, read_document
from consumers.sending.folder import OutboxFolder
from consumers.sending.notes import reason_note
from consumers.sending.writing import write_out
from schemas.dispatch import Submission
from schemas.model import parse
from support.outboxes import put_out

RULES = DocumentRules(issuer="LCA.02.05", hosts=lambda code: code.startswith("LCA.02"), max_bytes=10_000)


@pytest.fixture
def outbox(tmp_path: Path) -> OutboxFolder:
    return OutboxFolder(tmp_path / "outbox")


def test_a_folder_is_taken_once_and_keeps_its_id(outbox: OutboxFolder) -> None:
    put_out(outbox.root, "báo cáo", {"a.pdf": b"a"})
    (path,) = outbox.appeared()
    claimed = outbox.claim(path)
    assert outbox.appeared() == []
    assert [(item.id, item.name) for item in OutboxFolder(outbox.root).claimed()] == [(claimed.id, "báo cáo")]
    assert (claimed.path / "a.pdf").read_bytes() == b"a"


def test_what_is_being_written_or_is_ours_is_left_alone(outbox: OutboxFolder) -> None:
    (outbox.root / ".hidden").mkdir()
    (outbox.root / "half").mkdir()
    (outbox.root / "loose.pdf").write_bytes(b"x")
    (outbox.root / "link").symlink_to(outbox.root / "half")
    assert outbox.appeared() == []
    before = time.time() - 3600
    os.utime(outbox.root / "half", (before, before))
    assert [path.name for path in outbox.appeared()] == ["half"], "nobody is writing that any more"


def test_who_may_write_into_the_outbox_may_move_a_rejected_folder_back(tmp_path: Path) -> None:
    root = tmp_path / "outbox"
    root.mkdir()
    root.chmod(0o2770)
    outbox = OutboxFolder(root)
    put_out(root, "a")
    final = outbox.file_rejected(outbox.claim(outbox.appeared()[0]), reason_note("no subject"))
    assert final.parent.stat().st_mode & 0o777 == 0o770
    assert (final / "reason.txt").stat().st_mode & 0o777 == 0o644
    final.rename(root / "a")
    assert [path.name for path in outbox.appeared()] == ["a"]


def test_documents_of_one_name_end_beside_each_other(outbox: OutboxFolder) -> None:
    for number in range(2):
        put_out(outbox.root, "a", {"n": b"%d" % number})
        claimed = outbox.claim(outbox.appeared()[0])
        outbox.file_sent(claimed, b"{}")
    sent = sorted((outbox.root / "sent").iterdir())
    assert [path.name[:1] for path in sent] == ["a", "a"]
    assert {(path / "n").read_bytes() for path in sent} == {b"0", b"1"}
    assert outbox.claimed() == []


def test_a_kill_after_the_verdict_was_written_files_it_again(outbox: OutboxFolder) -> None:
    put_out(outbox.root, "a")
    claimed = outbox.claim(outbox.appeared()[0])
    (claimed.path / "accepted.json").write_bytes(b'{"outbox_id": "1"}')
    final = outbox.file_sent(claimed, b"{}")
    assert (final / "accepted.json").read_bytes() == b"{}"
    assert sorted(path.name for path in final.iterdir()) == ["accepted.json", "dispatch.json"]


def test_a_place_that_a_kill_left_empty_is_swept(outbox: OutboxFolder) -> None:
    put_out(outbox.root, "a")
    claimed = outbox.claim(outbox.appeared()[0])
    claimed.path.rename(outbox.root / "sent" / "a")
    assert outbox.claimed() == []
    assert not claimed.path.parent.exists()


def test_listed_files_come_first_and_the_others_by_name(tmp_path: Path) -> None:
    listed = [{"name": "b.pdf", "media_type": "application/x-b"}]
    folder = put_out(tmp_path, "a", {"z.txt": b"z", "b.pdf": b"b", "c.png": b"c", ".hidden": b""}, attachments=listed)
    document = read_document(folder, RULES)
    assert [(file.name, file.media_type) for file in document.submission.attachments] == [
        ("b.pdf", "application/x-b"),
        ("c.png", "image/png"),
        ("z.txt", "text/plain"),
    ]
    assert document.submission.issuer == "LCA.02.05", "the unit of the gateway, when the letter names none"
    assert parse(Submission, document.body, what="submission") == document.submission


@pytest.mark.parametrize(
    ("letter", "files", "reason"),
    [
        ({"issuer": "LCA.VP"}, {}, "does not send for LCA.VP"),
        ({"subject": ""}, {}, "subject"),
        ({"nonsense": 1}, {}, "nonsense"),
        ({"attachments": [{"name": "missing.pdf"}]}, {}, "missing.pdf, which is not in the folder"),
        ({"attachments": [{"name": "a", "size": 5}]}, {"a": b"x"}, "size 5; it has 1"),
        ({}, {"big": b"x" * 10_001}, "at most 10000"),
        ({}, {f"{number}": b"" for number in range(51)}, "at most 50"),
        ({}, {"a?": b"1", "a*": b"2"}, "the same on other systems"),
        ({}, {os.fsdecode(b"\xff"): b"1"}, "not UTF-8"),
    ],
)
def test_a_document_that_cannot_be_sent_says_why(
    tmp_path: Path, letter: dict[str, object], files: dict[str, bytes], reason: str
) -> None:
    folder = put_out(tmp_path, "a", files, **letter)
    with pytest.raises(OutgoingRejectedError, match=reason):
        read_document(folder, RULES)


def test_what_a_link_names_is_not_sent(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    for name in ("note.txt", "dispatch.json"):
        folder = put_out(tmp_path / name, "a")
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(secret)
        with pytest.raises(OutgoingRejectedError, match=f"{name} is no plain file"):
            read_document(folder, RULES)


def test_a_pipe_or_a_folder_inside_is_refused_and_nothing_hangs(tmp_path: Path) -> None:
    folder = put_out(tmp_path / "1", "a")
    os.mkfifo(folder / "pipe")
    with pytest.raises(OutgoingRejectedError, match="pipe is no plain file"):
        read_document(folder, RULES)
    folder = put_out(tmp_path / "2", "a")
    (folder / "inside").mkdir()
    with pytest.raises(OutgoingRejectedError, match="inside is no plain file"):
        read_document(folder, RULES)


def test_a_command_puts_a_whole_document_there_or_nothing(outbox: OutboxFolder, tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"a")
    letter = b'{"notation": "1/BC", "subject": "B\xc3\xa1o c\xc3\xa1o", "issuer": "LCA.02.05", "addressees": ["LCA"]}'
    claimed, document = write_out(outbox, RULES, letter, [file])
    file.unlink()
    assert [item.id for item in outbox.claimed()] == [claimed.id]
    assert (claimed.path / "a.pdf").read_bytes() == b"a"
    assert [item.file_name for item in document.files] == ["a.pdf"]
    (tmp_path / "reason.txt").write_bytes(b"r")
    for files in ([tmp_path / "reason.txt"], [claimed.path / "a.pdf", claimed.path / "a.pdf"]):
        with pytest.raises(OutgoingRejectedError, match="rename"):
            write_out(outbox, RULES, letter, files)
    assert [path.name for path in outbox.root.iterdir() if path.name.startswith(".new")] == []
    assert len(outbox.claimed()) == 1
