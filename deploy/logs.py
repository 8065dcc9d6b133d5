"""How every program logs: structlog to standard error, JSON lines for machines, coloured lines on a terminal.

The standard library's logging (uvicorn, pika, aiohttp, alembic) runs through the same renderer, one level quieter.

No line holds a secret: tracebacks are without the values of variables, and the last step before a line is written
takes out what :mod:`schemas.hidden` knows.
"""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, BinaryIO, TextIO
from uuid import UUID

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from deploy.settings import LogSettings
from schemas.hidden import SHOWN, blanked

QUIET_BELOW_WARNING = ("uvicorn.access", "uvicorn.error", "pika", "aiohttp", "alembic", "asyncio")
"""Libraries whose informational lines only repeat what our own events say."""
_SECRET_NAMES = ("password", "secret", "token", "authorization", "cookie")
_AS_IT_IS = (bool, int, float, date, time, UUID)
_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


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
    shared, renderer = _shared_processors(program), _renderer(settings, stream)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_Lines(stream),
    )
    _route_standard_logging(shared, renderer, stream, level)


def open_private(file: Path) -> BinaryIO:
    """Open a log file to append to; its owner alone may read it, an older one that others could read, too."""

    def opener(path: str, flags: int) -> int:
        descriptor = os.open(path, flags, 0o600)
        os.fchmod(descriptor, 0o600)
        return descriptor

    return open(file, "ab", opener=opener)


class _Lines:
    """Writes our own events; a line that cannot be written (full disk, closed pipe) is lost, and the program goes on.

    It makes itself: structlog asks a factory for each logger.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> "_Lines":
        return self

    def msg(self, line: str) -> None:
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._stream.write(f"{line}\n")
            self._stream.flush()

    debug = info = warning = error = critical = msg


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
        shown = structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
        return [structlog.processors.format_exc_info, _blank, shown]
    return [_TRACEBACKS, _blank, structlog.processors.JSONRenderer(serializer=_json)]


def _blank(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: _without_secrets(value, name=str(key)) for key, value in event.items()}


def _without_secrets(value: Any, *, name: str = "") -> Any:
    if name.lower().endswith(_SECRET_NAMES) and value:
        return SHOWN
    if isinstance(value, str):
        return blanked(value)
    if value is None or isinstance(value, _AS_IT_IS):
        return value
    if isinstance(value, Mapping):
        return {key: _without_secrets(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_without_secrets(item) for item in value]
    return blanked(repr(value))


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
