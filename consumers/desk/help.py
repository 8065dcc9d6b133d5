"""Trợ giúp: the day at the desk, its words, its keys."""

from fastapi import APIRouter, Request, Response

from consumers.desk.access import Looking
from consumers.desk.pages import page

router = APIRouter()


@router.get("/help")
async def show_help(request: Request, viewer: Looking) -> Response:
    """What the states mean, what the roles may, and which keys there are."""
    return page(request, viewer, "help.html")
