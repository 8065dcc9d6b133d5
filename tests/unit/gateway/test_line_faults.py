"""What is the line's fault and what the server's is told in one place, for both directions."""

import ast
from pathlib import Path

import aiohttp
import pytest
from aiohttp.http_exceptions import ContentLengthError

import consumers
from consumers.errors import LineError, ServerTroubleError, WrongContentError
from consumers.line.faults import separating_faults

LINE = (
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientPayloadError("ended early"),
    TimeoutError(),
    ConnectionResetError("reset"),
)


@pytest.mark.parametrize("error", LINE, ids=lambda error: type(error).__name__)
def test_what_a_line_does_is_the_lines_fault(error: Exception) -> None:
    with pytest.raises(LineError, match=type(error).__name__), separating_faults():
        raise error


def test_an_answer_that_ends_early_is_the_lines_fault() -> None:
    with pytest.raises(LineError), separating_faults():
        raise aiohttp.ClientPayloadError from ContentLengthError("not enough data")


def test_what_a_server_does_is_the_servers_fault() -> None:
    with pytest.raises(ServerTroubleError), separating_faults():
        raise aiohttp.InvalidURL("x")


def test_our_own_errors_stay_what_they_are() -> None:
    with pytest.raises(WrongContentError), separating_faults():
        raise WrongContentError("too long")
    with pytest.raises(WrongContentError), separating_faults():
        raise aiohttp.ClientConnectionError from WrongContentError("while a body was written")


def test_nobody_else_decides_what_is_the_lines_fault() -> None:
    root = Path(consumers.__path__[0])
    handlers = (
        (str(file.relative_to(root)), ast.unparse(node.type))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.ExceptHandler) and node.type is not None
    )
    found = {file for file, caught in handlers if "ClientPayloadError" in caught or "_LINE_EVENTS" in caught}
    assert found == {"line/faults.py"}
