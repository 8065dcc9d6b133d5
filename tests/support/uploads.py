"""A dispatch handed in over HTTP by a test that is not asynchronous: first its file, then the letter."""

import hashlib
import urllib.request
from typing import Any

from schemas.accounts import Role
from schemas.dispatch import Submission, Urgency
from support.installation import Installation


def submit(
    made: Installation, rule: str, name: str, content: bytes, *, flash_text: str = "", file: str = "", **fields: Any
) -> str:
    """Store a content and send it to whom a rule names, express when there is a flash text; its SHA-256.

    Args:
        made: where it is sent.
        rule: of the addressees.
        name: its notation, and its subject unless ``fields`` say another.
        content: of its only attachment.
        flash_text: the urgent text.
        file: the attachment's name.
        fields: of the letter, besides.
    """
    sha256 = hashlib.sha256(content).hexdigest()
    letter = Submission.model_validate(
        {
            "notation": name,
            "subject": name,
            "issuer": "LCA",
            "addressees": [rule],
            "urgency": Urgency.EXPRESS if flash_text else Urgency.NORMAL,
            "flash_text": flash_text,
            "attachments": [
                {
                    "name": file or f"{name}.bin",
                    "media_type": "application/octet-stream",
                    "size": len(content),
                    "sha256": sha256,
                }
            ],
        }
        | fields
    )
    _request(made, "PUT", f"/content/{sha256}", content, "application/octet-stream")
    body = letter.model_dump_json(exclude_defaults=True).encode()
    _request(made, "POST", "/api/v1/dispatches", body, "application/json", key=f"{rule} {name}")
    return sha256


def _request(made: Installation, method: str, path: str, body: bytes, kind: str, *, key: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {made.account(Role.ISSUER, 'LCA.#')}", "Content-Type": kind}
    if key:
        headers["Idempotency-Key"] = key.encode().hex()
    request = urllib.request.Request(f"{made.api}{path}", body, headers, method=method)  # noqa: S310 - http, ours
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 - as above
        content: bytes = answer.read()
    return content
