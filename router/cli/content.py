"""``congvan content``: whether the stored contents are what they were, and what nobody needs of them."""

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json, print_table

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from router.content import ContentStore
    from router.content.verifying import DamagedContent

app = typer.Typer(add_completion=False, no_args_is_help=True)

_FAILED, _NOT_FOUND, _REFUSED = 1, 3, 4
_SHOWN_EVERY = 100
_VERIFY_EPILOG = f"""Examples:

`congvan content verify`: hashes every content, tells what is damaged or missing and who waits for it

`congvan content verify --json`: one object for each that is damaged, with its dispatches and units

{EXIT_CODES} Here 1: something is damaged or missing."""
_COLLECT_EPILOG = f"""Examples:

`congvan content collect --dry-run`: what the router would remove by itself

`congvan content collect --json`: remove it now; one object for each

{EXIT_CODES}"""


@app.callback()
def content() -> None:
    """Verify the stored attachments, and remove what no dispatch names."""
    import structlog

    if not structlog.is_configured():  # what the store logs belongs beside the output, not into it
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@app.command(epilog=_VERIFY_EPILOG)
def verify(as_json: JsonOption = False) -> None:
    """Hash every stored content; what is damaged is put aside, so that nobody gets it, until its bytes come again."""
    from functools import partial

    from router.content.encoding import forms
    from router.content.encoding.restoring import restore
    from router.content.verifying import verify_all
    from router.ledger.engine import reading
    from router.ledger.queries.contents import named_contents

    with open_ledger() as engine, reading(engine) as conn:
        store = _store()
        progress = _Progress()
        found = verify_all(
            store,
            named_contents(conn),
            forms=forms.verify,
            restore=partial(restore, engine=engine),
            on_hashed=progress,
        )
        bad = [_tell(engine, item, as_json=as_json) for item in found]
        progress.end(len(bad))
    if any(not healed for healed in bad):
        raise typer.Exit(_FAILED)


@app.command(epilog=_COLLECT_EPILOG)
def collect(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing; only report.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove contents that came long ago (CONGVAN_UNNAMED_KEPT) and that no dispatch names."""
    from router.content.collecting import Collector
    from router.settings import RouterSettings

    with open_ledger() as engine:
        collector = Collector(engine, _store(), kept=RouterSettings().unnamed_kept)
        found = collector.collect(dry_run=dry_run)
        if as_json:
            print_json(asdict(item) for item in found)
            return
        rows = [(item.sha256, item.size, local_time(round(item.came_at * 1000))) for item in found]
    if rows:
        print_table(("sha256", "bytes", "came"), rows)
    else:
        print("nothing to collect")


def _store() -> "ContentStore":
    """The store of the settings; a look makes none.

    Raises:
        typer.Exit: there is none, or it is another user's.
    """
    from router.content import ContentStore
    from router.settings import RouterSettings

    settings = RouterSettings()
    root = settings.data_dir / "content"
    if not root.exists():
        typer.echo(f"congvan: there is no content store at {root}; run this on the router's machine", err=True)
        raise typer.Exit(_NOT_FOUND)
    if os.geteuid() != (owner := root.stat().st_uid):  # what another user makes there, the router could not change
        typer.echo(f"congvan: {root} belongs to user {owner}; run this as that user: sudo -u '#{owner}' …", err=True)
        raise typer.Exit(_REFUSED)
    return ContentStore(root, reserve_bytes=settings.content_reserve_bytes)


def _tell(engine: "Engine", found: "DamagedContent", *, as_json: bool) -> bool:
    """Show a content that was not as it should be; whether it is again."""
    from router.ledger.engine import reading
    from router.ledger.queries.contents import copied_by, named_by

    with reading(engine) as conn:
        naming, accounts = named_by(conn, found.sha256), copied_by(conn, found.sha256)
    if as_json:
        told: dict[str, Any] = {"sha256": found.sha256, "state": found.state.value, "healed": found.healed}
        print_json([told | {"dispatches": [asdict(item) for item in naming], "copies_of_books": accounts}])
        return found.healed
    mended = ", made again from a form of it" if found.healed else ""
    print(f"{found.sha256} is {found.state.value}{mended}")
    for item in naming:
        waiting = f"; waited for by {', '.join(item.waiting)}" if item.waiting else ""
        print(f"  {item.notation} of {item.issuer} ({item.dispatch}){waiting}")
    for account in accounts:
        print(f"  a copy of the books of {account}: its gateway makes a new one instead of going on with it")
    if naming and not found.healed:
        print("  whoever has the file sends it once more: any upload of the same bytes mends it")
    return found.healed


class _Progress:
    """Tells a person at a terminal how many were hashed."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, _sha256: str) -> None:
        self._count += 1
        if sys.stderr.isatty() and self._count % _SHOWN_EVERY == 0:
            print(f"\r{self._count} contents hashed", end="", file=sys.stderr, flush=True)

    def end(self, bad: int) -> None:
        """All are hashed."""
        print(f"{self._count} contents hashed, {bad} were damaged or missing", file=sys.stderr)
