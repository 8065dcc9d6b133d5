"""A command group that lists its sub-commands without importing them: a module is imported when its command is called.

The outline (a name and one line) stands in the table of mounts, so ``--help`` and completion need no part's imports;
a test holds each line against the help of the command it stands for.
"""

import importlib
from dataclasses import dataclass
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a sub-command comes from: ``module`` holds a ``typer.Typer`` named ``app``."""

    name: str
    module: str
    summary: str
    panel: str


class LazyGroup(TyperGroup):
    """A group over :attr:`mounts`; subclasses set the table. What help and completion see are outlines."""

    mounts: ClassVar[tuple[Mount, ...]] = ()

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for mount in self.mounts:
            self.add_command(TyperCommand(name=mount.name, help=mount.summary, rich_help_panel=mount.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, imported now that it is called."""
        name, outline, rest = super().resolve_command(ctx, args)
        mount = next((mount for mount in self.mounts if mount.name == name), None)
        return name, outline if mount is None else load(mount), rest


def load(mount: Mount) -> Any:
    """Import a mount's module and make its command."""
    command = typer.main.get_command(importlib.import_module(mount.module).app)
    command.name = mount.name
    return command
