"""The parts of the content's room as the settings want them."""

from functools import partial

from sqlalchemy import Engine

from router.content.collecting import Collector
from router.content.encoding import forms
from router.content.encoding.restoring import restore
from router.content.possession import Possession
from router.content.scrub import Scrub
from router.content.store import ContentStore
from router.content.uploads import UploadLimits
from router.ledger.way.holders import UnnamedLimits
from router.ledger.writer import Writer
from router.settings import RouterSettings


def upload_limits_of(settings: RouterSettings) -> UploadLimits:
    """What one account may have unfinished, as the settings say."""
    return UploadLimits(
        largest=settings.max_attachment_bytes,
        uploads=settings.uploads_per_account,
        total=settings.upload_bytes_per_account,
        expire_after=settings.upload_expiry,
    )


def scrub_of(settings: RouterSettings, engine: Engine, content: ContentStore) -> Scrub:
    """The rounds over the stored contents, as the settings say."""
    return Scrub(
        content,
        rate=settings.scrub_bytes_per_second,
        every=settings.scrub_every,
        forms=forms.verify,
        restore=partial(restore, engine=engine),
    )


def collector_of(settings: RouterSettings, engine: Engine, content: ContentStore) -> Collector:
    """Removes what no dispatch names, as the settings say."""
    return Collector(engine, content, kept=settings.unnamed_kept)


def possession_of(settings: RouterSettings, engine: Engine, writer: Writer) -> Possession:
    """Who may name which content, within the settings' bounds."""
    limits = UnnamedLimits(contents=settings.unnamed_per_account, total=settings.unnamed_bytes_per_account)
    return Possession(engine, writer, limits=limits, kept=settings.unnamed_kept)
