"""How long an evaluation will take, from the time of a few steps."""

from pathlib import Path
from typing import Any

import pytest

import reid_baseline
from reidaug.evaluation.estimate import advise, training_seconds
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.setting import choose_setting
from tests.factories import copied_set

NAMES = {"query": ["0001_c1s1_000000_00.jpg"], "gallery": [f"000{pid}_c2s1_000000_00.jpg" for pid in range(1, 5)]}
SETTING = choose_setting(EvaluationRequest(recipe="quick", arch="resnet18", device="cpu"), print)
SLOW = choose_setting(EvaluationRequest(recipe="paper", weights="none", device="cpu"), print)


def test_what_is_timed_is_all_training_images_and_the_test_images_of_each_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(reid_baseline, "estimate_seconds", lambda recipe, **more: asked.update(more) or 60.0)
    data = copied_set(tmp_path, **NAMES)
    assert training_seconds(SETTING, [100, 20.5, 7], 12, data) == 60
    assert (asked["images"], asked["test_images"], asked["num_classes"]) == (127, 15, 12)
    assert (asked["arch"], asked["device"].type, asked["precision"]) == ("resnet18", "cpu", "auto")
    asked.clear()
    assert training_seconds(SETTING, [], 12, data) == 0 and not asked


@pytest.mark.parametrize(("setting", "hours", "lines"), [(SLOW, 3.1, 1), (SLOW, 2.9, 0), (SETTING, 3.1, 0)])
def test_a_faster_recipe_is_recommended_where_another_takes_long(setting: Any, hours: float, lines: int) -> None:
    said: list[str] = []
    advise(setting, 3600 * hours, said.append)
    assert len(said) == lines and all("--recipe quick" in line for line in said)
