"""The commands and the doctors' check of e-mail, at a router's ledger and at a gateway's spool."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from consumers.cli import desk_mail
from consumers.settings import GatewaySettings
from consumers.spool import open_spool
from deploy.doctor.findings import CheckOutcome, run
from deploy.doctor.mail import mail_server as check
from router.cli import mail, people
from router.ledger.people.persons import PEOPLE
from router.mail.errors import MailError, MailRefusedError, MailServerAwayError, UnknownMailError
from router.mail.states import MailState
from router.pages.language import translations
from router.settings import RouterSettings
from router.words.notices import MAILING
from support.mail_server import PASSWORD, USER, MailServer, mail_server
from support.mailing import PostOffice


@pytest.fixture
def settings(server: MailServer, monkeypatch: pytest.MonkeyPatch) -> MailServer:
    """Programs find the server by their environment."""
    known = {"HOST": "127.0.0.1", "PORT": str(server.port), "TLS": "none", "SENDER": "congvan@tinh.vn"}
    for name, value in known.items():
        monkeypatch.setenv(f"CONGVAN_MAIL_{name}", value)
    return server


def objects(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


async def test_what_was_refused_is_listed_and_tried_again(
    post: PostOffice, settings: MailServer, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    settings.answer("hoa@example.vn", "550 5.1.1 no such user")
    post.told.add("hoa", "1", title="Hỏa tốc: 1-CV/TU đã đến")
    post.told.add("nam", "1")
    sender = post.sender(settings.settings())
    await sender.round()
    (row,) = objects(CliRunner().invoke(mail.app, ["list", "--state", "refused", "--json"]))
    assert (row["person"], row["title"], row["error"]) == ("hoa", "Hỏa tốc: 1-CV/TU đã đến", "550 5.1.1 no such user")
    assert "5.1.1" in CliRunner().invoke(mail.app, ["list"]).output
    assert CliRunner().invoke(mail.app, ["retry", str(row["id"])]).exit_code == 0
    await sender.round()
    assert post.states() == [("hoa", MailState.SENT), ("nam", MailState.SENT)]
    assert isinstance(CliRunner().invoke(mail.app, ["retry", str(row["id"])]).exception, UnknownMailError)


@pytest.mark.parametrize("app", [mail.app, desk_mail.app])
def test_a_test_e_mail_is_sent_at_once_and_a_refusal_is_told(
    app: typer.Typer, settings: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(address: str) -> Result:
        return CliRunner().invoke(app, ["test", address])

    assert tried("an@example.vn").exit_code == 0
    (message,) = settings.taken()
    assert message["Subject"] == translations("vi").gettext("E-mail of congvan arrives here")
    assert tried("an@").exit_code == 2
    settings.answer("ai@example.vn", "550 5.1.1 no such user")
    assert isinstance(tried("ai@example.vn").exception, MailRefusedError)
    settings.stop()
    assert isinstance(tried("an@example.vn").exception, MailServerAwayError)
    monkeypatch.setenv("CONGVAN_MAIL_HOST", "")
    assert isinstance(tried("an@example.vn").exception, MailError)


def test_a_desks_e_mails_are_listed_by_its_own_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONGVAN_GATEWAY_DATA_DIR", str(tmp_path))
    open_spool(tmp_path).close()
    assert objects(CliRunner().invoke(desk_mail.app, ["list", "--json"])) == []
    assert isinstance(CliRunner().invoke(desk_mail.app, ["retry", "x"]).exception, UnknownMailError)


def test_who_invites_with_an_address_has_notices_sent_there(
    ledger_url: str, post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONGVAN_LEDGER_URL", ledger_url)
    wanted = ["invite", "lan", "--role", "operator", "--on", "LCA.#", "--email", "Lan@Example.vn"]
    assert CliRunner().invoke(people.app, wanted).exit_code == 0
    with post.engine.connect() as conn:
        lan = MAILING.recipients.find(conn, "lan")
        assert PEOPLE.find(conn, "lan") is not None
    assert lan is not None
    assert lan.address == "lan@example.vn"


async def test_the_doctors_say_how_the_mail_server_is_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for programs in (RouterSettings(), GatewaySettings()):
        answer = (await run("mail server", check, programs)).answer
        assert answer.detail == "none: nobody is told by e-mail"
    with mail_server(tmp_path / "tls", tls="starttls", logins=True) as server:
        known = {"HOST": "127.0.0.1", "PORT": str(server.port), "SENDER": "congvan@tinh.vn", "USER": USER}
        known |= {"PASSWORD": PASSWORD, "AUTHORITIES": str(server.authority)}
        for name, value in known.items():
            monkeypatch.setenv(f"CONGVAN_MAIL_{name}", value)
        answer = (await run("mail server", check, RouterSettings())).answer
        assert answer.verdict is CheckOutcome.OK
        assert "by STARTTLS as congvan" in answer.detail
        monkeypatch.setenv("CONGVAN_MAIL_PASSWORD", "sai mật khẩu")
        answer = (await run("mail server", check, RouterSettings())).answer
        assert answer.verdict is CheckOutcome.FAILED
        assert "535" in answer.detail
        assert "sai mật khẩu" not in answer.detail
        assert "CONGVAN_MAIL_HOST" in answer.hint
        assert not server.taken()
