"""PATN: parameters of the published weights, and the images of the authors' code."""

import re
import zlib

import pytest
import torch
from torch import Tensor

from pona import PoNAError, generator_from_author_weights
from pona.discriminator import Discriminator
from pona.generators.patn import PATNConfig, PATNGenerator
from pona.profiling import count_parameters

THEIRS = (
    (r"^image_encoder\.", "stream1_down."), (r"^pose_encoder\.", "stream2_down."), (r"^decoder\.", "stream1_up."),
    (r"^blocks\.(\d+)\.image_path\.", r"att.\1.conv_block_stream1."),
    (r"^blocks\.(\d+)\.pose_path\.", r"att.\1.conv_block_stream2."),
)  # fmt: skip


def author_weights(norm: str) -> dict[str, Tensor]:
    """A state dict with the authors' names, filled by a formula."""
    state = {}
    for name, tensor in PATNGenerator(PATNConfig(8, 3, norm)).state_dict().items():
        for pattern, replacement in THEIRS:
            name = re.sub(pattern, replacement, name)
        if name.endswith("num_batches_tracked"):  # torch 0.3.1 had none
            continue
        key = f"model.{name}"
        index = torch.arange(tensor.numel(), dtype=torch.float64)
        value = torch.sin(0.7 * index + zlib.crc32(key.encode()) % 1000)
        if key.endswith("running_var"):
            value = 1 + 0.5 * value
        elif key.endswith("running_mean"):
            value = 0.1 * value
        elif tensor.ndim == 1 and key.endswith("weight"):
            value = 1 + 0.1 * value
        else:
            value = 0.05 * value
        state[key] = value.float().view(tensor.shape)
    return state


@pytest.mark.parametrize(
    ("norm", "mean", "deviation", "pixel"),
    [
        ("batch", 0.007683, 0.027318, (0.041071, 0.006719, -0.024706)),
        ("instance", 0.007462, 0.117729, (-0.264972, 0.184707, 0.117934)),
    ],
)
def test_images_are_those_of_the_authors_code(
    norm: str, mean: float, deviation: float, pixel: tuple[float, float, float]
) -> None:
    """Golden numbers of the authors' network (Pose-Transfer 281ee2d, float32, eval) with these weights and inputs."""
    weights = author_weights(norm)
    if norm == "instance":  # stale statistics that torch 0.3.1 stored with IN
        weights |= {
            "model.stream1_down.2.running_mean": torch.ones(8),
            "model.stream1_down.2.running_var": torch.ones(8),
        }
    generator = generator_from_author_weights(weights)
    assert isinstance(generator, PATNGenerator) and generator.config == PATNConfig(8, 3, norm)
    y, x = torch.meshgrid(torch.arange(32.0), torch.arange(16.0), indexing="ij")
    image = torch.stack([torch.sin(0.1 * x + 0.07 * y + channel) for channel in range(3)])[None]
    heat = torch.stack([0.5 + 0.5 * torch.sin(0.05 * x * (joint + 1) + 0.03 * y) for joint in range(18)])[None]
    with torch.no_grad():
        generated = generator(image, heat, heat.flip(3))
    assert float(generated.mean()) == pytest.approx(mean, abs=2e-6)
    assert float(generated.std()) == pytest.approx(deviation, abs=2e-6)
    assert generated[0, :, 5, 7].tolist() == pytest.approx(list(pixel), abs=2e-6)


def test_parameters_are_those_of_the_published_weights() -> None:
    """Counted in the authors' network; Table II of PoNA prints 41.36 M, the variant with IN."""
    counts = {norm: count_parameters(PATNGenerator(PATNConfig(norm=norm))) for norm in ("batch", "instance")}
    assert counts == {"batch": 41_365_763, "instance": 41_358_019}
    sizes = {
        (channels, norm): sum(p.numel() for p in Discriminator(channels, norm=norm, variant="plain").parameters())
        for channels in (6, 21)
        for norm in ("batch", "instance")
    }
    assert sizes == {
        (6, "batch"): 3_930_368, (21, "batch"): 3_977_408, (6, "instance"): 3_928_384, (21, "instance"): 3_975_424,
    }  # fmt: skip


def test_weights_of_another_shape_are_refused() -> None:
    weights = author_weights("batch")
    del weights["model.att.1.conv_block_stream2.6.weight"]
    with pytest.raises(PoNAError, match=r"1 entries.*blocks\.1\.pose_path\.6\.weight"):
        generator_from_author_weights(weights)
    with pytest.raises(PoNAError, match="norm is 'none'"):
        PATNConfig(norm="none")
