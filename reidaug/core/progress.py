"""How long-running work reports: lines for people, and progress."""

from collections.abc import Callable
from contextlib import AbstractContextManager

Advance = Callable[..., None]
"""``advance(done, total, note="")``: reports the progress of some work."""
Say = Callable[[str], None]
"""``say(line)``: shows one line to the user."""
Progress = Callable[[str], AbstractContextManager[Advance]]
"""``with progress(what) as advance``: shows the progress of some work."""


def duration(seconds: float) -> str:
    """A duration for people: ``45 s``, ``12 min``, ``3 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
