"""VUnet: parameters as published, its stick figure and crops, and the first values of its gains."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import multivariate_normal
from skimage.transform import ProjectiveTransform, warp

from pona import PoNAError
from pona.data import to_float
from pona.generators.figures import crop_parts, homography, part_corners, render_stickman
from pona.generators.vunet import (
    VUnetConfig,
    VUnetGenerator,
    depth_to_space,
    elu,
    points_to_square,
    space_to_depth,
)
from pona.launch import launch
from pona.layers import WeightNormConv
from pona.objectives.vunet import kl_divergence
from pona.profiling import count_parameters
from pona.train import train
from pona.trainer import Trainer
from tests.factories import RECORD
from tests.pona.generators.test_every_generator import dressed, tiny
from tests.pona.generators.test_parts import pair, people

MARKET = VUnetConfig()
NAN = float("nan")


def test_parameters() -> None:
    """Counted in the authors' network, less the last blocks of an encoder, which it never uses.

    Table II prints 139.36 M: the weights, and Adam's two values for each.
    """
    with torch.device("meta"):
        market, fashion = VUnetGenerator(MARKET), VUnetGenerator(VUnetConfig(size=(256, 176)))
    assert (count_parameters(market), count_parameters(fashion)) == (46_188_422, 46_042_118)
    for generator, count in ((market, 12_455_302), (fashion, 12_308_998)):  # without what the KL term alone trains
        priors = sum(p.numel() for p in generator.shape_decoder.priors.parameters())
        assert count_parameters(generator) - priors == count
    assert 3 * 46_042_118 + 1_230_848 == 139_357_202


def test_the_stick_figure_is_near_opencvs() -> None:
    """The authors' code draws (797, 725, 1692) pixels of 255 and (55, 61, 0) of 127 for this pose with OpenCV."""
    channels = render_stickman(points_to_square(pair()[1], MARKET), 128)[0]
    full = [int((channel == 1).sum()) for channel in channels]
    half = [int(((channel > 0) & (channel < 1)).sum()) for channel in channels]
    assert full == pytest.approx([797, 725, 1692], rel=0.08) and half == pytest.approx([55, 61, 0], abs=8)


def test_a_missing_joint_takes_its_lines_away() -> None:
    pose = people(1)
    whole = render_stickman(pose, 128)
    for joint, channels in ((4, [0]), (7, [1]), (10, [0]), (13, [1]), (14, [0, 1]), (0, [0, 1]), (2, [0, 1, 2])):
        lost = pose.clone()
        lost[0, joint] = NAN
        drawn = render_stickman(lost, 128)
        changed = [c for c in range(3) if not torch.equal(drawn[0, c], whole[0, c])]
        assert changed == channels and (drawn > 0).sum() < (whole > 0).sum()
    assert not render_stickman(torch.full((1, 18, 2), NAN), 128).any()


def test_the_homography_is_that_of_the_authors_code() -> None:
    corners = part_corners(points_to_square(pair()[0], MARKET).double(), 128)[:, 0]
    square = torch.tensor([[[0, 0], [0, 64], [64, 64], [64, 0]]]).double()
    expected = [-0.99887, -0.05399, 83.25727, 0.06403, 1.15254, -34.06407, 0.001, -0.00671, 1]
    assert homography(corners, square).flatten().tolist() == pytest.approx(expected, abs=6e-6)


def test_crops_are_scikit_images() -> None:
    pose, image = points_to_square(people(2), MARKET), torch.rand(2, 3, 128, 128) * 2 - 1
    crops = crop_parts(image, pose, 64).view(2, 8, 3, 64, 64)
    corners = part_corners(pose.double(), 128)
    square = np.array([[0, 0], [0, 64], [64, 64], [64, 0]])
    for person in range(2):
        for part in range(8):
            back = ProjectiveTransform.from_estimate(square, corners[person, part].numpy())
            expected = warp(image[person].permute(1, 2, 0).numpy(), back, output_shape=(64, 64), mode="edge")
            assert np.abs(crops[person, part].permute(1, 2, 0).numpy() - expected).max() < 2e-3


def test_parts_that_are_not_seen_are_grey() -> None:
    pose, image = points_to_square(people(1), MARKET), torch.ones(1, 3, 128, 128)
    for joint, parts in ((6, [2, 3]), (7, [3]), (3, [4, 5]), (4, [5]), (8, [0, 7])):
        lost = pose.clone()
        lost[0, joint] = NAN
        crops = crop_parts(image, lost, 64).view(8, -1)
        assert [part for part in range(8) if not crops[part].any()] == parts
    for joint in (0, 9, 12):  # a head from the shoulders, a thigh to the lower edge
        lost = pose.clone()
        lost[0, joint] = NAN
        assert crop_parts(image, lost, 64).view(8, -1).any(1).all()
    assert part_corners(torch.full((1, 18, 2), NAN), 128).isnan().all()


