"""The webhook sink: one POST per document, its record and its files as multipart/form-data, streamed from the disk."""

import contextlib
import http
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from consumers.errors import SinkRefusedError, SinkRetryError, SinkSettingsError
from consumers.sinks.base import Document
from consumers.sinks.reason import one_line
from consumers.sinks.record import encode_record, file_names
from consumers.sinks.trouble import told
from schemas.trace import child_of

_CONNECT_SECONDS = 10.0
_ANSWER_BYTES = 4096
_SHOWN = 300
_PASSING = {http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.TOO_EARLY, http.HTTPStatus.TOO_MANY_REQUESTS}


class WebhookSink:
    """Posts documents to ``url``; ``Idempotency-Key`` is the delivery's id, the same on every try.

    Args:
        url: http or https; redirects are not followed, because a POST would become a GET.
        token: sent as ``Authorization: Bearer`` when not empty.
        timeout: seconds for one document, from connecting to the answer's end.

    Raises:
        SinkSettingsError: the URL is none.
    """

    def __init__(self, url: str, *, token: str = "", timeout: float = 60.0) -> None:
        self._url = _checked(url)
        self._authorization = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT_SECONDS))
        self._session: aiohttp.ClientSession | None = None

    async def deliver(self, document: Document) -> None:
        """Post the document; any 2xx answer means that the system has it.

        Raises:
            SinkRefusedError: a 4xx answer but 408, 425, 429, with its status and the beginning of its body.
            SinkRetryError: any other answer, or none; with the pause that ``Retry-After`` asks for.
            SinkTroubleError: this machine is short of something, as descriptors.
        """
        try:
            status, answer, retry_after = await self._post(document)
        except TimeoutError as error:
            raise SinkRetryError(f"{self._shown} did not answer within {self._timeout.total:g} s") from error
        except aiohttp.ClientError as error:
            reason = f"{self._shown} cannot be reached: {one_line(str(error), _SHOWN)}"
            failed = told(error, reason, local=False) if isinstance(error, OSError) else SinkRetryError(reason)
            raise failed from error
        except OSError as error:
            raise told(error, f"a file of the document cannot be read: {error}", local=False) from error
        _judge(status, f"{self._shown} answered {status} {answer}".strip(), retry_after)

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    @property
    def _shown(self) -> str:
        return str(self._url.with_user(None).with_query(None))

    async def _post(self, document: Document) -> tuple[int, str, float | None]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
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
                return response.status, await _beginning(response), _retry_after(response)


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
    answer = b""
    while len(answer) < _ANSWER_BYTES and (piece := await response.content.read(_ANSWER_BYTES)):
        answer += piece
    return one_line(answer[:_ANSWER_BYTES].decode(errors="replace"), _SHOWN)


def _judge(status: int, sentence: str, retry_after: float | None) -> None:
    match status // 100:
        case 2:
            return
        case 4 if status not in _PASSING:
            raise SinkRefusedError(sentence)
        case 3:
            raise SinkRetryError(f"{sentence}: redirects are not followed; set webhook_url to the final address")
        case _:
            raise SinkRetryError(sentence, retry_after=retry_after)


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Seconds, from either form of the header (RFC 9110, section 10.2.3); a header that is neither is left out."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    with contextlib.suppress(ValueError):
        moment = parsedate_to_datetime(value)
        return max(0.0, (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds())
    return None


def _checked(url: str) -> URL:
    with contextlib.suppress(ValueError):
        parsed = URL(url)
        if parsed.scheme in {"http", "https"} and parsed.host:
            return parsed
    raise SinkSettingsError(f"webhook_url is {url!r}; the webhook sink needs an http or https URL")
