"""The mAP table in Markdown."""

from pathlib import Path

from reidaug.reports.formats.markdown import write
from reidaug.reports.table import make_tables
from tests.factories import TABLE_VI


def test_grids_are_tables_under_their_titles_and_notes_a_list() -> None:
    (table,) = make_tables(TABLE_VI, Path())
    blocks = write([table]).split("\n\n")
    grids = table.grids()
    assert blocks[:-1:2] == [f"**{grid.title}**" for grid in grids]
    for grid, block in zip(grids, blocks[1:-1:2], strict=True):
        header, rule, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        assert (header, lines) == (grid.header, grid.lines)
        assert rule == ["---"] + ["---:"] * (len(header) - 1)
    assert blocks[-1].splitlines() == [f"- {note}" for note in table.notes]
    assert write([table, table]) == f"{write([table])}\n\n{write([table])}"
