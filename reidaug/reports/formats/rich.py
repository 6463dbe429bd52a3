"""The mAP table on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from reidaug.reports.drawing import DrawnTable, Words

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.table import Table


def write(tables: "Sequence[Table]") -> RenderableType:
    """Grids with lines around them, the notes below."""
    parts: list[RenderableType] = []
    for table in tables:
        grids = [_drawn(grid) for grid in table.grids()]
        parts += [*grids, *map(Words, table.notes), ""]
    return Group(*parts)


def _drawn(grid: "Grid") -> DrawnTable:
    return DrawnTable(grid.title, grid.header, grid.lines, folded=grid.folded, lesser=grid.lesser)
