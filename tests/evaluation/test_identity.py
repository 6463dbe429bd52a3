"""A re-ID network of random weights as the judge of identity."""

from pathlib import Path

import numpy as np
import pytest
import torch

from reid_baseline.data import load_images
from reid_baseline.features import extract_features
from reid_baseline.model import build_model, save_model
from reid_baseline.recipe import QUICK
from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_images
from reidaug.evaluation.identity import load_identity

CPU = torch.device("cpu")


def test_identity_is_the_cosine_of_features(tmp_path: Path, tiny_root: Path) -> None:
    torch.manual_seed(0)
    model = build_model("resnet18", 3, embedding=QUICK.embedding)
    save_model(tmp_path / "model.pt", model, QUICK, [1, 2, 3])
    paths = sorted((tiny_root / "query").iterdir())[:4]
    features = extract_features(model, load_images(paths, QUICK.size), QUICK, "cpu")
    images = read_images(paths)
    judge = load_identity(tmp_path / "model.pt", CPU)
    assert np.allclose(
        (judge(images[:2]) * judge(images[2:])).sum(axis=1), (features[:2] * features[2:]).sum(dim=1), atol=1e-5
    )
    assert np.allclose((judge(images) ** 2).sum(axis=1), 1, atol=1e-5)


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"no network")
    for name in ("model.pt", "nowhere.pt"):
        with pytest.raises(ReidAugError, match=name):
            load_identity(tmp_path / name, CPU)
