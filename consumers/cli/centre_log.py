"""``congvan gateway log``: what this gateway has seen of the centre's log, and the end of an alarm."""

from typing import Annotated

import typer

from consumers.cli.options import AsJson, DataDir, opened_spool

EPILOG = (
    "Examples: congvan gateway log · congvan gateway log --accept. Exit codes: 0 the log goes on from what was seen "
    "before, or nothing was seen yet, 3 no gateway has run here, 4 it does not, 5 the spool cannot be used now."
)
_REFUSED = 4


def centre_log(
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Somebody at the centre has explained it: begin anew with what is shown next."),
    ] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show whether the centre's log goes on from what this gateway saw of it before.

    The log of what the router records may only grow. One that is shorter, begins otherwise or is signed by another key
    is another history: documents or receipts may have been taken out of it, or an older copy was restored. Compare the
    key by telephone with what `congvan log checkpoint --key` prints at the centre.
    """
    import orjson

    from consumers.spool import log_seen
    from schemas.zone import local_time

    with opened_spool(data_dir) as spool:
        if accept:
            with spool.writing() as conn:
                log_seen.forget(conn)
        with spool.reading() as conn:
            seen = log_seen.read(conn)
    if as_json:
        told = {"key": seen.key, "size": seen.size, "alarm": seen.alarm, "alarm_at": seen.alarm_at} if seen else {}
        print(orjson.dumps(told).decode())
    elif seen is None:
        print("nothing was seen of the centre's log yet; the gateway looks every five minutes while the line is up")
    else:
        print(f"{seen.size} entries, signed by {seen.key}")
        print(
            f"since {local_time(seen.alarm_at)}: {seen.alarm}" if seen.alarm else "it goes on from what was seen before"
        )
    if seen is not None and seen.alarm:
        raise typer.Exit(_REFUSED)
