"""Submissions, receipts and hypothesis strategies for them."""

from typing import Any

from hypothesis import strategies as st

from schemas.dispatch import Submission
from schemas.ids import new_id

SHA = "ab" * 32
AT = "2026-11-22T05:04:03+07:00"


def submission_fields(**changed: Any) -> dict[str, Any]:
    """The smallest submission, as JSON values, with fields added, replaced or (with ``...``) removed."""
    fields: dict[str, Any] = {
        "notation": "123-CV/TU",
        "subject": "Về việc phòng, chống rét",
        "issuer": "LCA.VP",
        "addressees": ["LCA.02.#"],
    }
    return {key: value for key, value in (fields | changed).items() if value is not ...}


def receipt_fields(**changed: Any) -> dict[str, Any]:
    """An ``arrived`` receipt, as JSON values, changed as :func:`submission_fields` does."""
    ids = {"id": new_id(), "delivery_id": new_id(), "dispatch_id": new_id()}
    fields: dict[str, Any] = {**ids, "unit": "LCA.02.05", "status": "arrived", "at": AT, "seq": 1}
    return {key: value for key, value in (fields | changed).items() if value is not ...}


codes = st.lists(st.text("ABZ019", min_size=1, max_size=4), min_size=1, max_size=5).map(".".join)
"""Well-formed unit codes, often one inside or beside another (``A.1`` and ``A.10``)."""

ids = st.uuids().map(str)


def _clean(text: str) -> str:
    return text.strip()


_printable = st.characters(exclude_categories=("C", "Z"), exclude_characters="\u061c") | st.sampled_from(' "\\€𝄞ềđ')


def lines(size: int, *, least: int = 0) -> st.SearchStrategy[str]:
    """One line of text as people and their programs write it."""
    return st.text(_printable, max_size=size).map(_clean).filter(lambda text: len(text) >= least)


attachments = st.fixed_dictionaries(
    {
        "name": st.uuids().map(lambda value: f"tệp {value}.pdf"),
        "size": st.integers(0, 2 * 1024**3),
        "sha256": st.text("0123456789abcdef", min_size=64, max_size=64),
    },
    optional={"media_type": st.just("application/pdf")},
)

submissions: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "notation": lines(60, least=1),
        "subject": lines(300, least=1),
        "issuer": codes,
        "addressees": st.lists(codes, min_size=1, max_size=3),
        "signer": lines(200),
        "place": lines(200),
        "flash_text": lines(400),
        "urgency": st.integers(0, 4),
        "due": st.just(AT),
        "refers_to": st.lists(ids, min_size=1, max_size=20),
        "kind": st.sampled_from(["new", "recall", "update", "replace"]),
        "attachments": st.lists(attachments, max_size=50),
    },
    optional={
        "number": st.integers(1, 10_000_000),
        "type": lines(60, least=1),
        "issued_on": st.dates().map(lambda day: day.isoformat()),
    },
)


def widest_submission() -> Submission:
    """A submission with every text at its limit, in characters that take most bytes."""
    wide = "𝄞"
    return Submission(
        notation=wide * 200,
        type=wide * 200,
        subject=wide * 500,
        issuer=".".join(["ABCDEFGHI"] * 10),
        signer=wide * 200,
        place='"' * 200,
        due=AT,
        number=10_000_000,
        flash_text="\n".join("ề" * 10 for _ in range(60)),
        refers_to=tuple(new_id() for _ in range(20)),
        addressees=("LCA.02.#",),
    )
