"""Adversarial and perceptual losses."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pona import PoNAError
from pona.losses import PerceptualLoss, adversarial_loss, find_vgg_weights
from tests.factories import torchvision_layout


def normalised_layout() -> dict[str, Tensor]:
    vgg = torchvision_layout()
    state = {"0.weight": 255 * torch.eye(3).flip(0)[:, :, None, None], "0.bias": torch.tensor([-103.9, -116.8, -123.7])}
    for ours, theirs in (("2", "features.0"), ("5", "features.2"), ("9", "features.5")):
        state |= {f"{ours}.{part}": vgg[f"{theirs}.{part}"] for part in ("weight", "bias")}
    state["2.weight"] = state["2.weight"] / 100
    return state


def images() -> tuple[Tensor, Tensor]:
    return tuple(torch.rand(2, 2, 3, 12, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1)  # type: ignore[return-value]


def test_bce_and_lsgan_against_formulas() -> None:
    score = torch.tensor([[-1.0, 0.0, 2.0]])
    chances = [1 / (1 + math.exp(-value)) for value in (-1.0, 0.0, 2.0)]
    assert adversarial_loss(score, True).item() == pytest.approx(-sum(map(math.log, chances)) / 3, abs=1e-6)
    wanted = -sum(math.log(1 - chance) for chance in chances) / 3
    assert adversarial_loss(score, False).item() == pytest.approx(wanted, abs=1e-6)
    assert adversarial_loss(score, True, "lsgan").item() == pytest.approx((4 + 1 + 1) / 3)
    assert adversarial_loss(score, False, "lsgan").item() == pytest.approx((1 + 0 + 4) / 3)
    with pytest.raises(PoNAError, match="'bce' or 'lsgan'"):
        adversarial_loss(score, True, "wgan")


def test_bce_stays_finite_where_a_sigmoid_saturates() -> None:
    assert adversarial_loss(torch.tensor([-500.0]), True).item() == 500


def test_torchvision_layout_gives_relu1_2_after_imagenet_normalisation(tmp_path: Path) -> None:
    state = torchvision_layout()
    torch.save(state, tmp_path / "vgg.pth")
    loss = PerceptualLoss(tmp_path / "vgg.pth")
    assert loss.kind == "vgg19-torchvision"

    def features(x: Tensor) -> Tensor:
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        x = ((x + 1) / 2 - mean[:, None, None]) / deviation[:, None, None]
        x = F.relu(F.conv2d(x, state["features.0.weight"], state["features.0.bias"], padding=1))
        return F.relu(F.conv2d(x, state["features.2.weight"], state["features.2.bias"], padding=1))

    a, b = images()
    # At the border torchvision pads the normalised image with zeros, and so must we.
    torch.testing.assert_close(loss.features(a), features(a), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(loss(a, b), (features(a) - features(b)).abs().mean(), rtol=1e-4, atol=1e-4)


def test_normalised_layout_in_the_old_file_format(tmp_path: Path) -> None:
    state = normalised_layout()
    torch.save(state, tmp_path / "vgg.pth", _use_new_zipfile_serialization=False)
    loss = PerceptualLoss(tmp_path / "vgg.pth")
    assert loss.kind == "vgg19-normalised"
    a, _ = images()
    bgr = 255 * ((a + 1) / 2).flip(1) + state["0.bias"][:, None, None]
    x = F.relu(F.conv2d(F.pad(bgr, [1] * 4, mode="reflect"), state["2.weight"], state["2.bias"]))
    x = F.relu(F.conv2d(F.pad(x, [1] * 4, mode="reflect"), state["5.weight"], state["5.bias"]))
    torch.testing.assert_close(loss.features(a), x, rtol=1e-4, atol=1e-3)


def test_equal_images_give_zero_and_gradients_reach_only_the_image(tmp_path: Path) -> None:
    torch.save(torchvision_layout(), tmp_path / "vgg.pth")
    loss = PerceptualLoss(tmp_path / "vgg.pth")
    a, b = images()
    assert loss(a, a) == 0
    a.requires_grad_()
    loss(a, b).backward()
    assert a.grad is not None and a.grad.abs().sum() > 0
    assert all(not parameter.requires_grad for parameter in loss.parameters())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("missing", "do not exist"),
        ("text", "is a web page"),
        ("names", "no VGG-19 weights"),
        ("shapes", "not the shapes"),
        ("list", "no state dict"),
        ("vgg16", "another VGG"),
        ("nan", "not finite"),
    ],
)
def test_wrong_files_are_refused_in_one_line(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "vgg.pth"
    if content == "text":
        path.write_text("<html>")
    elif content == "names":
        torch.save({"conv.weight": torch.zeros(2)}, path)
    elif content == "shapes":
        torch.save(torchvision_layout() | {"features.0.weight": torch.zeros(32, 3, 3, 3)}, path)
    elif content == "vgg16":
        torch.save({name: value for name, value in torchvision_layout().items() if "34" not in name}, path)
    elif content == "nan":
        torch.save(torchvision_layout() | {"features.0.bias": torch.full((64,), torch.nan)}, path)
    elif content == "list":
        torch.save([1, 2], path)
    with pytest.raises(PoNAError) as caught:
        PerceptualLoss(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


def test_weights_are_found_in_the_cache_and_never_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    assert find_vgg_weights() is None
    assert find_vgg_weights(Path("mine.pth")) == Path("mine.pth")
    cached = tmp_path / "checkpoints" / "vgg19-dcbb9e9d.pth"
    cached.parent.mkdir()
    cached.touch()
    assert find_vgg_weights() == cached
