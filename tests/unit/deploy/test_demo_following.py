"""When a dispatch of the demonstration counts as everywhere, and what is shown of it."""

import io

from rich.console import Console

from deploy.demo.follow import Addressee, Followed
from deploy.demo.scenes import SCENES
from deploy.demo.screen import DemoScreen, receipt_line
from schemas.dispatch import Submission
from schemas.unit import Link


def followed(*addressees: Addressee) -> Followed:
    return Followed("019b", "128-CĐ/TU", "to two units", addressees)


def addressee(unit: str, link: Link, state: str, reason: str = "") -> Addressee:
    return Addressee(unit, f"Đảng ủy {unit}", link, state, reason)


def test_a_dispatch_is_done_when_every_reachable_addressee_has_it() -> None:
    here = addressee("LCA.01", Link.WAN, "arrived")
    nowhere = addressee("LCA.01.01", Link.NONE, "pending", "no_line")
    assert followed(here, nowhere).done
    assert not followed(here, addressee("LCA.01.02", Link.DIALUP, "taken"), nowhere).done
    assert not followed().done


def test_the_roll_up_names_who_waits_and_why() -> None:
    out = io.StringIO()
    waiting = [addressee(f"LCA.01.{number:02}", Link.NONE, "pending", "no_line") for number in range(8)]
    DemoScreen(Console(file=out, width=500)).roll_up(followed(addressee("LCA.01", Link.WAN, "arrived"), *waiting))
    shown = out.getvalue()
    assert "1/9 arrived" in shown
    assert "8 pending, for no line leads there: LCA.01.00 Đảng ủy LCA.01.00" in shown
    assert "and 2 more" in shown


def test_off_a_terminal_each_arrival_is_a_line() -> None:
    out = io.StringIO()
    screen = DemoScreen(Console(file=out, width=200))
    dispatch = followed(addressee("LCA.01", Link.WAN, "arrived"))
    receipts = [
        {"unit": "LCA.01", "status": status, "recorded_at": "2026-11-22T13:49:12.000Z"}
        for status in ("taken", "arrived")
    ]
    with screen.live():
        screen.update([dispatch], [(dispatch, receipt) for receipt in receipts])
    assert len(out.getvalue().splitlines()) == 1
    assert "Đảng ủy LCA.01" in out.getvalue()


def test_on_a_terminal_progress_is_drawn() -> None:
    out = io.StringIO()
    console = Console(file=out, width=200, force_terminal=True)
    dispatch = followed(addressee("LCA.01", Link.WAN, "arrived"))
    screen = DemoScreen(console)
    with screen.live():
        screen.update([dispatch], [])
    assert "1/1 arrived" in out.getvalue()


def test_a_receipts_line_says_when_what_and_where() -> None:
    dispatch = followed(addressee("LCA.01", Link.WAN, "arrived"))
    line = receipt_line(dispatch, {"unit": "LCA.01", "status": "arrived", "recorded_at": "2026-11-22T13:49:12.000Z"})
    assert "128-CĐ/TU" in line
    assert "arrived" in line


def test_the_demonstrations_letters_are_valid_and_their_files_are_there() -> None:
    for scene in SCENES:
        Submission.model_validate(scene.letter)
        assert scene.file.stat().st_size > 0
    assert max(scene.file.stat().st_size for scene in SCENES) > 5_000_000
