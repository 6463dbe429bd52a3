"""Body parts: the authors' numbers for a pair of Market-1501, scikit-image's affine fit, and what is missing."""

import numpy as np
import pytest
import torch
from skimage.draw import polygon2mask
from skimage.transform import AffineTransform
from torch import Tensor

from pona.generators.parts import (
    LIMBS,
    LONGER_MASK,
    NOWHERE,
    PARTS,
    fit_affine,
    limb_quads,
    part_affines,
    part_masks,
    torso_length,
)  # fmt: skip
from pona.keypoints import flip_keypoints

NAN = float("nan")
# Published keypoints of 1333_c3s3_037953_03.jpg and 1333_c2s3_031607_02.jpg: ys, xs.
CONDITION = (
    (14, 27, 28, 47, 47, 25, 42, 46, 62, 85, 113, 62, 87, 118, 12, 12, 14, 14),
    (23, 27, 14, 10, 31, 41, 55, 41, 20, 16, 26, 40, 42, 42, 20, 27, 16, 32),
)
TARGET = (
    (20, 27, 27, 45, 59, 27, 43, 28, 62, 87, 120, 62, 88, 113, 16, 17, 16, 18),
    (37, 33, 18, 9, 0, 47, 58, 56, 26, 36, 43, 43, 36, 30, 34, 40, 29, 45),
)


def pair() -> tuple[Tensor, Tensor]:
    condition, target = (torch.tensor([xs, ys], dtype=torch.float32).T[None] for ys, xs in (CONDITION, TARGET))
    return condition, target


def people(count: int) -> Tensor:
    random = np.random.default_rng(0)
    return pair()[0] + torch.from_numpy(random.normal(0, 4, (count, 18, 2)).astype(np.float32))


def test_the_numbers_of_the_authors_code() -> None:
    """pose-gan 8693ec4 gives these for the pair."""
    condition, target = pair()
    assert torso_length(condition).item() == pytest.approx(35.7911, abs=5e-5)
    assert torso_length(target).item() == pytest.approx(35.5668, abs=5e-5)
    masks = part_masks(target, (128, 64)).sum((2, 3))[0].tolist()
    assert masks == [8192, 784, 465, 464, 636, 601, 334, 332, 271, 343]
    affines = part_affines(condition, target)[0]
    wanted = {
        "torso": [0.9982, 0.0144, -5.3314, -0.0776, 1.0208, 1.4239],
        "head": [0.9307, 0.8038, -24.7162, -0.1238, 1.3082, -4.9305],
        "left forearm": [-0.1518, 0.9536, 22.7985, -0.994, -0.1341, 105.4214],
    }
    for part, values in wanted.items():
        assert affines[PARTS.index(part)].flatten().tolist() == pytest.approx(values, abs=6e-5)


def test_the_affine_fit_is_scikit_images() -> None:
    random = np.random.default_rng(1)
    points, images = random.uniform(0, 60, (2, 5, 7, 2))
    used = torch.ones(5, 7, dtype=torch.bool)
    used[3, 4:] = False
    fitted = fit_affine(torch.from_numpy(points), torch.from_numpy(images), used)
    for row in range(5):
        chosen = used[row].numpy()
        expected = AffineTransform.from_estimate(points[row][chosen], images[row][chosen]).params[:2]
        assert np.allclose(fitted[row].numpy(), expected, atol=1e-8)
    least_squares = np.linalg.lstsq(np.c_[points[0], np.ones(7)], images[0], rcond=None)[0].T
    assert np.abs(fitted[0].numpy() - least_squares).max() > 0.01  # another method


def test_masks_are_filled_polygons() -> None:
    target = people(20)
    masks = part_masks(target, (128, 64))[:, 2:]
    quads = limb_quads(target.double(), LONGER_MASK)
    for person in range(20):
        for limb in range(len(LIMBS)):
            expected = polygon2mask((128, 64), quads[person, limb].flip(-1).numpy())
            assert (masks[person, limb].numpy() != expected).sum() <= 4  # pixels on the border


@pytest.mark.parametrize("joint", [0, 3, 4, 6, 7, 9, 10, 12, 13, 14, 15, 16, 17])
def test_a_missing_joint_takes_its_part_away(joint: int) -> None:
    condition, target = pair()
    complete = part_affines(condition, target)[0]
    limbs = [2 + number for number, ends in enumerate(LIMBS) if joint in ends]
    lost = target.clone()
    lost[0, joint] = NAN
    affines, masks = part_affines(condition, lost)[0], part_masks(lost, (128, 64))[0]
    for part in range(2, 10):
        assert (affines[part, 0, 2] == NOWHERE) == (part in limbs) == (not masks[part].any())
        assert part in limbs or torch.equal(affines[part], complete[part])
    lost = condition.clone()
    lost[0, joint] = NAN
    affines = part_affines(lost, target)[0]
    mirrored = part_affines(condition[:, [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 14, 15, 16, 17]], target)[0]
    for part in limbs:  # from the other side
        assert torch.allclose(affines[part], mirrored[part])
    assert affines.isfinite().all() and masks[1].any()


def test_without_head_joints_in_common_there_is_no_head() -> None:
    condition, target = pair()
    condition[0, [0, 14, 15]], target[0, [16, 17]] = NAN, NAN
    affines = part_affines(condition, target)[0]
    assert affines[1].tolist() == [[1, 0, NOWHERE], [0, 1, NOWHERE]]
    target[0, [0, 14, 15]] = NAN
    assert not part_masks(target, (128, 64))[0, 1].any() and part_masks(target, (128, 64))[0, 0].all()


def test_degenerate_poses_lead_nowhere() -> None:
    condition, target = pair()
    line = target.clone()
    line[0, [8, 11, 5, 2]] = torch.tensor([[30.0, 60], [30, 60], [30, 20], [30, 20]])  # a torso seen from the side
    point = target.clone()
    point[0, 9] = point[0, 8]  # a thigh without length
    nobody = torch.full_like(target, NAN)
    affines = part_affines(condition.expand(3, -1, -1), torch.cat((line, point, nobody)))
    assert affines.isfinite().all()
    assert affines[0, 0, 0, 2] == NOWHERE and affines[1, 2, 0, 2] == NOWHERE and affines[1, 3, 0, 2] != NOWHERE
    assert (affines[2, :, :, 2] == NOWHERE).all()
    assert part_masks(nobody, (128, 64))[0].flatten(1).any(1).tolist() == [True] + 9 * [False]


def test_mirrored_poses_give_mirrored_parts() -> None:
    condition, target = people(8), people(8).flip(0)
    width = 64
    other_side = [0, 1, 3, 2, 5, 4, 7, 6, 9, 8]
    affines = part_affines(condition, target)
    mirrored = part_affines(flip_keypoints(condition, width), flip_keypoints(target, width))[:, other_side]
    flip = torch.tensor([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
    bottom = torch.tensor([0.0, 0, 1], dtype=torch.float64).expand(8, 10, 1, 3)
    expected = (flip @ torch.cat((affines, bottom), dim=2) @ flip)[:, :, :2]
    assert torch.allclose(mirrored, expected, atol=1e-6)
    masks = part_masks(flip_keypoints(target, width), (128, width))[:, other_side]
    same = (masks == part_masks(target, (128, width)).flip(3)).double()
    assert same[:, 2:].mean() > 0.9999 and same[:, 1].mean() > 0.98  # the head's square ends one pixel earlier
