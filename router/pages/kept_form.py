"""A form that was filled while its session ended: carried through the login, shown again, sent when its person says so.

Nothing of it is kept on the server. It travels in the login page, which only its own browser has, and it is done only
by a click in the new session: a login never does what another page may have asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from starlette.datastructures import FormData

from router.pages.language import N_

MAX_LENGTH = 20_000
"""Characters of what is carried; of a longer form the person is told that it is lost."""
_SECRET = frozenset({"csrf", "password", "again", "token"})
"""Fields of the session that has ended, or that no page may show."""
_ACTION = re.compile(r"/console(?:/[A-Za-z0-9._~-]+)+")
_ENDS_SESSIONS = frozenset({"/console/logout", "/console/login", "/console/welcome", "/console/preferences"})
LABELS: Mapping[str, str] = {
    "reason": N_("Why?"),
    "day": N_("Last day"),
    "successor": N_("Its successor (may be empty)"),
    "q": N_("Filter"),
    "text": N_("Note"),
    "name": N_("What it is called"),
}
"""Fields that a person filled, with what they are called; the others are the page's own."""


@dataclass(frozen=True, slots=True)
class KeptForm:
    """Where a form goes, and its fields."""

    action: str
    fields: Sequence[tuple[str, str]]

    @property
    def filled(self) -> Sequence[tuple[str, str]]:
        """What a person filled."""
        return [(name, value) for name, value in self.fields if name in LABELS]

    @property
    def own(self) -> Sequence[tuple[str, str]]:
        """The rest."""
        return [(name, value) for name, value in self.fields if name not in LABELS]

    def write(self) -> str:
        """As one field of the login page; empty when it is too long."""
        text = orjson.dumps({"action": self.action, "fields": self.fields}).decode()
        return text if len(text) <= MAX_LENGTH else ""


def keep(action: str, form: FormData) -> KeptForm | None:
    """What is kept of a form; None: it is one whose loss costs nobody anything."""
    if action in _ENDS_SESSIONS or not _ACTION.fullmatch(action):
        return None
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in _SECRET]
    return KeptForm(action, fields)


def read(text: str) -> KeptForm | None:
    """What :meth:`KeptForm.write` wrote; None: it is nothing of ours."""
    try:
        found = orjson.loads(text)
        action, fields = found["action"], [(str(name), str(value)) for name, value in found["fields"]]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(action, str) or not _ACTION.fullmatch(action) or action in _ENDS_SESSIONS:
        return None
    return KeptForm(action, [(name, value) for name, value in fields if name not in _SECRET])
