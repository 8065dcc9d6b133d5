"""What is wrong with a list, a rule or a letter, as pages say it: each sentence of the checks in the page's language.

The checks say it once, in English, wherever it is read: by a command, in an answer, on a page. Here stands each
sentence with places for what it names, so that a catalogue can translate it; how to mend it follows where it does not
say so itself.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from router.pages.language import N_
from schemas.errors import FieldProblem

Say = Callable[[str], str]
_PLACE = re.compile(
    r"line (?P<line>\d+)(?:, )?(?:\[(?P<index>\d+)\]\.?)?(?P<field>.*)|file|(?P<unit>[A-Z0-9.]+), (?P<of>.*)"
)
_HOLE = re.compile(r"%\((\w+)\)s")
_MOST = 500


class Sentence(NamedTuple):
    """A sentence of the checks, and how to mend what it reports; empty: it says so itself."""

    text: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, in which field or column, what was given, what is wrong, and how to mend it."""

    place: str
    field: str
    given: str
    problem: str
    mend: str
    is_known: bool
    """Whether there is a translation of it."""


_OR = N_("or")
_ABOVE = N_("Name the nearest unit that is there and with which the code begins.")
_OF_THE_FILE = (
    Sentence(N_("has to end in .csv or .json"), N_("Save the list from Excel as “CSV UTF-8”.")),
    Sentence(N_("is not UTF-8; save the file as UTF-8"), N_("Save the list from Excel as “CSV UTF-8”.")),
    Sentence(N_("is larger than %(most)s bytes"), N_("Divide the list, or have it imported on the router's machine.")),
    Sentence(
        N_("is not CSV: %(why)s"), N_("Close each quotation mark, and put text with a comma between two of them.")
    ),
    Sentence(N_("is not JSON: %(why)s"), N_("See the sign at this place and before it.")),
    Sentence(N_("is not JSON of units: %(why)s"), N_("Write an array of objects, one for each unit.")),
    Sentence(N_("has to be a JSON array of units"), N_("Write an array of objects, one for each unit.")),
    Sentence(N_("there are no units"), N_("Write a line for each unit below the header.")),
    Sentence(N_("a directory has at most %(most)s units"), N_("Divide the list.")),
    Sentence(
        N_("the header lacks the columns %(names)s"), N_("The first line names them: code, parent, name, kind, link.")
    ),
    Sentence(N_("the header has unknown columns: %(names)s"), N_("Take them out, or see how they are spelt.")),
    Sentence(N_("the header names columns twice: %(names)s"), N_("Take one of them out.")),
    Sentence(
        N_("has %(count)s fields, the header names %(named)s"),
        N_("Add or take out separators; put a text that holds one between quotation marks."),
    ),
    Sentence(N_("has %(count)s commas; at most %(most)s are read"), N_("Leave out what is not of the unit.")),
)
_OF_THE_TREE = (
    Sentence(N_("is none of the units that you administer; take the line out")),
    Sentence(N_("stands at %(place)s already"), N_("Leave one line for each unit.")),
    Sentence(N_("goes round in a cycle: %(way)s"), N_("Let one of them name another unit.")),
    Sentence(N_("is missing: %(above)s is above %(unit)s by its code"), N_("Write it in the column parent.")),
    Sentence(N_("%(unit)s is not in the list"), N_("Add its line, or correct the code.")),
    Sentence(N_("%(above)s is not how the code %(unit)s begins, and subtrees go by the code"), _ABOVE),
    Sentence(N_("has to be %(above)s, the nearest unit above %(unit)s by its code")),
    Sentence(N_("needs valid_to, the unit's last day"), N_("Write the last day, or take the successor out.")),
    Sentence(N_("is before valid_from %(day)s"), N_("Correct one of both days.")),
    Sentence(N_("has more than %(most)s other codes"), N_("Leave the first ones.")),
)
_OF_A_VALUE = (
    Sentence(N_("is missing; give it")),
    Sentence(N_("is not known here; leave it out, or see how it is spelt")),
    Sentence(N_("has to be text")),
    Sentence(N_("has to be a list")),
    Sentence(N_("has to be an object with named fields")),
    Sentence(N_("has to be written as %(example)s")),
    Sentence(N_("has to be a day, written as %(example)s")),
    Sentence(N_("names a day or a time that there is not")),
    Sentence(N_("has to be a unit's code, written as %(example)s")),
    Sentence(N_("has to be a word of small letters, digits, - and _, written as %(example)s")),
    Sentence(N_("has to be one of %(choices)s")),
    Sentence(N_("has %(count)s characters; at most %(most)s are taken")),
    Sentence(N_("is empty; something has to be in it")),
    Sentence(N_("is no valid Unicode text; write it as UTF-8")),
    Sentence(N_("has the invisible character %(sign)s; remove it")),
    Sentence(N_("has only invisible characters; write something, or nothing at all")),
    Sentence(N_("%(given)s is no span of hours; write it as 18:00-21:00, several with commas between them")),
    Sentence(N_("%(given)s ends when it begins; for a line that is always open leave the hours out")),
    Sentence(N_("names %(count)s spans of hours; at most %(most)s can be given")),
    Sentence(N_("%(count)s more are wrong; mend these first")),
)
_OF_A_RULE = (
    Sentence(
        N_("the rule '%(rule)s' names the unit %(unit)s, which is not in the directory"),
        N_("See how its code is written under Units."),
    ),
    Sentence(N_("the rule '%(rule)s' matches nobody"), N_("See which units there are under Units.")),
    Sentence(
        N_(
            "the rule %(rule)s cannot be read at character %(at)s: "
            "a unit's code of capital letters and digits, such as LCA.02.05, has to stand here"
        )
    ),
    Sentence(N_("the rule %(rule)s cannot be read at character %(at)s: this part is longer than 16 characters")),
    Sentence(
        N_(
            "the rule %(rule)s cannot be read at character %(at)s: "
            "a code has at most %(parts)s parts and %(most)s characters"
        )
    ),
    Sentence(
        N_("the rule %(rule)s cannot be read at character %(at)s: a kind stands after .# or .*, as in LCA.#{commune}")
    ),
    Sentence(
        N_(
            "the rule %(rule)s cannot be read at character %(at)s: "
            "%(sign)s cannot stand in a code of capital letters and digits"
        )
    ),
    Sentence(
        N_(
            "the rule %(rule)s cannot be read at character %(at)s: "
            "a part of capital letters and digits, # or * has to follow the dot"
        )
    ),
    Sentence(
        N_(
            "the rule %(rule)s cannot be read at character %(at)s: "
            "a kind is a word of small letters, digits, _ and -, closed by %(brace)s at the rule's end"
        )
    ),
    Sentence(
        N_("the rule %(rule)s cannot be read at character %(at)s: nothing but a kind in braces may follow # or *")
    ),
)
_OF_A_RESOLUTION = (
    Sentence(N_("by the rule '%(rule)s'")),
    Sentence(N_("exists from %(day)s")),
    Sentence(N_("existed until %(day)s and has no successor")),
    Sentence(N_("existed until %(day)s; its successor is %(unit)s")),
    Sentence(N_("takes the documents of %(unit)s")),
    Sentence(N_("is the successor of %(unit)s, which the rule '%(rule)s' names")),
    Sentence(N_("the rule '%(rule)s' takes nobody out")),
)
_OF_A_LETTER = (
    Sentence(N_("has to be a whole number, without quotes"), N_("Write digits alone.")),
    Sentence(N_("has to be %(least)s or more")),
    Sentence(N_("has to be %(most)s or less")),
    Sentence(N_("is %(count)s bytes of UTF-8; at most %(most)s can travel ahead of the content"), N_("Shorten it.")),
    Sentence(N_("urgency 4 (hỏa tốc hẹn giờ) needs `due`, the time it must be there"), N_("Give the time.")),
    Sentence(
        N_("kind '%(kind)s' needs `refers_to`, the dispatch it changes"), N_("Give the id of the document it changes.")
    ),
    Sentence(N_("two attachments have the same name: %(names)s; rename one")),
    Sentence(N_("part %(first)s (%(name)s) and part %(second)s (%(other)s) have the same name %(same)s; rename one")),
    Sentence(N_("part %(first)s (%(name)s) and part %(second)s (%(other)s) would both be called %(same)s; rename one")),
    Sentence(N_("part %(number)s (%(name)s) is a file name of invisible characters alone; name the file")),
    Sentence(N_("the file has more than %(most)s bytes, the most that is accepted here")),
    Sentence(N_("the form has more than %(most)s files")),
    Sentence(N_("there is no room on the disk for the file"), N_("Tell the administrator.")),
    Sentence(N_("is for those who are cleared for state secrets"), N_("Somebody who is cleared writes it.")),
    Sentence(
        N_("is no document of the unit's that is here"),
        N_("This answers nothing now; begin an answer at its document."),
    ),
)
_OF_THE_INTAKE = (
    Sentence(N_("%(who)s may not send for %(unit)s"), N_("An administrator grants the role issuer.")),
    Sentence(N_("is not in the directory")),
    Sentence(N_("has passed; with urgency 4 the document has to be there by then"), N_("Give a later time.")),
    Sentence(N_("urgency %(given)s is above %(most)s, the highest that it may send"), N_("Choose a lower urgency.")),
    Sentence(N_("%(unit)s may not address %(others)s"), N_("Take these units out.")),
    Sentence(N_("it may not send at all")),
    Sentence(N_("it would send %(amount)s: never at once"), N_("Send to fewer units at once, or smaller files.")),
    Sentence(N_("%(who)s would have sent %(amount)s"), N_("Send it again in the next hour.")),
    Sentence(N_("reach no unit"), N_("See below who is left out, and why.")),
    Sentence(N_("there is no dispatch %(id)s")),
    Sentence(N_("%(id)s was issued by %(owner)s, not by %(unit)s")),
    Sentence(N_("a recall is asked for on the page of the document that it recalls")),
    Sentence(N_("%(id)s is a recall itself; send the document again instead")),
    Sentence(N_("did not get what is recalled: %(units)s")),
    Sentence(
        N_("the key %(key)s of %(who)s names dispatch %(id)s"),
        N_("If this is another document, send it again: it then goes out as one of its own."),
    ),
)
SENTENCES = (
    *_OF_THE_FILE,
    *_OF_THE_TREE,
    *_OF_A_VALUE,
    *_OF_A_RULE,
    *_OF_A_RESOLUTION,
    *_OF_A_LETTER,
    *_OF_THE_INTAKE,
)


