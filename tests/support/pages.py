"""The commands that README and docs print, page by page, and a shell that runs them as a reader would."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENDED = re.compile(r"^@@ (\d+) (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """What is printed on a page: the line where it begins, and its text, which may go over several lines."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed on either stream."""

    command: Command
    code: int
    output: str


def pages() -> list[str]:
    """README and every page of the docs, by its path."""
    return ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))]


def commands(page: str) -> list[Command]:
    """The commands of a page's shell blocks, in their order."""
    text = (ROOT / page).read_text("utf-8")
    found: list[Command] = []
    for block in _BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1)) + 1
        found += [Command(page, first + offset, command) for offset, command in _split(block[1])]
    return found


def _split(block: str) -> Iterator[tuple[int, str]]:
    """Whole commands: lines are joined until the shell would take them as complete."""
    began, lines = 0, list[str]()
    for number, line in enumerate(block.splitlines()):
        if not lines:
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            began = number
        lines.append(line)
        text = "\n".join(lines)
        if not line.endswith("\\") and _is_complete(text):
            yield began, text
            lines = []
    assert not lines, f"an unfinished command: {lines}"


def _is_complete(text: str) -> bool:
    return subprocess.run(["bash", "-n", "-c", text], capture_output=True, check=False).returncode == 0


def run(
    listed: list[Command], *, replaced: Mapping[str, str], prelude: str, directory: Path, environment: Mapping[str, str]
) -> list[Ended]:
    """Run a page's commands in one shell, one after the other, whatever becomes of each.

    Args:
        listed: what to run.
        replaced: what stands on the page for something of the reader's own, and what it is here.
        prelude: told to the shell first.
        directory: where the shell begins.
        environment: the shell's whole environment.
    """
    script = [prelude]
    for number, command in enumerate(listed):
        text = command.text
        for word, meaning in replaced.items():
            text = text.replace(word, meaning)
        script.append(f'{{ {text}\n}}\necho; echo "@@ {number} $?"')
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=directory,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=500,
    )
    return list(_results(listed, done.stdout.decode(errors="replace")))


def _results(listed: list[Command], output: str) -> Iterator[Ended]:
    began = 0
    for match in _ENDED.finditer(output):
        yield Ended(listed[int(match[1])], int(match[2]), output[began : match.start()].strip())
        began = match.end()
    assert listed == [] or listed[-1] in [listed[int(match[1])] for match in _ENDED.finditer(output)], output[began:]


def clean_environment(home: Path, programs: Path) -> dict[str, str]:
    """What somebody's shell has who has just logged in."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TERM") if name in os.environ}
    return kept | {"HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "120"}
