"""Trainings that are killed: as in test_kills.py, at fewer moments, as they take seconds."""

from pathlib import Path

import pytest

from tests.hostile.test_kills import kill_and_run_again, workplace  # noqa: F401


@pytest.mark.parametrize(("name", "count"), [("train", 4), ("evaluate", 2), ("sweep", 1)])
def test_a_killed_training_leaves_whole_files_and_the_next_run_does_the_rest(
    name: str,
    count: int,
    workplace: Path,  # noqa: F811
    tmp_path: Path,
) -> None:
    kill_and_run_again(name, workplace, tmp_path, count)
