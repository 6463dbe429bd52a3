"""Messages and progress on stderr, tables and JSON on stdout."""

import errno
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from reidaug.core.progress import Advance, duration
from reidaug.core.records import to_json
from reidaug.reports.drawing import WIDEST, Words

LINE_INTERVAL = 20.0  # seconds between progress lines when stderr is not a terminal
VERBATIM: Any = {"soft_wrap": True, "highlight": False, "markup": False, "emoji": False}


def stdout() -> Console:
    """A new console for results at each call, so that tests can redirect stdout; a file is as wide as a table."""
    console = Console(**VERBATIM)
    return console if console.is_terminal else Console(**VERBATIM, width=WIDEST)


def draw(drawn: RenderableType) -> None:
    """Prints a result for people; the lines of a text end between words."""
    stdout().print(Group(*map(Words, drawn.splitlines())) if isinstance(drawn, str) else drawn)


def say(message: str) -> None:
    """Prints one line for people on stderr; a terminal that has been closed does not stop the work."""
    try:
        Console(stderr=True, **VERBATIM).print(message)
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def print_json(result: Mapping[str, object]) -> None:
    """Prints the JSON object of ``--json``."""
    print(to_json(result))


class Notices(logging.Handler):
    """Shows what the work logs, such as a file system without locks; of each kind the first line only."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg not in self._shown:
            self._shown.add(record.msg)
            say(record.getMessage())


@contextmanager
def notices() -> Iterator[None]:
    """A context in which `Notices` are shown."""
    logger, handler = logging.getLogger("reidaug"), Notices()
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@contextmanager
def progress(what: str, shown: bool = True) -> Iterator[Advance]:
    """Shows progress, speed and time left: as a bar on a terminal, else as a line every 20 seconds.

    Args:
        what: the work, in a few words.
        shown: False in a process that leaves the bar to another one.

    Yields:
        A function to be called with (done, total) and optionally a note, which replaces speed and time left.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    pace, last = _Pace(), time.monotonic()

    def print_line(done: int, total: int, note: str = "") -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_INTERVAL:
            last = now
            say(f"{what}: {done:,} of {total:,}  {note or pace.note(done, total)}")

    if console.is_terminal and shown:
        columns = (TextColumn(" "), BarColumn(20), MofNCompleteColumn())
        with _NotedProgress(*columns, console=console) as bar:
            task = bar.add_task(what, total=None, note="")
            yield lambda done, total, note="": bar.update(
                task, completed=done, total=total, note=note or pace.note(done, total)
            )
    else:
        yield print_line


class _NotedProgress(Progress):
    """A bar between its description and its note, on lines of their own: 80 columns would cut them."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from (Text(task.description, no_wrap=False, overflow="fold") for task in self.tasks)
        yield from super().get_renderables()
        yield from (Text(f"  {task.fields['note']}", no_wrap=False, overflow="fold") for task in self.tasks)


class _Pace:
    """Speed since the first call, as resumed work starts above zero."""

    def __init__(self) -> None:
        self._start: tuple[float, int] | None = None

    def note(self, done: int, total: int) -> str:
        now = time.monotonic()
        if self._start is None or done < self._start[1]:
            self._start = (now, done)
        since, first = self._start
        if now - since < 0.5 or done == first:
            return ""
        rate = (done - first) / (now - since)
        return f"{rate:,.1f}/s, {duration((total - done) / rate)} left"
