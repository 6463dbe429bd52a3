"""The two discriminators."""

import pytest
import torch

from pona import PoNAError
from pona.discriminator import APPEARANCE_CHANNELS, POSE_CHANNELS, Discriminator


@pytest.mark.parametrize(("channels", "expected"), [(APPEARANCE_CHANNELS, 3_930_368), (POSE_CHANNELS, 3_977_408)])
def test_number_of_parameters_of_the_code_variant(channels: int, expected: int) -> None:
    assert sum(parameter.numel() for parameter in Discriminator(channels).parameters()) == expected


@pytest.mark.parametrize("variant", ["code", "paper"])
@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
def test_score_is_a_map_of_logits(variant: str, norm: str) -> None:
    torch.manual_seed(0)
    score = Discriminator(6, width=4, norm=norm, variant=variant)(torch.randn(2, 6, 32, 16))
    assert score.shape == (2, 16, 8, 4)
    assert score.min() < 0  # no sigmoid, and no ReLU, at the end


def test_spectral_norm_holds_every_convolution_at_one() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(6, width=4)
    for _ in range(30):  # power iterations
        discriminator(torch.randn(2, 6, 16, 16))
    convolutions = [m for m in discriminator.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) == 9
    for convolution in convolutions:
        largest = torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)
        assert largest.item() == pytest.approx(1, abs=0.02)


def test_paper_variant_has_leaky_relu_and_self_attention() -> None:
    names = [type(m).__name__ for m in Discriminator(6, width=4, variant="paper").modules()]
    assert names.count("SelfAttention") == 3
    assert names.count("LeakyReLU") == 6
    assert "ReLU" not in names
    assert not any("Parametrized" in name for name in names)


def test_unknown_variant_is_refused() -> None:
    with pytest.raises(PoNAError, match="'code' or 'paper'"):
        Discriminator(6, variant="patch")
