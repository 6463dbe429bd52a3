"""Makers that the tests of re-ID share: images, trainings, a small backbone."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from reid_baseline import RECIPES, evaluate_ranking, extract_features, train_baseline
from reid_baseline.augmentation import normalise
from reid_baseline.convolution import WIDE

TINY = replace(
    RECIPES["quick"], size=(32, 16), epochs=3, batch_size=8, padding=2, lr_head=0.01, lr_backbone=0.01, warmup=0.2
)
STRONG_TINY = replace(
    RECIPES["strong"], size=(32, 16), epochs=4, batch_size=8, identities=2, padding=2, erasing=0.2, lr_backbone=1e-3
)


def skip_without_packages(arch):
    """Skips the test if the backbone needs a package that is not installed."""
    if arch not in ("resnet50", "resnet18", "toy"):
        pytest.importorskip("timm", reason="timm is not installed: pip install 'reidaug[timm]'")


class Toy(nn.Module):
    """A backbone with a grouped and a dilated convolution, which are no matrix products."""

    width = WIDE

    def __init__(self, last_stride):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 8, stride=8)
        self.grouped = nn.Conv2d(16, 64, 1, groups=4, bias=False)
        self.norm1 = nn.BatchNorm2d(64)
        self.dilated = nn.Conv2d(64, WIDE, 3, padding=2, dilation=2, stride=last_stride, bias=False)
        self.norm2 = nn.BatchNorm2d(WIDE)

    def forward(self, images):
        maps = self.norm1(self.grouped(self.stem(images).relu())).relu()
        return self.norm2(self.dilated(maps)).relu().mean(dim=(2, 3))


def random_images(count=5, size=(32, 16)):
    return torch.randint(256, (count, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def coloured_people(identities=4, images=8, seed=0):
    """Noisy images, one colour above and one below for each identity."""
    generator = torch.Generator().manual_seed(seed)
    colours = torch.randint(40, 216, (identities, 3, 2, 1), generator=torch.Generator().manual_seed(9))
    labels = torch.arange(identities).repeat_interleave(images)
    flat = colours[labels].repeat_interleave(16, dim=2).expand(-1, -1, -1, 16)
    noise = torch.randint(-30, 31, flat.shape, generator=generator)
    return (flat + noise).to(torch.uint8), labels


def train(recipe=TINY, **options):
    images, labels = coloured_people()
    images = F.interpolate(images, recipe.size)
    return train_baseline(images, labels, recipe, **({"arch": "resnet18", "device": "cpu"} | options))


def mean_ap_of(model, recipe, **options):
    """The mAP on other images of the people, and their features."""
    images, labels = coloured_people(seed=1)
    cameras = torch.arange(len(labels)) % 2 + 1
    features = extract_features(model, images, recipe, "cpu", **options)
    return evaluate_ranking(features, features, labels, labels, cameras, cameras).mean_ap, features


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def wake_norms(network):
    """Random statistics and weights for BN, which is close to an identity at first."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)


def unfolded_features(network, images):
    with torch.no_grad():
        network.eval()
        normalised = normalise(images, network.colours)
        return F.normalize(network(normalised) + network(normalised.flip(3)))
