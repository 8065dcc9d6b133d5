"""What is on its way is seen from its letter on: how much is here, and about how long the rest takes."""

from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy.exc import OperationalError

from consumers.cli.showing import how_far, time_words
from consumers.cli.watching import Look, _print_changes, picture
from consumers.errors import SpoolRevisionError
from consumers.fetching.content import DIRECTORY_NAME
from consumers.reading.coming import STALE_SECONDS, Coming, LineNow, coming, line_now
from consumers.reading.inbox import get_entry
from consumers.spool import Spool, open_spool
from consumers.spool import outages as kept
from consumers.spool.outages import Edge
from consumers.spool.scope import UnitScope
from consumers.spool.store import open_to_read
from consumers.spool.taking import take
from consumers.status import status_path
from schemas.clock import iso, now_ms
from schemas.descriptor import Descriptor
from schemas.dispatch import Urgency
from support.deliveries import ONE_MINUTE, a_descriptor, arriving, by_reference, record_of

MIB = 1024 * 1024
LARGE, SMALL = by_reference("scan.pdf", b"l" * 5), by_reference("note.pdf", b"s" * 5)
THIN = LineNow("up", 4_096.0)


def file(size: int, name: str = "scan.pdf") -> Descriptor:
    """A letter with one file of a size that nobody has to make."""
    return a_descriptor(attachments=(by_reference(name, name.encode()).model_copy(update={"size": size}),))


def put(spool: Spool, *descriptors: Descriptor, unit: str = "LCA.02.05") -> list[str]:
    items = [arriving(item, seq=seq, unit=unit) for seq, item in enumerate(descriptors, 1)]
    with spool.writing() as conn:
        take(conn, [(items, ONE_MINUTE)])
    return [item.delivery_id for item in items]


def bring(spool: Spool, descriptor: Descriptor, size: int) -> None:
    """So many bytes of a letter's one file have come; what is sparse takes no room."""
    directory = spool.path.parent / DIRECTORY_NAME
    directory.mkdir(exist_ok=True)
    (item,) = descriptor.attachments
    whole = directory / item.sha256
    with (whole if size == item.size else whole.with_name(f"{whole.name}.part")).open("wb") as out:
        out.truncate(size)


def test_a_document_is_seen_from_its_letter_on_with_what_is_here_and_what_it_takes(spool: Spool) -> None:
    letter = file(5 * MIB).model_copy(update={"flash_text": "Sơ tán trước 18 giờ."})
    (key,) = put(spool, letter)
    (before,) = coming(spool, THIN)
    assert (before.entry.delivery_id, before.flash_text, before.held) == (key, "Sơ tán trước 18 giờ.", 0)
    bring(spool, letter, 3 * MIB)
    (after,) = coming(spool, THIN)
    assert (after.held, after.total, after.seconds) == (3 * MIB, 5 * MIB, 512.0)
    assert how_far(after) == "3.0 of 5.0 MiB, about 9 min"


