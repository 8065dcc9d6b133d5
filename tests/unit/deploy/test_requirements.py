"""The pinned requirements are those of the project: nothing is missing, nothing is outside of what is allowed."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NAMES = ("gateway", "desk", "router", "demo", "dev")
EXTRAS = {"desk": ("desk",), "router": ("router",), "demo": ("router", "desk"), "dev": ("router", "desk")}
_PIN = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;]+)")


def blocks(name: str) -> list[str]:
    """The file's requirements, each with its lines of hashes."""
    text = (ROOT / "deploy/requirements" / f"{name}.txt").read_text("utf-8")
    return [block for block in re.split(r"\n(?=\S)", text) if not block.startswith("#")]


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for block in blocks(name):
        match = _PIN.match(block)
        assert match, block
        found.setdefault(canonicalize_name(match["name"]), set()).add(match["version"])
    return found


def wanted(name: str) -> list[Requirement]:
    groups: dict[str, list[Any]] = PROJECT["dependency-groups"]
    lines = [*PROJECT["project"]["dependencies"], *groups["build"]]
    for extra in EXTRAS.get(name, ()):
        lines += PROJECT["project"]["optional-dependencies"][extra]
    if name == "dev":
        lines += [line for line in groups["dev"] if isinstance(line, str)]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("name", NAMES)
def test_everything_that_is_needed_is_pinned_within_what_is_allowed(name: str) -> None:
    pinned = pins(name)
    assert len(wanted(name)) > 10
    for requirement in wanted(name):
        versions = pinned.get(canonicalize_name(requirement.name), set())
        assert versions, f"{requirement.name} is not in {name}.txt: run deploy/lock.sh"
        allowed = all(requirement.specifier.contains(version) for version in versions)
        assert allowed, f"{requirement} does not allow {versions}: run deploy/lock.sh"


@pytest.mark.parametrize("name", NAMES)
def test_everything_pinned_has_its_hashes(name: str) -> None:
    for block in blocks(name):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def hashes(name: str) -> dict[str, list[str]]:
    """The hashes that are allowed of each version of each library."""
    return {block.partition(" ")[0]: re.findall(r"--hash=(\S+)", block) for block in blocks(name)}


def test_what_is_installed_for_all_is_what_is_installed_for_each_part_to_the_hash() -> None:
    dev = hashes("dev")
    for name in set(NAMES) - {"dev"}:
        for library, allowed in hashes(name).items():
            assert dev.get(library) == allowed, f"{library} of {name}.txt: run deploy/lock.sh"


def test_a_gateway_brings_none_of_the_routers_libraries() -> None:
    extra = PROJECT["project"]["optional-dependencies"]["router"]
    assert not {canonicalize_name(Requirement(line).name) for line in extra} & set(pins("gateway"))
