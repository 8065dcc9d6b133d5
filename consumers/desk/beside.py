"""Keeps a desk running beside a gateway: a process of its own, so that a crash of one leaves the other."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog
from pydantic import SecretStr

from consumers.settings import GatewaySettings
from router.broker.backoff import Backoff
from router.process.leash import leashed
from schemas.events import Event

log = structlog.get_logger()
_COMMAND = ("-P", "-m", "deploy.main", "desk")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_ENDS_WITHIN = 20.0
_WRONG_SETTINGS = 2
OF_THE_GATEWAY_ALONE = frozenset(
    f"{GatewaySettings.model_config['env_prefix']}{name.upper()}"
    for name, field in GatewaySettings.model_fields.items()
    if field.annotation is SecretStr
)
"""Variables of which a desk has no use: whoever breaks into it is to find none of the gateway's secrets."""


def environment_for(environ: Mapping[str, str], data_dir: Path) -> dict[str, str]:
    """What a desk is started with: the gateway's environment without its secrets."""
    own = {name: value for name, value in environ.items() if name.upper() not in OF_THE_GATEWAY_ALONE}
    return own | {"CONGVAN_GATEWAY_DATA_DIR": str(data_dir)}


@asynccontextmanager
async def desk_beside(environment: Mapping[str, str]) -> AsyncIterator[None]:
    """Run a desk for as long as the block does; it is started again when it ends, but for wrong settings."""
    keeping = asyncio.create_task(_keep(environment), name="desk")
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError):
            await keeping


async def _keep(environment: Mapping[str, str]) -> None:
    pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
    while True:
        code = await _run(environment)
        if code == _WRONG_SETTINGS:
            log.error(Event.DESK_ENDED, code=code, retry_in=None)
            return
        pause = pauses.pause()
        log.warning(Event.DESK_ENDED, code=code, retry_in=round(pause, 1))
        await asyncio.sleep(pause)


async def _run(environment: Mapping[str, str]) -> int:
    """Run it once; its exit code. A cancellation stops it in good order."""
    command = leashed(sys.executable, *_COMMAND)
    process = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                async with asyncio.timeout(_ENDS_WITHIN):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
