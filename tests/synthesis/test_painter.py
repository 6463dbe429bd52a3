"""A trained generator, ready for use."""

from pathlib import Path

import numpy as np
import pytest
import torch

import pona
from reidaug.core.errors import ReidAugError
from reidaug.study.folder import Study
from reidaug.synthesis.painter import PaintedImages, Painter, checkpoint_file, shipped_checkpoint
from tests.cli.commands import error_of
from tests.factories import STANDING, posed_images_of, write_checkpoint
from tests.synthesis.commands import PORTION, complete


def test_a_generator_generates_the_size_that_it_was_trained_on(study: Study, tmp_path: Path) -> None:
    other = write_checkpoint(tmp_path / "large.pt", seed=0, training={"image_size": [256, 128]})
    with pytest.raises(ReidAugError, match=r"trained on images of \[256, 128\] pixels .* these have \[128, 64\]"):
        complete(study, other)
    assert study.unfinished_sets(PORTION) == []
    assert complete(study, write_checkpoint(other, seed=0, training={"image_size": [128, 64]})).complete


@pytest.mark.parametrize(
    "command",
    [
        ["synthesize"],
        ["sweep", "--recipe", "quick", "--arch", "resnet18", "--portions", "0.4"],
        ["score", "--device", "cpu"],
        ["grid", "--device", "cpu"],
        ["attention", "--device", "cpu"],
        ["profile", "--device", "cpu"],
    ],
    ids=lambda command: command[0],
)
def test_a_checkpoint_that_is_not_finite_is_refused_by_every_command(
    study: Study, checkpoint: Path, tmp_path: Path, command: list[str]
) -> None:
    content = torch.load(checkpoint, weights_only=True)
    content["state"] = {
        name: tensor * float("nan") if tensor.is_floating_point() else tensor
        for name, tensor in content["state"].items()
    }
    torch.save(content, tmp_path / "nan.pt")
    assert "not finite" in error_of(*command, "--ckpt", str(tmp_path / "nan.pt"))
    assert study.unfinished_sets(PORTION) == [] and not list(tmp_path.glob("*.png"))


def test_shipped_generator_is_small_and_says_how_it_was_made() -> None:
    assert shipped_checkpoint().stat().st_size < 10_000_000
    checkpoint = pona.load_checkpoint(shipped_checkpoint())
    assert (checkpoint.config.width, checkpoint.config.blocks) == (24, 3)
    assert checkpoint.training["preset"] == "mini" and checkpoint.training["iteration"] > 1000


def test_only_the_word_shipped_is_the_generator_in_the_package(tmp_path: Path) -> None:
    assert checkpoint_file(Path("shipped")) == shipped_checkpoint()
    with pytest.raises(ReidAugError, match="shipped does not exist"):
        checkpoint_file(tmp_path / "shipped")
    (tmp_path / "shipped").touch()
    assert checkpoint_file(tmp_path / "shipped") == tmp_path / "shipped"


def test_images_are_those_of_the_network_in_rgb_and_in_order(checkpoint: Path) -> None:
    random = np.random.RandomState(0)
    images = random.randint(0, 256, (2, 128, 64, 3)).astype(np.uint8)
    poses = (STANDING + random.randint(-5, 6, (3, 18, 2))).astype(np.float32)
    of = np.array([1, 0, 0])
    generated = Painter(checkpoint, "cpu", "fp32").generate(images, poses[:2], poses, of)
    assert generated.shape == (3, 128, 64, 3) and generated.dtype == np.uint8
    network = pona.load_checkpoint(checkpoint).generator.eval()
    for row, condition in enumerate(of):
        source = torch.from_numpy(images[condition]).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.inference_mode():
            expected = network.generate(
                source, *(torch.from_numpy(points)[None] for points in (poses[condition], poses[row]))
            )
        expected = ((expected[0].permute(1, 2, 0) + 1) * 127.5).numpy()
        assert np.abs(expected - generated[row]).max() < 1.5  # rounding, and BN folded into the convolutions


def test_pairs_of_a_data_set_are_condition_and_target(checkpoint: Path, tiny_root: Path) -> None:
    source = posed_images_of(tiny_root)
    first, second = source.usable()[:2]
    painted = PaintedImages(checkpoint, source, "cpu", "fp32")
    images = painted.images([(first, second), (second, first)])
    alone = Painter(checkpoint, "cpu", "fp32").generate(
        source.images([first]), source.keypoints([first]), source.keypoints([second])
    )
    assert np.abs(images[0].astype(int) - alone[0]).max() <= 1 and (images[0] != images[1]).any()
    assert (painted.label, painted.count_seen([(first, second)])) == ("tiny.pt", None)
