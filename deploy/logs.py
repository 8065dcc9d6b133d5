"""How every program logs: structlog to standard error, JSON lines for machines, coloured lines on a terminal.

The standard library's logging (uvicorn, pika, aiohttp, alembic) runs through the same renderer, one level quieter.
"""

import logging
import sys
from collections.abc import Callable
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from deploy.settings import LogSettings

QUIET_BELOW_WARNING = ("uvicorn.access", "uvicorn.error", "pika", "aiohttp", "alembic", "asyncio")
"""Libraries whose informational lines only repeat what our own events say."""


def configure_logs(settings: LogSettings | None = None, *, program: str, stream: TextIO | None = None) -> None:
    """Set up logging for this process; call it once, before anything logs.

    Args:
        settings: level and form; read from the environment when not given.
        program: stands in every line as ``program``.
        stream: where lines go; standard error when not given.
    """
    settings = settings or LogSettings()
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared = _shared_processors(program)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    _route_standard_logging(shared, _renderer(settings, stream), stream, level)


def _shared_processors(program: str) -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        _stamp(program),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _stamp(program: str) -> Processor:
    def add_program(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("program", program)
        return event

    return add_program


def _renderer(settings: LogSettings, stream: TextIO) -> list[Processor]:
    pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and stream.isatty())
    if pretty:
        return [structlog.dev.ConsoleRenderer(colors=stream.isatty())]
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(serializer=_json)]


def _json(event: EventDict, default: Callable[[Any], Any] | None = None, **_: Any) -> str:
    return orjson.dumps(event, default=default, option=orjson.OPT_NON_STR_KEYS).decode()


def _route_standard_logging(shared: list[Processor], renderer: list[Processor], stream: TextIO, level: int) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET_BELOW_WARNING:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
