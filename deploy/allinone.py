"""Everything on one machine: a private broker, the router and the gateways, started in order and stopped in reverse."""

import asyncio
import contextlib
import fcntl
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import aiohttp
import structlog

from deploy import environment, groundwork
from deploy.broker import PrivateBroker, door_of
from deploy.errors import ChildError, StartError
from deploy.supervisor import Child
from router.broker.node import NodeAddress
from router.ledger.engine import open_engine, upgrade
from router.settings import RouterSettings
from schemas.accounts import Account, Role, parse_account
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
_READY_WITHIN = 60.0
DESK_PORT = 8480


@dataclass(frozen=True, slots=True)
class Setup:
    """What is to run beside the broker and the router.

    Args:
        environ: what the children's environments are made from.
        example: an organisation of ``deploy/examples`` to import; empty: none.
        gateways: unit patterns, a process each; None: one for each root.
        through: gives the address under which gateways reach a URL, when a line lies between; None: none does.
        desk: serve the desk of the first gateway's units, too.
    """

    environ: Mapping[str, str]
    example: str = ""
    gateways: tuple[str, ...] | None = None
    through: Callable[[str], Awaitable[str]] | None = None
    desk: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """Where everything is, once it runs. ``config_file`` lets the commands find it.

    It holds an operator's token, and an issuer's to send with.
    """

    api_url: str
    amqp_url: str
    management_url: str
    inbox: Path
    logs: Path
    config_file: Path
    tokens: Mapping[str, str]
    gateways: tuple[str, ...]
    invitation: str
    """A one-time token for the console's first administrator; empty when somebody can log in already."""
    desk_url: str = ""
    """Where the desk is; empty: none is served."""

    @property
    def console_url(self) -> str:
        """Where people look and act."""
        return f"{self.api_url}/console/"

    @property
    def login_url(self) -> str:
        """The one-time link of the first administrator; empty when somebody can log in already."""
        return self.invitation and f"{self.console_url}welcome?token={self.invitation}"

    def token_of(self, role: Role) -> str:
        """The token of the first account with a role; empty when there is none."""
        return _token_of(self.tokens, role)


