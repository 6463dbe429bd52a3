"""Generating images."""

import pytest
import torch

from pona import PoNAError, PoNAGenerator, fold_norms, generate_images, render_heatmaps
from pona.data import to_float, to_uint8
from tests.factories import small_data, wake


def generator() -> PoNAGenerator:
    torch.manual_seed(0)
    return wake(PoNAGenerator(width=8, blocks=1, sigma=3.0))  # type: ignore[return-value]


def test_gives_what_the_network_gives() -> None:
    data, network = small_data(4, 32, 16), generator()
    generated = generate_images(
        network, data.images, data.keypoints, data.keypoints.flip(0), device="cpu", precision="fp32"
    )
    heatmaps = render_heatmaps(data.keypoints, (32, 16), 3.0)
    with torch.no_grad():
        expected = to_uint8(network(to_float(data.images), heatmaps, heatmaps.flip(0)))
    assert generated.dtype == torch.uint8
    assert generated.float().std() > 10
    assert (generated.int() - expected.int()).abs().max() <= 1


def test_refuses_a_size_that_it_would_not_give_back() -> None:
    data = small_data(2, 36, 16)
    with pytest.raises(PoNAError, match=r"34 x 16 pixels .* that 4 divides"):
        generate_images(generator(), data.images[:, :, 2:], data.keypoints, data.keypoints, device="cpu")


def test_a_generator_that_gives_one_image_too_few_is_refused() -> None:
    data, network = small_data(2, 32, 16), generator()
    generate = network.generate
    network.generate = lambda *arguments: generate(*arguments)[:1]  # type: ignore[method-assign]
    with pytest.raises(PoNAError, match=r"PoNAGenerator.* \(1, 3, 32, 16\), expected \(2, 3, 32, 16\)"):
        generate_images(network, data.images, data.keypoints, data.keypoints, device="cpu")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_batch_size_changes_nothing_but_rounding(precision: str) -> None:
    data, network = small_data(8, 32, 16), generator()
    arguments = (data.images, data.keypoints, data.keypoints.flip(0))
    together = generate_images(network, *arguments, device="cpu", precision=precision)
    parts = zip(*(x.split(3) for x in arguments), strict=True)
    apart = torch.cat([generate_images(network, *part, device="cpu", precision=precision) for part in parts])
    assert (together.int() - apart.int()).abs().max() <= (1 if precision == "fp32" else 4)


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_folding_the_norms_changes_nothing_but_rounding(norm: str) -> None:
    torch.manual_seed(0)
    network, data = wake(PoNAGenerator(width=8, blocks=2, norm=norm)), small_data(4, 32, 16)
    folded = fold_norms(network)  # type: ignore[arg-type]
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    images = [
        generate_images(g, data.images, data.keypoints, data.keypoints.flip(0), device="cpu", precision="fp32")
        for g in (network, folded)
    ]
    assert images[0].float().std() > 10
    assert (images[0].int() - images[1].int()).abs().max() <= 1
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules()) == (norm == "batch")


def test_a_training_generator_is_put_in_eval_mode_and_its_statistics_stay() -> None:
    data, network = small_data(4, 32, 16), generator().train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    images = [
        generate_images(network, data.images, data.keypoints, data.keypoints, device="cpu", precision="fp32")
        for _ in range(2)
    ]
    assert torch.equal(*images)  # no dropout
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def overflowing() -> PoNAGenerator:
    """A generator whose numbers leave the range of fp16, and not that of fp32 and bf16."""
    network = generator()
    with torch.no_grad():
        network.decoder[0].weight *= 1e6
    return network


def test_images_that_are_not_finite_are_no_images() -> None:
    data = small_data(4, 32, 16)
    arguments = (data.images, data.keypoints, data.keypoints)
    for precision in ("fp32", "bf16"):
        assert generate_images(overflowing(), *arguments, precision=precision).float().std() > 10
    with pytest.raises(PoNAError, match=r"4 of 4 generated images are not finite: .*precision fp32.*checkpoint"):
        generate_images(overflowing(), *arguments, precision="fp16")
    broken = generator()
    broken.image_encoder[1].weight.data.fill_(float("nan"))
    with pytest.raises(PoNAError, match=r"4 of 4 generated images are not finite: .*another checkpoint") as error:
        generate_images(broken, *arguments, precision="fp32")
    assert "fp32" not in str(error.value)


def test_unknown_precision_is_refused() -> None:
    data = small_data()
    with pytest.raises(PoNAError, match="auto, fp32, bf16, fp16"):
        generate_images(generator(), data.images, data.keypoints, data.keypoints, device="cpu", precision="fp8")


def test_several_poses_of_one_person_are_as_if_generated_one_by_one() -> None:
    network = generator()
    images = torch.randint(256, (2, 3, 32, 16), dtype=torch.uint8)
    poses = 16 * torch.rand(7, 18, 2)
    of = torch.tensor([0, 1, 1, 0, 1])
    together = generate_images(network, images, poses[:2], poses[2:], of=of, precision="fp32")
    alone = [
        generate_images(network, images[who : who + 1], poses[who : who + 1], pose[None], precision="fp32")
        for who, pose in zip(of.tolist(), poses[2:], strict=True)
    ]
    assert (together.int() - torch.cat(alone).int()).abs().max() <= 1
    heatmaps = render_heatmaps(poses, (32, 16), 3.0)
    with torch.inference_mode():
        image = images[of].float() / 127.5 - 1
        plain = network.eval()(image, heatmaps[of], heatmaps[2:])
    assert ((together.float() / 127.5 - 1) - plain).abs().max() < 0.006  # rounding to 8 bits
