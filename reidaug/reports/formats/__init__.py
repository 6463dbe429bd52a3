"""The formats of the mAP table. To add one, write a file like `markdown.py` and list it here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from reidaug.reports.formats import csv, json, latex, markdown, rich

if TYPE_CHECKING:
    from reidaug.reports.table import Table

Writer = Callable[["Sequence[Table]"], RenderableType]
"""From tables to a text, or to what `rich` prints on a terminal."""

FORMATS: dict[str, Writer] = {
    "rich": rich.write,
    "markdown": markdown.write,
    "csv": csv.write,
    "latex": latex.write,
    "json": json.write,
}
