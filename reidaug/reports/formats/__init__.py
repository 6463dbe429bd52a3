"""The formats of the mAP table. For another one write a file as `markdown.py`, and name it here."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import RenderableType

from reidaug.reports.formats import csv, json, latex, markdown, rich

if TYPE_CHECKING:
    from reidaug.reports.table import Table

Writer = Callable[["Sequence[Table]"], RenderableType]
"""From tables to a text, or to what `rich` draws on a terminal."""

FORMATS: dict[str, Writer] = {
    "rich": rich.write,
    "markdown": markdown.write,
    "csv": csv.write,
    "latex": latex.write,
    "json": json.write,
}
