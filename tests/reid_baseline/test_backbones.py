"""The table of backbones: a new one works everywhere, folding is exact for all."""

import sys
from dataclasses import replace

import pytest
import torch

from reid_baseline import (
    ARCHS,
    BACKBONES,
    Backbone,
    BaselineNet,
    ReIDError,
    extract_features,
    load_model,
    save_model,
    train_baseline,
)
from reid_baseline.augmentation import IMAGENET_COLOURS, Colours
from tests.reid_baseline.factories import (
    TINY,
    Toy,
    mean_ap_of,
    random_images,
    same_weights,
    skip_without_packages,
    train,
    unfolded_features,
    wake_norms,
)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_entry_is_all_that_a_new_backbone_needs(tmp_path, toy, precision):
    recipe = replace(TINY, epochs=12, dropout=0.0)
    model = train(recipe, arch=toy, precision=precision)
    assert isinstance(model.backbone, Toy)
    save_model(tmp_path / "toy.pt", model, recipe, range(4))
    loaded, _ = load_model(tmp_path / "toy.pt")
    assert same_weights(loaded, model)
    mean_ap, features = mean_ap_of(model, recipe, precision=precision)
    assert torch.equal(mean_ap_of(loaded, recipe, precision=precision)[1], features) and mean_ap > 0.9


@pytest.mark.parametrize("arch", [*ARCHS, "toy"])
def test_folding_the_norms_changes_features_by_rounding_only(toy, arch):
    skip_without_packages(arch)
    torch.manual_seed(0)
    network = BaselineNet(arch, 3)
    wake_norms(network)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    features = extract_features(network, random_images(), TINY, "cpu", precision="fp32")
    torch.testing.assert_close(features, unfolded_features(network, random_images()), atol=1e-5, rtol=0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_images_are_normalised_as_the_backbone_wants_in_training_and_after_it(toy, monkeypatch):
    seen = []

    class Watching(Toy):
        def forward(self, images):
            seen.append(images)
            return super().forward(images)

    grey = Colours((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
    images = torch.full((8, 3, 32, 16), 255, dtype=torch.uint8)
    recipe = replace(TINY, epochs=1, padding=0, erasing=1.0)
    for colours, white in ((IMAGENET_COLOURS, (1 - 0.485) / 0.229), (grey, 2.0)):
        monkeypatch.setitem(BACKBONES, "watching", Backbone(Watching, colours=colours))
        model = train_baseline(images, torch.arange(8) % 2, recipe, arch="watching", device="cpu", precision="fp32")
        assert {round(value, 4) for value in seen.pop()[:, 0].unique().tolist()} == {0.0, round(white, 4)}  # erased: 0
        extract_features(model, images, recipe, "cpu", precision="fp32")
        assert seen[-1][:, 0].unique().tolist() == pytest.approx([white], abs=1e-4)
        seen.clear()


def test_the_last_stride_reaches_the_backbone(toy):
    assert [BaselineNet(toy, 3, last_stride=stride).backbone.dilated.stride for stride in (1, 2)] == [(1, 1), (2, 2)]


def test_a_backbone_lies_channels_last_unless_it_knows_better(toy, monkeypatch):
    asked = []

    class Picky(Toy):
        def lay_out(self, device, precision):
            asked.append((device.type, precision))

    monkeypatch.setitem(BACKBONES, "picky", Backbone(Picky))
    for arch, contiguous in ((toy, False), ("picky", True)):
        network = BaselineNet(arch, 3).lay_out(torch.device("cpu"), "bf16")
        assert network.backbone.dilated.weight.is_contiguous() == contiguous
    assert asked == [("cpu", "bf16")]


def test_the_names_and_their_order():
    assert ARCHS == ("resnet50", "resnet18", "tf_efficientnet_lite0")


def test_an_unknown_arch_is_one_clear_line_that_names_the_known_ones(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ReIDError, match=r"resnet51.*did you mean resnet50 or .*pip install 'reidaug\[timm\]'") as error:
        BaselineNet("resnet51", 2)
    assert all(name in str(error.value) for name in ("resnet50", "resnet18", toy)) and "\n" not in str(error.value)
    with pytest.raises(ReIDError, match=r"mobilenetv3_small_050' is unknown: expected"):
        BaselineNet("mobilenetv3_small_050", 2)
