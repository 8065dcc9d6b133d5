"""A form that was filled while its session ended: carried through the login, shown again, sent when its person says so.

Nothing of it is kept on the server. It travels in the login page, which only its own browser has, and it is done only
by a click in the new session: a login never does what another page may have asked for.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
from starlette.datastructures import FormData

MAX_LENGTH = 20_000
"""Characters of what is carried; of a longer form the person is told that it is lost."""
_SECRET = frozenset({"csrf", "password", "again", "token"})
"""Fields of the session that has ended, or that no page may show."""
_PLACE = re.compile(r"(?:/[A-Za-z0-9._~-]+)+")
_OF_THE_DOOR = frozenset({"/logout", "/login", "/welcome", "/preferences"})


@dataclass(frozen=True, slots=True)
class KeptForm:
    """Where a form goes, and its fields."""

    action: str
    fields: Sequence[tuple[str, str]]

    def divided(self, labels: Mapping[str, str]) -> tuple[Sequence[tuple[str, str]], Sequence[tuple[str, str]]]:
        """The page's own fields, and those that a person filled: what these are called, the labels say."""
        own = [(name, value) for name, value in self.fields if name not in labels]
        return own, [(name, value) for name, value in self.fields if name in labels]

    def write(self) -> str:
        """As one field of the login page; empty when it is too long."""
        text = orjson.dumps({"action": self.action, "fields": self.fields}).decode()
        return text if len(text) <= MAX_LENGTH else ""


def keep(action: str, form: FormData, root: str) -> KeptForm | None:
    """What is kept of a form below a program's root; None: it is one whose loss costs nobody anything."""
    if not _may_be_kept(action, root):
        return None
    fields = [(name, value) for name, value in form.multi_items() if isinstance(value, str) and name not in _SECRET]
    return KeptForm(action, fields)


def read(text: str, root: str) -> KeptForm | None:
    """What :meth:`KeptForm.write` wrote; None: it is nothing of ours."""
    try:
        found = orjson.loads(text)
        action, fields = found["action"], [(str(name), str(value)) for name, value in found["fields"]]
    except (ValueError, TypeError, KeyError):
        return None
    if not isinstance(action, str) or not _may_be_kept(action, root):
        return None
    return KeptForm(action, [(name, value) for name, value in fields if name not in _SECRET])


def _may_be_kept(action: str, root: str) -> bool:
    place = action.removeprefix(root)
    return action.startswith(f"{root}/") and place not in _OF_THE_DOOR and _PLACE.fullmatch(place) is not None
