"""Which form of a content a request is answered with: pure, from header text to a choice.

Source: RFC 9110, section 12.5.3 (Accept-Encoding), and RFC 9842, section 2.2 (Available-Dictionary). The plain form is
always to be had: a caller that rules it out gets it all the same rather than nothing.
"""

from collections.abc import Collection, Mapping

from router.content.encoding.forms import StoredForm
from schemas.encoding import Encoding, read_available_dictionary

VARY = "Accept-Encoding, Available-Dictionary"


def accepted(headers: Mapping[str, str]) -> frozenset[Encoding]:
    """The codings that a caller reads; without the header none but the plain one, though the RFC would allow any.

    >>> sorted(accepted({"accept-encoding": "dcz, zstd;q=0, br"}))
    [<Encoding.DCZ: 'dcz'>]
    """
    found: dict[str, bool] = {}
    for item in headers.get("accept-encoding", "").lower().split(","):
        name, _, parameters = item.partition(";")
        found[name.strip()] = not _is_zero(parameters)
    others = found.get("*", False)
    return frozenset(item for item in (Encoding.ZSTD, Encoding.DCZ) if found.get(item.value, others))


def held_dictionary(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 of the dictionary that a caller says it holds, when it reads what is encoded with one."""
    if Encoding.DCZ not in accepted(headers):
        return None
    return read_available_dictionary(headers.get("available-dictionary", ""))


def choose(
    forms: Collection[StoredForm], headers: Mapping[str, str], *, dictionary: str | None, size: int
) -> StoredForm | None:
    """The smallest form that the caller reads; None: the plain one.

    Args:
        forms: those that are kept.
        headers: of the request, by lower-case name.
        dictionary: what the caller holds and may have, see :func:`held_dictionary`.
        size: of the plain form, in bytes.
    """
    readable = accepted(headers)
    fitting = [
        form
        for form in forms
        if form.encoding in readable
        and form.size < size
        and (form.encoding is not Encoding.DCZ or form.dictionary == dictionary)
    ]
    return min(fitting, key=lambda form: (form.size, form.etag), default=None)


def _is_zero(parameters: str) -> bool:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) <= 0
    except ValueError:
        return True
