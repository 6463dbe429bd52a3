"""What holds for every generator of the table: training, resume, checkpoints, missing joints, batches."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pona import PoseImages, fold_norms, generate_images, load_checkpoint
from pona.data import to_float
from pona.generators import GENERATORS, generator_config
from pona.generators.generator import Generator
from pona.keypoints import FLIP, flip_keypoints
from pona.profiling import count_macs
from pona.train import TrainConfig, TrainProgress, train
from tests.factories import RECORD, STANDING, kill_at, weights

NAMES = list(GENERATORS)
SIZE = (64, 64)


def tiny(name: str) -> TrainConfig:
    """The preset mini, as small as it gets."""
    config = GENERATORS[name].presets["mini"]
    method = dict(config.method) | ({"most": 16} if "most" in config.method else {})
    return replace(
        config, method=method, width=4, blocks=1, discriminator_width=4, batch_size=4, iterations=6,
        log_every=1, validate_every=3, perceptual="none", precision="fp32", half=False,
    )  # fmt: skip


def new(name: str) -> Generator:
    config = tiny(name)
    torch.manual_seed(0)
    return GENERATORS[name].from_config(generator_config(config, SIZE)).eval()


def poses(count: int, seed: int = 0) -> Tensor:
    """Standing people of 64 x 32 pixels who move their arms and legs."""
    random = np.random.default_rng(seed)
    moved = STANDING / 2 + [16, 0] + random.normal(0, 3, (count, 18, 2))
    return torch.from_numpy(moved.round().clip(1, [SIZE[1] - 2, SIZE[0] - 2])).float()


def dressed(count: int = 4, images: int = 4) -> PoseImages:
    """People of one colour each, who are where their joints are, before a grey wall."""
    keypoints = poses(count * images)
    pictures = torch.full((count * images, 3, *SIZE), 120, dtype=torch.uint8)
    random = torch.Generator().manual_seed(1)
    colours = torch.randint(256, (count, 3), generator=random, dtype=torch.uint8)
    for row, pose in enumerate(keypoints.round().int()):
        for x, y in pose.tolist():
            pictures[row, :, max(0, y - 3) : y + 4, max(0, x - 2) : x + 3] = colours[row // images][:, None, None]
    rows = range(count * images)
    pairs = [(a, b) for a in rows for b in rows if a != b and a // images == b // images]
    return PoseImages(pictures, keypoints, torch.tensor(pairs))


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_follows_person_and_pose(name: str, tmp_path: Path) -> None:
    data, reports = dressed(), list[TrainProgress]()
    steps = 40 if name == "vunet" else 100  # it is slow
    changes = {"width": 8, "gan_weight": 0.0, "iterations": steps, "validate_every": steps, "learning_rate": 0.003}
    config = replace(tiny(name), ema=0.9, **changes)  # type: ignore[arg-type]
    train(data, config, tmp_path / "g.pt", trained_on=RECORD, device="cpu", progress=reports.append)
    assert reports[-1].losses["l1"] < 0.7 * reports[0].losses["l1"]
    generator = load_checkpoint(tmp_path / "g.pt").generator
    conditions, targets = data.pairs[::3].T
    shuffled = torch.randperm(len(targets), generator=torch.Generator().manual_seed(0))

    def loss(people: Tensor, places: Tensor) -> float:
        images = generate_images(generator, data.images[people], data.keypoints[people], data.keypoints[places])
        return float((to_float(images) - to_float(data.images[targets])).abs().mean())

    assert loss(conditions, targets) < loss(conditions, targets[shuffled])
    if name != "vunet":  # which learns late to look at the person: after thousands of iterations
        assert loss(conditions, targets) < loss(conditions[shuffled], targets)


@pytest.mark.parametrize("name", NAMES)
def test_resume_is_exact(name: str, tmp_path: Path) -> None:
    data, config = dressed(2), tiny(name)
    train(data, config, tmp_path / "whole.pt", trained_on=RECORD, device="cpu")
    with pytest.raises(OSError, match="killed"):
        train(data, config, tmp_path / "cut.pt", trained_on=RECORD, device="cpu", progress=kill_at(5))
    train(data, config, tmp_path / "cut.pt", trained_on=RECORD, device="cpu")
    whole, cut = weights(tmp_path / "whole.pt"), weights(tmp_path / "cut.pt")
    assert all(torch.equal(tensor, cut[key]) for key, tensor in whole.items())


@pytest.mark.parametrize("name", NAMES)
def test_images_do_not_depend_on_their_batch(name: str) -> None:
    generator, data = new(name), dressed(2)
    of = torch.tensor([3, 3, 0, 5, 3])
    targets = poses(5, seed=2)
    together = generate_images(generator, data.images[of], data.keypoints[of], targets, precision="fp32").int()
    shared = generate_images(generator, data.images, data.keypoints, targets, of=of, precision="fp32").int()
    alone = torch.cat(
        [
            generate_images(generator, data.images[[row]], data.keypoints[[row]], pose[None], precision="fp32")
            for row, pose in zip(of.tolist(), targets, strict=True)
        ]
    ).int()
    folded = generate_images(fold_norms(generator), data.images[of], data.keypoints[of], targets, precision="fp32")
    for other in (shared, alone, folded.int()):
        assert (other - together).abs().max() <= 1
    assert together.float().std() > 1 and count_macs(generator, SIZE) > 0


@pytest.mark.parametrize("name", NAMES)
def test_no_missing_joint_breaks_an_image(name: str) -> None:
    generator, data = new(name), dressed(1, 2)
    targets, conditions = poses(40, seed=3), data.keypoints[:1].repeat(40, 1, 1)
    for joint in range(18):
        targets[joint, joint] = float("nan")
        conditions[18 + joint, joint] = float("nan")
    targets[36], conditions[37] = float("nan"), float("nan")  # nobody
    targets[38, [2, 5, 8, 11]] = targets[38, [2]].clone()  # a torso of one point
    targets[39, 5], targets[39, 11] = targets[39, 2].clone(), targets[39, 8].clone()  # seen exactly from the side
    image = to_float(data.images[:1]).expand(40, -1, -1, -1)
    with torch.no_grad():
        generated = generator.generate(image, conditions, targets)
    assert generated.isfinite().all() and generated.abs().max() <= 1


def mirrored(name: str, inputs: Any) -> list[Tensor]:
    """What a mirror shows of the inputs of a generator, as far as it can be told from them alone."""
    joints = list(FLIP)
    if name == "pg2":
        return [inputs.condition_image.flip(3), inputs.target_discs[:, joints].flip(3)]
    if name == "vunet":
        return [inputs.stickman[:, [1, 0, 2]].flip(3)]
    if name == "deform":
        channels = [0, 1, 2, *(3 + joint for joint in joints)]
        return [inputs.condition[:, channels].flip(3), inputs.target_heatmaps[:, joints].flip(3)]
    if name == "lwg2d":
        masks = [mask.flip(3) for mask in (inputs.condition_background, inputs.target_background)]
        nowhere = inputs.flow == -2
        return [*masks, torch.where(nowhere, inputs.flow, inputs.flow * torch.tensor([-1, 1])).flip(2)]
    heatmaps = [maps[:, joints].flip(3) for maps in (inputs.condition_heatmaps, inputs.target_heatmaps)]
    return [inputs.condition_image.flip(3), *heatmaps]


@pytest.mark.parametrize("name", NAMES)
def test_a_mirrored_person_gives_mirrored_inputs(name: str) -> None:
    generator, data = new(name), dressed(2)
    images, conditions, targets = to_float(data.images), data.keypoints, poses(8, seed=4)
    width = SIZE[1]
    inputs = generator.prepare(images, conditions, targets)
    other = generator.prepare(images.flip(3), flip_keypoints(conditions, width), flip_keypoints(targets, width))
    fields = {"pg2": (0, 1), "vunet": (0,), "deform": (0, 1), "lwg2d": (4, 5, 3)}.get(name, (0, 1, 2))
    for expected, field in zip(mirrored(name, inputs), fields, strict=True):
        same = (other[field] - expected).abs() < 1e-4
        assert same.float().mean() > 0.99  # borders of parts may be drawn on either side of a pixel
        assert expected.std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_run_begins_with_the_weights_that_it_starts_from(name: str, tmp_path: Path) -> None:
    data, config = dressed(2), replace(tiny(name), iterations=2, validate_every=2, ema=0.0)
    train(data, config, tmp_path / "first.pt", trained_on=RECORD, device="cpu")
    still = replace(config, learning_rate=1e-9, iterations=1)
    train(data, still, tmp_path / "more.pt", trained_on=RECORD, device="cpu", initial=tmp_path / "first.pt")
    before, after = weights(tmp_path / "first.pt"), weights(tmp_path / "more.pt")
    learnt = [key for key in before if "running" not in key and "num_batches" not in key]
    assert learnt and all(torch.allclose(before[key], after[key], atol=1e-6) for key in learnt)
