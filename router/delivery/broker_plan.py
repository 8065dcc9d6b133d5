"""What should stand at the broker, as ledger, settings and the clock have it."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection

from router.broker.topology import Bounds, BrokerAccount, Topology, plan
from router.ledger.people.accounts import list_accounts
from router.ledger.units.unit_list import list_units
from router.settings import RouterSettings, vhost_of
from schemas.clock import day_at
from schemas.unit import Unit

_PRIVATE_URL = "amqp://127.0.0.1/congvan"


def planned(
    connection: Connection, settings: RouterSettings, *, now: int, of: tuple[Iterable[Unit], date] | None = None
) -> Topology:
    """The plan for the units of the day and the accounts that are good now.

    Args:
        connection: reads the ledger.
        settings: the vhost, the zone and the bounds.
        now: the present, UTC milliseconds.
        of: units and their day, for callers that have them already.
    """
    accounts = [BrokerAccount(row.name, row.token_hash) for row in list_accounts(connection) if row.is_valid(now)]
    units, day = of or (list_units(connection), day_at(now, settings.timezone))
    vhost = vhost_of(settings.amqp_url or _PRIVATE_URL)
    return plan(units, accounts, vhost=vhost, day=day, bounds=bounds_of(settings))


def bounds_of(settings: RouterSettings) -> Bounds:
    """What upstream systems and gateways may open at the broker."""
    return Bounds(
        settings.broker_connections_per_account, settings.broker_channels_per_account, settings.broker_spare_queues
    )
