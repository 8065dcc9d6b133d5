"""``/api/v1/certificates``: an account is given a certificate for a key of its own, by which the broker knows it."""

from functools import partial
from typing import Annotated

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from fastapi import APIRouter, Depends, Request, Response

from router.api.auth import Parts, one_of
from router.api.body import chunks_of, length_of, media_type_of
from router.errors import MachineTroubleError, MalformedError, NotFoundError, TooLargeError, UnsupportedMediaError
from router.ledger.acts.certificate_acts import certify
from router.ledger.engine import writing
from router.pages.access import address_of
from router.storage.transactions import in_thread
from router.tls.authority import Authority
from router.tls.certificates import chain_pem
from router.tls.errors import RequestError, TlsError
from router.tls.requests import MAX_REQUEST_BYTES, key_of_request
from schemas.accounts import Account, Role
from schemas.clock import iso, now_ms, to_ms

router = APIRouter(tags=["certificates"], prefix="/api/v1")
ASKED_AS = ("application/pkcs10", "application/x-pem-file")
CHAIN = "application/pem-certificate-chain"
SHORT = "application/pkcs7-mime"
"""The same two certificates as DER, as RFC 7030 gives them: a third less on a thin line."""
Certified = Annotated[Account, Depends(one_of(Role.GATEWAY, Role.ISSUER))]
_BODY = {
    "required": True,
    "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ASKED_AS},
}


@router.post(
    "/certificates",
    summary="Get a certificate for the account's key",
    status_code=201,
    response_class=Response,
    responses={
        201: {
            "content": {CHAIN: {}, SHORT: {}},
            "description": "The certificate and the one of the authority that signed it.",
        }
    },
    openapi_extra={"requestBody": _BODY},
)
async def post_certificate(request: Request, services: Parts, account: Certified) -> Response:
    """Certify the key of a PKCS #10 request (PEM or DER, at most 4 kB) for the calling account, and for no other.

    Whatever names the request asks for are not looked at. The answer is PEM, or PKCS #7 in DER for who accepts that.
    Six an hour are given; each is in the audit log. 404: this router certifies nobody.
    """
    authority = None if services.certificates is None else services.certificates.authority
    if authority is None:
        raise NotFoundError(
            "this router certifies nobody", hint="an administrator sets CONGVAN_PKI_DIR, or issues it elsewhere"
        )
    data = await _request_in(request, idle=services.idle_timeout)
    chain = await in_thread(
        partial(writing, services.engine),
        lambda conn: certify(
            conn,
            account,
            lambda: _signed(authority, account, data),
            now_ms=now_ms(),
            address=address_of(request),
            detail=_told,
        ),
    )
    if SHORT in request.headers.get("accept", ""):
        return Response(pkcs7.serialize_certificates(list(chain), Encoding.DER), 201, media_type=SHORT)
    return Response(chain_pem(chain), 201, media_type=CHAIN)


def _signed(authority: Authority, account: Account, data: bytes) -> tuple[x509.Certificate, ...]:
    try:
        return authority.sign_client(account.name, key_of_request(data), now_ms=now_ms())
    except RequestError as error:
        raise MalformedError(str(error), hint=error.hint) from error
    except (TlsError, OSError) as error:
        raise MachineTroubleError("the authority cannot sign now; the router's log says why") from error


def _told(chain: tuple[x509.Certificate, ...]) -> str:
    return f"{chain[0].serial_number:x} until {iso(to_ms(chain[0].not_valid_after_utc))}"


async def _request_in(request: Request, *, idle: float) -> bytes:
    """The body, within its bound.

    Raises:
        UnsupportedMediaError: it is something else.
        TooLargeError: it is no request by its length.
        StalledError: nothing came for too long.
    """
    if media_type_of(request) not in ASKED_AS:
        raise UnsupportedMediaError(f"the body has to be {' or '.join(ASKED_AS)}")
    _limit(length_of(request))
    body = bytearray()
    async for chunk in chunks_of(request, idle=idle):
        body += chunk
        _limit(len(body))
    return bytes(body)


def _limit(size: int) -> None:
    if size > MAX_REQUEST_BYTES:
        raise TooLargeError(f"a request for a certificate has at most {MAX_REQUEST_BYTES} bytes")
