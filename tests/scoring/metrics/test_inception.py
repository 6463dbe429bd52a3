"""Inception score and FID, with random weights in the real file's place."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from reidaug.core.errors import ReidAugError
from reidaug.scoring.metrics.inception import (
    INCEPTION_URL,
    Inception,
    frechet_distance,
    inception_meter,
    inception_score,
)
from reidaug.scoring.metrics.metric import Batch, NotComputed
from tests.factories import STANDING, wake

CPU = torch.device("cpu")


def pictures(count: int, size: tuple[int, int] = (32, 16)) -> np.ndarray:
    return np.random.RandomState(0).randint(0, 256, (count, *size, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch_fidelity")
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        module = "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url"
        patch.setattr(module, lambda *_, **__: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = FeatureExtractorInceptionV3("inception", ["2048"])
    torch.save(wake(network).state_dict(), path)
    return path


@pytest.fixture
def inception(weights_folder: Path, inception_file: Path) -> Inception:
    (weights_folder / INCEPTION_URL.rsplit("/", 1)[-1]).symlink_to(inception_file)
    return Inception(CPU)


def test_inception_score_agrees_with_its_formula() -> None:
    pytest.importorskip("torch_fidelity")
    random = np.random.RandomState(0)
    features, logits = (random.standard_normal((20, width)).astype(np.float32) for width in (64, 1008))
    order = np.random.RandomState(2020).permutation(20)  # torch-fidelity's own
    shuffled = logits.astype(float)[order]
    shares = np.exp(shuffled - shuffled.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    scores = []
    for part in np.split(shares, 10):
        scores.append(np.exp((part * np.log(part / part.mean(axis=0))).sum(axis=1).mean()))
    assert inception_score(logits) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-6)
    spread = features.astype(float).var(axis=0).sum()
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-3 * spread)


def test_frechet_distance_agrees_with_its_formula() -> None:
    random = np.random.RandomState(0)
    a, b = random.randn(60, 5) @ random.randn(5, 5), random.randn(80, 5) + 1
    between = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    root = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    assert frechet_distance(a, b) == pytest.approx(between + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root), rel=1e-9)


def test_too_few_images_are_refused() -> None:
    with pytest.raises(ReidAugError, match="inception score: 3 images, expected at least 10"):
        inception_score(np.zeros((3, 1008), dtype=np.float32))
    with pytest.raises(ReidAugError, match="FID: expected at least two"):
        frechet_distance(np.zeros((1, 5)), np.zeros((2, 5)))


def test_an_image_that_comes_again_has_its_row(inception: Inception) -> None:
    images = pictures(3)
    assert inception(images).tolist() == [0, 1, 2]
    assert inception(images[[2, 0, 2]]).tolist() == [2, 0, 2] and len(inception.outputs()[0]) == 3


def test_figures_of_a_set(inception: Inception) -> None:
    images, random = pictures(12, (128, 64)), np.random.RandomState(1)
    keypoints = np.repeat(STANDING[None], 12, axis=0) + random.uniform(-4, 4, (12, 18, 2))
    keypoints[[0, *range(4, 12)]] = np.nan  # nobody: all of it is black
    meter = inception_meter(inception)
    values = meter.measure(Batch(images, images[::-1].copy(), keypoints, [], True))
    figures = meter.sum_up(values, meter.measure(Batch(images[::-1].copy(), images, keypoints, [], False)))
    features, logits = inception.outputs()
    rows = inception(images)
    assert list(figures) == ["is", "is_std", "mask_is", "mask_is_std", "fid"]
    assert (figures["is"], figures["is_std"]) == inception_score(logits[rows])
    assert figures["mask_is"] != figures["is"]
    assert len(features) == 12 + 2 * 3 + 1  # whole, masked by poses, which differ between the two sets, and black
    assert figures["fid"] == pytest.approx(0, abs=1e-3 * features[rows].astype(float).var(axis=0).sum())
    assert inception(np.zeros_like(images[:1])) == values["masked"][0]


def test_what_is_missing_is_named(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotComputed, match=rf"needs https://.*\.pth, put at {weights_folder}/.*\.pth"):
        Inception(CPU)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(NotComputed, match=r"needs torch-fidelity: pip install 'reidaug\[metrics\]'"):
        Inception(CPU)


def test_weights_of_another_network(weights_folder: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, weights_folder / INCEPTION_URL.rsplit("/", 1)[-1])
    with pytest.raises(ReidAugError, match="is not torch-fidelity's Inception: fetch"):
        Inception(CPU)
