"""``congvan router``: the router alone."""

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: `CONGVAN_AMQP_URL=amqp://router:secret@broker/congvan congvan router`\n\n"
    "Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 failed, 2 wrong settings, 5 the ledger is unavailable or another "
    "router works on it. A broker that is away does not end it."
)
def router() -> None:
    """Run the router alone, against the broker that is configured.

    It serves until SIGTERM or Ctrl-C, finishing what is in work. The ledger is brought up to date at the start;
    on PostgreSQL any number of routers may run at once.
    """
    import asyncio

    import uvloop

    from deploy.errors import SettingsError
    from deploy.logs import configure_logs
    from deploy.process import prepare
    from router.service import RouterService
    from router.settings import RouterSettings

    configure_logs(program="router")
    settings = RouterSettings()
    if not settings.amqp_url:
        raise SettingsError("CONGVAN_AMQP_URL is not set", "`congvan up` starts a private broker and the router")

    async def serve() -> None:
        await RouterService(settings).run()

    prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
