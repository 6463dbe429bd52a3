"""LPIPS, with random weights in the real file's place."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from reidaug.scoring.metrics.lpips import ALEXNET_URL, load_lpips
from reidaug.scoring.metrics.metric import NotComputed

CPU = torch.device("cpu")


def pictures(seed: int) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, (40, 64, 64, 3)).astype(np.uint8)


def test_lpips_of_equal_images_is_zero_and_of_others_symmetric(weights_folder: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), weights_folder / ALEXNET_URL.rsplit("/", 1)[-1])
    lpips = load_lpips(CPU)
    a, b = pictures(0), pictures(1)
    assert not lpips(a[:2], a[:2]).any() and (lpips(a[:2], b[:2]) > 0).all()
    assert np.allclose(lpips(a[:3], b[:3]), lpips(b[:3], a[:3]), atol=1e-6)
    assert np.allclose(lpips(a, b)[35:], lpips(a[35:], b[35:]), rtol=1e-4)


def test_what_is_missing_is_named(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotComputed, match=rf"needs https://.*\.pth, put at {weights_folder}/.*\.pth"):
        load_lpips(CPU)
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(NotComputed, match=r"needs torchmetrics: pip install 'reidaug\[metrics\]'"):
        load_lpips(CPU)


def test_weights_of_another_network(weights_folder: Path) -> None:
    torch.save({"conv.weight": torch.zeros(1)}, weights_folder / ALEXNET_URL.rsplit("/", 1)[-1])
    with pytest.raises(NotComputed, match="is not torchvision's AlexNet: fetch"):
        load_lpips(CPU)