def fault_of(problem: FieldProblem, say: Say) -> Fault:
    """A problem that the checks found in the words of a page; one that has no sentence here stays as it is.

    Args:
        problem: as the checks report it.
        say: translates a message.
    """
    place, field = place_of(problem.field, say)
    text, mend = _said(problem.problem, say)
    return Fault(place, field, problem.given, text or problem.problem, mend, bool(text))


def said(detail: str, say: Say) -> str:
    """A sentence of the checks in the words of a page; empty: there is none like it."""
    return _said(detail, say)[0]


def place_of(text: str, say: Say) -> tuple[str, str]:
    """Where in a list something stands, and in which column or field of it."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return text, ""
    if match["line"]:
        place = say(N_("line %(line)s")) % {"line": match["line"]}
        if match["index"]:
            place += ", " + say(N_("unit %(number)s of the array")) % {"number": int(match["index"]) + 1}
        return place, match["field"]
    return (match["unit"], match["of"]) if match["unit"] else (say(N_("the file")), "")


def _said(text: str, say: Say) -> tuple[str, str]:
    for sentence, pattern in _patterns():
        if match := pattern.fullmatch(text):
            told = {name: value[:_MOST] for name, value in match.groupdict().items()}
            if "choices" in told:
                told["choices"] = told["choices"].replace(" or ", f" {say(_OR)} ")
            if "place" in told:
                told["place"] = place_of(told["place"], say)[0]
            return say(sentence.text) % told, say(sentence.mend) if sentence.mend else ""
    return "", ""


@cache
def _patterns() -> list[tuple[Sentence, re.Pattern[str]]]:
    return [(sentence, _pattern(sentence.text)) for sentence in SENTENCES]


def _pattern(text: str) -> re.Pattern[str]:
    parts = _HOLE.split(text)
    whole = "".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    return re.compile(whole, re.DOTALL)
