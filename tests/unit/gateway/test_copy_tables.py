"""Every table of the spool is copied or is left out for a reason; what points elsewhere is known."""

from consumers.copies.tables import COPIED, LEFT_OUT, REFERENCES
from consumers.spool.models import metadata


def test_every_table_is_copied_or_left_out_with_its_reason() -> None:
    copied = {table.name for table in COPIED}
    assert copied | set(LEFT_OUT) == set(metadata.tables)
    assert not copied & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


def test_every_place_that_a_copied_row_points_to_is_known_and_stands_before_it() -> None:
    order = [table.name for table in COPIED]
    for table in COPIED:
        pointing = [column.name for column in table.c if column.name.endswith("_pos")]
        assert all(name in REFERENCES for name in pointing), table.name
        assert all(order.index(REFERENCES[name]) < order.index(table.name) for name in pointing)