def test_channels_move_in_tensorflows_order() -> None:
    x = torch.arange(2 * 8 * 3 * 5).view(2, 8, 3, 5)
    assert torch.equal(space_to_depth(depth_to_space(x)), x)
    larger = depth_to_space(x)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 0), (1, 1, 1)):
        assert torch.equal(larger[:, channel, row::2, column::2], x[:, 4 * row + 2 * column + channel])


def test_the_activation_is_elu() -> None:
    x = torch.linspace(-30, 30, 100).requires_grad_()
    assert torch.allclose(elu(x), F.elu(x), atol=1e-6)
    ours, theirs = (torch.autograd.grad(f(x).sum(), x)[0] for f in (elu, F.elu))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_kl_term_is_that_of_gaussians() -> None:
    q, p = torch.randn(1, 2, 1, 1), torch.randn(1, 2, 1, 1)
    first, second = (multivariate_normal(mean.flatten().numpy(), np.eye(2)) for mean in (q, p))
    points = first.rvs(200_000, random_state=0)
    estimate = (first.logpdf(points) - second.logpdf(points)).mean()
    assert kl_divergence([q], [p]).item() == pytest.approx(estimate, rel=0.03)
    assert kl_divergence([q, q], [p, p]) == 2 * kl_divergence([q], [p])


def test_at_first_every_layer_has_mean_0_and_deviation_1() -> None:
    config = replace(tiny("vunet"), ema=0.0)
    trainer = Trainer(launch(config, "cpu"), config, dressed(2), None)
    trainer.objective.begin(trainer)
    generator: Any = trainer.generator.module
    outputs: list[torch.Tensor] = []
    layers = [layer for layer in generator.modules() if isinstance(layer, WeightNormConv)]
    handles = [layer.register_forward_hook(lambda _, __, output: outputs.append(output)) for layer in layers]
    data = dressed(2)
    rows = data.pairs[:, 1]
    with torch.no_grad():
        generator(
            *generator.prepare(to_float(data.images[rows]), data.keypoints[rows], data.keypoints[rows]), everything=True
        )
    for handle in handles:
        handle.remove()
    wide = [output for output in outputs if output.shape[2] >= 16]
    assert len(outputs) == len(layers) and len(wide) > 10
    assert all(abs(float(output.mean())) < 0.2 and 0.7 < float(output.std()) < 1.3 for output in wide)
    assert not any(layer.measuring for layer in layers)


def test_the_weight_of_the_kl_term_grows_within_its_share_of_the_run(tmp_path: Path) -> None:
    config = replace(tiny("vunet"), iterations=8, validate_every=8)
    kls = []
    for start, end in ((0.5, 0.75), (-2.0, -1.0)):
        run = replace(config, method={**config.method, "kl_from": start, "kl_to": end})
        train(
            dressed(2), run, tmp_path / f"{start}.pt", trained_on=RECORD, device="cpu",
            progress=lambda report: kls.append(report.losses["kl"]),
        )  # fmt: skip
    assert kls[0] == kls[8] and kls[15] < kls[7]  # the first step knows no weight; at 1 the term falls faster


def test_the_image_depends_on_shape_and_appearance() -> None:
    torch.manual_seed(0)
    generator = VUnetGenerator(VUnetConfig(4, 8, (64, 32))).eval()
    image, pose = torch.rand(2, 3, 64, 32, requires_grad=True), people(2) / 2
    inputs = generator.prepare(image, pose, pose)
    stickman = inputs.stickman.detach().requires_grad_()
    generator(stickman, inputs.crops)[0].sum().backward()
    assert image.grad is not None and stickman.grad is not None
    for gradient in (image.grad, stickman.grad):
        assert gradient[0].abs().sum() > 0 and not gradient[1].any()


def test_sizes_that_cannot_be_halved_are_refused() -> None:
    with pytest.raises(PoNAError, match=r"96 x 48 pixels .* 16, 32, 64"):
        VUnetConfig(size=(96, 48))
    assert VUnetConfig(size=(256, 176)).scales == 7 and VUnetConfig(size=(256, 176)).box == 2
