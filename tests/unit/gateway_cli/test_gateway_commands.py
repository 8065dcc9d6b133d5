"""``congvan gateway inbox|receipt`` on real spools, through the command's own way in and out."""

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumers.cli.saving import save_files
from consumers.cli.showing import show_document, size_words
from consumers.last_run import completed, remember
from consumers.settings import GatewaySettings
from consumers.spool import open_spool
from schemas.attachment import TravellingAttachment
from schemas.descriptor import Descriptor
from schemas.dispatch import Urgency
from schemas.states import Status
from support.commands import Congvan
from support.inboxes import FILE, FILE_SHA256, put_document
from support.rot import rot


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def congvan(data_dir: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Congvan:
    del data_dir
    return Congvan(monkeypatch, capsys, "gateway")


def test_the_inbox_lists_what_has_come_newest_first(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir, notation="1-CV/TU", urgency=Urgency.EXPRESS)
    put_document(data_dir, notation="2-CV/TU", state=Status.PARKED, reason="the register is locked")
    ended = congvan("inbox")
    heading, second, first = ended.out.splitlines()
    assert ended.code == 0
    assert heading.split("\t") == ["id", "taken", "unit", "state", "urgency", "number", "subject", "size", "why"]
    assert second.split("\t")[3:] == [
        "parked",
        "thường",
        "2-CV/TU",
        "Về việc phòng, chống rét",
        "0 B",
        "the register is locked",
    ]
    assert first.split("\t")[3:6] == ["arrived", "hỏa tốc", "1-CV/TU"]


def test_the_inbox_as_json_holds_every_field_with_times_that_name_an_instant(congvan: Congvan, data_dir: Path) -> None:
    entry = put_document(data_dir)
    (shown,) = congvan("inbox", "--json").objects
    assert (shown["delivery_id"], shown["state"], shown["urgency"]) == (entry.delivery_id, "arrived", 0)
    assert shown["taken_at"].endswith("Z")


def test_a_document_is_listed_before_its_files_are_here_and_followed_until_they_are(
    congvan: Congvan, data_dir: Path
) -> None:
    entry = put_document(data_dir, state=Status.TAKEN)
    (shown,) = congvan("inbox", "--json").objects
    here = {"held": 0, "total": 5_200_000, "seconds_left": None, "opens_at": None, "flash_text": "Rét đậm từ ngày 23."}
    assert shown["coming"] == here
    assert "0.0 of 5.0 MiB" in congvan("inbox").out
    assert "0.0 of 5.0 MiB" in congvan("inbox", "show", entry.delivery_id).out
    ended = congvan("inbox", "--watch", "--json", "--timeout", "0")
    assert (ended.code, [item["coming"] for item in ended.objects]) == (0, [here])


def test_the_inbox_is_filtered_by_unit_and_state_and_cut_to_a_limit(congvan: Congvan, data_dir: Path) -> None:
    for number in range(3):
        put_document(data_dir, notation=f"{number}-CV", unit="LCA.02.05")
    put_document(data_dir, notation="9-CV", unit="LCA.02.06", state=Status.TAKEN)
    assert [item["notation"] for item in congvan("inbox", "--unit", "LCA.02.06", "--json").objects] == ["9-CV"]
    assert [item["notation"] for item in congvan("inbox", "--state", "taken", "--json").objects] == ["9-CV"]
    assert [item["notation"] for item in congvan("inbox", "--limit", "2", "--json").objects] == ["9-CV", "2-CV"]


def test_an_empty_inbox_is_no_error(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    assert (congvan("inbox", "--unit", "LCA.09", "--json").code, congvan("inbox", "--unit", "LCA.09").code) == (0, 0)


def test_on_a_terminal_the_inbox_is_a_table_with_short_ids(
    congvan: Congvan, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = put_document(data_dir)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    shown = congvan("inbox").out
    assert entry.delivery_id[-12:] in shown
    assert entry.delivery_id not in shown
    assert "No documents." in congvan("inbox", "--state", "recalled").out


@pytest.mark.parametrize("columns", [80, 100, 129])
def test_a_small_terminal_shows_number_and_subject_before_anything_else(
    congvan: Congvan, data_dir: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    entry = put_document(data_dir, notation="128-CĐ/TU")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    lines = re.sub("\x1b\\[[0-9;]*m", "", congvan("inbox").out).splitlines()
    assert max(map(len, lines)) <= columns
    assert any("128-CĐ/TU" in line and entry.delivery_id[-12:] in line for line in lines)
    first_words = " ".join(entry.subject.split()[:2])
    assert any(first_words in line for line in lines)


def test_one_document_is_shown_with_its_letter_its_files_and_its_receipts(congvan: Congvan, data_dir: Path) -> None:
    entry = put_document(data_dir)
    congvan("receipt", entry.delivery_id, "registered", "--number", "57", "--person", "Nguyễn Thị Hoa")
    shown = congvan("inbox", "show", entry.delivery_id).out
    for text in (entry.delivery_id, "123-CV/TU", "a.pdf (application/pdf, 5.0 MiB", "Rét đậm từ ngày 23."):
        assert text in shown
    assert "In the register under number 57 by Nguyễn Thị Hoa (not sent yet)" in shown
    (fields,) = congvan("inbox", "show", entry.delivery_id, "--json").objects
    assert fields["dispatch"]["attachments"][0]["name"] == "a.pdf"
    assert [told["status"] for told in fields["receipts"]] == ["taken", "arrived", "registered"]


def test_what_is_still_to_come_and_what_is_due_is_said(data_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = put_document(data_dir, state=Status.PARKED, reason="the register is locked")
    record = TravellingAttachment(name="record.json", size=9000, sha256="cd" * 32)
    due = datetime(2026, 11, 30, 17, tzinfo=UTC)
    descriptor = Descriptor(id=entry.dispatch_id, notation="1", subject="x", issuer="LCA", record=record, due=due)
    show_document(entry, descriptor, [], as_json=False)
    shown = capsys.readouterr().out
    for text in (
        "the list of files is on its way",
        "2026-12-01 00:00",
        "the register is locked",
    ):
        assert text in shown


def test_files_that_the_sink_none_left_are_saved(congvan: Congvan, data_dir: Path, tmp_path: Path) -> None:
    put_document(data_dir)
    kept = data_dir / "content" / FILE_SHA256
    kept.parent.mkdir()
    kept.write_bytes(FILE)
    ended = congvan("inbox", "save", "123-CV/TU", str(tmp_path / "out"))
    assert (ended.code, ended.out) == (0, f"{tmp_path / 'out' / 'a.pdf'}\n")
    assert (tmp_path / "out" / "a.pdf").read_bytes() == b"%PDF"
    assert congvan("inbox", "save", "123-CV/TU", str(tmp_path / "out")).code == 1  # nothing is written over


def test_a_file_that_rotted_in_the_spool_is_not_given_to_people(
    congvan: Congvan, data_dir: Path, tmp_path: Path
) -> None:
    put_document(data_dir)
    kept = data_dir / "content" / FILE_SHA256
    kept.parent.mkdir()
    kept.write_bytes(FILE)
    rot(kept)
    ended = congvan("inbox", "save", "123-CV/TU", str(tmp_path / "out"))
    assert ended.code == 3
    assert "damaged" in ended.err
    assert not (tmp_path / "out" / "a.pdf").exists()


def test_files_inside_the_descriptor_are_saved(data_dir: Path, tmp_path: Path) -> None:
    entry = put_document(data_dir)
    small = TravellingAttachment(
        name="a.txt", size=2, sha256=hashlib.sha256(b"hi").hexdigest(), inline=base64.b64encode(b"hi")
    )
    descriptor = Descriptor(id=entry.dispatch_id, notation="1", subject="x", issuer="LCA", attachments=(small,))
    spool = open_spool(data_dir)
    assert [path.read_bytes() for path in save_files(spool, descriptor.attachments, tmp_path / "out")] == [b"hi"]
    spool.close()


def test_files_that_were_handed_to_a_sink_are_not_found_here(congvan: Congvan, data_dir: Path, tmp_path: Path) -> None:
    put_document(data_dir)
    ended = congvan("inbox", "save", "123-CV/TU", str(tmp_path / "out"))
    assert ended.code == 3
    assert "a.pdf is not kept here" in ended.err


@pytest.mark.parametrize("part", [slice(None), slice(0, 13), slice(-12, None), slice(-6, None)])
def test_a_document_is_found_by_its_id_or_either_end_of_it(congvan: Congvan, data_dir: Path, part: slice) -> None:
    entry = put_document(data_dir)
    assert congvan("inbox", "show", entry.delivery_id[part].upper(), "--json").objects[0]["seq"] == entry.seq


def test_a_document_is_found_by_its_notation(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir, notation="124-CV/TU")
    entry = put_document(data_dir, notation="123-CV/TU")
    assert congvan("inbox", "show", "123-CV/TU", "--json").objects[0]["delivery_id"] == entry.delivery_id


def test_a_notation_of_several_documents_asks_which(congvan: Congvan, data_dir: Path) -> None:
    first = put_document(data_dir, unit="LCA.02.05")
    second = put_document(data_dir, unit="LCA.02.06")
    ended = congvan("receipt", "123-CV/TU", "registered", "--number", "57")
    assert ended.code == 2
    assert first.delivery_id in ended.err
    assert second.delivery_id in ended.err
    assert congvan("receipt", "123-CV/TU", "registered", "--number", "57", "--unit", "LCA.02.06").code == 0


def test_a_receipt_changes_the_state_and_waits_for_the_next_burst(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    arguments = ("--number", "57", "--person", "Nguyễn Thị Hoa", "--department", "Văn phòng")
    ended = congvan("receipt", "123-CV/TU", "registered", *arguments)
    assert ended.out == ("123-CV/TU at LCA.02.05 is now: In the register. The receipt goes out with the next burst.\n")
    told = congvan("inbox", "show", "123-CV/TU", "--json").objects[0]["receipts"][-1]
    assert (told["register_number"], told["person"], told["department"]) == ("57", "Nguyễn Thị Hoa", "Văn phòng")
    assert told["sent_at"] is None


def test_the_way_through_the_office_is_reported_step_by_step(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    steps = [("registered", "--number", "57"), ("assigned",), ("processing",), ("completed",), ("change_accepted",)]
    for step in steps:
        (fields,) = congvan("receipt", "123-CV/TU", *step, "--json").objects
        assert fields["state"] == step[0]


def test_a_transition_that_is_not_allowed_is_refused_with_what_would_be(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    ended = congvan("receipt", "123-CV/TU", "completed")
    assert ended.code == 4
    assert "completed cannot follow arrived; allowed: " in ended.err
    assert "registered" in ended.err
    assert congvan("inbox", "--json").objects[0]["state"] == "arrived"


def test_the_same_receipt_twice_is_refused_the_second_time(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    assert congvan("receipt", "123-CV/TU", "registered", "--number", "57").code == 0
    again = congvan("receipt", "123-CV/TU", "registered", "--number", "58")
    assert (again.code, again.err) == (4, "congvan: it is registered already\n")


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (("registered",), "needs register_number"),
        (("refused",), "needs a reason"),
        (("registered", "--number", "5" * 51), "register_number"),
        (("refused", "--reason", "a\x07b"), "invisible character"),
    ],
)
def test_a_receipt_without_what_it_needs_is_wrong_usage_and_changes_nothing(
    congvan: Congvan, data_dir: Path, step: tuple[str, ...], problem: str
) -> None:
    put_document(data_dir)
    ended = congvan("receipt", "123-CV/TU", *step)
    assert ended.code == 2
    assert problem in ended.err
    assert congvan("inbox", "--json").objects[0]["state"] == "arrived"


def test_a_word_that_nobody_may_say_is_wrong_usage(congvan: Congvan, data_dir: Path) -> None:
    put_document(data_dir)
    assert congvan("receipt", "123-CV/TU", "arrived").code == 2


@pytest.mark.parametrize("command", [("inbox", "show", "nothing"), ("receipt", "nothing", "completed")])
def test_an_unknown_document_is_not_found(congvan: Congvan, data_dir: Path, command: tuple[str, ...]) -> None:
    put_document(data_dir)
    ended = congvan(*command)
    assert ended.code == 3
    assert "no document 'nothing'" in ended.err


def test_a_directory_without_a_spool_is_not_found_and_stays_as_it_is(congvan: Congvan, tmp_path: Path) -> None:
    ended = congvan("inbox", "--data-dir", str(tmp_path / "nowhere"))
    assert ended.code == 3
    assert "CONGVAN_GATEWAY_DATA_DIR" in ended.err
    assert not (tmp_path / "nowhere").exists()


def test_a_damaged_spool_ends_without_a_traceback(congvan: Congvan, data_dir: Path) -> None:
    (data_dir / "spool.sqlite3").write_bytes(b"no database" * 100)
    ended = congvan("inbox")
    assert ended.code in {1, 5}
    assert "Traceback" not in ended.err


def test_help_of_every_command_has_an_example_and_its_exit_codes(congvan: Congvan) -> None:
    for command in (("run",), ("status",), ("receipt",), ("inbox",), ("inbox", "show"), ("inbox", "save")):
        shown = " ".join(congvan(*command, "--help").out.split())
        assert "Examples: congvan gateway" in shown
        assert "Exit codes: 0" in shown


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5_200_000, "5.0 MiB"), (2**40, "1024.0 GiB")]
)
def test_sizes_are_shown_in_words(size: int, words: str) -> None:
    assert size_words(size) == words


def test_send_puts_a_document_into_the_outbox_and_lists_it(
    congvan: Congvan, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_GATEWAY_UNITS", "LCA.02.05")
    open_spool(data_dir).close()
    file = data_dir / "báo cáo.pdf"
    file.write_bytes(b"12345")
    ended = congvan("send", "--to", "LCA.02", "--subject", "Báo cáo tuần", "--urgency", "3", str(file), "--json")
    assert ended.code == 0, ended.err
    (told,) = ended.objects
    (listed,) = congvan("outbox", "--json").objects
    assert (listed["id"], listed["state"], listed["size"], listed["done"]) == (told["id"], "waiting", 5, 0)
    assert (listed["issuer"], listed["urgency"]) == ("LCA.02.05", 3)
    letter = json.loads(next(data_dir.glob("outbox/.taken/*/*/dispatch.json")).read_bytes())
    assert (letter["issuer"], letter["addressees"]) == ("LCA.02.05", ["LCA.02"])
    assert told["id"] in congvan("outbox").out
    assert congvan("outbox", "--state", "rejected", "--json").objects == []


def test_send_refuses_what_cannot_be_sent_at_once(
    congvan: Congvan, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert congvan("send", "--to", "LCA.02", "--subject", "x", "--issuer", "LCA.02.05").code == 3
    monkeypatch.setenv("CONGVAN_GATEWAY_UNITS", "LCA.02.#")
    open_spool(data_dir).close()
    no_issuer = congvan("send", "--to", "LCA.02", "--subject", "x")
    assert (no_issuer.code, "issuer" in no_issuer.err) == (2, True)
    foreign = congvan("send", "--to", "LCA.02", "--subject", "x", "--issuer", "LCA.VP")
    assert (foreign.code, "does not host" in foreign.err) == (2, True)
    assert congvan("outbox", "--json").objects == []


def test_send_knows_what_the_gateway_beside_it_hosts(congvan: Congvan, data_dir: Path, tmp_path: Path) -> None:
    open_spool(data_dir).close()
    assert congvan("send", "--to", "LCA.02", "--subject", "x", "--issuer", "LCA.02.05").code == 2
    remember(GatewaySettings(data_dir=data_dir, units="LCA.02.#", outbox_dir=tmp_path / "out"))
    assert congvan("send", "--to", "LCA.02", "--subject", "x", "--issuer", "LCA.02.05").code == 0
    assert len(list(tmp_path.glob("out/.taken/*/*/dispatch.json"))) == 1
    assert congvan("send", "--to", "LCA.02", "--subject", "x", "--issuer", "LCA.VP").code == 2


def test_a_setting_that_is_given_wins_over_what_the_gateway_ran_with(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember(GatewaySettings(data_dir=data_dir, units="LCA.02.#", max_document_bytes=7))
    monkeypatch.setenv("CONGVAN_GATEWAY_UNITS", "LCA.03")
    found = completed(GatewaySettings(data_dir=data_dir))
    assert (found.units, found.max_document_bytes, found.outbox_dir) == ("LCA.03", 7, None)
