"""A document that is sent is not rejected because this machine cannot open its files now."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from consumers.errors import OutgoingRejectedError
from consumers.sending.document import DocumentRules, read_document
from consumers.sending.upload import GONE, FolderFile, Sources

LETTER = b'{"notation":"1","subject":"x","issuer":"LCA.02","addressees":["LCA.#"]}'
RULES = DocumentRules(issuer="LCA.02", hosts=lambda _code: True, max_bytes=2**20)
TROUBLE = sorted(set(errno.errorcode) - GONE)


def failing_with(number: int, name: str) -> Any:
    real = os.open

    def opened(path: Any, *given: Any, **named: Any) -> int:
        if Path(path).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *given, **named)

    return opened


def test_a_file_that_cannot_be_opened_now_is_not_taken_for_one_that_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scan.pdf"
    path.write_bytes(b"1234")
    folder = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    sources = Sources()
    sources.add("0" * 64, FolderFile(folder, path.name))
    for number in TROUBLE:
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", failing_with(number, path.name))
            with pytest.raises(OSError, match=r"\[Errno"):
                sources.open("0" * 64, 4)
    for number in GONE:
        with monkeypatch.context() as patched:
            patched.setattr(os, "open", failing_with(number, path.name))
            with pytest.raises(OutgoingRejectedError):
                sources.open("0" * 64, 4)
    sources.open("0" * 64, 4).close()
    os.close(folder)


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "EIO", "ESTALE", "ENOMEM", "EINTR"])
@pytest.mark.parametrize("file", ["dispatch.json", "scan.pdf"])
def test_a_folder_that_cannot_be_read_now_is_no_folder_that_cannot_be_sent(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dispatch.json").write_bytes(LETTER)
    (tmp_path / "scan.pdf").write_bytes(b"1234")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", failing_with(getattr(errno, name), file))
        with pytest.raises(OSError, match=r"\[Errno"):
            read_document(tmp_path, RULES)
    assert len(read_document(tmp_path, RULES).files) == 1
