"""``/docs``: the OpenAPI document as a page that people read, with nothing from elsewhere.

It is drawn by Redoc, of which a copy lies here, in the reader's browser. Redoc sets styles from its script, which the
page's policy allows; scripts come from here alone.
"""

from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ROOT = "/docs"
_STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>congvan: web API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/static/page.css">
</head>
<body>
<noscript><p>The document itself: <a href="{document}">{document}</a></p></noscript>
<div id="reference" data-document="{document}"></div>
<script src="/docs/static/redoc.standalone.js"></script>
<script src="/docs/static/page.js"></script>
</body>
</html>
"""


def install(app: FastAPI, document: str) -> None:
    """Give an app the page and what it is drawn with.

    Args:
        app: the application.
        document: where its OpenAPI document is.
    """

    async def show(_request: Request) -> HTMLResponse:
        return HTMLResponse(_PAGE.format(document=document), headers=_HEADERS)

    app.add_route(ROOT, show, include_in_schema=False)
    app.mount(f"{ROOT}/static", StaticFiles(directory=_STATIC))
