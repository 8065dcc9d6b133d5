"""What the form that sends a letter shows: the same at every program that sends, drawn by ``sending.html``.

A page makes a :class:`SendingForm` and draws it with ``sending.composer``; ``sending.html`` says which addresses the
page has to answer, and with what.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from router.pages.faults import Fault
from router.pages.language import N_
from router.pages.letters import TypedLetter
from schemas.dispatch import MAX_ATTACHMENTS, MAX_FLASH_BYTES, Kind, Secrecy, Urgency

MOST_PLANNED = 100
"""Units of a plan that a page names; all of them are counted."""
MOST_NODES = 100
"""Units that one answer of the tree holds; the next come by its last row."""
URGENCIES: dict[int, str] = {
    int(Urgency.NORMAL): N_("normal"),
    int(Urgency.URGENT): N_("urgent"),
    int(Urgency.VERY_URGENT): N_("very urgent"),
    int(Urgency.EXPRESS): N_("express"),
    int(Urgency.EXPRESS_TIMED): N_("express at a set time"),
}
SECRECIES: dict[str, str] = {
    Secrecy.NONE.value: N_("not classified"),
    Secrecy.CONFIDENTIAL.value: N_("confidential"),
    Secrecy.SECRET.value: N_("secret"),
    Secrecy.TOP_SECRET.value: N_("top secret"),
}
KINDS: dict[str, str] = {
    Kind.NEW.value: N_("a new document, or an answer"),
    Kind.UPDATE.value: N_("updates those that it refers to"),
    Kind.REPLACE.value: N_("replaces those that it refers to"),
}
UNIT_KINDS: dict[str, str] = {
    "province": N_("provinces"),
    "department": N_("departments"),
    "district": N_("districts"),
    "commune": N_("communes"),
}
"""The kinds of units that have a word; others are shown as the list of units names them."""
LINKS: dict[str, str] = {
    "lan": N_("local network"),
    "wan": N_("wide-area network"),
    "dialup": N_("dial-up line"),
    "none": N_("no line"),
    "excluded": N_("network of its own"),
}
LEFT_OUT: dict[str, str] = {
    "excluded_by_rule": N_("a rule of the document leaves it out"),
    "not_yet": N_("it did not exist yet on that day"),
    "abolished": N_("its last day was past; its successor, if there is one, was looked at instead"),
    "own_network": N_("it is on a network of its own"),
}
NOTES: dict[str, str] = {
    "no_line": N_("it has no line: the document waits until it gets one, or is carried"),
    "successor_used": N_("it takes the place of a unit that exists no more"),
    "successor_not_excluded": N_("the unit that it succeeded is left out by a rule, it is not"),
    "exclusion_unused": N_("a rule that leaves out takes nobody out"),
}
REMARKS: dict[str, str] = {
    "by_hand": N_("no line: somebody has to carry it"),
    "paused": N_("paused: not before it is opened again"),
    "rate_assumed": N_("line never measured; a usual rate is taken"),
    "line_down": N_("line down; counted as if it came up now"),
    "never_heard": N_("its gateway was never heard of"),
    "closed_now": N_("outside of the line's hours; it waits for them"),
    "too_late": N_("not within 90 days"),
}
"""What stands behind a unit's time, as ``POST /api/v1/dispatches/plan`` names it."""
TYPES = (
    *("công văn", "quyết định", "nghị quyết", "chỉ thị", "quy chế", "quy định", "thông cáo", "thông báo", "hướng dẫn"),
    *("chương trình", "kế hoạch", "phương án", "đề án", "dự án", "báo cáo", "biên bản", "tờ trình", "hợp đồng"),
    *("công điện", "bản ghi nhớ", "bản thỏa thuận", "giấy ủy quyền", "giấy mời", "giấy giới thiệu"),
    *("giấy nghỉ phép", "phiếu gửi", "phiếu chuyển", "phiếu báo", "thư công"),
)
"""Tên loại that the form offers (Decree 30/2020, article 7); any other may be typed."""


@dataclass(frozen=True, slots=True)
class PickNode:
    """A unit of the tree that addressees are picked from.

    Attributes:
        code: its code.
        name: its name.
        kind: of unit.
        has_children: whether there are units below it.
        kinds: those of the units below it, shown with its children.
        note: what its sender may want to know, such as that it has no line; translated already.
    """

    code: str
    name: str
    kind: str
    has_children: bool
    kinds: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class NodePage:
    """Units that stand together in the tree: those directly below one, the topmost ones, or those that were found.

    Attributes:
        nodes: at most :data:`MOST_NODES`.
        of: the unit that they are directly below; None: they are the topmost, or were found by name.
        after: where the next ones go on, as a value of the address's ``after``; empty: there are none.
        find: by which name they were found.
        is_top: `of` itself stands there to be picked, too.
        again: where a page that is not known yet is asked for again, in a moment; empty: it is known.
        problem: why there is none, in the router's words.
    """

    nodes: Sequence[PickNode]
    of: PickNode | None = None
    after: str = ""
    find: str = ""
    is_top: bool = False
    again: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SendingForm:
    """All that the form shows.

    Attributes:
        page: the address of the page itself, without a query.
        action: where the form is posted (``multipart/form-data``).
        plan_at: where it is posted to be planned (urlencoded, without files).
        units_at: where the tree's branches come from.
        csrf: the session's own token.
        typed: what stands in the fields.
        issuers: the codes and names of the units that the person may send for.
        has_more_issuers: there are more than these: the code is typed.
        tree: the topmost units, or those that were asked for without JavaScript.
        faults: what is wrong, by field: :func:`router.pages.letters.faults_by_field`.
        plan: what ``POST /api/v1/dispatches/plan`` answers for this letter, as an object or as its JSON; None: not yet.
        urgencies: those that the person may send with.
        secrecies: those that the installation takes.
        most_bytes: of one file.
        is_new: nothing was typed yet, so what this browser kept may stand there again.
        sends: the person may send it.
        saves: it may be saved as it is: the form comes to ``action`` with ``do=save`` in its query.
        is_kept: the files that came with it are kept whatever is wrong, so the page shows them and the browser need not
            send them again.
    """

    page: str
    action: str
    plan_at: str
    units_at: str
    csrf: str
    typed: TypedLetter
    issuers: Sequence[tuple[str, str]]
    tree: NodePage
    most_bytes: int
    faults: Mapping[str, Sequence[Fault]] = field(default_factory=dict)
    plan: Any = None
    urgencies: Collection[int] = tuple(URGENCIES)
    secrecies: Collection[str] = (Secrecy.NONE.value,)
    is_new: bool = False
    has_more_issuers: bool = False
    sends: bool = True
    saves: bool = False
    is_kept: bool = False

    most_files: int = MAX_ATTACHMENTS
    most_flash: int = MAX_FLASH_BYTES


WORDS: Mapping[str, Any] = {
    "URGENCIES": URGENCIES,
    "SECRECIES": SECRECIES,
    "KINDS": KINDS,
    "UNIT_KINDS": UNIT_KINDS,
    "LINKS": LINKS,
    "LEFT_OUT": LEFT_OUT,
    "NOTES": NOTES,
    "REMARKS": REMARKS,
    "TYPES": TYPES,
}
"""What the templates call these things; every program's environment knows it as ``letter_words``."""
