"""A unit's PC is lost on a thin line: its books come back by the command, and no number is given twice."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import func, select

from consumers.spool import open_spool
from consumers.spool.book_entries import EntryState
from consumers.spool.models import inbox
from rig.profiles import PROFILES
from rig.proxy import Proxy
from rig.wire import Wire
from router.broker.node import PrivateNode
from router.ledger.engine import reading
from router.ledger.models import book_copy, receipt
from schemas.accounts import Role
from schemas.states import Status
from schemas.unit import Link
from support.books import book, on_paper, register
from support.books import key as key_of
from support.broker import empty_vhost
from support.conditions import holds
from support.installation import CONGVAN, Installation, Program, installation
from support.ledgers import unit
from support.uploads import submit

UNIT = "LCA.01"
SCALE = 60.0
"""A line of 33.6 kbit/s becomes one of 2 Mbit/s, two minutes become two seconds."""


@dataclass(slots=True)
class Place:
    """A unit's PC, and the installation that it belongs to."""

    made: Installation
    gateway: Program

    @property
    def data(self) -> Path:
        return Path(self.gateway.environment["CONGVAN_GATEWAY_DATA_DIR"])

    async def congvan(self, *arguments: str, typed: str = "") -> tuple[int, str]:
        """A command on the unit's PC, which asks over the line: its exit code and what it printed."""
        ended = await asyncio.to_thread(
            subprocess.run,
            [*CONGVAN, *arguments],
            env=self.gateway.environment,
            input=typed,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return ended.returncode, ended.stdout + ended.stderr

    def send(self, name: str) -> None:
        submit(self.made, UNIT, name, name.encode() * 300)

    def here(self) -> list[str]:
        """The deliveries that have arrived."""
        with closing(open_spool(self.data)) as spool, spool.reading() as conn:
            rows = select(inbox.c.delivery_id).where(inbox.c.state != Status.TAKEN).order_by(inbox.c.seq)
            return list(conn.scalars(rows))

    async def arrived(self, count: int) -> list[str]:
        """The deliveries that are here, once so many are."""
        await holds(lambda: len(self.here()) == count, within=180, what=f"{count} arrived\n{self.gateway.tail()}")
        return self.here()

    def told(self, status: Status) -> int:
        with reading(self.made.engine) as conn:
            counted = select(func.count()).select_from(receipt).where(receipt.c.status == status.value)
            return conn.scalar(counted) or 0

    def pieces(self) -> int:
        with reading(self.made.engine) as conn:
            return conn.scalar(select(func.count()).select_from(book_copy)) or 0


@pytest.fixture
def made(tmp_path: Path, node: PrivateNode) -> Iterator[Installation]:
    with empty_vhost(node) as vhost, installation(tmp_path, vhost, [unit("LCA"), unit(UNIT, Link.DIALUP)]) as ready:
        for role, pattern in ((Role.ISSUER, "LCA.#"), (Role.GATEWAY, UNIT)):
            ready.account(role, pattern)
        ready.router(silence_dialup=12, silence_max=24, relay_lease=5).start()
        ready.wait_until_ready()
        yield ready


@pytest.mark.parametrize("copied", [True, False], ids=["with a copy", "from receipts"])
async def test_the_disk_is_wiped_on_a_thin_line_and_no_number_is_given_twice(
    made: Installation, *, copied: bool
) -> None:
    wire = Wire(PROFILES["A"].faster(SCALE), 5)
    async with Proxy(made.api, wire) as http, Proxy(made.vhost.amqp_url, wire) as amqp:
        gateway = made.gateway(
            UNIT, sink="none", amqp_url=amqp.url, origin_url=http.url, no_progress_timeout=2.0, presence_interval=5
        )
        place = Place(made, gateway)
        gateway.start()
        for name in ("a", "b", "c"):
            place.send(name)
        first, second, _ = await place.arrived(3)
        with closing(open_spool(place.data)) as spool:
            assert register(spool, first, unit=UNIT) == 1
            assert on_paper(spool, unit=UNIT) == 2
        sheet = place.data.parent / "sheet.html"
        code, told = await place.congvan("desk", "recovery-key", "--sheet", str(sheet))
        assert code == 0, told
        if copied:
            await holds(lambda: place.pieces() == 1, within=180, what=f"a copy\n{gateway.tail()}")
        with closing(open_spool(place.data)) as spool:
            assert register(spool, second, unit=UNIT) == 3  # after the copy: the ledger alone knows of it
            assert on_paper(spool, unit=UNIT) == 4  # and of this nobody but the paper
            entries = book(spool, key_of(UNIT))
        await holds(lambda: place.told(Status.REGISTERED) == 2, within=120)
        gateway.kill()
        shutil.rmtree(place.data)

        key = sheet.read_text().split("<pre>")[1].split("</pre>")[0]
        source = ["--recovery-key", "-"] if copied else ["--from-receipts"]
        code, told = await place.congvan("desk", "restore", *source, "--json", typed=key)
        assert code == 0, told
        restored = json.loads(told.splitlines()[-1])
        assert [one["last"] for one in restored["registers"]] == [3]
        gateway.start()
        place.send("d")
        new = (await place.arrived(4 if copied else 1))[-1]
        with closing(open_spool(place.data)) as spool, pytest.raises(Exception, match="say first which number"):
            register(spool, new, unit=UNIT)
        code, told = await place.congvan("desk", "next-number", UNIT, "--next", "5")
        assert (code, "the next number of the incoming book" in told) == (0, True), told
        with closing(open_spool(place.data)) as spool:
            assert register(spool, new, unit=UNIT) == 5
            back = book(spool, key_of(UNIT))
        states = {entry.number: entry.state for entry in back}
        known = (1, 2, 3) if copied else (1, 3)
        assert {number for number, state in states.items() if state is EntryState.ENTERED} == {*known, 5}
        assert {entry.number: entry.delivery_id for entry in back if entry.number in known} == {
            entry.number: entry.delivery_id for entry in entries if entry.number in known
        }
        if copied:
            assert back[:2] == entries[:2]
        await holds(lambda: place.told(Status.REGISTERED) == 3, within=120, what=gateway.tail())
        code, told = await place.congvan("desk", "restore", *source, typed=key)
        assert code == 4, "a gateway runs here"
