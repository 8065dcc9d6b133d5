"""``congvan up``: everything on this machine."""

from typing import Annotated

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Examples: `congvan up --example lao-cai` · `congvan up --gateway 'LCA.02.#' --gateway LCA.VP`\n\n"
    "Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 a part did not come up, 2 wrong usage or settings, "
    "5 something needed is unavailable or taken."
)
def up(
    example: Annotated[
        str, typer.Option(help="Import an example organisation first: lao-cai.", show_default=False)
    ] = "",
    gateway: Annotated[
        list[str] | None,
        typer.Option(help="Units to run a gateway for, a process each; default: one for the whole organisation."),
    ] = None,
    gateways: Annotated[bool, typer.Option(help="Run gateways here at all.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print where everything is as one JSON object.")] = False,
) -> None:
    """Start everything on this machine: broker, router and gateways.

    A private RabbitMQ is started unless CONGVAN_AMQP_URL names one. State, logs and tokens are kept in
    CONGVAN_DATA_DIR. Ctrl-C or SIGTERM stops all in order.
    """
    import asyncio
    import os

    from deploy.allinone import Setup
    from deploy.commands._up import serve
    from deploy.logs import configure_logs
    from router.settings import RouterSettings

    configure_logs(program="up")
    patterns = tuple(gateway) if gateway else None
    wish = Setup(environ=os.environ, example=example, gateways=patterns if gateways else ())
    asyncio.run(serve(RouterSettings(), wish, as_json=as_json))
