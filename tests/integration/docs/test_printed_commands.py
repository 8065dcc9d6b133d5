"""Every command that README and docs print is run, in the environment that its page sets up, and does what it should.

One all-in-one runs for all pages, in a home of its own, as the quickstart starts it. What a page leaves to the reader
(an id, a file, a token) is prepared here and put in its place. `congvan` is the program that was installed for `up`
and for the quickstart, whose reader activates its environment; elsewhere it is forked, which spares its imports.
"""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.forked_congvan import forked_congvan
from support.pages import ROOT, Command, Ended, clean_environment, commands, pages, run

PROGRAMS = Path(sys.executable).parent
ELSEWHERE: Mapping[str, str] = {
    r"\./deploy/demo\.sh": "tests/integration/deploy/test_demo.py runs it",
    r"\./deploy/test\.sh": "this suite is what it runs",
    r"congvan up --example lao-cai": "every page here runs beside it",
    r"systemctl|journalctl|rabbitmqctl": "an engine of the machine's own; tests/unit/systemd checks the units",
    r"cp deploy/systemd/": "as above",
    r"install -m 0644 deploy/rabbitmq/": "as above; tests/unit/deploy/test_thin_line_settings.py reads the file",
    r"python3 -m venv /opt|/opt/congvan/bin/pip": "tests/integration/packaging has such an environment",
    r"useradd|usermod|install -d .*(/etc|/srv)/congvan|install -m 0600 /dev/null": "changes the machine's users",
    r"CONGVAN_(GATEWAY|DESK|MAIL|PUBLIC)_\w+=\S+$": "settings, not commands; tests/unit/deploy/test_settings_origin.py",
    r"congvan( desk)? mail test ": "tests/integration/mail/test_mail_commands.py has a mail server",
    r"congvan desk (restore|next-number) ": "of a PC that was lost; tests/faults/books loses one",
    r"congvan witness run ": "it runs until it is stopped; tests/integration/trust has one",
    r"export CONGVAN_OIDC_": "tests/integration/console/test_console_provider_login.py has a provider",
}
"""Printed commands that are run or checked at another place, and where."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page's reader has.

    Args:
        before: commands that bring the reader to where the page begins.
        replaced: what stands for something of the reader's own.
    """

    before: str = ""
    replaced: Mapping[str, str] = field(default_factory=dict)


GATEWAY = """
export CONGVAN_CONFIG=~/.local/state/congvan/congvan.toml
export CONGVAN_GATEWAY_DATA_DIR=~/.local/state/congvan/gateways/LCA
LETTER=(--issuer LCA.VP --to LCA.02.05 --subject 'Thử nghiệm')
for number in 123-CV/TU 124-CV/TU 128-CĐ/TU; do
    congvan send "${LETTER[@]}" --notation $number bao-cao.pdf
done
congvan send "${LETTER[@]}" --notation 129-CV/TU --kind recall --refers-to $ID --urgency 3
until congvan gateway inbox --state take_back_requested | grep -q 128-CĐ/TU; do :; done
export CONGVAN_GATEWAY_ORIGIN_URL=$API CONGVAN_GATEWAY_TOKEN=$OPERATOR CONGVAN_GATEWAY_UNITS=LCA.02.05
"""
GATEWAY_HOME = "export CONGVAN_GATEWAY_DATA_DIR=~/.local/state/congvan/gateways/LCA\n"
A_CHECKPOINT = "until congvan log checkpoint >checkpoint.txt; do :; done\n"
DESK = GATEWAY_HOME + "export CONGVAN_DESK_PORT=0\n"
OPERATOR = "export CONGVAN_CONFIG=~/.local/state/congvan/congvan.toml\n"
A_DISPATCH = "congvan send --issuer LCA.VP --to LCA.02.05 --notation 2-CV/VP --subject 'Thử nghiệm'\n"
UPSTREAM = OPERATOR + 'TOKEN=$(congvan token create "issuer:LCA.#" --label upstream | grep -o "cv1[.]\\S*")\n'
STAGES: Mapping[str, Page] = {
    "docs/how-to/console.md": Page(OPERATOR + A_DISPATCH.replace("2-CV/VP", "3-CV/VP")),
    "docs/how-to/desk.md": Page(DESK),
    "docs/how-to/gateway.md": Page(GATEWAY),
    "docs/how-to/notices.md": Page(OPERATOR + DESK),
    "docs/how-to/operator.md": Page(OPERATOR + A_DISPATCH),
    "docs/how-to/proof.md": Page(OPERATOR + GATEWAY_HOME + A_CHECKPOINT),
    "docs/how-to/restore.md": Page(OPERATOR),
    "docs/how-to/thin-lines.md": Page(OPERATOR),
    "docs/how-to/upstream-system.md": Page(UPSTREAM, {'["ID"]': """["'$DISPATCH'"]"""}),
    "docs/reference/addressing.md": Page(OPERATOR),
}


