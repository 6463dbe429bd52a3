"""The mAP table on a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table as RichTable

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.table import Table


def write(tables: "Sequence[Table]") -> RenderableType:
    """Grids with lines around them, the notes below."""
    parts: list[RenderableType] = []
    for table in tables:
        parts += [*map(_draw, table.grids()), *table.notes, ""]
    return Group(*parts)


def _draw(grid: "Grid") -> RichTable:
    table = RichTable(title=grid.title, title_justify="left", title_style="bold")
    for column, name in enumerate(grid.header):
        table.add_column(name, justify="right" if column else "left", no_wrap=True)
    for line in grid.lines:
        table.add_row(*line)
    return table