def test_what_is_fetched_first_stands_first_and_the_others_wait_for_it(spool: Spool) -> None:
    large, small = file(4 * MIB, "large"), file(1 * MIB, "small")
    urgent = file(2 * MIB, "urgent").model_copy(update={"urgency": Urgency.EXPRESS})
    put(spool, large, small, urgent)
    found = [(item.total // MIB, item.seconds) for item in coming(spool, THIN)]
    assert found == [(2, 512.0), (1, 768.0), (4, 1792.0)]


def test_a_file_for_several_units_is_fetched_once(spool: Spool) -> None:
    letter = file(4 * MIB)
    put(spool, letter)
    put(spool, letter, unit="LCA.02.06")
    assert [item.seconds for item in coming(spool, THIN)] == [1024.0, 1024.0]
    assert len(coming(spool, THIN, UnitScope.whole("LCA.02.06"))) == 1
    bring(spool, letter, 4 * MIB)
    assert [(item.held, item.seconds) for item in coming(spool, THIN)] == [(4 * MIB, 0.0)] * 2


def test_of_a_file_that_comes_packed_the_packed_bytes_are_counted(spool: Spool) -> None:
    letter = file(5 * MIB)
    (item,) = letter.attachments
    packed = item.model_copy(update={"zstd_size": MIB})
    put(spool, letter.model_copy(update={"attachments": (packed,)}))
    assert [(item.held, item.total) for item in coming(spool, THIN)] == [(0, MIB)]
    directory = spool.path.parent / DIRECTORY_NAME
    directory.mkdir()
    (directory / f"{item.sha256}.zstd.etag.{MIB}.part").write_bytes(b"x" * 1000)
    assert [(item.held, item.total) for item in coming(spool, THIN)] == [(1000, MIB)]


def test_what_is_a_units_own_is_seen_however_many_of_others_are_before_it(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.reading.coming.MOST", 3)
    (own,) = put(spool, file(MIB, "own"))
    urgent = [file(MIB, f"{n}").model_copy(update={"urgency": Urgency.EXPRESS}) for n in range(5)]
    others = put(spool, *urgent, unit="LCA.02.06")
    found = coming(spool, THIN, UnitScope.whole("LCA.02.05"), limit=3)
    assert [(item.entry.delivery_id, item.seconds) for item in found] == [(own, None)], "nobody knows how long"
    assert len(coming(spool, THIN, UnitScope.whole("LCA.02.06"), limit=3)) == 3
    assert {item.entry.delivery_id for item in coming(spool, THIN, limit=3)} <= set(others)


@pytest.mark.parametrize("line", [LineNow("down", 4_096.0), LineNow("", 4_096.0), LineNow("up", 0.0)])
def test_no_time_is_promised_on_a_line_that_is_down_or_was_never_measured(spool: Spool, line: LineNow) -> None:
    put(spool, file(MIB))
    (item,) = coming(spool, line)
    assert item.seconds is None
    assert how_far(item) == "0.0 of 1.0 MiB"


def test_while_only_the_list_of_files_is_on_its_way_no_size_is_claimed(spool: Spool) -> None:
    record, _ = record_of(file(MIB))
    put(spool, a_descriptor(record=record))
    (item,) = coming(spool, THIN)
    assert how_far(item) == "its list of files is on its way"


def test_the_line_is_what_the_gateway_said_last_unless_it_has_ended(tmp_path: Path) -> None:
    assert line_now(tmp_path) == LineNow()
    old = iso(now_ms() - round(STALE_SECONDS * 2000))
    for at, state in ((iso(now_ms()), "up"), (old, "")):
        status_path(tmp_path).write_text(f'{{"at": "{at}", "line": "up", "line_rate": 4035}}')
        assert line_now(tmp_path) == LineNow(state, 4035.0)
    status_path(tmp_path).write_text("[]")
    assert line_now(tmp_path) == LineNow()


def test_who_reads_beside_a_gateway_cannot_write_and_does_not_wait(spool: Spool) -> None:
    put(spool, file(MIB))
    reader = open_to_read(spool.path.parent)
    with spool.writing() as conn:
        kept.note_edge(conn, [Edge(up=False, at=1)])
        assert len(coming(reader, THIN)) == 1, "though the gateway holds the write lock"
    with pytest.raises(OperationalError, match="readonly"), reader.engine.begin() as conn:
        kept.note_edge(conn, [Edge(up=True, at=2)])
    reader.close()


def test_a_spool_of_another_version_is_not_read(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    with spool.writing() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    spool.close()
    with pytest.raises(SpoolRevisionError, match="9999"):
        open_to_read(tmp_path)


def test_times_are_told_no_more_exactly_than_they_are_known() -> None:
    words = [time_words(seconds) for seconds in (0, 41, 61, 480, 5_400, 12_000, 14_400)]
    assert words == [
        "about 10 s",
        "about 50 s",
        "about 2 min",
        "about 8 min",
        "about 1 h 30 min",
        "about 3 h 20 min",
        "about 4 h",
    ]


def drawn(look: Look) -> str:
    console = Console(width=140, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(picture(look))
    return captured.get()


def test_the_screen_shows_the_line_each_document_its_flash_text_and_what_has_come(spool: Spool) -> None:
    letter = file(5 * MIB).model_copy(update={"flash_text": "Sơ tán [ngay]", "urgency": Urgency.EXPRESS})
    (key,) = put(spool, letter)
    bring(spool, letter, 3 * MIB)
    text = drawn(Look(THIN, coming(spool, THIN), [get_entry(spool, key)]))
    for part in ("Line up, 4.0 KiB/s", "express", "123-CV/TU", "3.0 of 5.0 MiB, about 9 min", "Sơ tán [ngay]", "━"):
        assert part in text
    assert "Nothing is on its way." in drawn(Look(THIN, [], []))
    assert "The gateway does not run" in drawn(Look(LineNow(), [], []))


def test_without_a_terminal_each_change_is_a_line(spool: Spool, capsys: pytest.CaptureFixture[str]) -> None:
    letter = file(2 * MIB)
    put(spool, letter)
    looks: list[Look] = []
    for size in (0, 0, MIB):
        bring(spool, letter, size)
        looks.append(Look(THIN, coming(spool, THIN), []))
    _print_changes(iter(looks), as_json=False)
    lines = [line.split("\t")[-1] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["0.0 of 2.0 MiB, about 9 min", "1.0 of 2.0 MiB, about 5 min"]


def test_nothing_is_said_of_what_is_only_handed_over() -> None:
    assert how_far(Coming(None, "", 0, 0, 0.0, listed=True)) == ""  # type: ignore[arg-type]
