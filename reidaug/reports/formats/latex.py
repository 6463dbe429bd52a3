"""The mAP table in LaTeX (package booktabs), without the line for each baseline."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reidaug.reports.grids import Grid
    from reidaug.reports.table import Table


_WRITTEN = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "≥": r"$\geq$",
}


def write(tables: "Sequence[Table]") -> str:
    """A table environment with a label for each grid; the notes are comments above the first of each table."""
    from reidaug.reports.notes import CONVENTIONS

    texts = []
    for number, table in enumerate(tables, start=1):
        notes = [note for note in table.notes if note != CONVENTIONS]  # it explains the details, which LaTeX omits
        grids = [_environment(grid, f"tab:reidaug-{number}-{grid.key}") for grid in table.grids(details=False)]
        texts += ["\n".join([*map(_comment, notes), grids[0]]), *grids[1:]]
    return "\n\n".join([r"% needs \usepackage{booktabs}", *texts])


def _environment(grid: "Grid", label: str) -> str:
    header, *lines = (f"    {' & '.join(map(_escape, line))} \\\\" for line in [grid.header, *grid.lines])
    columns = "".join("r" if column and name not in grid.folded else "l" for column, name in enumerate(grid.header))
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_escape(grid.title)}.}}",
            f"  \\label{{{label}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            *(r"    \toprule", header, r"    \midrule", *lines, r"    \bottomrule"),
            r"  \end{tabular}",
            r"\end{table}",
        ]
    )


def _comment(note: str) -> str:
    return "% " + note.replace("\n", " ")


def _escape(text: str) -> str:
    return re.sub(r"[%_&#${}\\~^±≥]", lambda found: _WRITTEN.get(found[0], f"\\{found[0]}"), text)
