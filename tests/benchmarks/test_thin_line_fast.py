"""CI's share of ``python -m tests.benchmarks.thin_line``: the fast version, judged against curl on the same line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOT_HERE = 2
JUDGED = ("--only", "congvan", "--only", "curl -C -")
"""The third contender's document never comes, for which it would be waited twice as long."""


def test_a_thin_line_serves_the_urgent_first_and_wastes_no_more_than_curl() -> None:
    command = [sys.executable, "-m", "tests.benchmarks.thin_line", "--fast", "--json", *JUDGED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=400, check=False)
    if done.returncode == NOT_HERE:
        pytest.skip(done.stderr.strip())
    assert done.stdout, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    print(found)
    assert found["missed"] == [], found
