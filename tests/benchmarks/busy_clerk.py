"""A clerk who never rests: loads a desk's pages in turn, one a second, until it is killed, and prints each."""

import asyncio
import sys
from contextlib import suppress
from itertools import cycle
from pathlib import Path

from aiohttp import ClientError, ClientSession, CookieJar

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from support.stories import PASSWORD  # noqa: E402 - the folders come first

PAGES = ("/", "/incoming", "/line", "/registers", "/completeness", "/reports", "/journal", "/outgoing", "/attention")
_PAUSE = 1.0


async def main(url: str, name: str) -> None:
    """Log in as somebody, as soon as the desk answers, and look."""
    same_site = {"Sec-Fetch-Site": "same-origin"}
    async with ClientSession(url, headers=same_site, cookie_jar=CookieJar(unsafe=True)) as http:
        while not await _came_in(http, name):  # noqa: ASYNC110 - it starts beside the clerk
            await asyncio.sleep(_PAUSE)
        for page in cycle(PAGES):
            async with http.get(f"/desk{page}", allow_redirects=False) as answer:
                print(page, answer.status, flush=True)
            await asyncio.sleep(_PAUSE)


async def _came_in(http: ClientSession, name: str) -> bool:
    with suppress(ClientError):
        form = {"name": name, "password": PASSWORD}
        async with http.post("/desk/login", data=form, allow_redirects=False) as answer:
            return answer.status == 303
    return False


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
