"""Tables and notes on a terminal of any width: no name and no number is cut."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDEST = 100_000  # columns
_HARD = "\u00a0"  # a blank at which no line ends


@dataclass(frozen=True)
class Words:
    """A paragraph whose lines end between words."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = max(options.max_width, 3)
        lines = textwrap.wrap(self.text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        yield from (Text(line.replace(_HARD, " "), self.style) for line in lines or [""])


@dataclass(frozen=True)
class DrawnTable:
    """A title, and below it rows with lines around them; where the terminal is too narrow, each row as a paragraph."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Collection[str] = ()  # columns of text; the first is one

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Words]:
        yield Words(self.title, "bold")
        table = Table()
        for column, name in enumerate(self.header):
            table.add_column(name, justify="right" if column and name not in self.left else "left", no_wrap=True)
        for row in self.rows:
            table.add_row(*map(Text, row))
        needed = Measurement.get(console, options.update(max_width=WIDEST), table).maximum
        if needed <= options.max_width:
            yield table
        else:
            yield from map(self._paragraph, self.rows)

    def _paragraph(self, row: Sequence[str]) -> Words:
        """The cells of a row with their columns' names; a line may end at two blanks within a cell, not at one."""
        named = [f"{name} {cell}" for name, cell in zip(self.header[1:], row[1:], strict=True) if cell]
        kept = ["  ".join(part.replace(" ", _HARD) for part in cell.split("  ")) for cell in named]
        return Words(f"{row[0]}: {', '.join(kept)}")
