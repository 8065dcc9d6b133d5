"""``congvan log verify`` and ``checkpoint`` over a ledger whose router signs its log."""

import json
import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update
from structlog.testing import capture_logs

from router.errors import LogKeyError
from router.ledger.engine import reading, writing
from router.ledger.log import appending, checkpoints, tree
from router.ledger.log.entries import forgotten
from router.ledger.models import dispatch, log_checkpoint
from router.ledger.writer import Writer
from router.trust import log_key
from router.trust.checkpointer import Checkpointer
from schemas.events import Event
from schemas.ids import new_id
from schemas.trust.checkpoints import open_checkpoint
from schemas.trust.notes import NoteKey
from support.commands import Congvan
from support.stories import Story


@pytest.fixture
def command(ledger_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Congvan:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    return Congvan(monkeypatch, capsys, "log")


async def look(ledger: Engine, file: Path) -> None:
    """What a router does each minute."""
    writer = Writer(ledger)
    try:
        await Checkpointer(ledger, writer, log_key.load_or_make(file)).look()
    finally:
        writer.close()


async def test_a_router_signs_its_log_and_anybody_can_hold_the_ledger_against_it(
    ledger: Engine, story: Story, tmp_path: Path, command: Congvan
) -> None:
    file = tmp_path / "trust" / "log.key"
    assert command("checkpoint").code == 3
    await look(ledger, file)
    command.capsys.readouterr()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    kept, key = tmp_path / "kept.txt", command("checkpoint", "--key").out.strip()
    kept.write_text(command("checkpoint").out, "utf-8")
    (told,) = command("checkpoint", "--json").objects
    assert told["key"] == key
    opened = open_checkpoint(kept.read_text("utf-8"), NoteKey.parse(key)).checkpoint
    arguments = ("verify", "--checkpoint", str(kept), "--key", key)
    sound = command(*arguments)
    assert (sound.code, sound.out.splitlines()[-1]) == (0, "everything is as it was recorded")
    assert opened.root.hex() in sound.out
    assert "keep checkpoints elsewhere" in command("verify").out
    with writing(ledger) as conn:
        conn.execute(update(dispatch).where(dispatch.c.id == story.district).values(subject="Về việc khác"))
    found = command(*arguments)
    assert found.code == 1
    assert f"dispatch {story.district} is not as when it was recorded" in found.out
    (report,) = command(*arguments, "--json").objects
    assert not report["sound"]
    assert report["faults"][0]["what"] in found.out


async def test_it_is_signed_when_it_has_grown_and_not_otherwise(ledger: Engine, story: Story, tmp_path: Path) -> None:
    del story
    file = tmp_path / "log.key"
    await look(ledger, file)
    await look(ledger, file)
    with writing(ledger) as conn:
        assert len(list(checkpoints.every(conn))) == 1
        appending.note(conn, forgotten([new_id()]))
    await look(ledger, file)
    with reading(ledger) as conn:
        assert [item.size for item in checkpoints.every(conn)] == [tree.size_of(conn) - 1, tree.size_of(conn)]


async def test_a_router_with_another_key_signs_nothing_and_says_so_once(
    ledger: Engine, story: Story, tmp_path: Path
) -> None:
    del story
    await look(ledger, tmp_path / "log.key")
    with writing(ledger) as conn:
        conn.execute(log_checkpoint.delete())
    writer = Writer(ledger)
    other = Checkpointer(ledger, writer, log_key.load_or_make(tmp_path / "other.key"))
    with capture_logs() as logs:
        await other.look()
        await other.look()
    writer.close()
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [Event.LOG_KEY_DIFFERS]
    with reading(ledger) as conn:
        assert conn.scalar(select(log_checkpoint.c.size)) is None


def test_a_key_file_that_holds_something_else_is_refused_and_left(tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    file.write_text("nothing", "utf-8")
    with pytest.raises(LogKeyError, match=r"log\.key holds no Ed25519 key"):
        log_key.load_or_make(file)
    assert file.read_text("utf-8") == "nothing"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--key", "nothing"), "is no key"),
        (("--checkpoint", "{file}"), "it is no note"),
    ],
)
async def test_what_is_given_is_read_or_refused(
    ledger: Engine, tmp_path: Path, command: Congvan, arguments: tuple[str, ...], said: str
) -> None:
    with writing(ledger) as conn:
        appending.note(conn, forgotten([new_id()]))
    await look(ledger, tmp_path / "log.key")
    file = tmp_path / "note.txt"
    file.write_text(json.dumps({}), "utf-8")
    ended = command("verify", *(argument.format(file=file) for argument in arguments))
    assert ended.code == 2
    assert said in " ".join(ended.err.split())
