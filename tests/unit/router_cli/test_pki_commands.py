"""``congvan pki`` as an administrator runs it."""

import stat
from pathlib import Path

import pytest

from router.tls.authority import Authority
from router.tls.certificates import DAY_MS
from schemas.clock import now_ms
from support.commands import Congvan


@pytest.fixture
def pki(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Congvan:
    monkeypatch.setenv("CONGVAN_PKI_DIR", str(tmp_path / "pki"))
    return Congvan(monkeypatch, capsys, "pki")


def begin(pki: Congvan, tmp_path: Path) -> None:
    assert pki("init", str(tmp_path / "pki"), "--name", "UBND tỉnh Lào Cai").code == 0


def test_an_authority_is_made_once_and_what_it_issued_is_listed(pki: Congvan, tmp_path: Path) -> None:
    begin(pki, tmp_path)
    again = pki("init", str(tmp_path / "pki"), "--name", "UBND")
    assert (again.code, "is not empty" in again.err) == (4, True)
    (server,) = pki("issue", "server", "broker.tinh.vn", "10.1.2.3", "--json").objects
    assert (server["names"], round(server["days_left"])) == (["broker.tinh.vn", "10.1.2.3"], 90)
    assert stat.S_IMODE(Path(server["file"]).stat().st_mode) == 0o600
    assert pki("issue", "client", "gateway:LCA.02.#", "--days", "30").code == 0
    rows = pki("show", "--json").objects
    assert [(row["kind"], row["subject"]) for row in rows] == [
        ("root", "UBND tỉnh Lào Cai root"),
        ("authority", "UBND tỉnh Lào Cai issuing"),
        ("client", "gateway:LCA.02.#"),
        ("server", "broker.tinh.vn"),
    ]
    assert "gateway_LCA.02.all.pem" in pki("show").out


def test_wrong_names_and_a_missing_authority_are_told(pki: Congvan, tmp_path: Path) -> None:
    assert (pki("show").code, "congvan pki init" in pki("show").err) == (4, True)
    begin(pki, tmp_path)
    wrong = pki("issue", "server", "https://broker.tinh.vn")
    assert (wrong.code, "neither a DNS name nor an address" in wrong.err) == (2, True)
    assert pki("issue", "client", "LCA.02").code == 2
    assert pki("issue", "server", "a.vn").code == 0
    assert pki("issue", "server", "a.vn").code == 4


def test_a_renewal_says_what_it_could_not_do(pki: Congvan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(pki, tmp_path)
    pki("issue", "server", "a.vn")
    nothing = pki("renew")
    assert (nothing.code, nothing.out) == (0, "")
    later = now_ms() + 600 * DAY_MS
    monkeypatch.setattr("router.cli.pki.now_ms", lambda: later)
    (tmp_path / "pki" / "root.key").rename(tmp_path / "safe")
    told = pki("renew", "--json")
    assert (told.code, [row["subject"] for row in told.objects]) == (1, ["a.vn"])
    assert "bring the root's key back" in told.err
    (tmp_path / "safe").rename(tmp_path / "pki" / "root.key")
    assert pki("renew").code == 0
    assert Authority(tmp_path / "pki").issuing().days_left(later) > 700


def test_a_passphrase_keeps_the_roots_key(pki: Congvan, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("khong doan duoc\n")
    assert pki("init", str(tmp_path / "pki"), "--name", "UBND", "--passphrase-file", str(secret)).code == 0
    assert b"ENCRYPTED" in (tmp_path / "pki" / "root.key").read_bytes()
