"""``congvan desk``: the desk's own commands; its long-running one logs as every program does."""

import typer

from consumers.cli import desk
from consumers.cli.options import DataDir

__all__ = ["app"]

app = desk.app


@app.callback(invoke_without_command=True, epilog=desk.EPILOG)
def begin(
    context: typer.Context,
    host: desk.Host = None,
    port: desk.Port = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the pages of a unit's clerk, leaders and staff.

    They are those of the units of this machine's gateway, until SIGTERM or Ctrl-C. The desk works beside a running
    gateway, and while the line is down. Options win over the CONGVAN_DESK_* variables; the gateway's data directory is
    CONGVAN_GATEWAY_DATA_DIR. The first person is let in by `congvan desk people invite`.
    """
    if context.invoked_subcommand is not None:
        return
    from deploy.process import load_structlog, prepare

    load_structlog()
    import consumers.desk.service  # noqa: F401 - what a process begins with has to be there when it is prepared
    from deploy.logs import configure_logs

    configure_logs(program="desk")
    prepare()
    desk.serve(host=host, port=port, data_dir=data_dir)