class AllInOne:
    """An asynchronous context: everything runs inside it, and nothing is left of it behind.

    Entering raises ``StartError`` (another one uses the directory, a port is taken, no such example), ``NodeError``
    (the broker does not start), ``ChildError`` (the router or a gateway does not come up) or
    ``LedgerUnavailableError``; what was started by then is stopped again.
    """

    def __init__(self, settings: RouterSettings, wish: Setup) -> None:
        self._settings = settings
        self._wish = wish
        self._home = settings.data_dir.absolute()
        self._ledger = open_engine(settings.database_url)
        self._stack = contextlib.AsyncExitStack()
        self._keepers: list[asyncio.Task[None]] = []

    async def keep(self) -> None:
        """Return never; what keeps a process running and fails ends the wait.

        Raises:
            ChildError: nothing would start that process again.
        """
        done, _ = await asyncio.wait(self._keepers, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        error = task.exception()
        log.error(Event.PART_FAILED, part=task.get_name(), exc_info=error)
        raise ChildError(f"what was to {task.get_name()} failed: {error!r}", "") from error

    async def __aenter__(self) -> Running:
        try:
            return await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def _start(self) -> Running:
        self._stack.enter_context(_sole_owner(self._home))
        self._stack.callback(self._ledger.dispose)
        if self._settings.http_certificate is not None:
            raise StartError(
                "`congvan up` serves this machine alone, plainly",
                "leave CONGVAN_HTTP_CERTIFICATE out, or run `congvan router`",
            )
        port = _free_port(self._settings.http_host, self._settings.http_port)
        patterns, tokens = await asyncio.to_thread(self._lay_the_ground)
        broker = await self._start_broker()
        api_url = f"http://{self._settings.http_host}:{port}"
        await self._start_router(broker, port, api_url)
        await asyncio.gather(*(self._start_gateway(pattern, tokens, broker, api_url) for pattern in patterns))
        return Running(
            api_url=api_url,
            amqp_url=broker.amqp_url,
            management_url=broker.management_url,
            inbox=self._home / "inbox",
            logs=self._home / "logs",
            config_file=self._write_config(broker, api_url, tokens),
            tokens=tokens,
            gateways=tuple(patterns),
            invitation=await asyncio.to_thread(self._invite_first),
            desk_url=await self._start_desk(patterns[0]) if self._wish.desk and patterns else "",
        )

    def _lay_the_ground(self) -> tuple[Sequence[str], dict[str, str]]:
        """The ledger, its units and tokens; which unit patterns get a gateway."""
        upgrade(self._ledger)
        if self._wish.example:
            groundwork.import_example(self._ledger, self._wish.example)
        roots = groundwork.root_codes(self._ledger)
        wanted = self._wish.gateways
        patterns = [f"{root}.#" for root in roots] if wanted is None else list(wanted)
        accounts = groundwork.accounts_for(roots, patterns)
        return patterns, groundwork.ensure_tokens(self._ledger, accounts, self._home / "secrets")

    def _invite_first(self) -> str:
        return groundwork.invite_first(self._ledger, groundwork.root_codes(self._ledger))

    async def _start_broker(self) -> NodeAddress:
        """The broker that is configured, else a private one."""
        settings = self._settings
        if settings.amqp_url:
            password = settings.amqp_password.get_secret_value()
            return NodeAddress(settings.amqp_url, settings.management_url, settings.amqp_user, password)
        broker = PrivateBroker(self._home / "broker", door=door_of(self._settings))
        self._stack.push_async_callback(broker.stop)
        address = await broker.start()
        self._kept_by(broker.watching)
        return address

    async def _start_router(self, broker: NodeAddress, port: int, api_url: str) -> None:
        env = environment.for_router(self._wish.environ, self._settings, broker, port)
        router = self._child("router", env, "router")
        await router.ready(lambda: _says_ready(api_url), within=_READY_WITHIN)

    async def _start_gateway(self, pattern: str, tokens: Mapping[str, str], broker: NodeAddress, api_url: str) -> None:
        place, through = pattern.replace(".#", ""), self._wish.through or _directly
        env = environment.for_gateway(
            self._wish.environ,
            units=pattern,
            token=tokens[Account(Role.GATEWAY, pattern).name],
            amqp_url=await through(broker.amqp_url),
            origin_url=await through(api_url),
            data_dir=self._home / "gateways" / place,
            inbox=self._home / "inbox",
        )
        began = now_ms()
        gateway = self._child(f"gateway-{place}", env, "gateway", "run")
        await gateway.ready(self._heard_of(pattern, began), within=_READY_WITHIN)

    async def _start_desk(self, pattern: str) -> str:
        """Serve the desk over a gateway's spool; where it is."""
        port = usual_port(DESK_PORT)
        env = environment.for_desk(self._wish.environ, self._home / "gateways" / pattern.replace(".#", ""), port)
        url = f"http://127.0.0.1:{port}/desk/"
        desk = self._child("desk", env, "desk")
        await desk.ready(lambda: _answers(f"{url}login"), within=_READY_WITHIN)
        return url

    def _child(self, name: str, env: Mapping[str, str], *arguments: str) -> Child:
        # -P: the folder it is started in may hold a schemas.py of somebody else's
        argv = (sys.executable, "-P", "-m", "deploy.main", *arguments)
        child = Child(name, argv, env, self._home / "logs" / f"{name}.log")
        self._stack.push_async_callback(child.stop)
        child.start()
        self._kept_by(child.keeping)
        return child

    def _kept_by(self, keeper: "asyncio.Task[None] | None") -> None:
        if keeper is not None:
            self._keepers.append(keeper)

    def _heard_of(self, pattern: str, since: int) -> Callable[[], Awaitable[bool]]:
        """Whether a gateway's first word has gone all the way through broker and router into the ledger."""
        return lambda: asyncio.to_thread(groundwork.heard_of, self._ledger, pattern, since)

    def _write_config(self, broker: NodeAddress, api_url: str, tokens: Mapping[str, str]) -> Path:
        values: dict[str, str | int] = {
            "data_dir": str(self._home),
            "ledger_url": self._settings.ledger_url,
            **environment.ways_of(self._settings),
            "api_url": api_url,
            "token": _token_of(tokens, Role.OPERATOR),
            "issuer_token": _token_of(tokens, Role.ISSUER),
            "amqp_url": broker.amqp_url,
            "amqp_user": broker.user,
            "amqp_password": broker.password,
            "management_url": broker.management_url,
            "broker_file_handles": broker.file_handles or self._settings.broker_file_handles,
        }
        file = self._home / "congvan.toml"
        groundwork.write_private(file, environment.toml_of(values))
        return file


def _token_of(tokens: Mapping[str, str], role: Role) -> str:
    return next((token for name, token in tokens.items() if parse_account(name).role is role), "")


async def _directly(url: str) -> str:
    return url


async def _says_ready(api_url: str) -> bool:
    return await _answers(f"{api_url}/readyz?need=broker&need=database")


async def _answers(url: str) -> bool:
    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http,
            http.get(url) as answer,
        ):
            return answer.ok
    except (aiohttp.ClientError, TimeoutError):
        return False


def usual_port(usual: int) -> int:
    """A port of this machine when it is free, else any that is."""
    for port in (usual, 0):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    raise StartError("no port of this machine is free", "end what takes them")


def _free_port(host: str, port: int) -> int:
    """The wished port, or any free one for 0.

    Raises:
        StartError: another program listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise StartError(
            f"the web API cannot listen on {host}:{port}: {error.strerror}", "choose another CONGVAN_HTTP_PORT"
        ) from error


@contextlib.contextmanager
def _sole_owner(home: Path) -> Iterator[None]:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (home / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError(f"it runs already in {home}", "choose another CONGVAN_DATA_DIR for a second one") from None
        yield
