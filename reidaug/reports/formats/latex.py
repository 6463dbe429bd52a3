"""The mAP table in LaTeX, without the line for each baseline."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.table import Table


def write(tables: "Sequence[Table]") -> str:
    """A table environment for each grid; the notes are in the caption of the first."""
    from reidaug.reports.notes import CONVENTIONS

    texts = []
    for table in tables:
        notes = [note for note in table.notes if note != CONVENTIONS]  # it explains the details, which LaTeX omits
        first, *others = table.grids(details=False)
        texts += [_environment(first, notes), *(_environment(grid, []) for grid in others)]
    return "\n\n".join(texts)


def _environment(grid: "Grid", notes: Sequence[str]) -> str:
    body = "\n".join(f"  {' & '.join(map(_escape, line))} \\\\" for line in [grid.header, *grid.lines])
    caption = _escape(". ".join([grid.title, *notes]))
    return (
        f"\\begin{{table}}\n  \\caption{{{caption}.}}\n  \\begin{{tabular}}{{l{'r' * (len(grid.header) - 1)}}}\n"
        f"{body}\n  \\end{{tabular}}\n\\end{{table}}"
    )


def _escape(text: str) -> str:
    return re.sub(r"([%_&#$])", r"\\\1", text).replace("±", r"$\pm$").replace("≥", r"$\geq$")
