"""A small ViTPose for tests of pose estimation."""

from pathlib import Path

import pytest

from reidaug.datasets.vitpose import PoseEstimator
from tests.factories import save_pose_model


@pytest.fixture(scope="session")
def pose_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small ViTPose of random weights."""
    pytest.importorskip("transformers")
    return save_pose_model(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture(scope="session")
def estimator(pose_model: Path) -> PoseEstimator:
    return PoseEstimator.load(pose_model, "cpu")
