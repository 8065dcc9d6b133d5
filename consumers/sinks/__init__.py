"""Where a unit's documents are handed to: a folder, a webhook, a command, or nowhere but the spool."""

from consumers.settings import GatewaySettings
from consumers.sinks.base import Document, DocumentFile, Sink
from consumers.sinks.command import CommandSink
from consumers.sinks.folder import FolderSink
from consumers.sinks.guard import GuardedSink, RetryPolicy
from consumers.sinks.none import NoneSink
from consumers.sinks.webhook import WebhookSink
from router.tls.contexts import ClientContext

__all__ = ["Document", "DocumentFile", "GuardedSink", "RetryPolicy", "Sink", "make_guarded_sink", "make_sink"]


def make_sink(settings: GatewaySettings) -> Sink:
    """The sink that the settings name.

    Raises:
        SinkSettingsError: a setting that this sink needs is missing or wrong.
    """
    match settings.sink:
        case "folder":
            inbox = settings.inbox_dir or settings.data_dir / "inbox"
            return FolderSink(inbox, reserve_bytes=settings.disk_reserve_bytes, timezone=settings.timezone)
        case "webhook":
            token = settings.webhook_token.get_secret_value()
            tls = ClientContext(settings.webhook_tls_files, to="webhook")
            return WebhookSink(settings.webhook_url, token=token, timeout=settings.sink_timeout, tls=tls)
        case "command":
            work_dir = settings.data_dir / "command"
            return CommandSink(settings.command, work_dir=work_dir, timeout=settings.sink_timeout)
        case _:
            return NoneSink()


def make_guarded_sink(settings: GatewaySettings) -> GuardedSink:
    """The sink that the settings name, with the schedule that they ask for.

    Raises:
        SinkSettingsError: a setting that this sink needs is missing or wrong.
    """
    return GuardedSink(make_sink(settings), RetryPolicy.of(settings))
