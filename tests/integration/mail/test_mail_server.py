"""The way to the mail server, and what arrives there: encrypted, logged in, and in a form that no text can break."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from router.ledger.engine import reading
from router.mail.errors import MailServerAwayError
from router.mail.links import stop_token
from router.mail.message import MAX_TOLD
from router.mail.notices import MAX_WAITING
from router.mail.settings import MailSettings
from router.mail.states import MailState
from support.mail_server import MailServer, mail_server
from support.mailing import MAILING, MANY, PAGES, PostOffice


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
async def test_an_e_mail_goes_over_tls_with_a_login(post: PostOffice, tmp_path: Path, tls: str) -> None:
    post.told.add("hoa", "1")
    with mail_server(tmp_path / "box", tls=tls, logins=True) as server:
        await post.sender(server.settings()).round()
        assert len(server.taken()) == 1


@pytest.mark.parametrize(
    ("tls", "changed", "why"),
    [
        ("starttls", {"authorities": None}, "certificate"),
        ("implicit", {"authorities": None}, "certificate"),
        ("starttls", {"password": "sai mật khẩu"}, "535"),
        ("starttls", {"authorities": Path("/nowhere.pem")}, "No such file"),
        ("none", {"tls": "starttls"}, "STARTTLS"),
    ],
)
async def test_a_server_that_is_not_ours_or_does_not_know_us_gets_nothing(
    post: PostOffice, tmp_path: Path, tls: str, changed: dict[str, Any], why: str
) -> None:
    post.told.add("hoa", "1")
    with mail_server(tmp_path / "box", tls=tls, logins=tls != "none") as server:
        with pytest.raises(MailServerAwayError, match=rf"(?i){why}"):
            await post.sender(server.settings(**changed)).round()
        assert not server.taken()
    assert [(row.state, row.attempts) for row in post.listed()] == [(MailState.WAITING, 0)]


async def test_what_arrives_is_plain_text_and_html_with_headers_for_mail_programs(
    post: PostOffice, server: MailServer
) -> None:
    post.told.add("hoa", "1", title="Hỏa tốc: 12-CV/TU đã đến")
    await post.sender(server.settings()).round()
    (message,) = server.taken()
    with reading(post.engine) as conn:
        hoa = MAILING.recipients.find(conn, "hoa")
    assert hoa is not None
    stop = f"{PAGES}/notices/stop?token={stop_token(hoa, 'urgent')}"
    assert message["Subject"] == "Hỏa tốc: 12-CV/TU đã đến"
    assert message["To"] == "Bà hoa <hoa@example.vn>"
    assert message["From"] == "congvan <congvan@tinh.vn>"
    assert message["X-From"] == "congvan@tinh.vn"
    assert message["Message-ID"] == f"<{post.listed()[0].id}@tinh.vn>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"].strip() == f"<{stop}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    text, html = (message.get_body((kind,)) for kind in ("plain", "html"))
    assert text is not None
    assert html is not None
    assert "Trích yếu\n  - Rét đậm" in text.get_content().replace("\r\n", "\n")
    assert stop in text.get_content()
    assert "<li>Rét đậm</li>" in html.get_content()


async def test_a_long_subject_and_a_long_name_arrive_as_they_were_written(post: PostOffice, server: MailServer) -> None:
    whole = "bộ định tuyến tại may1 mất kết nối với máy chủ hàng đợi, longer than one line may be"
    words = whole.split()
    for start in range(len(words)):
        title = " ".join(words[start:] + words[:start])
        post.told.add("hoa", str(start), title=title)
        await post.sender(server.settings()).round()
        message = server.taken()[start]
        assert message["Subject"] == title
        assert not message.defects


async def test_an_e_mail_speaks_its_persons_language(post: PostOffice, server: MailServer) -> None:
    post.let_in("ann", language="en")
    post.told.add("ann", "1")
    post.told.add("hoa", "1")
    await post.sender(server.settings()).round()
    told = [message.get_body(("plain",)) for message in server.taken()]
    texts = [part.get_content() for part in told if part is not None]
    assert "Choose what comes:" in texts[0]
    assert "Chọn thông báo muốn nhận:" in texts[1]


async def test_no_name_and_no_subject_becomes_a_header_or_another_recipient(
    post: PostOffice, server: MailServer
) -> None:
    post.told.add("hoa", "1", title="Thư mời\r\nBcc: ai.do@example.vn\n\n<script>alert(1)</script>\u2028\x00")
    await post.sender(server.settings()).round()
    (message,) = server.taken()
    assert message["Bcc"] is None
    assert message["X-To"] == "hoa@example.vn"
    assert message["Subject"] == "Thư mời Bcc: ai.do@example.vn <script>alert(1)</script>"
    html = message.get_body(("html",))
    assert html is not None
    assert "<script>" not in html.get_content()


async def test_a_flood_is_bounded_e_mails_that_say_how_much_more_there_is(post: PostOffice, server: MailServer) -> None:
    for number in range(MAX_WAITING + 5):
        post.told.add("hoa", str(number), kind=MANY)
    sender = post.sender(server.settings())
    await sender.round()
    (message,) = server.taken()
    assert message["Subject"] == f"Văn bản 0 (và {MAX_WAITING - 1} mục khác)"
    text = message.get_body(("plain",))
    assert text is not None
    assert text.get_content().count("Rét đậm") == MAX_TOLD
    post.ahead = 601_000
    await sender.round()
    assert server.taken()[1]["Subject"] == f"Văn bản {MAX_WAITING} (và 4 mục khác)"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"host": "thu.tinh.vn"}, "CONGVAN_MAIL_SENDER"),
        ({"host": "thu.tinh.vn", "sender": "congvan"}, "is no e-mail address"),
        ({"host": "thu.tinh.vn", "sender": "a@tinh.vn", "user": "a"}, "both CONGVAN_MAIL_USER"),
        ({"host": "thu.tinh.vn", "sender": "a@tinh.vn", "tls": "none"}, "in clear"),
        ({"digest_at": "24:00"}, "07:30"),
    ],
)
def test_wrong_settings_say_what_is_wrong(given: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        MailSettings(**given)


def test_a_password_is_shown_nowhere() -> None:
    settings = MailSettings(host="127.0.0.1", sender="a@tinh.vn", user="a", password=SecretStr("mật khẩu thật dài"))
    assert "thật dài" not in repr(settings)
