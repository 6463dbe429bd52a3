"""The table of estimators: a new one is an entry, and serves `pose` and `score`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from reidaug.core.errors import ReidAugError
from reidaug.datasets.estimators import ESTIMATORS, from_hub, load_estimator
from reidaug.datasets.estimators.estimator import PoseEstimator
from reidaug.datasets.estimators.movenet import MoveNet
from reidaug.datasets.keypoints import read_annotations
from tests.cli.commands import values_of


def test_the_names() -> None:
    assert list(ESTIMATORS) == ["movenet", "vitpose"] and isinstance(load_estimator("movenet", "cpu"), MoveNet)


class Middle(PoseEstimator):
    """An estimator: all joints are in the middle of the image."""

    network = torch.nn.Identity()

    def find(self, images: Sequence[np.ndarray] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        middles = np.array([[image.shape[1] / 2, image.shape[0] / 2] for image in images], dtype=np.float32)
        return np.repeat(middles[:, None], 17, axis=1), np.ones((len(images), 17))


def test_a_new_one_is_an_entry(tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ESTIMATORS, "middle", lambda device: Middle())
    values_of("pose", str(tiny_root), "--out", str(tmp_path / "a.csv"), "--model", "middle")
    assert (read_annotations(tmp_path / "a.csv").keypoints == [32, 64]).all()
    assert [from_hub(name) for name in ("movenet", "middle", str(tmp_path))] == [False] * 3
    assert from_hub("vitpose") and from_hub("usyd-community/vitpose-base-simple")


def test_another_word_is_a_vitpose() -> None:
    pytest.importorskip("transformers")
    with pytest.raises(ReidAugError, match=r"no pose model movnet; expected movenet, or a folder with config\.json"):
        load_estimator("movnet", "cpu")


def test_numbers_that_are_not_finite() -> None:
    movenet = MoveNet.load("cpu")
    movenet.network.top.bias.data.fill_(float("nan"))
    with pytest.raises(ReidAugError, match="not finite"):
        movenet(np.zeros((1, 128, 64, 3), np.uint8))
