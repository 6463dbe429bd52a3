"""What a person sees: messages and progress on stderr, tables and JSON on stdout."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from reidaug.core.progress import Advance, duration
from reidaug.core.records import to_json

LINE_INTERVAL = 20.0  # seconds between progress lines when stderr is no terminal


def stdout() -> Console:
    """The console for results. Made at each call, so that redirection in tests is seen."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False, width=160)
    return console


def say(message: str) -> None:
    """One line to stderr, for people; never part of a result."""
    Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False).print(message)


def print_json(result: dict[str, Any]) -> None:
    """The one JSON object of ``--json``."""
    print(to_json(result))


@contextmanager
def progress(what: str, shown: bool = True) -> Iterator[Advance]:
    """Shows how far, how fast and how long yet: a bar on a terminal, else a line now and then.

    Args:
        what: the work, in a few words.
        shown: False in a process beside the one that speaks.

    Yields:
        A function to be called with (done, total) and, if wanted, a note.
    """
    console = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)
    if console.is_terminal and shown:
        columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn())
        with _NotedProgress(*columns, console=console) as bar:
            task = bar.add_task(what, total=None, note="")
            yield _BarAdvance(bar, task)
    else:
        yield _LineAdvance(what)


class _NotedProgress(Progress):
    """The note has a line of its own: beside the bar 80 columns would cut it."""

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        yield from (Text(f"  {task.fields['note']}") for task in self.tasks)


class _BarAdvance:
    def __init__(self, bar: Progress, task: Any) -> None:
        self._bar, self._task, self._pace = bar, task, _Pace()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total, note=note or self._pace.note(done, total))


class _LineAdvance:
    def __init__(self, what: str) -> None:
        self._what, self._pace, self._last = what, _Pace(), time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        now = time.monotonic()
        if now - self._last >= LINE_INTERVAL:
            self._last = now
            say(f"{self._what}: {done:,} of {total:,}  {note or self._pace.note(done, total)}")


class _Pace:
    """Speed since the first call: a resumed piece of work starts above zero."""

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
