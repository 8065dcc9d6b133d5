"""The command sink with real child processes."""

import asyncio
import sys
from functools import partial
from pathlib import Path

import orjson
import psutil
import pytest

from consumers.errors import SinkRefusedError, SinkRetryError, SinkSettingsError
from consumers.sinks.base import Document
from consumers.sinks.command import CommandSink
from support.conditions import holds
from support.documents import FILES, make_document

SEE_ALL = """
import json, os, pathlib, sys
files = {p.name: p.read_bytes().hex() for p in pathlib.Path(os.environ["CONGVAN_DIR"]).iterdir()}
seen = {"record": json.load(sys.stdin), "files": files, "environ": dict(os.environ), "argv": sys.argv}
seen["cwd"] = os.getcwd()
pathlib.Path(sys.argv[1]).write_text(json.dumps(seen))
"""


def _sink(work: Path, script: str, *arguments: str, timeout: float = 20.0) -> CommandSink:
    return CommandSink((sys.executable, "-c", script, *arguments), work_dir=work / "command", timeout=timeout)


def _shell(work: Path, line: str, *, timeout: float = 20.0) -> CommandSink:
    return CommandSink(("/bin/sh", "-c", line), work_dir=work / "command", timeout=timeout)


@pytest.fixture
def document(tmp_path: Path) -> Document:
    return make_document(tmp_path / "spool")


async def test_a_program_gets_the_record_the_files_and_the_ids(
    document: Document, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_GATEWAY_TOKEN", "cv1.secret")
    monkeypatch.setenv("UNIT_OWN_SETTING", "kept")
    await _sink(tmp_path, SEE_ALL, str(tmp_path / "seen"), "$(id); rm -rf").deliver(document)
    seen = orjson.loads((tmp_path / "seen").read_bytes())
    assert seen["record"]["delivery_id"] == document.delivery_id
    assert {name: bytes.fromhex(text) for name, text in seen["files"].items() if name in FILES} == FILES
    assert "dispatch.json" in seen["files"]
    environ = seen["environ"]
    assert (environ["CONGVAN_DELIVERY_ID"], environ["CONGVAN_UNIT"]) == (document.delivery_id, document.unit)
    assert (environ["TRACEPARENT"], environ["UNIT_OWN_SETTING"]) == (document.traceparent, "kept")
    assert environ["CONGVAN_DIR"] == seen["cwd"]
    assert seen["argv"][2] == "$(id); rm -rf"
    assert "CONGVAN_GATEWAY_TOKEN" not in environ


async def test_the_private_directory_is_gone_afterwards(document: Document, tmp_path: Path) -> None:
    await _shell(tmp_path, "test -d $CONGVAN_DIR").deliver(document)
    assert list((tmp_path / "command").iterdir()) == []


async def test_what_a_program_does_to_its_files_does_not_touch_the_spool(document: Document, tmp_path: Path) -> None:
    await _shell(tmp_path, 'for f in *; do echo changed > "$f"; done').deliver(document)
    assert document.files[0].path.read_bytes() == FILES[document.files[0].name]


async def test_status_100_refuses_at_once_with_the_last_line_as_reason(document: Document, tmp_path: Path) -> None:
    sink = _shell(tmp_path, "printf 'reading\\nSố đã có trong sổ\\n\\n' >&2; exit 100")
    with pytest.raises(SinkRefusedError, match=r"^Số đã có trong sổ$"):
        await sink.deliver(document)


async def test_status_100_without_a_word_still_has_a_reason(document: Document, tmp_path: Path) -> None:
    with pytest.raises(SinkRefusedError, match="gave no reason"):
        await _shell(tmp_path, "exit 100").deliver(document)


@pytest.mark.parametrize("status", [1, 2, 75, 127])
async def test_any_other_status_is_tried_again(document: Document, tmp_path: Path, status: int) -> None:
    with pytest.raises(SinkRetryError, match=f"^/bin/sh ended with status {status}: the register is locked$"):
        await _shell(tmp_path, f"echo the register is locked >&2; exit {status}").deliver(document)


async def test_a_program_that_dies_of_a_signal_is_tried_again(document: Document, tmp_path: Path) -> None:
    with pytest.raises(SinkRetryError, match=r"^/bin/sh was ended by signal 9$"):
        await _shell(tmp_path, "kill -9 $$").deliver(document)


async def test_a_program_that_is_not_there_is_tried_again(document: Document, tmp_path: Path) -> None:
    sink = CommandSink(("/no/such/program",), work_dir=tmp_path / "command")
    with pytest.raises(SinkRetryError, match=r"^/no/such/program cannot be run: .*No such file"):
        await sink.deliver(document)
    assert list((tmp_path / "command").iterdir()) == []


async def test_content_gone_from_the_spool_is_tried_again(document: Document, tmp_path: Path) -> None:
    document.files[0].path.unlink()
    with pytest.raises(SinkRetryError, match="No such file"):
        await _shell(tmp_path, "exit 0").deliver(document)
    assert list((tmp_path / "command").iterdir()) == []


async def test_a_time_out_kills_the_program_and_all_it_started(document: Document, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    script = f"trap '' TERM; sleep 300 & echo $! $$ > {pids}; sleep 300"
    with pytest.raises(SinkRetryError, match=r"did not end within 0\.5 s and was killed"):
        await _shell(tmp_path, script, timeout=0.5).deliver(document)
    for pid in pids.read_text().split():
        await holds(partial(_has_ended, int(pid)), what=f"process {pid} has ended")


async def test_breaking_off_kills_the_program(document: Document, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    delivery = asyncio.create_task(_shell(tmp_path, f"echo $$ > {pids}; sleep 300").deliver(document))
    await holds(lambda: pids.exists() and pids.read_text().endswith("\n"))
    delivery.cancel()
    with pytest.raises(asyncio.CancelledError):
        await delivery
    assert _has_ended(int(pids.read_text()))


async def test_a_flood_of_output_neither_blocks_nor_is_kept(document: Document, tmp_path: Path) -> None:
    flood = "import sys; [sys.stderr.write('x' * 1000 + chr(10)) for _ in range(3000)]; print('y' * 10**6); sys.exit(3)"
    with pytest.raises(SinkRetryError) as caught:
        await _sink(tmp_path, flood).deliver(document)
    assert len(caught.value.reason) < 500


async def test_a_program_left_behind_does_not_hold_up_the_delivery(document: Document, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    await asyncio.wait_for(_shell(tmp_path, f"sleep 300 & echo $! > {pids}").deliver(document), 10)
    psutil.Process(int(pids.read_text())).kill()


async def test_what_a_killed_gateway_left_is_removed_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "command" / "019b-left").mkdir(parents=True)
    _shell(tmp_path, "exit 0")
    assert not (tmp_path / "command").exists()


def test_an_empty_command_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(SinkSettingsError, match="command is empty"):
        CommandSink((), work_dir=tmp_path)


def _has_ended(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
