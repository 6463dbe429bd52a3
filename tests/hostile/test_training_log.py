"""The log of a training that is killed at every stage: the lines of one that was never killed, each once."""

from pathlib import Path
from typing import Any

import pytest

from tests.pona.test_log import PLACES, log_after_kill, undisturbed  # noqa: F401


@pytest.mark.parametrize(("save_seconds", "count"), [(0, 1), (0, 3), (300, 2), (300, 4)])
@pytest.mark.parametrize("place", PLACES)
def test_the_log_is_that_of_a_run_never_killed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: list[Any],  # noqa: F811
    place: str,
    count: int,
    save_seconds: int,
) -> None:
    assert log_after_kill(tmp_path / "g.pt", monkeypatch, place, count, save_seconds) == undisturbed
