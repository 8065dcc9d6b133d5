"""What the page on the log's format says, done by hand: whoever writes a verifier from it comes to the same hashes."""

import json
import re
from hashlib import sha256
from pathlib import Path

from router.ledger.log.entries import SOURCES, EntryKind, bytes_of, entry_of, ids_in

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "log-format.md").read_text("utf-8")


def test_the_example_of_the_page_is_what_the_program_makes() -> None:
    entry, leaf = re.findall(r"```\n(.*?)\n```", PAGE, re.DOTALL)
    row = tuple(json.loads(entry.split("\n")[1]))
    made = entry_of(EntryKind.DELIVERIES, [row])
    assert bytes_of(EntryKind.DELIVERIES, [row]).decode() == entry
    assert made.leaf_hash.hex() == leaf == sha256(b"\0" + entry.encode()).hexdigest()
    assert ids_in(made.ids) == [row[0]]


def test_the_columns_of_each_kind_are_those_of_the_page() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| `([\w ]+)`", PAGE, re.MULTILINE))
    assert {kind: tuple(columns.split()) for kind, columns in told.items() if kind != EntryKind.FORGOTTEN} == {
        kind.value: columns for kind, (_, columns) in SOURCES.items()
    }
    assert told[EntryKind.FORGOTTEN] == "id"


def test_texts_and_bytes_are_written_as_the_page_says() -> None:
    rows = [("a", 'Về "việc" \\ /\n', None, 7, b"bytes")]
    digest = sha256(b"bytes").hexdigest()
    wanted = f'congvan/dispatch/1\n["a","Về \\"việc\\" \\\\ /\\n",null,7,"{digest}"]'
    assert bytes_of(EntryKind.DISPATCH, rows).decode() == wanted
