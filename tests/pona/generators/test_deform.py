"""Deform: parameters as the paper prints them, parts that move as ten warps would move them, and its loss."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from pona import PoNAError
from pona.generators.deform import DeformConfig, DeformGenerator, move_parts, part_sources
from pona.generators.parts import part_affines, part_masks
from pona.layers import ImageNorm
from pona.objectives.deform import DeformDiscriminator, nearest_neighbour_loss
from pona.profiling import count_parameters
from tests.pona.generators.test_parts import people


def test_parameters() -> None:
    """Table II of PoNA prints 82.08 M (DeepFashion); the others are counted in the authors' network."""
    with torch.device("meta"):
        assert count_parameters(DeformGenerator(DeformConfig())) == 61_109_085
        assert count_parameters(DeformGenerator(DeformConfig(levels=7))) == 82_080_611
        assert sum(p.numel() for p in DeformDiscriminator().parameters()) == 2_803_782
    assert DeformDiscriminator(2)(torch.zeros(1, 42, 128, 64)).shape == (1, 1, 3, 1)
    assert DeformDiscriminator(2)(torch.zeros(1, 42, 256, 256)).shape == (1, 1, 7, 7)


def warped(features: Tensor, affines: Tensor, masks: Tensor, level: int) -> Tensor:
    """Ten warps one after the other, as in the authors' code."""
    batch, _, height, width = features.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    result = torch.full_like(features, -math.inf)
    for part in range(10):
        image = torch.zeros_like(features)
        for person in range(batch):
            a = affines[person, part]
            source_x = (a[0, 0] * x + a[0, 1] * y + a[0, 2] / 2**level).round()
            source_y = (a[1, 0] * x + a[1, 1] * y + a[1, 2] / 2**level).round()
            there = (source_x >= 0) & (source_x < width) & (source_y >= 0) & (source_y < height)
            there = there & masks[person, part, :: 2**level, :: 2**level]
            row, column = source_y[there].long(), source_x[there].long()
            image[person][:, there] = features[person][:, row, column]
        result = torch.maximum(result, image)
    return result


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_parts_move_as_ten_warps(level: int) -> None:
    condition, target = people(3), people(3).flip(0)
    condition[1, 9], target[2, 3] = float("nan"), float("nan")
    affines, masks = part_affines(condition, target), part_masks(target, (128, 64))
    features = torch.randn(3, 5, 128 >> level, 64 >> level)
    moved = move_parts(features, part_sources(affines, masks)[level])
    assert torch.equal(moved, warped(features, affines, masks, level))
    assert (moved > 0).float().mean() > 0.3


def test_the_same_pose_moves_nothing() -> None:
    pose, features = people(2), torch.rand(2, 3, 128, 64)
    moved = move_parts(features, part_sources(part_affines(pose, pose), part_masks(pose, (128, 64)))[0])
    assert torch.allclose(moved, features)


def test_deepfashion_images_are_padded_to_squares() -> None:
    generator = DeformGenerator(DeformConfig(width=2, levels=7)).eval()
    condition = 2 * people(1) + 8
    image = torch.zeros(1, 3, 256, 176)
    inputs = generator.prepare(image, condition, condition)
    assert inputs.condition.shape == (1, 21, 256, 256) and inputs.target_heatmaps.shape == (1, 18, 256, 256)
    assert inputs.condition[0, :3, :, [0, 39, 216, 255]].min() == 1 and inputs.condition[0, :3, :, 40:216].max() == 0
    x, y = condition[0, 3].round().int().tolist()
    assert inputs.target_heatmaps[0, 3].argmax().item() == pytest.approx(256 * y + x + 40, abs=257)
    assert generator(*inputs).shape == (1, 3, 256, 176)
    with pytest.raises(PoNAError, match="levels 3"):
        DeformConfig(levels=3)


def test_the_norm_is_of_whole_images() -> None:
    x = torch.randn(3, 4, 6, 5) * 3 + 2
    norm = ImageNorm()
    norm.weight.data[:], norm.bias.data[:] = 1.5, -0.5
    for image, normalised in zip(x, norm(x), strict=True):
        expected = 1.5 * (image - image.mean()) / (image.std(correction=0) + 1e-3) - 0.5
        assert torch.allclose(normalised, expected, atol=1e-5)


def test_the_nearest_neighbour_loss_forgives_shifts_within_its_window() -> None:
    target = torch.randn(2, 4, 9, 7)
    shifted = F.pad(target, (1, 0))[..., :-1]
    assert nearest_neighbour_loss(shifted[..., 1:], target[..., 1:], 3) < 0.2 * nearest_neighbour_loss(
        shifted, target, 1
    )
    generated = torch.randn(2, 4, 9, 7)
    naive = []
    for image, true in zip(generated, target, strict=True):
        for y in range(9):
            for x in range(7):
                window = true[:, max(0, y - 1) : y + 2, max(0, x - 1) : x + 2]
                naive.append((window - image[:, y, x, None, None]).abs().sum(0).min())
    assert nearest_neighbour_loss(generated, target, 3).item() == pytest.approx(torch.stack(naive).mean().item())
    assert nearest_neighbour_loss(generated, target, 1).item() == pytest.approx(4 * F.l1_loss(generated, target).item())
