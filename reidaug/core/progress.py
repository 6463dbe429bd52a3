"""How long work reports: lines for people, and how far a piece of work has come."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Advance = Callable[..., None]
"""``advance(done, total, note="")``: how far a piece of long work has come."""
Say = Callable[[str], None]
"""``say(line)``: shows one line to the user."""
Progress = Callable[[str], AbstractContextManager[Advance]]
"""``with progress(what) as advance``: shows a piece of long work."""


def duration(seconds: float) -> str:
    """A length of time as people say it: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
