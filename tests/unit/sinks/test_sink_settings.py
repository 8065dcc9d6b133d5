"""Each sink is made from the gateway's settings."""

from pathlib import Path

import pytest

from consumers.errors import SinkSettingsError
from consumers.settings import GatewaySettings
from consumers.sinks import make_guarded_sink, make_sink
from support.documents import make_document


async def test_each_sink_is_made_from_its_settings(tmp_path: Path) -> None:
    document = make_document(tmp_path)
    made = {
        name: make_sink(GatewaySettings(sink=name, data_dir=tmp_path, webhook_url="https://x/", command=("true",)))
        for name in ("folder", "webhook", "command", "none")
    }
    assert [type(sink).__name__ for sink in made.values()] == [
        "FolderSink",
        "WebhookSink",
        "CommandSink",
        "NoneSink",
    ]
    await made["folder"].deliver(document)
    assert (tmp_path / "inbox" / document.unit).is_dir()
    await made["none"].deliver(document)
    for sink in made.values():
        await sink.close()


def test_settings_that_a_sink_needs_are_asked_for_at_the_start(tmp_path: Path) -> None:
    for name in ("webhook", "command"):
        with pytest.raises(SinkSettingsError):
            make_guarded_sink(GatewaySettings(sink=name, data_dir=tmp_path))
