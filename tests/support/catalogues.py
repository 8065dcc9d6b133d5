"""The messages of the pages as they stand in code and templates."""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir

ROOT = Path(__file__).parents[2]
_ROOMS = ("router/console", "router/mail", "router/pages", "router/words", "consumers/desk")
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2")]
_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
_AS_JINJA = {"trim_blocks": "true", "lstrip_blocks": "true"}
_OPTIONS = {"templates/**.html": _AS_JINJA, "templates/**.txt": _AS_JINJA}


def extracted() -> Catalog:
    """A catalogue without translations."""
    catalogue = Catalog()
    for room in _ROOMS:
        for file, line, message, _, _ in extract_from_dir(ROOT / room, _METHODS, _OPTIONS, _KEYWORDS):
            if message:
                catalogue.add(message, locations=[(f"{room}/{file}", line)])
    return catalogue
