"""Certificates over HTTP: for the account that asks and nobody else, for keys that are proven, within bounds."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.delivery.certificate_watch import CertificateWatch
from router.ledger.acts.certificate_acts import MOST_AN_HOUR
from router.ledger.people.audit import Act, Wanted, find_entries
from router.ledger.scope import EVERYTHING
from router.settings import RouterSettings
from router.tls.authority import Authority, begin
from router.tls.certificates import belongs, described
from router.tls.requests import new_key, request_of
from schemas.clock import now_ms
from support.api_server import GATEWAY, ISSUER, OPERATOR, OTHER_GATEWAY, Api, running_api

DER = {"Content-Type": "application/pkcs10"}
PEM = {"Content-Type": "application/x-pem-file"}
URL = "/api/v1/certificates"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return begin(tmp_path / "pki", "UBND", now_ms=now_ms())


@pytest.fixture
async def api(tmp_path: Path, authority: Authority) -> AsyncIterator[Api]:
    watch = CertificateWatch(RouterSettings(pki_dir=authority.directory), lambda _: None)
    async with running_api(tmp_path, certificates=watch) as running:
        yield running


async def ask(api: Api, account: str, data: bytes, **headers: str) -> tuple[int, bytes, str]:
    sent = api.as_(account) | DER | headers
    async with api.http.post(URL, data=data, headers=sent) as answer:
        return answer.status, await answer.read(), answer.content_type


def for_another(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request that asks to be an operator, a server and an authority."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OPERATOR)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    named = x509.SubjectAlternativeName([x509.DNSName("broker.tinh.vn")])
    return builder.add_extension(named, critical=False).sign(key, SHA256()).public_bytes(Encoding.PEM)


async def test_the_answer_is_for_the_account_that_asks_whatever_it_asks_for(api: Api, authority: Authority) -> None:
    key = new_key()
    status, body, kind = await ask(api, GATEWAY, for_another(key), **PEM)
    assert (status, kind) == (201, "application/pem-certificate-chain")
    leaf, issuing = x509.load_pem_x509_certificates(body)
    told = described(leaf)
    assert (told.subject, told.names, told.is_ca) == (GATEWAY, (), False)
    assert belongs(key, leaf)
    assert described(issuing) == authority.issuing()
    assert 89 < told.days_left(now_ms()) < 91
    (usage,) = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert usage == ExtendedKeyUsageOID.CLIENT_AUTH


async def test_on_a_thin_line_it_costs_less_than_one_and_a_half_kilobytes_both_ways(api: Api) -> None:
    key = new_key()
    asked = request_of(key)
    status, body, kind = await ask(api, GATEWAY, asked, Accept="application/pkcs7-mime")
    assert (status, kind) == (201, "application/pkcs7-mime")
    found = pkcs7.load_der_pkcs7_certificates(body)
    assert any(belongs(key, item) for item in found)
    assert len(asked) + len(body) < 1500


@pytest.mark.parametrize("account", [OPERATOR, ""])
async def test_who_is_known_to_no_broker_by_a_certificate_gets_none(api: Api, account: str) -> None:
    headers = (api.as_(account) if account else {}) | DER
    async with api.http.post(URL, data=request_of(new_key()), headers=headers) as answer:
        assert answer.status == (403 if account else 401)


@pytest.mark.parametrize(
    ("data", "headers", "status"),
    [
        (b"", DER, 400),
        (b"\x30\x82", DER, 400),
        (b"x" * 5000, DER, 413),
        (b"{}", {"Content-Type": "application/json"}, 415),
    ],
)
async def test_what_is_no_request_is_refused_and_counts_for_nothing(
    api: Api, data: bytes, headers: dict[str, str], status: int
) -> None:
    for _ in range(MOST_AN_HOUR + 1):
        assert (await ask(api, GATEWAY, data, **headers))[0] == status
    assert (await ask(api, GATEWAY, request_of(new_key())))[0] == 201


async def test_an_account_is_certified_so_often_an_hour_and_each_time_is_in_the_audit_log(
    api: Api, authority: Authority
) -> None:
    for _ in range(MOST_AN_HOUR):
        assert (await ask(api, GATEWAY, request_of(new_key())))[0] == 201
    sent = api.as_(GATEWAY) | DER
    async with api.http.post(URL, data=request_of(new_key()), headers=sent) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= 3600
        assert (await answer.json())["type"].endswith("certificate-allowance")
    for other in (OTHER_GATEWAY, ISSUER):
        assert (await ask(api, other, request_of(new_key())))[0] == 201, "others go on"
    with api.engine.begin() as conn:
        rows = find_entries(conn, EVERYTHING, Wanted(person=GATEWAY, act=Act.CERTIFIED))
    serials = {item.serial for item in authority.issued() if item.subject == GATEWAY}
    assert {row.entry.detail.partition(" ")[0] for row in rows} == serials
    assert (len(rows), rows[0].entry.unit, rows[0].entry.address) == (MOST_AN_HOUR, "LCA.02", "127.0.0.1")


async def test_a_router_without_an_authority_says_so(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        status, body, _ = await ask(api, GATEWAY, request_of(new_key()))
        assert (status, b"CONGVAN_PKI_DIR" in body) == (404, True)


async def test_an_authority_that_has_no_key_is_a_trouble_that_passes(api: Api, authority: Authority) -> None:
    (authority.directory / "issuing.pem").rename(authority.directory / "away")
    assert (await ask(api, GATEWAY, request_of(new_key())))[0] == 503
    (authority.directory / "away").rename(authority.directory / "issuing.pem")
    assert (await ask(api, GATEWAY, request_of(new_key())))[0] == 201
