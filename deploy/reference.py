"""Makes the pages of ``docs/reference`` that the code knows best: settings, commands, web API, exit codes, events.

``python -m deploy.reference docs/reference`` writes them; a test holds what is committed against what it would write.
"""

import ast
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from deploy import exits
from deploy.bounds import bounds_page
from deploy.exits import ExitCode
from deploy.lazy import load
from deploy.main import MOUNTS
from deploy.settings import PROGRAMS
from schemas import events
from schemas.events import Event
from schemas.settings import CONFIG_VARIABLE, SECRETS_VARIABLE, ProgramSettings

_NOTE = "<!-- Made by `python -m deploy.reference docs/reference`; change the code, not this page. -->\n"


def pages() -> dict[str, str]:
    """File name → text of every generated page."""
    return {
        "configuration.md": configuration_page(),
        "cli.md": command_page(),
        "exit-codes.md": exit_page(),
        "events.md": event_page(),
        "openapi.json": openapi_document(),
        "bounds.md": bounds_page(),
    }


def configuration_page() -> str:
    """Every setting: variable, key in the file, default, meaning."""
    head = (
        f"# Settings\n\n{_NOTE}"
        f"\nA setting is an environment variable; or a file in the directory that `{SECRETS_VARIABLE}` names (or "
        "systemd, by `LoadCredential=`), called like the variable in lower case: `congvan_token`; or a key of the TOML "
        f"file that `{CONFIG_VARIABLE}` names. The first of these that has it wins, over the default. Durations are "
        "seconds, sizes bytes. A variable "
        "with our prefix, or a key of the file, that no program knows is refused. `congvan config show --origin` tells "
        "what is in force and where it comes from.\n"
    )
    parts = [head]
    for program in PROGRAMS:
        parts.append(f"\n## {_first_line(program)}\n\n")
        parts += _table(("variable", "key in the file", "default", "meaning"), _settings(program))
    return "".join(parts)


def _settings(program: type[ProgramSettings]) -> Iterator[tuple[str, ...]]:
    table = f"[{program.toml_table}] " if program.toml_table else ""
    for variable, name in program.variables().items():
        field = program.model_fields[name]
        yield f"`{variable}`", f"`{table}{name}`", _default(field.default), field.description or ""


def _default(value: Any) -> str:
    if value is PydanticUndefined:
        return "under the home directory"
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return f"`{text}`" if value is not None and text else "empty"


def command_page() -> str:
    """Every command with its arguments, options and examples."""
    parts = ["# Commands\n\n", _NOTE, "\n`congvan --help` and `congvan COMMAND --help` show the same.\n"]
    for mount in MOUNTS:
        parts += _command(load(mount), f"congvan {mount.name}")
    return "".join(parts)


def _command(command: Any, path: str) -> Iterator[str]:
    below: dict[str, Any] = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield f"\n## {path}\n\n{inspect.cleandoc(command.help or '')}\n\n"
        yield from _table(("argument or option", "default", "meaning"), _parameters(command))
        if command.epilog:
            yield f"\n{command.epilog}\n"
    for name, child in below.items():
        yield from _command(child, f"{path} {name}")


def _parameters(command: Any) -> Iterator[tuple[str, ...]]:
    for parameter in command.params:
        if getattr(parameter, "hidden", False):
            continue
        is_option = parameter.param_type_name == "option"
        names = " / ".join([*parameter.opts, *parameter.secondary_opts]) if is_option else parameter.name.upper()
        default = "required" if parameter.required else _parameter_default(parameter.default)
        yield f"`{names}`", default, getattr(parameter, "help", None) or ""


def _parameter_default(value: Any) -> str:
    if value is None or value is False or value == "" or callable(value):
        return ""
    return f"`{value.value if isinstance(value, Enum) else 'on' if value is True else value}`"


def exit_page() -> str:
    """What each exit code says."""
    rows = [(f"{code.value}", code.name.lower(), text) for code, text in _documented(ExitCode, exits)]
    head = "# Exit codes\n\n" + _NOTE + "\nThe same for every command.\n\n"
    return head + "".join(_table(("code", "name", "meaning"), rows))


def event_page() -> str:
    """Every log event."""
    head = (
        "# Log events\n\n"
        + _NOTE
        + "\nEach log line is one JSON object on standard error; its `event` is one of these words, and no other. "
        "`timestamp` (UTC), `level` and `program` stand in every line, ids where there are any.\n\n"
    )
    return head + "".join(
        _table(("event", "meaning"), [(f"`{event.value}`", text) for event, text in _documented(Event, events)])
    )


def openapi_document() -> str:
    """The web API, for those who generate clients."""
    from router.api.app import routes_alone

    document = routes_alone().openapi()
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def _documented(enum: type[Any], module: Any) -> Iterator[tuple[Any, str]]:
    """Each member of an enumeration with the docstring that stands behind it."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == enum.__name__)
    for node, following in pairwise(body):
        if isinstance(node, ast.Assign) and isinstance(following, ast.Expr) and isinstance(node.targets[0], ast.Name):
            text = ast.literal_eval(following.value)
            yield enum[node.targets[0].id], " ".join(text.split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = [tuple(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    if not lines:
        return
    yield f"| {' | '.join(head)} |\n| {' | '.join('---' for _ in head)} |\n"
    for line in lines:
        yield f"| {' | '.join(line)} |\n"


def _first_line(thing: type[Any]) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0].rstrip(".").partition(". ")[0]


def main(directory: str) -> None:
    """Write every page."""
    for name, text in pages().items():
        (Path(directory) / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
