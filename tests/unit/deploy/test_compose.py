"""The compose file: everything starts again, runs with the least rights, and is named by what is in it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DIGEST = re.compile(r"^\S+:\S+@sha256:[0-9a-f]{64}$")


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES.keys())
def test_a_service_starts_again_and_can_do_no_more_than_it_must(service: dict[str, Any]) -> None:
    assert service["restart"] == "unless-stopped"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")


def test_images_of_others_are_named_by_their_digest() -> None:
    others = [service["image"] for service in SERVICES.values() if service["image"] != "congvan"]
    others += re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert len(others) == 4
    for image in others:
        assert DIGEST.match(image), image


def test_no_password_has_a_default() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASS" in name or "TOKEN" in name:
                assert re.fullmatch(r"\$\{\w+:\?\}|\$\{CONGVAN_GATEWAY_TOKEN:-\}", value), name


def test_the_database_is_not_reached_with_its_administrators_login() -> None:
    assert SERVICES["router"]["environment"]["CONGVAN_LEDGER_URL"].startswith("postgresql://congvan:")
    assert "POSTGRES_USER" not in SERVICES["database"]["environment"]
