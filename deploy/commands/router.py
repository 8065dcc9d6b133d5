"""``congvan router``: the router alone."""

import typer

app = typer.Typer(add_completion=False)


@app.command(
    epilog="Example: `CONGVAN_AMQP_URL=amqp://router:secret@broker/congvan congvan router`\n\n"
    "Exit codes: 0 stopped by SIGTERM or Ctrl-C, 1 a part failed or did not stop in time, 2 wrong settings, "
    "5 another router works on the ledger. Neither a ledger nor a broker that is away ends it."
)
def router() -> None:
    """Run the router alone, against the broker that is configured.

    It serves until SIGTERM or Ctrl-C, finishing what is in work. The ledger is waited for at the start, and brought up
    to date; on PostgreSQL any number of routers may run at once.
    """
    import asyncio

    from deploy.process import load_structlog, prepare

    load_structlog()
    import uvloop

    from deploy.errors import SettingsError
    from deploy.logs import configure_logs
    from router.process.ending import end_within, ending
    from router.service import RouterService
    from router.settings import RouterSettings

    configure_logs(program="router")
    settings = RouterSettings()
    if not settings.amqp_url:
        raise SettingsError("CONGVAN_AMQP_URL is not set", "`congvan up` starts a private broker and the router")

    async def serve() -> None:
        await RouterService(settings, on_stop=end_within).run()

    prepare()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner, ending():
        runner.run(serve())
