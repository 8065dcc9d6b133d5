"""What the settings choose: bounds, intervals, and parts that are made of nothing else."""

from functools import partial

from nacl.signing import SigningKey
from sqlalchemy import Engine

from router.content import ContentStore
from router.content.collecting import Collector
from router.content.encoding import forms
from router.content.encoding.restoring import restore
from router.content.possession import Possession
from router.content.scrub import Scrub
from router.content.uploads import UploadLimits
from router.delivery.retention import RetentionPeriods
from router.ledger.way.holders import UnnamedLimits
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from router.settings import RouterSettings
from router.tls.contexts import ClientContext
from router.trust import log_key
from router.trust.checkpointer import Checkpointer
from router.trust.cosigning import WitnessAddress


def log_key_of(settings: RouterSettings) -> SigningKey:
    """The key that signs the log, made at the first start.

    Raises:
        LogKeyError: what lies in its place is none.
        OSError: its file cannot be read or written.
    """
    return log_key.load_or_make(settings.log_key_file or settings.data_dir / "trust" / log_key.FILE_NAME)


def checkpointer_of(settings: RouterSettings, engine: Engine, writer: Writer) -> Checkpointer:
    """Signs the log, and has the witnesses of the settings sign it.

    Raises:
        LogKeyError: what lies in the place of the log's key is none.
        OSError: its file cannot be read or written.
    """
    witnesses = [WitnessAddress.parse(text) for text in settings.witnesses]
    tls = ClientContext(settings.tls_files, to="witness")
    return Checkpointer(engine, writer, log_key_of(settings), witnesses, tls=tls)


def silence_of(settings: RouterSettings) -> Silence:
    """The settings' intervals in milliseconds."""
    return Silence(
        lan=round(settings.silence_lan * 1000),
        dialup=round(settings.silence_dialup * 1000),
        express_factor=settings.silence_express_factor,
        longest=round(settings.silence_max * 1000),
    )


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


def kept_of(settings: RouterSettings) -> RetentionPeriods:
    """How long what is kept of ended dispatches, as the settings say."""
    return RetentionPeriods(settings.receipts_kept, settings.attempts_kept, settings.contents_kept)


def possession_of(settings: RouterSettings, engine: Engine, writer: Writer) -> Possession:
    """Who may name which content, within the settings' bounds."""
    limits = UnnamedLimits(contents=settings.unnamed_per_account, total=settings.unnamed_bytes_per_account)
    return Possession(engine, writer, limits=limits, kept=settings.unnamed_kept)
