"""What accounts may send: granted, read, and counted against their allowance by the hour of the clock."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, select

from router.errors import AllowanceError
from router.ledger.models import account_rights as table
from router.ledger.models import account_use
from router.storage.statements import insert_of
from schemas.accounts import Account
from schemas.rights import DEFAULTS, HOUR_MS, Allowance, Amount, Rights

_KEPT_HOURS = 24


def rights_of(conn: Connection, account: Account) -> Rights:
    """What an account may send: what it was granted, or has by its role."""
    row = conn.execute(select(table).where(table.c.account == account.name)).first()
    if row is None:
        return DEFAULTS[account.role]
    return Rights(
        reach=tuple(row.reach.split()),
        max_urgency=row.max_urgency,
        over_below=bool(row.over_below),
        hourly=Allowance(row.dispatches, row.deliveries, row.bytes),
    )


def grant(conn: Connection, account: Account, rights: Rights) -> None:
    """Give an account these rights instead of those it has."""
    values = {
        "reach": " ".join(rights.reach),
        "max_urgency": rights.max_urgency,
        "over_below": int(rights.over_below),
        "dispatches": rights.hourly.dispatches,
        "deliveries": rights.hourly.deliveries,
        "bytes": rights.hourly.bytes,
    }
    statement = insert_of(conn, table).values(account=account.name, **values)
    conn.execute(statement.on_conflict_do_update(index_elements=["account"], set_=values))


def withdraw(conn: Connection, account: Account) -> None:
    """Give an account back what it has by its role."""
    conn.execute(delete(table).where(table.c.account == account.name))


@dataclass(slots=True)
class Budget:
    """What the accounts of one commit have sent in this hour; a refusal costs them nothing."""

    conn: Connection
    now_ms: int
    _used: dict[str, Amount] = field(default_factory=dict)
    _fresh: dict[str, Amount] = field(default_factory=dict)

    def refusal(self, account: str, allowance: Allowance, amount: Amount) -> AllowanceError | None:
        """Why an amount is too much now; None: it is not, and has been taken from the account's allowance."""
        if not account or not allowance.is_bounded:
            return None
        if account not in self._used:
            self._used[account] = self._read(account)
        if refusal := _refusal(account, allowance, self._used[account] + amount, self.now_ms):
            return refusal
        self._used[account] += amount
        self._fresh[account] = self._fresh.get(account, Amount()) + amount
        return None

    def write(self) -> None:
        """Keep what was taken; what is older than a day is forgotten."""
        for account, amount in sorted(self._fresh.items()):
            values = {name: getattr(amount, name) for name in ("dispatches", "deliveries", "bytes")}
            row = insert_of(self.conn, account_use).values(account=account, hour=self._hour, **values)
            added = {name: account_use.c[name] + value for name, value in values.items()}
            self.conn.execute(row.on_conflict_do_update(index_elements=["account", "hour"], set_=added))
        if self._fresh:
            self.conn.execute(delete(account_use).where(account_use.c.hour < self._hour - _KEPT_HOURS))

    @property
    def _hour(self) -> int:
        return self.now_ms // HOUR_MS

    def _read(self, account: str) -> Amount:
        key = {"account": account, "hour": self._hour}
        # The row is there before it is read, so that two routers that count at once wait for each other.
        self.conn.execute(insert_of(self.conn, account_use).values(**key).on_conflict_do_nothing())
        columns = account_use.c.dispatches, account_use.c.deliveries, account_use.c.bytes
        same = (account_use.c[name] == value for name, value in key.items())
        statement = select(*columns).where(*same)
        if self.conn.dialect.name == "postgresql":
            statement = statement.with_for_update()
        return Amount(*self.conn.execute(statement).one())


def refusal_of(
    conn: Connection, account: str, allowance: Allowance, amount: Amount, *, now_ms: int
) -> AllowanceError | None:
    """Why an amount would be too much now; None: it is not. Nothing is counted."""
    if not account or not allowance.is_bounded:
        return None
    return _refusal(account, allowance, used(conn, account, now_ms=now_ms) + amount, now_ms)


def _refusal(account: str, allowance: Allowance, whole: Amount, now_ms: int) -> AllowanceError | None:
    excess = allowance.excess(whole)
    if not excess:
        return None
    left = HOUR_MS - now_ms % HOUR_MS
    return AllowanceError(f"{account} would have sent {excess}", seconds=left // 1000 + 1)


def used(conn: Connection, account: str, *, now_ms: int) -> Amount:
    """What an account has sent in this hour."""
    columns = account_use.c.dispatches, account_use.c.deliveries, account_use.c.bytes
    same = account_use.c.account == account, account_use.c.hour == now_ms // HOUR_MS
    row = conn.execute(select(*columns).where(*same)).first()
    return Amount() if row is None else Amount(*row)
