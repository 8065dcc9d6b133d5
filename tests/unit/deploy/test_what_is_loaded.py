"""What a program that serves holds in memory: nothing that it never uses."""

import ctypes
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


_CERTIFICATES = """
import sys
import consumers.gateway, consumers.desk.service
print([name for name in sys.modules if name.partition(".")[0] == "cryptography"])
"""


def test_a_gateway_without_a_certificate_of_its_own_does_not_hold_the_library_for_them() -> None:
    command = [sys.executable, "-c", _CERTIFICATES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


_COUNTRIES = """
import sys
from schemas.working_calendar import known_country
known_country("VN")
print([name for name in sys.modules if name.startswith("holidays.countries.")])
import holidays
for code in holidays.list_supported_countries():
    known_country(code)
"""


def test_of_all_countries_only_the_one_whose_days_are_asked_for_is_loaded_and_each_can_be() -> None:
    done = subprocess.run([sys.executable, "-c", _COUNTRIES], capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "['holidays.countries.vietnam']\n"), done.stderr


_THREADS = """
import ctypes, sys, threading
from deploy.process import prepare
prepare()
together = threading.Barrier(6)

def work():
    kept = [bytes(1000) for _ in range(2000)]
    together.wait()

threads = [threading.Thread(target=work) for _ in range(6)]
for one in threads:
    one.start()
for one in threads:
    one.join()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fdopen(sys.stdout.fileno(), b"w"))
libc.malloc_info(0, stream)
libc.fflush(stream)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="a promise about glibc")
def test_the_threads_of_what_serves_share_two_arenas() -> None:
    """Else each of them has one of its own: seven in all."""
    done = subprocess.run([sys.executable, "-c", _THREADS], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.count("<heap nr=") == 2
