"""A few threads for work on many files."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = min(8, (os.cpu_count() or 1) + 2)
BLOCK = 256  # items per future, whose overhead is that of a small image

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_threads(
    work: Callable[[Item], Outcome], items: Sequence[Item], advance: Callable[[int, int], None] | None = None
) -> list[Outcome]:
    """Calls a function on each item; the outcomes are in the order of the items.

    Args:
        work: called with an item; its first error ends the whole.
        items: what to work on.
        advance: called with the number of items done and the number of all.
    """
    outcomes: list[Outcome] = []

    def work_block(start: int) -> list[Outcome]:
        return [work(item) for item in items[start : start + BLOCK]]

    with ThreadPoolExecutor(THREADS) as pool:
        for block in pool.map(work_block, range(0, len(items), BLOCK)):
            outcomes += block
            if advance:
                advance(len(outcomes), len(items))
    return outcomes
