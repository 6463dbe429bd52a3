"""Tables and notes on a terminal of any width: no name and no number is cut."""

import textwrap
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

WIDEST = 100_000  # columns
HARD = "\u00a0"  # a blank at which no line ends


@dataclass(frozen=True)
class Words:
    """A paragraph whose lines end between words."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        width = max(options.max_width, 3)
        yield from (Text(line, self.style) for line in _lines(self.text, width, "  ") or [""])


@dataclass(frozen=True)
class DrawnTable:
    """A title, and below it rows with lines around them.

    Where the terminal is too narrow, headers take several lines and the lines between columns go; then the columns that
    matter least go, and a line says which; at last each row is a paragraph.
    """

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: Collection[str] = ()  # columns of text; the first is one
    folded: Collection[str] = ()  # columns whose cells may take several lines; the first may
    lesser: Sequence[str] = ()  # columns that may go, those that matter least first

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table | Words]:
        yield Words(self.title, "bold")
        width = options.max_width
        for gone in (None, *range(len(self.lesser) + 1)):
            left_out = self.lesser[: gone or 0]
            header = [name for name in self.header if name not in left_out]
            table = self._table(header, None if gone is None else width)
            if Measurement.get(console, options.update(max_width=WIDEST), table).maximum <= width:
                yield table
                if left_out:
                    yield Words(f"no room for {', '.join(left_out)}: a wider terminal or a file shows all")
                return
        yield from map(self._paragraph, self.rows)

    def _table(self, header: Sequence[str], width: int | None) -> Table:
        """Some of the columns; None = each header and each cell on one line, else as wide as the terminal."""
        table = (
            Table()
            if width is None
            else Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), pad_edge=False)
        )
        widths = {name: self._narrowest(name) if width else WIDEST for name in header}
        spare = (width or 0) - sum(widths.values()) - 2 * (len(header) - 1)
        for name in header:  # what is left goes to the columns that are folded
            more = min(spare, max(map(len, [name, *self._cells(name)])) - widths[name]) if width else 0
            if more > 0 and self._is_folded(name):
                widths[name], spare = widths[name] + more, spare - more
            right = name != self.header[0] and name not in self.left
            title = "\n".join(_lines(name, widths[name]))
            table.add_column(title, justify="right" if right else "left", no_wrap=True)
        for row in self.rows:
            cells = dict(zip(self.header, row, strict=True))
            for name in header:
                if width and self._is_folded(name):
                    cells[name] = "\n".join(_lines(_pieces(cells[name]), widths[name]))
            table.add_row(*(Text(cells[name]) for name in header))
        return table

    def _cells(self, name: str) -> list[str]:
        return [row[list(self.header).index(name)] for row in self.rows]

    def _is_folded(self, name: str) -> bool:
        return name == self.header[0] or name in self.folded

    def _narrowest(self, name: str) -> int:
        """The width of a column below which a word or a number would be cut."""
        cells = self._cells(name)
        if self._is_folded(name):
            cells = [piece for cell in cells for piece in _pieces(cell).split(" ")]
        return max(map(len, [*name.split(" "), *cells]))

    def _paragraph(self, row: Sequence[str]) -> Words:
        """The cells of a row with their columns' names."""
        named = [f"{name} {cell}" for name, cell in zip(self.header[1:], row[1:], strict=True) if cell]
        return Words(f"{row[0]}: {', '.join('  '.join(_whole(part) for part in cell.split('  ')) for cell in named)}")


def _whole(text: str) -> str:
    return text.replace(" ", HARD)


def _pieces(cell: str) -> str:
    """A cell whose lines may end at blanks; at two blanks alone where it has these."""
    return f"{HARD} ".join(_whole(part) for part in cell.split("  ")) if "  " in cell else cell


def _lines(text: str, width: int, indent: str = "") -> list[str]:
    """Lines of at most `width` letters that end between words; a longer word has a line of its own."""
    lines = textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return [line.replace(HARD, " ").rstrip() for line in lines]
