"""A table as an Excel workbook: texts alone, so that nothing in it is run, with its headings on every printed page."""

from collections.abc import Sequence
from io import BytesIO

import xlsxwriter

_WIDEST, _MARGIN = 60, 2
_OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "constant_memory": True,  # a row at a time: a book has 10,000 of them
}


def workbook(table: Sequence[Sequence[str]], *, sheet: str) -> bytes:
    """The file.

    Args:
        table: the headings, then the rows.
        sheet: the name of its only sheet.
    """
    file = BytesIO()
    with xlsxwriter.Workbook(file, _OPTIONS) as book:
        page = book.add_worksheet(sheet)
        head = book.add_format({"bold": True, "text_wrap": True, "border": 1, "valign": "vcenter", "align": "center"})
        cell = book.add_format({"text_wrap": True, "border": 1, "valign": "top"})
        page.set_landscape()
        page.repeat_rows(0)
        page.freeze_panes(1, 0)
        for column, heading in enumerate(table[0]):
            texts = [heading, *(row[column] for row in table[1:])]
            page.set_column(column, column, min(max(map(len, texts)), _WIDEST) / 2 + _MARGIN)
        for number, row in enumerate(table):
            for column, text in enumerate(row):
                page.write_string(number, column, text, cell if number else head)
    return file.getvalue()
