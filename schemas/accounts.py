"""Who may call: an account's name says its role and the units it stands for.

``gateway:LCA.02.#`` hosts the gateways of a subtree, ``issuer:LCA.VP`` sends for one unit, ``operator:LCA.#`` acts on
all; a third part keeps several accounts of one role apart (``issuer:LCA.VP:erp``). The name is the login at the
broker, which vouches for it in every message's ``user_id``, so a message's sender is checked without a look-up.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from schemas.codes import MAX_CODE_LENGTH, PATTERN_REGEX, covers

MAX_ACCOUNT_NAME = 120
"""Characters; the ledger's column and the broker's login have to hold it."""
_LABEL = re.compile(r"^[a-z0-9][a-z0-9-]{0,30}$")
_PATTERN = re.compile(PATTERN_REGEX)


class Role(StrEnum):
    """What an account may do."""

    GATEWAY = "gateway"
    """Take what is addressed to its units, fetch its content, write receipts; send for them over HTTP."""
    ISSUER = "issuer"
    """Submit dispatches for its units and read what became of them."""
    OPERATOR = "operator"
    """Read everything within its pattern and act on it."""
    WATCHER = "watcher"
    """Scrape the metrics, and nothing else."""


@dataclass(frozen=True, slots=True)
class Account:
    """A caller: its role, the unit pattern it stands for, and a label that tells accounts of one kind apart."""

    role: Role
    pattern: str
    label: str = ""

    @property
    def name(self) -> str:
        """The login: role, pattern and label joined by colons."""
        return ":".join(filter(None, (self.role.value, self.pattern, self.label)))

    def stands_for(self, unit: str) -> bool:
        """Whether the account may speak for a unit."""
        return covers(self.pattern, unit)


@lru_cache(maxsize=4096)
def parse_account(name: str) -> Account:
    """The account a login names.

    Raises:
        ValueError: the name is not ``role:pattern`` or ``role:pattern:label``.
    """
    role, _, rest = name.partition(":")
    pattern, colon, label = rest.partition(":")
    if role not in set(Role) or not _is_pattern(pattern) or (colon and not _LABEL.fullmatch(label)):
        raise ValueError(
            f"{name!r} is not an account name; write role:pattern or role:pattern:label, such as "
            "issuer:LCA.VP, gateway:LCA.02.# or issuer:LCA.VP:erp"
        )
    if len(name) > MAX_ACCOUNT_NAME:
        raise ValueError(f"the account name {name!r} is longer than {MAX_ACCOUNT_NAME} characters; shorten its label")
    return Account(Role(role), pattern, label)


def _is_pattern(text: str) -> bool:
    return len(text.removesuffix(".#")) <= MAX_CODE_LENGTH and _PATTERN.fullmatch(text) is not None
