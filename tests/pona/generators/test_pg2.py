"""PG2: parameters as published, its discs and its mask, and its two stages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.morphology import dilation, erosion

from pona import PoNAError, generate_images
from pona.generators.pg2 import PG2Config, PG2Generator, render_discs
from pona.objectives.pg2 import LIMBS, PG2Discriminator, person_mask
from pona.profiling import count_macs, count_parameters
from pona.train import train
from tests.factories import RECORD, weights
from tests.pona.generators.test_every_generator import SIZE, dressed, tiny
from tests.pona.generators.test_parts import pair, people


def test_parameters() -> None:
    """Counted in the authors' network; Table II prints 437.09 M for it: three networks with two Adam slots each."""
    with torch.device("meta"):
        market = PG2Generator(PG2Config())
        fashion = PG2Generator(PG2Config(levels=6, size=(256, 176), first_skip=True))
        judges = [PG2Discriminator(64, 4, (128, 64)), PG2Discriminator(64, 5, (256, 256))]
    assert [sum(p.numel() for p in part.parameters()) for part in (market.coarse, market.refine)] == [
        70_795_075,
        6_058_883,
    ]
    assert count_parameters(market) == 76_853_958 and count_parameters(fashion) == 134_799_302
    assert [sum(p.numel() for p in judge.parameters()) for judge in judges] == [4_324_737, 10_896_257]
    assert 3 * (134_799_302 + 10_896_257) == 437_086_677


def test_multiply_adds() -> None:
    assert count_macs(PG2Generator(PG2Config(width=32)), (128, 64)) / 1e9 == pytest.approx(3.0, abs=0.05)


def test_discs() -> None:
    discs = render_discs(torch.tensor([[[10.9, 20.2]] * 17 + [[float("nan")] * 2]]), (40, 30))[0]
    assert (discs[17] == -1).all() and set(discs.unique().tolist()) == {-1, 1}
    assert int((discs[0] == 1).sum()) == 49  # pixels within 4 of a whole pixel
    y, x = torch.nonzero(discs[0] == 1).T
    assert (y.min(), y.max(), x.min(), x.max()) == (16, 24, 6, 14)


def test_the_mask_is_that_of_the_authors_code() -> None:
    """pose-gan's and PG2's code give 2,853 pixels for the pair."""
    assert int(person_mask(pair()[1], (128, 64)).sum()) == 2853


def naive_mask(pose: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    mask = np.zeros(size, bool)
    for a, b in LIMBS:
        if np.isfinite(pose[[a, b]]).all():
            steps = int(np.linalg.norm(pose[a] - pose[b]) / 4)
            along = [pose[a] + i / steps * (pose[b] - pose[a]) for i in range(steps)]
            for centre in (*along, pose[a], pose[b]):
                mask |= (x - int(centre[0])) ** 2 + (y - int(centre[1])) ** 2 <= 16
    square = np.ones((5, 5))
    return erosion(dilation(mask.astype(np.uint8), square), square).astype(bool)


def test_masks_of_poses_with_missing_joints() -> None:
    poses = people(12)
    for row, joint in enumerate((0, 1, 2, 5, 8, 11, 9, 14, 16)):
        poses[row, joint] = float("nan")
    poses[10, 4], poses[11] = torch.tensor([-3.0, 60.0]), float("nan")
    masks = person_mask(poses, (128, 64))
    for mask, pose in zip(masks, poses.numpy(), strict=True):
        assert (mask.numpy() != naive_mask(pose.astype(float), (128, 64))).sum() <= 12  # rounding of a disc's centre
    assert not masks[11].any()


def test_each_stage_trains_its_own_network(tmp_path: Path) -> None:
    config = replace(tiny("pg2"), iterations=10, validate_every=10, ema=0.0)
    method = dict(config.method)

    def moved(share: float, name: str) -> set[str]:
        run = replace(config, method={**method, "first_stage": share})
        train(dressed(2), run, tmp_path / name, trained_on=RECORD, device="cpu")
        torch.manual_seed(run.seed)
        start = PG2Generator(PG2Config(run.width, size=SIZE)).state_dict()
        return {
            key.split(".")[0] for key, tensor in weights(tmp_path / name).items() if not torch.equal(tensor, start[key])
        }

    assert moved(1.0, "first.pt") == {"coarse"}
    assert moved(0.0, "second.pt") == {"refine"}
    assert moved(0.5, "both.pt") == {"coarse", "refine"}


def test_other_sizes_are_refused() -> None:
    generator, data = PG2Generator(PG2Config(width=2, size=(64, 32))), dressed(1, 2)
    larger = torch.zeros(1, 3, 128, 64, dtype=torch.uint8)
    with pytest.raises(PoNAError, match=r"128 x 64 .* expected 64 x 32"):
        generate_images(generator, larger, data.keypoints[:1], data.keypoints[:1])
