"""The mAP table on a terminal."""

from pathlib import Path

import pytest
from rich.console import Console

from reidaug.reports.formats.rich import write
from reidaug.reports.table import make_tables
from tests.factories import TABLE_VI


@pytest.mark.parametrize("width", [60, 160])
def test_rich_prints_every_number(width: int) -> None:
    console = Console(width=width, record=True, soft_wrap=True)
    console.print(write(make_tables(TABLE_VI, Path())))
    assert "58.8" in console.export_text()
