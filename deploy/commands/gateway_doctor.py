"""``congvan gateway doctor``: is everything there that a unit's gateway stands on?"""

import typer

from consumers.cli.options import AsJson, DataDir
from deploy.doctor.showing import EXIT_CODES


def doctor(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Check everything this gateway stands on: settings, disk, spool, the unit's own system, names, broker, router.

    It changes nothing, and may be called while the gateway runs; on a thin line it takes up to a minute. Broker and
    router are asked with the gateway's own token, so give it the settings that the gateway's service has.
    """
    import asyncio

    from consumers.cli.options import settings_with
    from consumers.last_run import completed
    from deploy.doctor.showing import show
    from deploy.doctor.unit import examine
    from deploy.logs import configure_logs
    from deploy.settings import LogSettings

    configure_logs(LogSettings(log_level="error"), program="gateway-doctor")
    show(asyncio.run(examine(completed(settings_with(data_dir=data_dir)))), as_json=as_json)


def add_to(app: typer.Typer) -> None:
    """Give the gateway's commands this one."""
    examples = "Examples: congvan gateway doctor · congvan gateway doctor --json"
    app.command("doctor", epilog=f"{examples}. {EXIT_CODES}")(doctor)
