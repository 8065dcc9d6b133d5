"""What a program that serves holds in memory: nothing that it never uses."""

import subprocess
import sys

import pytest

_LOADED = """
import sys
from deploy import main
import deploy.process

def tell():
    print([name for name in ("structlog", "rich") if name in sys.modules])
    sys.exit()

deploy.process.prepare = tell
sys.argv = ["congvan", *{words!r}]
main.main()
"""


@pytest.mark.parametrize("words", [["router"], ["gateway", "run"], ["desk"]], ids=" ".join)
def test_what_serves_loads_no_library_for_tracebacks_that_it_never_prints(words: list[str]) -> None:
    settings = {"CONGVAN_AMQP_URL": "amqp://127.0.0.1:9/x", "PATH": "/usr/bin"}
    command = [sys.executable, "-c", _LOADED.format(words=words)]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=120)
    assert done.stdout == "['structlog']\n", done.stderr
