"""A few threads for work on many files."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = min(8, (os.cpu_count() or 1) + 2)
BLOCK = 256  # items: a future costs as much as a small image

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def in_threads(
    work: Callable[[Item], Outcome], items: Sequence[Item], advance: Callable[[int, int], None] | None = None
) -> list[Outcome]:
    """Does some work on each item; the outcomes come in the order of the items.

    Args:
        work: takes an item; the first error of any ends the whole.
        items: what to work on.
        advance: told how many are done, of how many.
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
