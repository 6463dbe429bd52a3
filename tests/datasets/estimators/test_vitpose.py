"""ViTPose: pixels come back through crop and heatmaps, and what is no such model is named."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.estimators.vitpose import DEFAULT_MODEL, ViTPose
from reidaug.datasets.images import read_images
from reidaug.datasets.keypoints import read_annotations
from reidaug.datasets.market1501 import split_folder
from tests.factories import save_pose_model


class BrightnessNetwork:
    """In the place of the network: every heatmap is the brightness of what the network is shown."""

    config = SimpleNamespace(backbone_config=SimpleNamespace(num_experts=1))

    def __call__(self, pixel_values: Any) -> SimpleNamespace:
        import torch

        grey = pixel_values.mean(dim=1, keepdim=True)
        grey = (grey - grey.amin()) / (grey.amax() - grey.amin())
        # Corner pixels lie on corner cells, as in the training of ViTPose (UDP, Huang et al., CVPR 2020).
        cells = torch.nn.functional.interpolate(grey, (64, 48), mode="bilinear", align_corners=True)
        return SimpleNamespace(heatmaps=cells.repeat(1, 17, 1, 1))


@pytest.mark.parametrize("size", [(128, 64), (256, 176), (100, 100)])
def test_a_bright_spot_is_found_where_it_is(size: tuple[int, int], estimator: ViTPose) -> None:
    """Independent of every formula: the spot goes through box, crop, normalisation and back."""
    height, width = size
    positions = [(0.5, 0.5), (0.1, 0.2), (0.9, 0.85), (0.3, 0.95), (0.75, 0.06)]
    spots = np.array([[round(x * width), round(y * height)] for x, y in positions])
    ys, xs = np.mgrid[:height, :width]
    sigma = 0.03 * max(size)
    images = np.stack([np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)) for x, y in spots])
    images = np.repeat((images * 255).astype(np.uint8)[..., None], 3, axis=3)
    joints = ViTPose(BrightnessNetwork(), estimator.processor, "cpu")(images)
    assert joints.shape == (5, 18, 2) and joints.dtype == np.float32
    assert np.abs(joints - spots[:, None]).max() < 0.6


def test_threshold_and_border(estimator: ViTPose) -> None:
    images = np.random.RandomState(0).randint(0, 256, (6, 128, 64, 3)).astype(np.uint8)
    every, none = estimator(images, threshold=-1e9), estimator(images, threshold=1e9)
    assert np.isnan(none).all()
    shown = every[np.isfinite(every)].reshape(-1, 2)
    assert len(shown) and (shown >= 0).all() and (shown <= (63, 127)).all()
    assert estimator(images[:0]).shape == (0, 18, 2)


def test_batch_size_changes_nothing(estimator: ViTPose) -> None:
    random = np.random.RandomState(1)
    images = [random.randint(0, 256, (*size, 3)).astype(np.uint8) for size in [(128, 64), (90, 70), (64, 128)] * 3]
    together = estimator(images, -1e9)
    for batch_size in (1, 4):
        np.testing.assert_allclose(estimator(images, -1e9, batch_size), together, atol=0.02)


def test_the_fingerprint_is_that_of_the_weights(estimator: ViTPose, tmp_path: Path) -> None:
    same, other = (ViTPose.load("cpu", save_pose_model(tmp_path / str(seed), seed=seed)) for seed in (0, 1))
    assert same.fingerprint() == estimator.fingerprint() != other.fingerprint()


def test_mixture_of_experts(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    images = np.random.RandomState(0).randint(0, 256, (2, 128, 64, 3)).astype(np.uint8)
    assert ViTPose.load("cpu", save_pose_model(tmp_path, experts=3))(images).shape == (2, 18, 2)


def test_weights_that_are_not_finite(estimator: ViTPose) -> None:
    class Broken(BrightnessNetwork):
        def __call__(self, pixel_values: Any) -> SimpleNamespace:
            return SimpleNamespace(heatmaps=super().__call__(pixel_values).heatmaps * float("nan"))

    with pytest.raises(ReidAugError, match="not finite"):
        ViTPose(Broken(), estimator.processor, "cpu")(np.zeros((1, 128, 64, 3), np.uint8))


def refusal(model: str | Path = DEFAULT_MODEL) -> str:
    """The message, of one line, with which a model is refused."""
    with pytest.raises(ReidAugError) as caught:
        ViTPose.load("cpu", model)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_broken_models(tmp_path: Path, pose_model: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(pose_model, folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "cannot be loaded" in refusal(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin is a pickle" in refusal(folder)
    assert "no config.json" in refusal(tmp_path)
    assert "no pose model" in refusal(tmp_path / "nowhere")
    assert "joints, expected the 17" in refusal(save_pose_model(tmp_path / "body", labels=21))
    for key, value in (("use_simple_decoder", False), ("backbone_config", {"hidden_size": 24})):
        config = json.loads((pose_model / "config.json").read_text())
        config[key] = config[key] | value if isinstance(value, dict) else value
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(weights)
        assert "is not a ViTPose model" in refusal(folder)


def test_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    transformers = pytest.importorskip("transformers")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'\nmore")

    monkeypatch.setattr(transformers.VitPoseForPoseEstimation, "from_pretrained", refuse)
    message = refusal()
    assert "usyd-community/vitpose-base-simple cannot be loaded" in message and "model.safetensors" in message


def test_without_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "pip install 'reidaug[pose]'" in refusal()


def test_accuracy_on_rendered_people(tmp_path: Path) -> None:
    """With real weights, named by REIDAUG_TEST_VITPOSE: at least half of the joints within half a head (PCKh)."""
    weights = os.environ.get("REIDAUG_TEST_VITPOSE")
    if not weights:
        pytest.skip("REIDAUG_TEST_VITPOSE names no folder with a ViTPose model")
    from reidaug.demo.mannequins import MannequinConfig, write_mannequins

    root = write_mannequins(tmp_path / "people", MannequinConfig(train_ids=8, test_ids=2, images=8), lambda *_: None)
    truth = read_annotations(root / "market-annotation-train.csv")
    estimated = ViTPose.load("auto", weights)(read_images([split_folder(root, "train") / name for name in truth.names]))
    head = truth.keypoints[:, [0, 1, 14, 15, 16, 17]]
    measured = np.isfinite(head).all(axis=2).sum(axis=1) >= 2
    span = (np.nanmax(head[measured], axis=1) - np.nanmin(head[measured], axis=1))[:, None]
    right = (np.abs(estimated - truth.keypoints)[measured] < 0.5 * span).all(axis=2)
    assert right.sum() / np.isfinite(truth.keypoints[measured]).all(axis=2).sum() > 0.5
