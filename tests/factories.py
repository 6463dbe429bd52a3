"""Makers that tests share: pictures, names, checkpoints, small training data, result rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import pona
import pona.run
import pona.trainer
from pona import PoseImages, load_checkpoint
from pona.train import PRESETS

# A person that stands upright in 64 x 128 pixels, seen from the front: (x, y) of the 18 joints.
STANDING = np.array(
    [
        *[(32, 14), (32, 24), (24, 25), (20, 42), (18, 58), (40, 25), (44, 42), (46, 58), (27, 62)],
        *[(26, 88), (25, 112), (37, 62), (38, 88), (39, 112), (30, 12), (34, 12), (28, 13), (36, 13)],
    ]
)
TINY = replace(
    PRESETS["mini"],
    width=4,
    blocks=1,
    discriminator_width=4,
    batch_size=4,
    iterations=6,
    log_every=1,
    validate_every=2,
    pool_size=6,
    perceptual="none",
)
RECORD: dict[str, Any] = {"fingerprint": "abc", "names": ["a.jpg"], "portion": 0.4}


def write_picture(path: Path, random: np.random.RandomState, size: tuple[int, int] = (128, 64)) -> None:
    coarse = random.randint(0, 256, (8, 4, 3)).astype(np.uint8)
    Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC).save(path, "JPEG", quality=90)


def names_of(pid: int, images: range) -> list[str]:
    return [f"{pid:04d}_c{1 + (i + pid) % 3}s1_{1000 * i + 7:06d}_0{i}.jpg" for i in images]


def write_checkpoint(path: Path, seed: int, training: dict[str, object] | None = None) -> Path:
    torch.manual_seed(seed)
    generator = pona.PoNAGenerator(width=8, blocks=1)
    pona.save_checkpoint(path, generator, generator.config, training or {"protocol": "paper"})
    return path


def small_data(count: int = 6, height: int = 16, width: int = 8) -> PoseImages:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    keypoints = torch.randint(8, (count, 18, 2), generator=generator).float()
    keypoints[0, 4] = float("nan")
    pairs = torch.tensor([(i, j) for i in range(count) for j in range(count) if i != j])
    return PoseImages(images, keypoints, pairs)


def wake(network: nn.Module) -> nn.Module:
    """Random weights, gammas, betas, biases and running statistics, so that every part of the network speaks."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("gamma", "beta", "bias", "running_mean")):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
            elif name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.ndim == 4:  # wide enough that nothing dies on the way
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
    return network.eval()


def torchvision_layout() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"features.0": (64, 3, 3, 3), "features.2": (64, 64, 3, 3), "features.5": (128, 64, 3, 3)}
    shapes["features.34"] = (8, 8, 3, 3)  # the last convolution of VGG-19, which no other VGG has; not in use
    state = {f"{name}.weight": torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    return state | {f"{name}.bias": torch.randn(shape[0], generator=generator) for name, shape in shapes.items()}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).generator.state_dict()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def row(name: str, portion: float, trapezoid: float, seed: int = 0, **more: Any) -> dict[str, Any]:
    values = {
        **{"key": f"{name}{portion}{seed}", "set": name, "portion": portion, "recipe": "paper", "arch": "resnet50"},
        **{"weights": "imagenet", "epochs": 60, "seed": seed, "mean_ap": trapezoid + 0.008, "test_fingerprint": "t"},
        **{"mean_ap_trapezoid": trapezoid, "mean_inp": 0.2, "rank1": 0.8, "rank5": 0.9, "rank10": 0.95},
        **{"images": 100, "identities": 10, "synthetic": 0, "queries_without_match": 0},
    }
    return {**values, **more}
