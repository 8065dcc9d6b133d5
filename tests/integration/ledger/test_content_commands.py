"""``congvan content``: what is damaged and who waits for it, what nobody names, and who may change the store."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from typer.testing import CliRunner, Result

from router.cli import content
from router.content import ContentStore
from router.ledger.engine import writing
from router.ledger.models import book_copy
from schemas.ids import new_id
from schemas.states import Status
from support.ledgers import Clerk, attachment, unit
from support.rot import rot

Run = Callable[..., Result]
UNITS = [unit(code) for code in ("LCA", "LCA.01", "LCA.02")]


@pytest.fixture
def run(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command against the test's ledger."""
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    return lambda *arguments: CliRunner().invoke(content.app, arguments)


def objects(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_verify_hashes_the_copies_of_books_and_tells_whose_one_is(
    run: Run, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    files = [attachment(name, "piece") for name in (b"everything", b"lost")]
    asyncio.run(store.put(b"everything"))
    with writing(ledger) as conn:
        row = {"chain": new_id(), "account": "gateway:LCA.01", "spool_id": new_id(), "size": 1, "at": 1}
        rows = [row | {"number": number, "sha256": file.sha256} for number, file in enumerate(files)]
        conn.execute(insert(book_copy), rows)
    assert run("verify").exit_code == 1
    (told,) = map(json.loads, run("verify", "--json").stdout.splitlines())
    assert told == {
        "sha256": files[1].sha256,
        "state": "missing",
        "healed": False,
        "dispatches": [],
        "copies_of_books": ["gateway:LCA.01"],
    }


def test_verify_tells_what_is_damaged_who_waits_for_it_and_ends_with_one(
    run: Run, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    assert run("verify").exit_code == 3, "there is no store yet"
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    files = [attachment(name.encode(), f"{name}.pdf") for name in ("sound", "rotten", "lost")]
    for file in files[:2]:
        asyncio.run(store.put(file.name.removesuffix(".pdf").encode()))
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(*UNITS)
        key = clerk.dispatch("LCA", UNITS[1:3], attachments=files)
        clerk.tell(key, "LCA.02", Status.QUEUED, Status.TAKEN, Status.ARRIVED)
    rot(store.path(files[1].sha256))
    for _ in range(2):
        result = run("verify", "--json")
        told = {item["sha256"]: item for item in map(json.loads, result.stdout.splitlines())}
        assert (result.exit_code, set(told)) == (1, {files[1].sha256, files[2].sha256})
        assert told[files[2].sha256]["state"] == "missing"
        assert told[files[1].sha256] == {
            "sha256": files[1].sha256,
            "state": "damaged",
            "healed": False,
            "dispatches": [{"dispatch": key, "issuer": "LCA", "notation": "1-CV/TU", "waiting": ["LCA.01"]}],
            "copies_of_books": [],
        }
    assert "waited for by LCA.01" in run("verify").stdout
    for file in files[1:]:
        asyncio.run(store.put(file.name.removesuffix(".pdf").encode()))
    well = run("verify")
    assert (well.exit_code, well.stdout) == (0, "")
    assert "3 contents hashed, 0 were damaged or missing" in well.stderr


def test_collect_tells_before_it_removes(
    run: Run, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del ledger
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    store = ContentStore(tmp_path / "content", reserve_bytes=0)
    name = asyncio.run(store.put(b"nobody names it")).sha256
    assert objects(run("collect", "--json")) == []
    os.utime(store.path(name), (1000, 1000))
    (told,) = objects(run("collect", "--dry-run", "--json"))
    assert told == {"sha256": name, "size": 15, "came_at": 1000.0}
    assert name in run("collect").stdout
    assert store.size(name) is None
    assert run("collect").stdout == "nothing to collect\n"


def test_another_user_than_the_routers_changes_nothing_in_the_store(
    run: Run, ledger: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del ledger
    monkeypatch.setenv("CONGVAN_DATA_DIR", str(tmp_path))
    ContentStore(tmp_path / "content", reserve_bytes=0)
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    for command in ("verify", "collect"):
        result = run(command)
        assert (result.exit_code, "run this as that user" in result.stderr) == (4, True)
    assert [path.name for path in (tmp_path / "content").iterdir()] == ["incoming"]
