"""A fetcher and all around it, over real connections to a content server."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from consumers.fetching.content import ContentDir
from consumers.fetching.dictionaries import Dictionaries
from consumers.fetching.fetch import Fetcher, FetchPolicy, Transfer
from consumers.fetching.origin import Clients
from consumers.line.pace import LinePace
from consumers.line.state import Line
from router.tls.contexts import ClientContext
from support.content_server import ContentServer

QUICK = FetchPolicy(first=0.01, longest=0.05, gone_tries=3, wrong_tries=3)
KNOWN_FAST = 1e8


@dataclass
class Bench:
    """A fetcher and all around it."""

    server: ContentServer
    directory: ContentDir
    dictionaries: Dictionaries
    line: Line = field(default_factory=Line)
    tls: ClientContext = field(default_factory=ClientContext)
    moved: int = 0
    waits: list[str] = field(default_factory=list)
    pace: Callable[[], LinePace] = lambda: LinePace(KNOWN_FAST)

    def on_progress(self, _transfer: Transfer, count: int) -> None:
        self.moved += count

    async def fetch(
        self, transfer: Transfer, *, url: str = "", silence: float = 20.0, policy: FetchPolicy = QUICK
    ) -> None:
        line = self.line = Line(self.pace(), patience=silence)
        async with aclosing(Clients(token="t", no_progress=silence, tls=self.tls)) as clients:
            fetcher = Fetcher(
                clients,
                f"{url or self.server.url}/content",
                self.directory,
                self.dictionaries,
                line,
                policy=policy,
                on_progress=self.on_progress,
                on_wait=lambda waiting: self.waits.append(waiting.waits_for),
            )
            await fetcher.fetch(transfer)

    def got(self, transfer: Transfer) -> bytes:
        return self.directory.path(transfer.sha256).read_bytes()


def bench_in(directory: Path, server: ContentServer) -> Bench:
    """A bench whose contents and dictionaries lie in a directory."""
    dictionaries = Dictionaries(directory / "dictionaries", most_bytes=2**24)
    return Bench(server, ContentDir(directory / "content", reserve_bytes=0), dictionaries)
