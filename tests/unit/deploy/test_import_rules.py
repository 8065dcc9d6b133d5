import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
BROKER = "router.broker"
KITS = {BROKER, "router.process"}
"""What a gateway may know of the router's package."""


def test_the_import_rules_name_every_module_of_the_router() -> None:
    rules = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    found = {f"router.{path.stem}" for path in (ROOT / "router").iterdir() if not path.name.startswith("__")} - {BROKER}
    named = [set(rule["forbidden_modules"]) for rule in rules if BROKER not in rule.get("forbidden_modules", [BROKER])]
    lists = [modules for modules in named if "pika" not in modules]
    assert len(lists) == 2
    assert all(found - KITS <= modules for modules in lists)
    assert found - lists[0] == KITS - {BROKER}, "the first is the gateway's"
