"""The folder sink: complete or not at all, and once."""

import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from consumers.errors import CopyDamagedError, SinkRefusedError, SinkRetryError, SinkTroubleError
from consumers.sinks.folder import FolderSink, directory_name
from schemas.clock import iso
from support.documents import FILES, LETTER, make_document, visible
from support.rot import rot
from support.small_disk import small_disk


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "inbox"


@pytest_asyncio.fixture
async def sink(root: Path) -> AsyncIterator[FolderSink]:
    made = FolderSink(root)
    yield made
    await made.close()


async def test_a_document_becomes_a_directory_with_its_record_and_its_files(
    sink: FolderSink, root: Path, tmp_path: Path
) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    (directory,) = visible(root / "LCA.02.05")
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.name in FILES} == FILES
    record = orjson.loads((directory / "dispatch.json").read_bytes())
    assert (record["delivery_id"], record["unit"], record["seq"]) == (document.delivery_id, "LCA.02.05", 7)
    assert record["received_at"] == iso(document.received_at)
    assert record["dispatch"]["id"] == document.descriptor.id
    assert record["dispatch"]["subject"] == LETTER
    assert [item["file"] for item in record["dispatch"]["attachments"]] == list(FILES)


async def test_the_name_says_day_number_subject_and_delivery(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    (directory,) = visible(root / "LCA.02.05")
    assert directory.name == directory_name(document, "UTC")
    assert "123-CV_TU Về việc tăng cường" in directory.name
    assert directory.name.endswith(document.delivery_id)


async def test_the_record_is_readable_text_for_people(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    await sink.deliver(make_document(tmp_path / "spool"))
    text = (visible(root / "LCA.02.05")[0] / "dispatch.json").read_text("utf-8")
    assert f'\n    "subject": "{LETTER}",\n' in text
    assert text.endswith("}\n")
    assert "inline" not in text


async def test_the_same_delivery_again_changes_nothing(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    (directory,) = visible(root / "LCA.02.05")
    (directory / "note.txt").write_text("read on Monday")
    await sink.deliver(document)
    assert visible(root / "LCA.02.05") == [directory]
    assert (directory / "note.txt").exists()


async def test_what_a_person_moved_away_does_not_come_back(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    shutil.move(visible(root / "LCA.02.05")[0], tmp_path / "done")
    await sink.deliver(replace(document, received_at=document.received_at + 86_400_000))  # as after a wiped spool
    assert visible(root / "LCA.02.05") == []


async def test_deleted_markers_do_not_double_what_stands_there(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    shutil.rmtree(root / "LCA.02.05" / ".delivered")
    await sink.deliver(document)
    assert len(visible(root / "LCA.02.05")) == 1


async def test_two_deliveries_of_one_letter_stand_beside_each_other(
    sink: FolderSink, root: Path, tmp_path: Path
) -> None:
    await sink.deliver(make_document(tmp_path / "spool"))
    await sink.deliver(make_document(tmp_path / "spool"))
    assert len(visible(root / "LCA.02.05")) == 2


async def test_editing_in_the_inbox_does_not_change_the_spool(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    await sink.deliver(document)
    name, content = next(iter(FILES.items()))
    with (visible(root / "LCA.02.05")[0] / name).open("r+b") as file:
        file.write(b"scribbled over")
    assert document.files[0].path.read_bytes() == content


async def test_only_owner_and_group_may_read(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        await sink.deliver(make_document(tmp_path / "spool"))
    finally:
        os.umask(before)
    (directory,) = visible(root / "LCA.02.05")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o750
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o640}


async def test_rights_that_an_administrator_gave_stay(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    (root / "LCA.02.05").mkdir(parents=True)
    (root / "LCA.02.05").chmod(0o2770)
    await sink.deliver(make_document(tmp_path / "spool"))
    assert stat.S_IMODE((root / "LCA.02.05").stat().st_mode) == 0o2770


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory to any group")
async def test_a_set_group_id_directory_passes_its_group_on(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    unit = root / "LCA.02.05"
    unit.mkdir(parents=True)
    os.chown(unit, -1, 4242)
    unit.chmod(0o2770)
    await sink.deliver(make_document(tmp_path / "spool"))
    (directory,) = visible(unit)
    assert {path.stat().st_gid for path in (directory, *directory.iterdir())} == {4242}


async def test_files_whose_names_collide_all_arrive(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    files = {"dispatch.json": b"1", "A.pdf": b"2", "a.pdf": b"3", "../../a.pdf": b"4"}
    await sink.deliver(make_document(tmp_path / "spool", files=files))
    (directory,) = visible(root / "LCA.02.05")
    assert sorted(path.read_bytes() for path in directory.iterdir() if path.name != "dispatch.json") == [
        b"1",
        b"2",
        b"3",
        b"4",
    ]


@pytest.mark.parametrize(("unit", "delivery_id"), [("../etc", ""), ("LCA/..", ""), ("LCA", "../../x")])
async def test_what_is_no_code_or_id_names_no_directory(
    sink: FolderSink, root: Path, tmp_path: Path, unit: str, delivery_id: str
) -> None:
    with pytest.raises(SinkRefusedError, match="no unit code and delivery id"):
        await sink.deliver(make_document(tmp_path / "spool", unit=unit, delivery_id=delivery_id))
    assert not root.exists()


async def test_content_gone_from_the_spool_is_tried_again_and_leaves_nothing(
    sink: FolderSink, root: Path, tmp_path: Path
) -> None:
    document = make_document(tmp_path / "spool")
    document.files[1].path.unlink()
    with pytest.raises(SinkRetryError, match="No such file"):
        await sink.deliver(document)
    assert visible(root / "LCA.02.05") == []
    assert list((root / "LCA.02.05").glob(".incoming-*")) == []


async def test_content_of_another_length_is_not_handed_over(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    document = make_document(tmp_path / "spool")
    document.files[0].path.write_bytes(b"short")
    with pytest.raises(CopyDamagedError, match="5 bytes instead of"):
        await sink.deliver(document)
    assert visible(root / "LCA.02.05") == []


async def test_a_full_disk_is_named_and_nothing_half_written_stays(tmp_path: Path) -> None:
    with small_disk(tmp_path, size=1 << 20) as mount:
        sink = FolderSink(mount / "inbox")
        document = make_document(tmp_path / "spool", files={"big.bin": b"x" * 900_000, "more.bin": b"y" * 90_000})
        ballast = mount / "ballast"
        ballast.write_bytes(b"z" * 500_000)
        with pytest.raises(SinkTroubleError, match="is full; free some space"):
            await sink.deliver(document)
        assert list((mount / "inbox" / "LCA.02.05").glob(".incoming-*")) == []
        ballast.unlink()
        await sink.deliver(document)
        assert len(visible(mount / "inbox" / "LCA.02.05")) == 1
        await sink.close()


async def test_a_disk_that_fills_while_writing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FolderSink, "_require_room", lambda *_: None)
    with small_disk(tmp_path, size=1 << 20) as mount:
        sink = FolderSink(mount / "inbox")
        files = {"a.bin": b"x" * 300_000, "b.bin": b"y" * 300_000}
        for place in (tmp_path, mount):  # copied from another file system, and within one
            document = make_document(place / "spool", files=files | {"c.bin": b"z" * (900_000 * (place is tmp_path))})
            before = shutil.disk_usage(mount).used
            with pytest.raises(SinkTroubleError, match="is full"):
                await sink.deliver(document)
            assert list((mount / "inbox" / "LCA.02.05").glob(".incoming-*")) == []
            assert shutil.disk_usage(mount).used - before < 50_000
        await sink.close()


def _refuse_to_sync_directories(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    fsync = os.fsync

    def fsync_of_files_only(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync_of_files_only)


async def test_a_share_that_has_no_sync_for_directories_will_do(
    sink: FolderSink, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_sync_directories(monkeypatch, errno.EINVAL)
    await sink.deliver(make_document(tmp_path / "spool"))
    assert len(visible(root / "LCA.02.05")) == 1


async def test_a_disk_that_fails_to_sync_is_no_success(
    sink: FolderSink, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse_to_sync_directories(monkeypatch, errno.EIO)
    with pytest.raises(SinkTroubleError, match="Input/output error"):
        await sink.deliver(make_document(tmp_path / "spool"))
    assert visible(root / "LCA.02.05") == []


async def test_the_reserve_of_the_disk_stays_free(root: Path, tmp_path: Path) -> None:
    sink = FolderSink(root, reserve_bytes=1 << 60)
    with pytest.raises(SinkTroubleError, match="is full"):
        await sink.deliver(make_document(tmp_path / "spool"))
    await sink.close()


async def test_something_else_in_the_inbox_s_place_is_said(sink: FolderSink, root: Path, tmp_path: Path) -> None:
    root.mkdir()
    (root / "LCA.02.05").write_text("a file")
    with pytest.raises(SinkRetryError, match="cannot be written: Not a directory"):
        await sink.deliver(make_document(tmp_path / "spool"))


async def test_content_that_rotted_in_the_spool_is_not_handed_over(
    sink: FolderSink, root: Path, tmp_path: Path
) -> None:
    document = make_document(tmp_path / "spool")
    rot(document.files[0].path)
    with pytest.raises(CopyDamagedError, match=r"own copy of .* is damaged") as caught:
        await sink.deliver(document)
    assert caught.value.sha256 == document.files[0].sha256
    assert not list(root.rglob(".incoming-*"))
    assert not list(root.rglob("dispatch.json"))
