"""The log over HTTP: who has its tiles makes the root that its checkpoint names, and any proof, without our code."""

from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256

import pytest
from nacl.signing import SigningKey
from sqlalchemy import insert, update

from router.ledger.engine import reading, writing
from router.ledger.log import checkpoints
from router.ledger.models import log_entry, log_head
from router.ledger.writer import Writer
from router.trust.checkpointer import Checkpointer
from support.api_server import GATEWAY, Api

KEY = SigningKey(b"k" * 32)
SIZE = 70_000
"""The example of tlog-tiles: 273 full tiles, one of 112 hashes, one level above of 256 and of 17, one above of 1."""


def root_over(hashes: Sequence[bytes]) -> bytes:
    """RFC 6962's, over hashes of perfect subtrees of one size and, at the right edge, of whatever is there."""
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return sha256(b"\x01" + root_over(hashes[:k]) + root_over(hashes[k:])).digest()


async def grow(api: Api, size: int) -> None:
    """A log of so many entries, signed."""
    with writing(api.engine) as conn:
        rows = [{"number": n, "kind": "test", "leaf_hash": sha256(b"%d" % n).digest(), "ids": b""} for n in range(size)]
        conn.execute(insert(log_entry), rows)
        conn.execute(update(log_head).values(size=size))
    writer = Writer(api.engine)
    await Checkpointer(api.engine, writer, KEY).look()
    writer.close()


async def ask(api: Api, path: str, **headers: str) -> tuple[int, bytes]:
    async with api.http.get(f"/api/v1/log/{path}", headers=api.as_(GATEWAY) | headers) as answer:
        return answer.status, await answer.read()


async def tile(api: Api, path: str) -> list[bytes]:
    status, packed = await ask(api, f"tile/{path}")
    assert status == 200
    return [packed[place : place + 32] for place in range(0, len(packed), 32)]


async def test_the_tiles_make_the_root_that_the_checkpoint_names(api: Api) -> None:
    assert (await ask(api, "checkpoint"))[0] == 404
    await grow(api, SIZE)
    status, note = await ask(api, "checkpoint")
    origin, size, root, _, line, _ = note.decode().split("\n")
    assert (status, size) == (200, str(SIZE))
    signature = b64decode(line.split(" ")[2])[4:]
    KEY.verify_key.verify(f"{origin}\n{size}\n{root}\n".encode(), signature)
    above = await tile(api, "2/000.p/1")
    edge = await tile(api, "1/001.p/17")
    last = await tile(api, "0/273.p/112")
    assert (len(above), len(edge), len(last)) == (1, 17, 112)
    # Of 17 complete subtrees the last and what is not complete yet are a subtree of their own.
    corner = sha256(b"\x01" + edge[16] + root_over(last)).digest()
    right = sha256(b"\x01" + root_over(edge[:16]) + corner).digest()
    assert b64decode(root) == sha256(b"\x01" + above[0] + right).digest()
    assert above[0] == root_over(await tile(api, "1/000"))
    assert edge[16] == root_over(await tile(api, "0/272"))
    assert last[-1] == sha256(b"%d" % (SIZE - 1)).digest()


async def test_a_checkpoint_that_is_at_hand_is_not_sent_again(api: Api) -> None:
    await grow(api, 3)
    async with api.http.get("/api/v1/log/checkpoint", headers=api.as_(GATEWAY)) as answer:
        etag = answer.headers["etag"]
        assert answer.content_type == "text/plain"
    assert await ask(api, "checkpoint", **{"If-None-Match": etag}) == (304, b"")
    with writing(api.engine) as conn:
        newest = checkpoints.newest(conn)
        assert newest is not None
        checkpoints.cosign(conn, newest.size, "— nhan-chung.vn AAAA\n")
    assert (await ask(api, "checkpoint", **{"If-None-Match": etag}))[0] == 200


async def test_that_it_has_only_grown_is_proved(api: Api) -> None:
    await grow(api, 7)
    leaves = [sha256(b"%d" % n).digest() for n in range(7)]
    status, lines = await ask(api, "consistency?old=3&size=7")
    assert status == 200
    # The example of RFC 6962, 2.1.3: from 3 to 7 entries the proof is c, d, g, l.
    g = root_over(leaves[0:2])
    wanted = [leaves[2], leaves[3], g, root_over(leaves[4:7])]
    assert [b64decode(line) for line in lines.split()] == wanted


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("tile/0/000", 404),
        ("tile/0/000.p/4", 404),
        ("tile/1/000.p/1", 404),
        ("tile/0/000.p/0", 400),
        ("tile/0/000.p/256", 400),
        ("tile/0/0", 400),
        ("tile/64/000", 400),
        ("tile/entries/000", 400),
        ("consistency?old=2&size=4", 404),
        ("consistency?old=3&size=2", 404),
        ("consistency?old=-1&size=2", 422),
        ("consistency?size=2", 422),
    ],
)
async def test_what_is_not_there_is_said_so(api: Api, path: str, status: int) -> None:
    await grow(api, 3)
    assert (await ask(api, path))[0] == status


async def test_it_is_for_who_has_a_token(api: Api) -> None:
    for path in ("checkpoint", "tile/0/000", "consistency?old=0&size=1"):
        async with api.http.get(f"/api/v1/log/{path}") as answer:
            assert answer.status == 401
    with reading(api.engine) as conn:
        assert checkpoints.newest(conn) is None
