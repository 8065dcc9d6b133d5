"""Tells the line's faults from the server's, the same for what comes and what goes up."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from consumers.errors import LineError, ServerTroubleError, SilentLineError, TlsTroubleError
from router.tls.troubles import trouble_of

_LINE_EVENTS = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError, ConnectionError)


@contextmanager
def separating_faults() -> Iterator[None]:
    """Tell the line's faults from the server's.

    Raises:
        LineError: the line went.
        TlsTroubleError: a certificate, ours or the server's, stands in the way.
        ServerTroubleError: what answers does not speak HTTP.
        Exception: an error of our own while a body was written, which the library reports as the connection's.
    """
    try:
        yield
    except _LINE_EVENTS as error:
        if (trouble := trouble_of(error)) is not None:
            raise TlsTroubleError(f"{trouble.text}; {trouble.advice}", code=trouble.code) from error
        cause = error.__cause__
        if isinstance(cause, Exception) and not isinstance(cause, (OSError, aiohttp.ClientError, HttpProcessingError)):
            raise cause from None
        kind = SilentLineError if isinstance(error, TimeoutError) else LineError
        raise kind(f"{type(error).__name__}: {error}") from error
    except aiohttp.ClientError as error:
        raise ServerTroubleError(f"{type(error).__name__}: {error}") from error
