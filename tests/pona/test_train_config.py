"""Presets and configurations."""

import math
from typing import Any

import pytest

from pona import GeneratorConfig, PoNAError
from pona.generators import generator_config
from pona.generators.pona import PRESETS
from pona.run import rate_factor
from pona.train_config import TrainConfig


def test_presets_are_the_papers() -> None:
    market, fashion = PRESETS["market"], PRESETS["deepfashion"]
    assert (market.gan_weight, market.l1_weight, market.perceptual_weight) == (5, 10, 10)
    assert (fashion.gan_weight, fashion.l1_weight, fashion.perceptual_weight) == (5, 1, 1)
    assert market.iterations == 700 * 4000 / 32
    assert fashion.iterations == 400_400 == 700 * math.ceil(4000 / 7)
    assert market.initialisation == fashion.initialisation == "code"
    assert (market.batch_size, fashion.batch_size, market.pool_size, fashion.pool_size) == (32, 7, 50, 0)
    assert (market.adversarial, fashion.adversarial, fashion.sigma) == ("bce", "lsgan", None)


@pytest.mark.parametrize("preset", ["market", "deepfashion"])
def test_learning_rate_of_each_of_the_authors_epochs(preset: str) -> None:
    """CycleGAN's schedule with 500 epochs and 200 of decay: 1 - max(0, epoch - 499) / 201, stepped after each epoch."""
    config = PRESETS[preset]
    assert config.iterations is not None
    per_epoch = config.iterations // 700
    for epoch in (1, 2, 499, 500, 501, 600, 699, 700):
        for iteration in ((epoch - 1) * per_epoch, epoch * per_epoch - 1):  # the first and the last
            factor = rate_factor(iteration / config.iterations, config.decay, config.rate_steps)
            assert factor == pytest.approx(1 - max(0, epoch - 499) / 201, abs=1e-12)
    assert factor == 0


def test_the_generators_configuration_is_that_of_the_run() -> None:
    config = TrainConfig(width=8, blocks=2, norm="instance", fusion="tail", cross_attention=False, sigma=None)
    expected = GeneratorConfig(width=8, blocks=2, norm="instance", fusion="tail", cross_attention=False, sigma=None)
    assert generator_config(config) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"iterations": 0}, {"iterations": None}, {"minutes": -1.0}, {"batch_size": 1}, {"precision": "fp8"},
        {"perceptual": "vgg"}, {"adversarial": "wgan"}, {"width": 5}, {"ema": 1.0}, {"decay": 2.0},
        {"discriminator_variant": "patch"}, {"color_jitter": 1.5}, {"architecture": "Nonesuch"}, {"rate_steps": 0},
        {"initialisation": "zeros"}, {"iterations": 10**23}, {"batch_size": 10**9}, {"blocks": 10**6}, {"width": 10**9},
        {"discriminator_width": 10**9}, {"minutes": float("inf")}, {"learning_rate": float("inf")}, {"seed": 10**30},
        {"sigma": float("nan")}, {"l1_weight": float("nan")}, {"pool_size": 10**13}, {"validate_every": 10**23},
    ],
)  # fmt: skip
def test_wrong_configuration_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(PoNAError, match="expected"):
        generator_config(TrainConfig(**wrong))
