"""The two discriminators."""

import pytest
import torch

from pona import PoNAError
from pona.discriminator import APPEARANCE_CHANNELS, POSE_CHANNELS, Discriminator


@pytest.mark.parametrize(
    ("channels", "norm", "expected"),
    [
        (APPEARANCE_CHANNELS, "batch", 3_930_368),
        (POSE_CHANNELS, "batch", 3_977_408),
        (APPEARANCE_CHANNELS, "instance", 3_928_384),  # with biases, as the authors have them under IN only
        (POSE_CHANNELS, "instance", 3_975_424),
    ],
)
def test_number_of_parameters_of_the_code_variant(channels: int, norm: str, expected: int) -> None:
    assert sum(parameter.numel() for parameter in Discriminator(channels, norm=norm).parameters()) == expected


def convolutions(initialisation: str) -> list[torch.nn.Conv2d]:
    """Of the variant without spectral norm, which would change the weights."""
    torch.manual_seed(0)
    discriminator = Discriminator(6, 16, "batch", "paper", initialisation)
    return [module for module in discriminator.modules() if isinstance(module, torch.nn.Conv2d)]


def test_first_weights_are_torchs_default_as_in_the_authors_code() -> None:
    for layer in convolutions("code"):
        bound = layer.weight[0].numel() ** -0.5  # of a uniform distribution
        assert layer.weight.abs().max() <= bound
        assert layer.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.1)
        assert layer.bias is None or layer.bias.any()


def test_first_weights_can_be_those_of_the_generator() -> None:
    for layer in convolutions("normal"):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
        assert layer.bias is None or not layer.bias.any()


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


@pytest.mark.parametrize(
    ("wrong", "choices"),
    [({"variant": "patch"}, "one of code, paper, plain"), ({"initialisation": "0"}, "'code' or 'normal'")],
)
def test_unknown_choices_are_refused(wrong: dict[str, str], choices: str) -> None:
    with pytest.raises(PoNAError, match=choices):
        Discriminator(6, **wrong)
