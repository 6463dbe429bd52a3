"""What the tests of evaluations share: a training that is only watched."""

from dataclasses import replace
from typing import Any

import pytest

import reid_baseline
from reid_baseline import RECIPES, build_model


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Small batches, and what `train_baseline` is called with: it gives the same untrained network every time."""
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], batch_size=6))
    calls = []
    model = build_model("resnet18", 12).eval()

    def watched(images: Any, labels: Any, recipe: Any, **options: Any) -> Any:
        calls.append({"images": images.clone(), "recipe": recipe, **options})
        return model

    monkeypatch.setattr(reid_baseline, "train_baseline", watched)
    monkeypatch.setattr(reid_baseline, "training_seconds", lambda path: 0.0)
    return calls
