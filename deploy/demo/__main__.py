"""``python -m deploy.demo``: starts all with the example, sends three dispatches, follows them to their addressees."""

import asyncio
import fcntl
import io
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import aiohttp
import typer
from rich.console import Console

from deploy.allinone import AllInOne, Running, Setup, usual_port
from deploy.commands._up import interruptible
from deploy.demo import everyday
from deploy.demo.errors import DemoError
from deploy.demo.follow import Followed, look
from deploy.demo.line import DemoLine
from deploy.demo.scenes import SCENES, send
from deploy.demo.screen import DemoScreen
from deploy.errors import StartError
from deploy.exits import report
from deploy.logs import configure_logs, open_private
from deploy.settings import LogSettings
from router.settings import RouterSettings, default_data_dir
from schemas.accounts import Role

_EVERYWHERE_WITHIN = 180.0
_LOOK_EVERY = 0.3
_INTERRUPTED = 130


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running until Ctrl-C.")] = False,
) -> None:
    """Show the whole way of a dispatch with the example organisation, on this machine."""
    for name in [name for name in os.environ if name.startswith("CONGVAN_")]:
        del os.environ[name]  # the demonstration is the same for everyone
    home = default_data_dir() / "demo"
    home.parent.mkdir(parents=True, exist_ok=True)
    with io.TextIOWrapper(open_private(home.parent / "demo.log"), line_buffering=True) as logs, _alone(home):
        configure_logs(LogSettings(log_format="json"), program="demo", stream=logs)
        asyncio.run(show(home, DemoScreen(Console()), keep=keep))


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Hold the demonstration's lock, with a directory that is fresh.

    Raises:
        StartError: another demonstration runs.
    """
    with home.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartError("the demonstration runs already", "stop it first: Ctrl-C in its shell") from None
        if home.exists():
            shutil.rmtree(home)
        yield


async def show(home: Path, screen: DemoScreen, *, keep: bool) -> None:
    """Start, send, follow, sum up.

    Raises:
        DemoError: a dispatch was refused, or is not everywhere in time.
        Exit: it was interrupted before that.
    """
    began, complete = time.monotonic(), False
    with interruptible():
        screen.say("starting a private RabbitMQ, the router and the gateways of the example Lào Cai …")
        settings = RouterSettings(
            data_dir=home, http_port=usual_port(int(RouterSettings.model_fields["http_port"].default))
        )
        environ = {**os.environ, **(everyday.SETTINGS if keep else {})}
        line = DemoLine()
        wish = Setup(environ=environ, example="lao-cai", through=line.through if keep else None, desk=keep)
        async with line, AllInOne(settings, wish) as running:
            screen.say(f"ready after {time.monotonic() - began:.0f} s; web API at {running.api_url}")
            await send_and_follow(running, screen)
            complete = True
            tell_places(running, screen, keep=keep)
            if keep:
                await everyday.play(running, line, screen)
                await asyncio.Event().wait()
    if not complete:
        raise typer.Exit(_INTERRUPTED)


async def send_and_follow(running: Running, screen: DemoScreen) -> None:
    """Send the three dispatches and show their receipts until they are everywhere they can be."""
    headers = {"Authorization": f"Bearer {running.token_of(Role.ISSUER)}"}
    async with aiohttp.ClientSession(running.api_url, headers=headers) as http:
        dispatches = []
        for scene in SCENES:
            notation = str(scene.letter["notation"])
            dispatches.append(Followed(await send(http, scene), notation, scene.title))
            screen.say(f"sent {notation} {scene.title}, with {scene.file.name} ({scene.file.stat().st_size:,} bytes)")
        with screen.live():
            await _follow(http, dispatches, screen)
    screen.say("")
    for followed in dispatches:
        screen.roll_up(followed)


async def _follow(http: aiohttp.ClientSession, dispatches: list[Followed], screen: DemoScreen) -> None:
    deadline = time.monotonic() + _EVERYWHERE_WITHIN
    while True:
        new = [(followed, receipt) for followed in dispatches for receipt in await look(http, followed)]
        screen.update(dispatches, new)
        if all(followed.done for followed in dispatches):
            return
        if time.monotonic() > deadline:
            missing = [item.unit for followed in dispatches for item in followed.missing]
            raise DemoError(f"not arrived within {_EVERYWHERE_WITHIN:.0f} s at {', '.join(missing)}")
        await asyncio.sleep(_LOOK_EVERY)


def tell_places(running: Running, screen: DemoScreen, *, keep: bool) -> None:
    """Where everything is, and what to try."""
    screen.say("")
    screen.say(f"inbox folders  {running.inbox}")
    screen.say(f"logs           {running.logs}")
    if keep:
        screen.say(f"console        {running.console_url}")
        screen.say(f"  log in once: {running.login_url}")
        screen.say(f"web API        {running.api_url}   (its description: {running.api_url}/docs)")
        screen.say(f"in another shell: export CONGVAN_CONFIG={running.config_file}")
        screen.say("                  congvan units tree · congvan log · congvan send --help")
        screen.say("Ctrl-C stops it")
    else:
        screen.say("web API        stopped with the rest; `./deploy/demo.sh --keep` leaves it running")


if __name__ == "__main__":
    try:
        typer.run(demo)
    except Exception as error:  # noqa: BLE001 - the outermost frame: every error ends as a line and an exit code
        sys.exit(report(error))
