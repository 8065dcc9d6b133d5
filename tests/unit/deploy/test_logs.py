"""Log lines as a machine reads them."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from deploy.logs import configure_logs
from deploy.settings import LogSettings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_lines_are_json_with_utc_time_program_level_and_what_is_bound() -> None:
    out = io.StringIO()
    configure_logs(LogSettings(), program="router", stream=out)
    structlog.contextvars.bind_contextvars(dispatch_id="019b")
    structlog.get_logger().info("dispatch_accepted", addressees=42, subject="Khẩn")
    line = json.loads(out.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "dispatch_accepted",
        "program": "router",
        "level": "info",
        "dispatch_id": "019b",
        "addressees": 42,
        "subject": "Khẩn",
    }


def test_an_exception_is_a_structure_not_a_text() -> None:
    out = io.StringIO()
    configure_logs(LogSettings(), program="router", stream=out)
    try:
        int("LCA")
    except ValueError:
        structlog.get_logger().exception("relay_failed")
    line = json.loads(out.getvalue())
    assert line["exception"][0]["exc_type"] == "ValueError"


def test_the_standard_librarys_lines_have_the_same_form() -> None:
    out = io.StringIO()
    configure_logs(LogSettings(), program="router", stream=out)
    logging.getLogger("pika.adapters").warning("connection %s", "lost")
    line = json.loads(out.getvalue())
    assert line["event"] == "connection lost"
    assert line["logger"] == "pika.adapters"
    assert line["program"] == "router"


def test_chatter_of_libraries_is_not_logged() -> None:
    out = io.StringIO()
    configure_logs(LogSettings(), program="router", stream=out)
    logging.getLogger("pika.adapters").info("connecting")
    logging.getLogger("uvicorn.access").info("GET /livez")
    assert out.getvalue() == ""


def test_the_level_is_the_settings() -> None:
    out = io.StringIO()
    configure_logs(LogSettings(log_level="warning"), program="router", stream=out)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["loud"]


def test_a_terminal_gets_lines_for_people() -> None:
    out = Terminal()
    configure_logs(LogSettings(), program="router", stream=out)
    structlog.get_logger().info("dispatch_accepted")
    assert "dispatch_accepted" in out.getvalue()
    assert not out.getvalue().startswith("{")


def test_json_can_be_had_on_a_terminal() -> None:
    out = Terminal()
    configure_logs(LogSettings(log_format="json"), program="router", stream=out)
    structlog.get_logger().info("dispatch_accepted")
    assert json.loads(out.getvalue())["event"] == "dispatch_accepted"


class Full(io.StringIO):
    """A stream that fails as it is told to."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.tried = 0

    def write(self, _text: str) -> int:
        self.tried += 1
        raise self.error


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), BrokenPipeError(), ValueError("closed file")]
)
def test_a_line_that_cannot_be_written_is_lost_and_the_program_goes_on(error: Exception) -> None:
    stream = Full(error)
    configure_logs(LogSettings(), program="router", stream=stream)
    structlog.get_logger().info("dispatch_accepted", addressees=42)
    assert stream.tried == 1
