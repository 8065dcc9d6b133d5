"""``POST /api/v1/dispatches``: the HTTP door of the intake."""

import asyncio
import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response

from router.api.auth import Author, Parts, account_of
from router.api.body import chunks_of, json_of, media_type_of
from router.api.form import read_form
from router.content import ContentStore, ContentWriter
from router.content.keeping import Keep
from router.errors import RouterError, UnsupportedMediaError
from router.faces import Services
from schemas.dispatch import Accepted, Submission
from schemas.errors import InvalidError
from schemas.model import parse

DOOR = "http"
OFF_THE_LOOP_BYTES = 64 * 1024
"""A larger body is read in a thread; the loop goes on."""
_SUBMISSION = {"schema": {"$ref": "#/components/schemas/Submission"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["dispatch"],
        "properties": {
            "dispatch": {"$ref": "#/components/schemas/Submission"},
            "file": {"type": "array", "items": {"type": "string", "format": "binary"}},
        },
    },
    "encoding": {"dispatch": {"contentType": "application/json"}},
}
SUBMISSION_BODY = {"required": True, "content": {"application/json": _SUBMISSION, "multipart/form-data": _FORM}}

router = APIRouter(tags=["dispatches"])
IdempotencyKey = Annotated[
    str,
    Header(
        max_length=402,
        description="1 to 200 printable ASCII characters that stay the same when the submission is repeated, plain or "
        "in quotes; they name it among all that this account submits, by whatever door. Without it the SHA-256 of the "
        "submission is the key.",
    ),
]
Traceparent = Annotated[str, Header(max_length=200, description="W3C trace context, kept to the last receipt.")]


@router.post(
    "/api/v1/dispatches",
    summary="Submit a dispatch",
    status_code=202,
    openapi_extra={"requestBody": SUBMISSION_BODY},
)
async def submit(
    *,
    request: Request,
    response: Response,
    services: Parts,
    sender: Author,
    idempotency_key: IdempotencyKey = "",
    traceparent: Traceparent = "",
) -> Accepted:
    """Take a dispatch in; 202 means that it is committed and will be delivered.

    Either `application/json`, with attachments uploaded before by `PUT /content/{sha256}` or in pieces
    (`POST /api/v1/uploads`); or `multipart/form-data`:
    first the part `dispatch` (the same JSON; attachments may be left out, or named by `name` alone), then each file
    as a part of its own. A file's part needs a file name and should have a Content-Type.

    The same submission again gives the same id with `duplicate: true`; the same key with another submission is 409.
    """
    try:
        submission = await read_submission(
            request, services, services.content, keep=lambda writer: services.possession.take_in(writer, sender)
        )
        await account_of(request)  # files take hours on some lines, and tokens end meanwhile
        accepted = await services.intake.accept(
            submission,
            sender=sender,
            idempotency_key=_key_of(idempotency_key, submission),
            traceparent=traceparent,
        )
    except RouterError as error:
        services.metrics.taken_in(DOOR, error.slug)
        raise
    except InvalidError:
        services.metrics.taken_in(DOOR, "invalid")
        raise
    services.metrics.taken_in(DOOR, "duplicate" if accepted.duplicate else "accepted")
    response.headers["location"] = f"/api/v1/dispatches/{accepted.id}"
    return accepted


async def read_submission(
    request: Request, services: Services, content: ContentStore, *, keep: Keep = ContentWriter.commit
) -> Submission:
    """The submission that a request carries; files that come with it go into a content store, as ``keep`` does it.

    Raises:
        RouterError: the body cannot be read or is too large.
        InvalidError: the submission is not valid.
    """
    media_type = media_type_of(request)
    if media_type == "application/json":
        body = await json_of(request, idle=services.idle_timeout)
        if len(body) > OFF_THE_LOOP_BYTES:
            return await asyncio.to_thread(parse, Submission, body, what="submission")
        return parse(Submission, body, what="submission")
    if media_type == "multipart/form-data":
        return await read_form(
            chunks_of(request, idle=services.idle_timeout),
            request.headers["content-type"],
            content=content,
            max_file_bytes=services.max_attachment_bytes,
            keep=keep,
        )
    raise UnsupportedMediaError("a submission is application/json or multipart/form-data")


def _key_of(header: str, submission: Submission) -> str:
    """The key as the sender gave it, or one made of the submission."""
    return header or f"sha256:{hashlib.sha256(submission.model_dump_json().encode()).hexdigest()}"