class AllInOne:
    """``congvan up --example lao-cai`` of somebody with an empty home, in a folder like the checkout.

    Args:
        home: the empty one.
        installed: what a shell of theirs has.
        forked: where ``congvan`` is forked.
    """

    def __init__(self, home: Path, installed: Mapping[str, str], forked: Path) -> None:
        self.home = home
        self.folder = home / "congvan"
        self.folder.mkdir()
        for path in ROOT.iterdir():
            if path.name not in {".git", ".venv", ".mypy_cache", ".pytest_cache", ".hypothesis", ".ruff_cache"}:
                (self.folder / path.name).symlink_to(path)
        (self.folder / ".venv").symlink_to(sys.prefix)
        self._files()
        self.environment = {**installed, "PATH": f"{forked}:{installed['PATH']}"}
        self._process = subprocess.Popen(
            ["congvan", "up", "--example", "lao-cai", "--json"],
            cwd=self.folder,
            env={**installed, "CONGVAN_HTTP_PORT": "0"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.where = json.loads(self._process.stdout.readline())

    def _files(self) -> None:
        """What readers have beside the checkout."""
        examples = ROOT / "deploy/examples"
        shutil.copy(examples / "lao-cai/units.csv", self.folder / "units.csv")
        for name, source in {
            "bao-cao.pdf": "cong-dien-mua-lu.pdf",
            "cong-dien.pdf": "cong-dien-mua-lu.pdf",
            "scan.pdf": "cong-dien-mua-lu.pdf",
            "phu-luc.xlsx": "huong-dan-chi-bo.docx",
            "giay-moi.docx": "huong-dan-chi-bo.docx",
            "OLD.docx": "huong-dan-chi-bo.docx",
            "NEW.docx": "huong-dan-chi-bo.docx",
            "anh.jpg": "quyet-dinh-ban-quet.jpg",
        }.items():
            shutil.copy(examples / "files" / source, self.folder / name)

    def run(self, page: str, listed: list[Command]) -> list[Ended]:
        stage = STAGES.get(page, Page())
        config = (self.home / ".local/state/congvan/congvan.toml").read_text("utf-8")
        operator = re.search(r'^token = "(.*)"$', config, re.MULTILINE)
        assert operator
        api = self.where["api_url"]
        prelude = f"API={api}\nOPERATOR={operator[1]}\n{PRELUDE}{stage.before}"
        replaced = {"http://127.0.0.1:8470": api, **stage.replaced}
        return run(listed, replaced=replaced, prelude=prelude, directory=self.folder, environment=self.environment)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.communicate(timeout=60)


# `ID` on a page is the dispatch sent last; the reader waits until it has arrived. What never ends is ended by Ctrl-C.
PRELUDE = r"""
congvan() {
    local said code
    local words=("${@/#%ID/$ID}")
    case "$*" in
    *--follow* | *--watch* | desk)
        timeout --preserve-status --signal INT 4 "$(type -P congvan)" "${words[@]}"
        return
        ;;
    esac
    said=$(command congvan "${words[@]}")
    code=$?
    printf '%s\n' "$said"
    if [ "$1" = send ] && [[ $said =~ ([0-9a-f]{8}-[0-9a-f-]{27}) ]]; then
        ID=${BASH_REMATCH[1]}
        command congvan track "$ID" --watch --timeout 60 >/dev/null
    fi
    return $code
}
curl() {
    local said code
    said=$(command curl --silent --show-error --fail-with-body "$@")
    code=$?
    printf '%s\n' "$said"
    [[ $said =~ \"id\":\"([0-9a-f-]{36})\" ]] && DISPATCH=${BASH_REMATCH[1]}
    return $code
}
"""


@pytest.fixture(scope="module")
def all_in_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AllInOne]:
    home = tmp_path_factory.mktemp("home")
    installed = clean_environment(home, PROGRAMS)
    with forked_congvan(home, installed) as forked:
        made = AllInOne(home, installed, forked)
        yield made
        made.stop()


def is_elsewhere(command: Command) -> bool:
    return any(re.match(pattern, command.text) for pattern in ELSEWHERE)


@pytest.mark.begins
def test_every_printed_command_works(all_in_one: AllInOne, subtests: pytest.Subtests) -> None:
    ran = 0
    for page in pages():
        listed = [command for command in commands(page) if not is_elsewhere(command)]
        for ended in all_in_one.run(page, listed):
            ran += 1
            with subtests.test(str(ended.command)):
                assert ended.code == 0, f"{ended.command}\n{ended.output}"
    assert ran > 60


def test_what_is_run_elsewhere_is_still_printed() -> None:
    texts = [command.text for page in pages() for command in commands(page)]
    for pattern in ELSEWHERE:
        assert any(re.match(pattern, text) for text in texts), pattern
