"""The webhook sink: one POST per document, its record and its files as multipart/form-data, streamed from the disk."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import aiohttp
from yarl import URL

from consumers.errors import SinkRefusedError, SinkRetryError, SinkSettingsError
from consumers.sinks.answers import Refused, TryAgain, decide, text_of
from consumers.sinks.base import Document
from consumers.sinks.reason import one_line
from consumers.sinks.record import encode_record, file_names
from consumers.sinks.trouble import told
from router.process.trouble import code_of_trouble
from router.tls.contexts import ClientContext
from router.tls.troubles import trouble_of
from schemas.reasons import ReasonCode
from schemas.trace import child_of

_CONNECT_SECONDS = 10.0
_ANSWER_BYTES = 4096
_ANSWER_SECONDS = 2.0
"""Seconds for an answer's body once its status is here: the status decides, the body is only shown."""
_SHOWN = 300
_REDIRECTS = range(300, 400)


class WebhookSink:
    """Posts documents to ``url``; ``Idempotency-Key`` is the delivery's id, the same on every try.

    Args:
        url: http or https; redirects are not followed, because a POST would become a GET.
        token: sent as ``Authorization: Bearer`` when not empty.
        timeout: seconds for one document, from connecting to the answer's end.
        tls: whom to trust; None: whom the system trusts.

    Raises:
        SinkSettingsError: the URL is not valid.
    """

    def __init__(self, url: str, *, token: str = "", timeout: float = 60.0, tls: ClientContext | None = None) -> None:
        self._url = _checked(url)
        self._tls = tls or ClientContext()
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT_SECONDS))
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, document: Document) -> None:
        """Post the document; any 2xx answer means that the system has it, whatever becomes of the answer's body.

        Raises:
            SinkRefusedError: an answer that is about this document, with its status and the beginning of its body.
            SinkRetryError: any other answer, or none; with the pause that ``Retry-After`` asks for.
            SinkTroubleError: this machine is short of something, as descriptors.
        """
        try:
            async with self._posted(document) as response:
                decision = decide(response.status, response.headers, now=datetime.now(UTC))
                answer = await _beginning(response)
        except TimeoutError as error:
            late = f"{self._shown} did not answer within {self._timeout.total:g} s"
            raise SinkRetryError(late, code=ReasonCode.SINK_TIMEOUT) from error
        except aiohttp.ClientError as error:
            if (trouble := trouble_of(error)) is not None:
                reason = one_line(f"{self._shown}: {trouble.text}", _SHOWN)
                raise SinkRetryError(reason, code=trouble.code) from error
            reason = f"{self._shown} cannot be reached: {one_line(str(error), _SHOWN)}"
            code = code_of_trouble(error, otherwise=ReasonCode.SINK_UNREACHABLE)
            failed = told(error, reason, local=False, code=code) if isinstance(error, OSError) else None
            raise failed or SinkRetryError(reason, code=code) from error
        except OSError as error:
            unreadable = f"a file of the document cannot be read: {error}"
            code = code_of_trouble(error, otherwise=ReasonCode.FILE_UNREADABLE)
            raise told(error, unreadable, local=False, code=code) from error
        sentence = f"{self._shown} answered {response.status} {answer}".strip()
        if response.status in _REDIRECTS:
            sentence = f"{sentence}: redirects are not followed; set webhook_url to the final address"
        match decision:
            case Refused(code):
                raise SinkRefusedError(sentence, code=code)
            case TryAgain(code, after):
                raise SinkRetryError(sentence, retry_after=after, code=code)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @property
    def _shown(self) -> str:
        return str(self._url.with_user(None).with_query(None))

    @contextlib.asynccontextmanager
    async def _posted(self, document: Document) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                connector=aiohttp.TCPConnector(ssl=self._tls),
            )
        headers = {
            **self._authorization,
            "Idempotency-Key": document.delivery_id,
            "traceparent": child_of(document.traceparent),
            "Accept-Encoding": "identity",
            "User-Agent": "congvan-gateway",
        }
        with _form(document) as form:
            async with self._session.post(self._url, data=form, headers=headers, allow_redirects=False) as response:
                yield response


@contextlib.contextmanager
def _form(document: Document) -> Iterator[aiohttp.FormData]:
    """Part ``dispatch`` is the record (JSON), then a part ``file`` for each attachment, names in plain UTF-8."""
    names = file_names(file.name for file in document.files)
    form = aiohttp.FormData(quote_fields=False, default_to_multipart=True)
    form.add_field("dispatch", encode_record(document, names).decode(), content_type="application/json")
    with contextlib.ExitStack() as opened:
        for file, name in zip(document.files, names, strict=True):
            content = opened.enter_context(file.path.open("rb"))
            form.add_field("file", content, filename=name, content_type=file.media_type)
        yield form


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body, as far as it comes in a moment; a body that stays open costs its connection."""
    answer = b""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            while len(answer) < _ANSWER_BYTES and (piece := await response.content.read(_ANSWER_BYTES)):
                answer += piece
    except (TimeoutError, aiohttp.ClientError):
        response.close()
    return one_line(text_of(answer[:_ANSWER_BYTES], response.headers.get("Content-Type", "")), _SHOWN)


def _checked(url: str) -> URL:
    with contextlib.suppress(ValueError):
        parsed = URL(url)
        if parsed.scheme in {"http", "https"} and parsed.host:
            return parsed
    raise SinkSettingsError(f"webhook_url is {url!r}; the webhook sink needs an http or https URL")
