"""The organisation: its units, how a list of them is read, and whom addressing rules reach on a day."""

from router.directory.checking import require_whole
from router.directory.loading import MAX_FILE_BYTES, MAX_UNITS, load_csv, load_file, load_json, load_list
from router.directory.recalling import Recall, heirs, is_gone, resolve_recall
from router.directory.resolving import LeftOut, Note, NoteCode, Reason, Resolution, resolve
from router.directory.snapshot import Directory

__all__ = [
    "MAX_FILE_BYTES",
    "MAX_UNITS",
    "Directory",
    "LeftOut",
    "Note",
    "NoteCode",
    "Reason",
    "Recall",
    "Resolution",
    "heirs",
    "is_gone",
    "load_csv",
    "load_file",
    "load_json",
    "load_list",
    "require_whole",
    "resolve",
    "resolve_recall",
]
