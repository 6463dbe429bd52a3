"""A small ViTPose for tests of pose estimation."""

from pathlib import Path

import pytest

from reidaug.datasets.estimators.vitpose import ViTPose
from tests.factories import save_pose_model


@pytest.fixture(scope="session")
def pose_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small ViTPose of random weights."""
    pytest.importorskip("transformers")
    return save_pose_model(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture(scope="session")
def estimator(pose_model: Path) -> ViTPose:
    return ViTPose.load("cpu", pose_model)
