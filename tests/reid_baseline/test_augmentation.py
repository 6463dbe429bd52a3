"""augment: what a sample may look like, with separate random draws for each sample."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torchvision.transforms.functional import normalize

from reid_baseline import RECIPES
from reid_baseline.augmentation import IMAGENET_MEAN, IMAGENET_STD, Colours, augment, normalise

PLAIN = replace(RECIPES["paper"], padding=0, flip=0.0, erasing=0.0)


def images(batch=8, height=12, width=6):
    return torch.randint(256, (batch, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def test_normalise_equals_torchvision():
    expected = normalize(images() / 255, IMAGENET_MEAN, IMAGENET_STD)
    torch.testing.assert_close(normalise(images()), expected)
    assert normalise(images()).is_contiguous(memory_format=torch.channels_last)


def test_normalise_takes_the_colours_of_a_network():
    expected = normalize(images() / 255, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    torch.testing.assert_close(normalise(images(), Colours((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))), expected)


def test_padding_is_black_and_erasing_the_mean_colour_of_the_network():
    half = Colours((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    white = torch.full((16, 3, 12, 6), 255, dtype=torch.uint8)
    padded = augment(white, replace(PLAIN, padding=4), draws(), half)
    assert padded.unique().tolist() == [-1, 1]
    assert augment(white, replace(PLAIN, erasing=1.0), draws(), half).unique().tolist() == [0, 1]


def test_nothing_asked_changes_nothing():
    torch.testing.assert_close(augment(images(), PLAIN, draws()), normalise(images()))


def test_certain_flip_mirrors():
    torch.testing.assert_close(augment(images(), replace(PLAIN, flip=1.0), draws()), normalise(images().flip(3)))


def test_each_sample_is_a_crop_of_its_own():
    recipe = replace(PLAIN, padding=2, flip=0.5)
    source = images(64)
    result = augment(source, recipe, draws())
    padded = normalise(F.pad(source, (2, 2, 2, 2)))
    seen = []
    for sample, frame in zip(result, padded, strict=True):
        crops = {
            (top, left, flip): crop.flip(2) if flip else crop
            for top in range(5)
            for left in range(5)
            for flip in (False, True)
            for crop in [frame[:, top : top + 12, left : left + 6]]
        }
        matching = [key for key, crop in crops.items() if torch.equal(crop, sample)]
        assert matching
        seen.append(matching[0])
    tops, lefts, flips = (set(column) for column in zip(*seen, strict=True))
    assert (tops, lefts, flips) == (set(range(5)), set(range(5)), {False, True})


def test_erasing_fills_boxes_with_the_mean_colour():
    white = torch.full((500, 3, 64, 32), 255, dtype=torch.uint8)
    erased = augment(white, replace(PLAIN, erasing=0.5), draws())[:, 0] == 0
    touched = erased.flatten(1).any(1)
    assert 0.4 < touched.float().mean() < 0.6
    for mask in erased[touched]:
        box = mask[mask.any(1)][:, mask.any(0)]
        assert box.all()  # one full rectangle
        assert 0.01 < mask.float().mean() < 0.45
    assert len(erased[touched].flatten(1).sum(1).unique()) > 50


@pytest.mark.parametrize("recipe", [RECIPES["paper"], replace(RECIPES["quick"], erasing=0.5)])
def test_same_draws_same_batch(recipe):
    torch.testing.assert_close(augment(images(), recipe, draws(1)), augment(images(), recipe, draws(1)))
    assert not torch.equal(augment(images(), recipe, draws(1)), augment(images(), recipe, draws(2)))
