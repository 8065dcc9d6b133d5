"""Tries the way to the mail server: for the doctors, and for who wants to see an e-mail arrive."""

from router.mail.addresses import checked_address
from router.mail.errors import MailError
from router.mail.message import MailParts, message_id, message_of
from router.mail.notices import NoticeText, Passage
from router.mail.settings import MailSettings
from router.mail.transport import connected, hand_over
from router.pages.language import N_, VIETNAMESE, translations
from schemas.clock import now_ms
from schemas.ids import new_id


async def reach(settings: MailSettings) -> None:
    """Connect, encrypt and log in as the settings say; nothing is sent.

    Raises:
        MailServerAwayError: one of these fails.
    """
    async with connected(settings):
        pass


async def send_test(settings: MailSettings, address: str) -> str:
    """Send an e-mail that only says that e-mail arrives; its Message-ID.

    Raises:
        ValueError: the text is no address.
        MailError: there is no mail server, or it does not take it; not tried again.
    """
    if not settings.is_on:
        raise MailError("no mail server is set; see CONGVAN_MAIL_HOST in `congvan config show`")
    say, made = translations(VIETNAMESE).gettext, new_id()
    title = say(N_("E-mail of congvan arrives here"))
    passage = Passage(head=title, rows=(say(N_("Somebody tried it from the command line; nothing has to be done.")),))
    parts = MailParts(
        id=made,
        sender=settings.sender,
        address=checked_address(address),
        name="",
        language=VIETNAMESE,
        label=N_("a test"),
        made_at=now_ms(),
        notices=[NoticeText(title=title, passages=(passage,))],
    )
    async with connected(settings) as client:
        await hand_over(client, message_of(parts), parts.sender, parts.address)
    return message_id(made, settings.sender)
