"""How long a training and its test will take, from timing a few steps."""

import functools
import statistics
import time
from collections.abc import Callable

import torch

from reid_baseline.augmentation import augment
from reid_baseline.device import pick_device
from reid_baseline.features import extract_features
from reid_baseline.model import build_model
from reid_baseline.optimizer import make_optimizer
from reid_baseline.recipe import Recipe
from reid_baseline.sampling import steps_per_epoch
from reid_baseline.train import Objective, train_step, training_precision

TIMED_STEPS = 3  # after one untimed step


def estimate_seconds(
    recipe: Recipe,
    *,
    images: int,
    num_classes: int,
    test_images: int = 0,
    arch: str = "resnet50",
    device: str | torch.device = "auto",
    precision: str = "auto",
) -> float:
    """Times a few steps on random images and extrapolates to a whole training and to the features of its test images.

    Takes a few seconds for ``quick``, up to half a minute for ``paper`` on a small CPU. Reading images and ranking,
    which take seconds, are not counted.

    Args:
        recipe: the settings.
        images: training images.
        num_classes: training identities.
        test_images: query and gallery images together.
        arch: a name in `reid_baseline.BACKBONES`, or a model of timm.
        device: "auto", "cpu", "cuda", "cuda:N" or "mps".
        precision: "auto", "fp32" or "bf16".
    """
    device = pick_device(device)
    batch = min(recipe.batch_size, images)
    step, test = _paces(recipe, batch, num_classes, arch, device, training_precision(device, precision, recipe))
    return recipe.epochs * steps_per_epoch(images, recipe) * step + test * test_images / batch


@functools.cache
def _paces(
    recipe: Recipe, batch_size: int, num_classes: int, arch: str, device: torch.device, precision: str
) -> tuple[float, float]:
    """Seconds of a training step and of the features of one batch; timed once per process."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        model = build_model(arch, num_classes, **recipe.network()).lay_out(device, precision).train()
        objective = Objective(model, recipe, num_classes).to(device)
        optimizer = make_optimizer(model, recipe)
        generator = torch.Generator().manual_seed(0)
        batch = torch.randint(256, (batch_size, 3, *recipe.size), dtype=torch.uint8)
        labels = torch.randint(num_classes, (batch_size,))

        def step() -> None:
            augmented = augment(batch.to(device), recipe, generator, model.colours)
            train_step(objective, optimizer, augmented, labels.to(device), None, 0.0, precision).tolist()

        def test() -> None:
            extract_features(model, batch, recipe, device, precision=precision)

        return _seconds(step), _seconds(test)


def _seconds(function: Callable[[], None]) -> float:
    function()
    times = []
    for _ in range(TIMED_STEPS):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
