"""The mAP table in Markdown."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.table import Table


def write(tables: "Sequence[Table]") -> str:
    """Grids under their titles, the notes as a list."""
    parts = []
    for table in tables:
        parts += [*map(_grid, table.grids()), "\n".join(f"- {note}" for note in table.notes)]
    return "\n\n".join(parts)


def _grid(grid: "Grid") -> str:
    lines = [grid.header, ["---", *["---:"] * (len(grid.header) - 1)], *grid.lines]
    return f"**{grid.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)
