"""Help: the words in both languages, what each state and cause asks for, the filter, the keys."""

from fastapi import APIRouter, Request, Response

from router.console.access import Looking
from router.console.pages import page

router = APIRouter()


@router.get("/help")
async def show_help(request: Request, viewer: Looking) -> Response:
    """The one page of help."""
    return page(request, viewer, "help.html")
