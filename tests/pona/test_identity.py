"""The identity loss: what it measures, that it trains the generator alone, and that a run remembers it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pona import PoNAError, load_checkpoint
from pona.identity import IdentityLoss
from tests.factories import TINY, equal, small_data, train_tiny, weights


def network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "reid.pt"
    path.write_bytes(b"a network")
    return path


def test_it_is_one_minus_the_cosine_of_the_features(file: Path) -> None:
    torch.manual_seed(1)
    generated, target = torch.rand(2, 4, 3, 8, 8) * 2 - 1
    loss = IdentityLoss(network(), file)
    a, b = (loss.network(images).detach().double().numpy() for images in (generated, target))
    cosines = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    assert loss(generated, target).item() == pytest.approx(1 - np.mean(cosines), abs=1e-6)
    assert loss(target, target).item() == pytest.approx(0, abs=1e-6)


def test_the_network_stays_as_it_is_and_the_image_gets_the_gradient(file: Path) -> None:
    loss = IdentityLoss(network(), file).train()
    before = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    generated, target = torch.rand(2, 4, 3, 8, 8) * 2 - 1
    generated.requires_grad_()
    loss(generated, target).backward()
    assert generated.grad is not None and generated.grad.abs().sum() > 0
    assert equal(before, loss.state_dict()) and all(p.grad is None for p in loss.parameters())


def test_a_generator_is_trained_towards_the_same_features(tmp_path: Path, file: Path) -> None:
    plain = replace(TINY, iterations=60, l1_weight=1.0, validate_every=60, log_every=10, precision="fp32")
    loss, data = IdentityLoss(network(), file), small_data()
    losses = {}
    for weight in (0.0, 20.0):
        reports: list[float] = []
        config = replace(plain, identity_weight=weight)
        out = tmp_path / f"{weight}.pt"
        train_tiny(out, config, data=data, identity=loss, progress=lambda r: reports.append(r.losses["identity"]))  # noqa: B023
        losses[weight] = reports[-1]
    assert losses[20.0] < 0.8 * losses[0.0]


def test_a_run_with_another_network_is_another_run(tmp_path: Path, file: Path) -> None:
    out = train_tiny(tmp_path / "g.pt", identity=IdentityLoss(network(), file))
    assert load_checkpoint(out).training["origin"]["identity"] == IdentityLoss(network(), file).digest
    with pytest.raises(PoNAError, match="another re-ID network"):
        train_tiny(tmp_path / "g.pt")
    file.write_bytes(b"another network")
    with pytest.raises(PoNAError, match="another re-ID network"):
        train_tiny(tmp_path / "g.pt", identity=IdentityLoss(network(), file))


def test_without_it_the_weights_are_those_of_before(tmp_path: Path, file: Path) -> None:
    """Its weight is 1 by default, and changes nothing where there is no network."""
    train_tiny(tmp_path / "a.pt")
    train_tiny(tmp_path / "b.pt", replace(TINY, identity_weight=5.0))
    assert equal(weights(tmp_path / "a.pt"), weights(tmp_path / "b.pt"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PoNAError, match=r"cannot read .*nowhere\.pt"):
        IdentityLoss(network(), tmp_path / "nowhere.pt")
