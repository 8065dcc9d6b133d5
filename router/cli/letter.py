"""The options that make a letter, for every command that sends one."""

from pathlib import Path
from typing import Annotated, Any

import typer

Files = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True, help="Attachments."),
]
To = Annotated[list[str] | None, typer.Option(metavar="RULE", help="An addressing rule; may stand often.")]
Subject = Annotated[str | None, typer.Option(help="Trích yếu.")]
Issuer = Annotated[str | None, typer.Option(metavar="CODE", help="The unit that sends.")]
Notation = Annotated[str | None, typer.Option(help="The number as printed, as 123-CV/TU.")]
Number = Annotated[int | None, typer.Option(help="The number alone.")]
Type = Annotated[str | None, typer.Option("--type", help="As công văn (the default), quyết định, báo cáo.")]
UrgencyLevel = Annotated[int | None, typer.Option(min=0, max=4, help="0 thường … 3 hỏa tốc, 4 hỏa tốc hẹn giờ.")]
Due = Annotated[str | None, typer.Option(help="When the answer is due: 2d, or 2026-11-30T17:00.")]
Signer = Annotated[str | None, typer.Option(help="Who signed it.")]
FlashText = Annotated[str | None, typer.Option(help="Up to 2 kB that are read before any file is there.")]
KindOf = Annotated[str | None, typer.Option(help="new (the default), recall, update or replace.")]
RefersTo = Annotated[list[str] | None, typer.Option(metavar="ID", help="A dispatch it changes or answers.")]
LetterFile = Annotated[
    Path | None,
    typer.Option("--file", "-f", exists=True, dir_okay=False, help="A letter as JSON; options win over it."),
]


def letter_of(file: Path | None, *, default_issuer: str = "", due: str | None = None, **options: Any) -> bytes:
    """The letter's JSON, checked here so that no file travels for nothing.

    Args:
        file: a letter as JSON, whose fields the options replace.
        default_issuer: who sends when neither says it.
        due: as a person writes a moment.
        options: the letter's fields; None and empty ones were not given.

    Raises:
        InvalidError: with each field that is wrong.
        typer.BadParameter: the file holds no letter.
    """
    from codecs import BOM_UTF8

    import orjson

    from schemas.dispatch import UNNUMBERED, Submission
    from schemas.model import parse

    given = {**options, "due": due and _due(due)}
    try:
        written = orjson.loads(file.read_bytes().removeprefix(BOM_UTF8)) if file else {}
    except orjson.JSONDecodeError as error:
        raise typer.BadParameter(f"{file} is not JSON: {error}", param_hint="--file") from error
    if not isinstance(written, dict):
        raise typer.BadParameter(f"{file} holds no JSON object", param_hint="--file")
    usual = {"notation": UNNUMBERED} | ({"issuer": default_issuer} if default_issuer else {})
    letter = {**usual, **written, **{name: value for name, value in given.items() if value is not None and value != []}}
    parse(Submission, orjson.dumps({**letter, "attachments": []}), what="letter")
    return orjson.dumps(letter)


def _due(text: str) -> str:
    from router.cli.console_output import future_moment
    from schemas.clock import iso

    return iso(future_moment(text))
