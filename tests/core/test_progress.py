"""Durations for people."""

import pytest

from reidaug.core.progress import duration


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (89.4 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (36_300, "10 h 05 min"),
    ],
)
def test_durations(seconds: float, expected: str) -> None:
    assert duration(seconds) == expected
