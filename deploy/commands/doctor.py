"""``congvan doctor``: is everything there that the service stands on?"""

from typing import Annotated

import typer

from deploy.doctor.showing import EXIT_CODES

app = typer.Typer(add_completion=False)


@app.command(epilog=f"Examples: `congvan doctor` · `congvan doctor --json`\n\n{EXIT_CODES}")
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per check.")] = False,
) -> None:
    """Check everything the service stands on."""
    import asyncio

    from deploy.doctor.examine import examine
    from deploy.doctor.showing import show
    from deploy.logs import configure_logs
    from deploy.settings import LogSettings
    from router.settings import RouterSettings

    configure_logs(LogSettings(log_level="error"), program="doctor")
    show(asyncio.run(examine(RouterSettings())), as_json=as_json)
