"""``congvan gateway``: the gateway's own commands; its long-running one logs as every program does."""

import typer

from consumers.cli.gateway import app
from deploy.commands import gateway_doctor, gateway_send

__all__ = ["app"]

gateway_send.add_to(app)
gateway_doctor.add_to(app)


@app.callback()
def gateway(context: typer.Context) -> None:
    """Run a unit's gateway, see its inbox, send, report on documents."""
    if context.invoked_subcommand == "run":
        from deploy.process import load_structlog, prepare

        load_structlog()
        import consumers.gateway  # noqa: F401 - what a process begins with has to be there when it is prepared
        from deploy.logs import configure_logs

        configure_logs(program="gateway")
        prepare()
