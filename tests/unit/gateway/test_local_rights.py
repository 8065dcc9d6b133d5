"""What others of the machine may read: no token in any environment, no file of ours but the folders for people."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from consumers.sending.folder import OutboxFolder
from consumers.sinks.folder import FolderSink
from consumers.spool import open_spool
from deploy.main import PRIVATE
from support.documents import make_document

_PARENT = """
import os, subprocess, sys
from router.process.secrets import forget_secrets
token = os.environ["CONGVAN_GATEWAY_TOKEN"]
forget_secrets([name for name in os.environ if name.startswith("CONGVAN_")])
assert "CONGVAN_GATEWAY_TOKEN" not in os.environ
child = "import os; print(open(f'/proc/{os.getppid()}/environ', 'rb').read()); print(dict(os.environ))"
print(subprocess.run([sys.executable, "-c", child], capture_output=True, text=True, check=True).stdout)
print("still mine:", token == "s3cret-" + "token")
"""


def test_a_program_that_the_gateway_starts_finds_no_token_in_any_environment() -> None:
    env = os.environ | {
        "CONGVAN_GATEWAY_TOKEN": "s3cret-token",
        "CONGVAN_GATEWAY_UNITS": "LCA.02",
        "KEPT": "kept-value",
    }
    run = subprocess.run([sys.executable, "-c", _PARENT], env=env, capture_output=True, text=True, check=True)
    assert "s3cret" not in run.stdout
    assert run.stdout.count("kept-value") == 2, "nothing else was written over"
    assert "still mine: True" in run.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="another user is needed to look with no more than its own rights")
def test_a_process_of_the_same_user_may_not_look_into_it() -> None:
    code = """
import os, subprocess, sys
from router.process.secrets import forget_secrets
os.setgid(65534); os.setuid(65534)
forget_secrets([])
look = "import os; open(f'/proc/{os.getppid()}/mem', 'rb')"
sys.exit(subprocess.run([sys.executable, "-c", look], capture_output=True).returncode)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 1


@pytest.fixture(params=[PRIVATE, 0o022], ids=["private", "usual"])
def umask(request: pytest.FixtureRequest) -> int:
    return int(request.param)


async def test_folders_for_people_keep_their_rights_and_all_else_is_ours_alone(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        spool = open_spool(tmp_path / "data")
        with spool.writing() as conn:
            conn.exec_driver_sql("INSERT INTO meta VALUES ('x', 'y')")
        sink = FolderSink(tmp_path / "people" / "inbox")
        document = make_document(tmp_path / "contents")
        await sink.deliver(document)
        await sink.close()
        outbox = OutboxFolder(tmp_path / "people" / "outbox")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "data").iterdir()} == {0o600}
    spool.close()
    inbox = tmp_path / "people" / "inbox"
    (delivered,) = (inbox / document.unit).glob("20*")
    for folder in (inbox, inbox / document.unit, delivered, outbox.root, outbox.root / "sent"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750, folder
    assert {stat.S_IMODE(path.stat().st_mode) for path in delivered.iterdir()} == {0o640}


def test_an_older_spool_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    open_spool(tmp_path).close()
    (tmp_path / "spool.sqlite3").chmod(0o644)
    open_spool(tmp_path).close()
    assert stat.S_IMODE((tmp_path / "spool.sqlite3").stat().st_mode) == 0o600


def test_every_command_begins_with_a_private_umask(tmp_path: Path) -> None:
    code = (
        "import os, sys; sys.argv = ['congvan', '--version']\n"
        "from deploy import main\n"
        "try:\n    main.main()\nexcept SystemExit:\n    print(oct(os.umask(0)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "0o77" in run.stdout
