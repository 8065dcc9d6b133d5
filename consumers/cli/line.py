"""``congvan line``: tells the gateway of this machine that its line came up or went down."""

from enum import StrEnum
from typing import Annotated

import typer

from consumers.cli.options import DataDir

app = typer.Typer(add_completion=False)


class HookWord(StrEnum):
    """What a hook can say."""

    UP = "up"
    DOWN = "down"


@app.command(
    epilog="Examples: congvan line up · congvan line down. Hooks for ppp, which need no Python to start, are in "
    "deploy/ppp. Exit codes: 0 told, 5 no gateway runs with this data directory."
)
def line(
    state: Annotated[HookWord, typer.Argument(help="What became of the line.")],
    data_dir: DataDir = None,
) -> None:
    """Tell the gateway that its line came up or went down.

    It closes every connection of before at once and, when the line is up, makes new ones: the broker's first, then
    content. Without hooks the gateway finds out by itself, some seconds later.
    """
    from consumers.cli.options import settings_with
    from consumers.line.hook import tell

    tell(settings_with(data_dir=data_dir).data_dir, up=state is HookWord.UP)
