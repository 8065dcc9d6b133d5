"""The wheel that people install: it holds what the programs need, and works in an empty environment."""

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    return next(out.glob("congvan-*.whl"))


def test_the_wheel_holds_schemas_migrations_and_the_example_but_no_large_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for path in (
        *ROOT.glob("schemas/json/**/*.json"),
        *ROOT.glob("router/ledger/migrations/**/*.py"),
        *ROOT.glob("consumers/spool/migrations/**/*"),
        *ROOT.glob("router/console/*/*"),
        *ROOT.glob("consumers/desk/*/*"),
        *ROOT.glob("router/pages/*/*"),
        ROOT / "deploy/examples/lao-cai/units.csv",
        ROOT / "router/broker/_keeper.py",
        ROOT / "router/broker/_preload.eval",
    ):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names
    assert not any(name.startswith(("tests/", "deploy/examples/files/")) for name in names)
    assert wheel.stat().st_size < 2_500_000


def add(programs: Path, parts: str) -> None:
    """Add what is pinned for some parts: links to what is installed here, in the same versions, checked by its hashes.

    tests/unit/deploy/test_requirements.py holds these pins and hashes to those by which it was installed.
    """
    site = next(programs.parent.glob("lib/python3*/site-packages"))
    for line in (ROOT / "deploy/requirements" / f"{parts}.txt").read_text("utf-8").splitlines():
        if not line[:1].isalpha():
            continue
        pinned = Requirement(line.rstrip("\\"))
        if pinned.marker is None or pinned.marker.evaluate():
            found = distribution(pinned.name)
            assert pinned.specifier.contains(found.version), f"{pinned} is wanted here: run deploy/test.sh"
            tops = {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}
            for top in tops - {path.name for path in site.iterdir()}:
                (site / top).symlink_to(Path(str(found.locate_file(top))))


def install(wheel: Path, parts: str, into: Path) -> Path:
    """Make an environment of what is pinned for some parts and of the wheel alone; where its programs are."""
    venv.create(into)
    programs = into / "bin"
    add(programs, parts)
    with_our_pip = ("--python", programs / "python", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", *with_our_pip, "install", "--no-compile", "--no-deps", wheel, cwd=into)
    return programs


def test_the_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    programs = install(wheel, "router", tmp_path / "router")
    assert "Route official documents" in run(programs / "congvan", "--help", cwd=tmp_path)
    assert "congvan units import" in run(programs / "congvan", "units", "import", "--help", cwd=tmp_path)
    assert "queue" in run(programs / "python", "-c", "import router.service; print('queue')", cwd=tmp_path)
    assert '"$id"' in run(programs / "congvan", "schemas", "export", "--json", cwd=tmp_path)


_IMPORT_ALL = """
import importlib, pkgutil, sys, consumers
with_desk = "desk" in sys.argv
def walk(path, prefix):
    for module in pkgutil.iter_modules(path, prefix):
        if module.name == "consumers.desk" and not with_desk:
            continue
        yield module
        if module.ispkg:
            yield from walk(importlib.import_module(module.name).__path__, module.name + ".")
for module in walk(consumers.__path__, "consumers."):
    if module.name != "consumers.spool.migrations.env":  # Alembic alone runs it
        importlib.import_module(module.name)
print("all of them")
"""


def test_a_gateway_works_without_the_routers_libraries(wheel: Path, tmp_path: Path) -> None:
    programs = install(wheel, "gateway", tmp_path / "gateway")
    assert "all of them" in run(programs / "python", "-c", _IMPORT_ALL, cwd=tmp_path)
    for command in ("run", "inbox", "send", "receipt"):
        assert "Usage" in run(programs / "congvan", "gateway", command, "--help", cwd=tmp_path)
    router = subprocess.run([programs / "congvan", "router"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert router.returncode == 2
    assert "congvan[router]" in router.stderr
    desk = subprocess.run([programs / "congvan", "desk"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert desk.returncode == 2
    assert "congvan[desk]" in desk.stderr
    add(programs, "desk")
    assert "all of them" in run(programs / "python", "-c", _IMPORT_ALL, "desk", cwd=tmp_path)
