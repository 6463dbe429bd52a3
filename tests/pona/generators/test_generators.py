"""A generator of another method: what a checkpoint, generation, validation, training and profiling need of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Self

import pytest
import torch
from torch import Tensor, nn

from pona import PoNAError, PoNAGenerator, fold_norms, generate_images, load_checkpoint, save_checkpoint
from pona.generate import check_size
from pona.generators import GENERATORS, architecture_of, generator_class
from pona.generators.generator import Generator
from pona.profiling import count_macs, count_parameters, measure
from pona.train import TrainProgress, train
from pona.validation import Validation
from pona.visualise import look_inside
from tests.factories import RECORD, TINY, small_data, wake, weights

CPU = torch.device("cpu")


@dataclass(frozen=True)
class TintConfig:
    strength: float = 0.5  # 0 = the copy alone


class TintedCopy(Generator[TintConfig]):
    """A copy of the condition image with a learnt tint."""

    method = "tinted copy"
    config_class = TintConfig
    size_multiple = 8
    presets = MappingProxyType({"mini": replace(TINY, architecture="TintedCopy")})

    def __init__(self, config: TintConfig) -> None:
        super().__init__()
        self.config = config
        self.tint = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    @classmethod
    def from_config(cls, config: TintConfig) -> Self:
        return cls(config)

    def prepare(
        self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor
    ) -> tuple[Tensor, ...]:
        return (condition_images,)

    def forward(self, condition_image: Tensor) -> Tensor:
        return (condition_image + self.config.strength * self.tint(condition_image)).clamp(-1, 1)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> TintedCopy:
    monkeypatch.setitem(GENERATORS, "tinted", TintedCopy)
    torch.manual_seed(0)
    return wake(TintedCopy(TintConfig(0.25)))


def test_the_table_names_its_classes() -> None:
    assert GENERATORS["pona"] is PoNAGenerator
    for kind in GENERATORS.values():
        with torch.device("meta"):
            generator = kind.from_config(kind.config_class())
        assert generator_class(architecture_of(generator)) is kind and generator.config == kind.config_class()
        assert set(kind.presets) <= {"market", "deepfashion", "mini"} and "mini" in kind.presets
        for preset, config in kind.presets.items():
            assert config.preset == preset and generator_class(config.architecture) is kind


def test_a_checkpoint_gives_back_class_configuration_and_weights(toy: TintedCopy, tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "toy.pt", toy, toy.config, {"iteration": 7})
    assert torch.load(tmp_path / "toy.pt", weights_only=True)["architecture"] == "TintedCopy"
    checkpoint = load_checkpoint(tmp_path / "toy.pt")
    assert type(checkpoint.generator) is TintedCopy and not checkpoint.generator.training
    assert checkpoint.config == checkpoint.generator.config == TintConfig(0.25)
    assert checkpoint.training == {"iteration": 7}
    assert all(torch.equal(tensor, toy.state_dict()[name]) for name, tensor in weights(tmp_path / "toy.pt").items())


def test_a_class_outside_of_the_table_is_refused_by_name(tmp_path: Path) -> None:
    toy = TintedCopy(TintConfig())
    with pytest.raises(PoNAError, match=r"TintedCopy.*GENERATORS"):
        save_checkpoint(tmp_path / "toy.pt", toy, toy.config, {})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folded", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_images_are_the_same_at_any_batch_size_and_folded(toy: TintedCopy, batch_size: int, folded: bool) -> None:
    data = small_data(8, 32, 16)
    expected = toy(data.images / 127.5 - 1)
    generator = fold_norms(toy) if folded else toy
    assert folded != any(isinstance(module, nn.BatchNorm2d) for module in generator.modules())
    parts = [
        generate_images(generator, images, keypoints, keypoints, precision="fp32")
        for images, keypoints in zip(data.images.split(batch_size), data.keypoints.split(batch_size), strict=True)
    ]
    generated = torch.cat(parts) / 127.5 - 1
    assert (generated - expected).abs().max() < 0.006  # rounding to 8 bits
    assert (generated - (data.images / 127.5 - 1)).abs().mean() > 0.05  # a tint


def test_each_pose_gets_its_condition_image(toy: TintedCopy) -> None:
    data, of = small_data(3, 32, 16), torch.tensor([2, 0, 0, 1])
    generated = generate_images(toy, data.images, data.keypoints, data.keypoints[of], of=of, precision="fp32")
    alone = generate_images(toy, data.images, data.keypoints, data.keypoints, precision="fp32")
    assert torch.equal(generated, alone[of])


def test_its_own_sizes_are_asked_for(toy: TintedCopy, tmp_path: Path) -> None:
    data = small_data(4, 36, 16)
    for refused in (
        lambda: check_size(toy, (36, 16)),
        lambda: generate_images(toy, data.images, data.keypoints, data.keypoints),
        lambda: train(data, replace(TINY, architecture="TintedCopy"), tmp_path / "toy.pt", trained_on=RECORD),
    ):
        with pytest.raises(PoNAError, match=r"36 x 16 .*8 divides"):
            refused()
    with pytest.raises(PoNAError, match="multiples of 8"):
        measure(toy, (36, 16), 1, CPU)
    check_size(toy, (40, 16))


def test_validation_measures_it(toy: TintedCopy) -> None:
    data = small_data(6, 32, 16)
    validation = Validation(data, data.images, count=10)
    measured = validation(toy, CPU, "fp32")
    assert measured["l1"] != measured["l1_copy"] and 0 < measured["l1"] < 1  # type: ignore[operator]
    toy.tint.requires_grad_(False)[1].weight.zero_()  # type: ignore[union-attr, operator]
    toy.tint[1].bias.zero_()  # type: ignore[union-attr, operator]
    assert validation(toy, CPU, "fp32")["l1"] == measured["l1_copy"]  # without the tint it is the copy


def test_it_trains_goes_on_from_its_weights_and_is_another_run(toy: TintedCopy, tmp_path: Path) -> None:
    data, reports = small_data(6, 32, 16), list[TrainProgress]()
    config = replace(TINY, architecture="TintedCopy", learning_rate=0.01, precision="fp32")
    train(data, config, tmp_path / "toy.pt", trained_on=RECORD, device="cpu", progress=reports.append)
    assert type(load_checkpoint(tmp_path / "toy.pt").generator) is TintedCopy
    assert reports[-1].losses["l1"] < reports[0].losses["l1"]
    train(data, config, tmp_path / "more.pt", trained_on=RECORD, device="cpu", initial=tmp_path / "toy.pt")
    with pytest.raises(PoNAError, match="architecture TintedCopy -> PoNAGenerator"):
        train(data, TINY, tmp_path / "pona.pt", trained_on=RECORD, device="cpu", initial=tmp_path / "toy.pt")
    with pytest.raises(PoNAError, match=r"another run.*architecture TintedCopy -> PoNAGenerator"):
        train(data, TINY, tmp_path / "toy.pt", trained_on=RECORD, device="cpu")


def test_profiling_counts_and_times_it(toy: TintedCopy) -> None:
    assert count_parameters(toy) == 9 + 3 + 3 + 3
    assert count_macs(toy, (32, 16)) == 9 * 32 * 16
    ways = [cost.way for cost in measure(toy, (32, 16), 2, CPU, seconds=0)]
    assert ways == ["fp32 eager", "fast", "fast, one person"]


def test_only_pona_has_blocks_to_look_into(toy: TintedCopy) -> None:
    data = small_data(2, 32, 16)
    with pytest.raises(PoNAError, match=r"TintedCopy.*PoNAGenerator"):
        look_inside(toy, data.images, data.keypoints, data.keypoints)
