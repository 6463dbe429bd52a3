"""Metrics through networks, with random weights in the real files' places."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from reid_baseline.data import load_images
from reid_baseline.features import extract_features
from reid_baseline.model import build_model, save_model
from reid_baseline.recipe import QUICK
from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_images
from reidaug.scoring.metrics import networks as learned_metrics
from reidaug.scoring.metrics.networks import (
    ALEXNET_URL,
    INCEPTION_URL,
    Inception,
    frechet_distance,
    load_identity,
    load_lpips,
)

CPU = torch.device("cpu")


def pictures(count: int, seed: int = 0, size: tuple[int, int] = (32, 16)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (count, *size, 3)).astype(np.uint8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for weights."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


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
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture
def inception(cache: Path, inception_file: Path) -> Inception:
    (cache / INCEPTION_URL.rsplit("/", 1)[-1]).symlink_to(inception_file)
    return Inception(CPU)


def test_inception_score_agrees_with_its_formula(inception: Inception) -> None:
    first = inception(pictures(20))
    features = inception._all().astype(float)
    order = np.random.RandomState(2020).permutation(20)  # torch-fidelity's own
    logits = features[first, 2048:][order]
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    scores = []
    for part in np.split(shares, 10):
        scores.append(np.exp((part * np.log(part / part.mean(axis=0))).sum(axis=1).mean()))
    assert inception.score(first) == pytest.approx((np.mean(scores), np.std(scores)), rel=1e-6)
    assert inception.distance(first, first) == pytest.approx(0, abs=1e-3 * features[:, :2048].var(axis=0).sum())


def test_frechet_distance_agrees_with_its_formula() -> None:
    random = np.random.RandomState(0)
    a, b = random.randn(60, 5) @ random.randn(5, 5), random.randn(80, 5) + 1
    between = ((a.mean(axis=0) - b.mean(axis=0)) ** 2).sum()
    root = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    assert frechet_distance(a, b) == pytest.approx(between + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * root), rel=1e-9)


def test_an_image_that_comes_again_has_its_place(inception: Inception) -> None:
    images = pictures(3)
    assert inception(images).tolist() == [0, 1, 2]
    assert inception(images[[2, 0, 2]]).tolist() == [2, 0, 2] and len(inception._all()) == 3
    with pytest.raises(ReidAugError, match="inception score: 3 images, expected at least 10"):
        inception.score(np.arange(3))


@pytest.mark.parametrize("load", [Inception, load_lpips])
def test_weights_that_are_not_there_are_named_with_their_place(load: type, cache: Path) -> None:
    with pytest.raises(ReidAugError, match=rf"needs https://.*\.pth, put at {cache}/.*\.pth"):
        load(CPU)


def test_a_package_that_is_not_there(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(learned_metrics, "find_spec", lambda _: None)
    with pytest.raises(ReidAugError, match=r"needs torch-fidelity: pip install 'reidaug\[metrics\]'"):
        Inception(CPU)


def test_weights_with_code_in_them_are_refused(cache: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (str(cache / "ran"),)

    (cache / INCEPTION_URL.rsplit("/", 1)[-1]).write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(Exception, match=r"is refused|is no checkpoint"):
        Inception(CPU)
    assert not (cache / "ran").exists()


def test_weights_of_another_network(cache: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, cache / INCEPTION_URL.rsplit("/", 1)[-1])
    with pytest.raises(ReidAugError, match="is not torch-fidelity's Inception: fetch"):
        Inception(CPU)


def test_lpips_of_equal_images_is_zero_and_of_others_symmetric(cache: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), cache / ALEXNET_URL.rsplit("/", 1)[-1])
    lpips = load_lpips(CPU)
    a, b = pictures(40, 0, (64, 64)), pictures(40, 1, (64, 64))
    assert not lpips(a[:2], a[:2]).any() and (lpips(a[:2], b[:2]) > 0).all()
    assert np.allclose(lpips(a[:3], b[:3]), lpips(b[:3], a[:3]), atol=1e-6)
    assert np.allclose(lpips(a, b)[35:], lpips(a[35:], b[35:]), rtol=1e-4)


def test_identity_is_the_cosine_of_features(tmp_path: Path, tiny_root: Path) -> None:
    torch.manual_seed(0)
    model = build_model("resnet18", 3, embedding=QUICK.embedding)
    save_model(tmp_path / "model.pt", model, QUICK, [1, 2, 3])
    paths = sorted((tiny_root / "query").iterdir())[:4]
    features = extract_features(model, load_images(paths, QUICK.size), QUICK, "cpu")
    images = read_images(paths)
    found = load_identity(tmp_path / "model.pt", CPU)(images[:2], images[2:])
    assert np.allclose(found, (features[:2] * features[2:]).sum(dim=1).numpy(), atol=1e-5)
    assert np.allclose(load_identity(tmp_path / "model.pt", CPU)(images, images), 1, atol=1e-5)
