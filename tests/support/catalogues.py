"""The messages of the console as they stand in its code and templates."""

from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir

CONSOLE = Path(__file__).parents[2] / "router" / "console"
_METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
_KEYWORDS = {"_": None, "N_": None, "ngettext": (1, 2)}
_OPTIONS = {"templates/**.html": {"trim_blocks": "true", "lstrip_blocks": "true"}}


def extracted() -> Catalog:
    """A catalogue without translations."""
    catalogue = Catalog()
    for file, line, message, _, _ in extract_from_dir(CONSOLE, _METHODS, _OPTIONS, _KEYWORDS):
        if message:
            catalogue.add(message, locations=[(file, line)])
    return catalogue
