"""The three dispatches of the demonstration and how they are sent: over HTTP, as an upstream system would."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deploy.demo.errors import DemoError

FILES = Path(__file__).parents[1] / "examples" / "files"


@dataclass(frozen=True, slots=True)
class Scene:
    """One dispatch: what it shows, its letter, and the file that goes with it."""

    title: str
    letter: Mapping[str, Any]
    file: Path
    media_type: str


SCENES = (
    Scene(
        "to a single commune on a dial-up line",
        {
            "notation": "41-HD/BTCTU",
            "type": "hướng dẫn",
            "subject": "Hướng dẫn đánh giá chất lượng chi bộ thôn, bản năm 2012",
            "issuer": "LCA.BTC",
            "place": "Lào Cai",
            "addressees": ["LCA.02.05"],
        },
        FILES / "huong-dan-chi-bo.docx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    Scene(
        "to a district with all its communes",
        {
            "notation": "315-QĐ/TU",
            "type": "quyết định",
            "subject": "Quyết định phân công cán bộ giúp cơ sở (bản quét)",
            "issuer": "LCA",
            "place": "Lào Cai",
            "urgency": 1,
            "addressees": ["LCA.02.#"],
        },
        FILES / "quyet-dinh-ban-quet.jpg",
        "image/jpeg",
    ),
    Scene(
        "to the whole province but two units, urgent",
        {
            "notation": "128-CĐ/TU",
            "type": "công điện",
            "subject": "Công điện về chủ động ứng phó mưa lũ, sạt lở đất",
            "issuer": "LCA.VP",
            "place": "Lào Cai",
            "urgency": 3,
            "flash_text": "Sơ tán người dân khỏi khu vực ven suối, sườn dốc trước 18 giờ hôm nay. Trực 24/24 giờ.",
            "addressees": ["LCA.#", "!LCA.VP", "!LCA.11"],
        },
        FILES / "cong-dien-mua-lu.pdf",
        "application/pdf",
    ),
)


async def send(http: aiohttp.ClientSession, scene: Scene) -> str:
    """Submit a dispatch with its file in one request; its id.

    Raises:
        DemoError: the router did not accept it.
    """
    form = aiohttp.FormData()
    form.add_field("dispatch", json.dumps(scene.letter), content_type="application/json")
    with scene.file.open("rb") as file:
        form.add_field("file", file, filename=scene.file.name, content_type=scene.media_type)
        number, _, _ = scene.letter["notation"].partition("-")
        headers = {"Idempotency-Key": f"demo-{number}"}
        async with http.post("/api/v1/dispatches", data=form, headers=headers) as answer:
            if answer.status != 202:  # noqa: PLR2004 - Accepted
                raise DemoError(f"{scene.letter['notation']} was not accepted: {await answer.text()}")
            return str((await answer.json())["id"])
