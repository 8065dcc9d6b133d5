"""Compression through a whole installation: a router's processes make the forms, gateways' processes unpack them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from schemas.accounts import Role
from support.broker import Vhost
from support.installation import Installation, installation
from support.ledgers import unit
from support.packing import letter_bytes

HAS, OTHER = "LCA.01", "LCA.02"
UNITS = [unit("LCA"), unit(HAS), unit(OTHER)]
FIRST, SECOND = letter_bytes(1), letter_bytes(2)


@pytest.fixture
def made(vhost: Vhost, tmp_path: Path) -> Iterator[Installation]:
    with installation(tmp_path, vhost, UNITS) as laid:
        laid.router(encode_seconds=30).start()
        laid.wait_until_ready()
        for code, settings in ((HAS, {}), (OTHER, {"dictionary_bytes": 0})):
            laid.gateway(code, code, **settings).start()
        laid.wait_until_seen([HAS, OTHER])
        yield laid


async def send(made: Installation, notation: str, *files: bytes, **fields: Any) -> str:
    """Hand in a letter with its files, to all; its id."""
    form = aiohttp.FormData()
    letter = {"notation": notation, "subject": "Về việc họp", "issuer": "LCA", "addressees": ["LCA.*"]} | fields
    form.add_field("dispatch", aiohttp.JsonPayload(letter), content_type="application/json")
    for number, data in enumerate(files):
        form.add_field("file", data, filename=f"{number}.docx", content_type="application/msword")
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{made.api}/api/v1/dispatches", data=form) as answer,
    ):
        assert answer.status == 202, await answer.text()
        accepted: dict[str, Any] = await answer.json()
    return str(accepted["id"])


def files_of(made: Installation, code: str) -> set[bytes]:
    return {path.read_bytes() for path in (made.directory / code / "inbox").rglob("*.docx")}


def decoded(made: Installation, code: str) -> list[str]:
    """The forms that a gateway unpacked, as it logged them."""
    lines = (made.directory / f"{code}.log").read_text("utf-8").splitlines()
    return ["dcz" if "dcz" in line else "zstd" for line in lines if "content_decoded" in line]


async def test_a_second_letter_comes_as_the_difference_to_who_holds_the_first_and_whole_to_who_does_not(
    made: Installation,
) -> None:
    first = await send(made, "1-CV/TU", FIRST)
    made.wait(lambda: made.states() == {"arrived": 2}, "the first letter is there")
    await send(made, "2-CV/TU", SECOND)
    made.wait(lambda: made.states() == {"arrived": 4}, "the second letter is there")
    for code in (HAS, OTHER):
        assert files_of(made, code) == {FIRST, SECOND}
    assert decoded(made, HAS) == ["zstd", "dcz"]
    assert decoded(made, OTHER) == ["zstd", "zstd"]
    kept = made.directory / HAS / "dictionaries"
    assert {path.read_bytes() for path in kept.iterdir()} == {FIRST, SECOND}

    await send(made, "3-CV/TU", kind="recall", urgency=3, refers_to=[first])
    made.wait(lambda: made.states().get("arrived") == 4, "the recall is there, and one letter")
    made.wait(lambda: len(list(kept.iterdir())) == 1, "what was called back is not kept")
    assert [path.name for path in kept.iterdir()] == [hashlib.sha256(SECOND).hexdigest()]
