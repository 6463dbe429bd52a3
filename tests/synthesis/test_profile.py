"""`reidaug profile`: counts by hand, times that are times, one line for bad input."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner, Result

from pona import PoNAError, PoNAGenerator, save_checkpoint
from pona.profiling import count_macs, count_parameters, measure
from reidaug.cli.app import app


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["profile", "--device", "cpu", "--seconds", "0", *map(str, arguments)])


def test_parameters_of_the_paper() -> None:
    """34.33 M in Table II is the network with IN; with BN in all layers it has 34,347,340."""
    assert count_parameters(PoNAGenerator()) == 34_347_340
    assert count_parameters(PoNAGenerator(norm="instance")) == 34_329_356


def test_multiply_adds_are_those_of_convolutions_and_attention() -> None:
    generator, macs = PoNAGenerator(width=8, blocks=2), 0

    def count(layer: nn.Conv2d | nn.ConvTranspose2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        nonlocal macs
        grid = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        macs += layer.weight.numel() * grid.shape[2] * grid.shape[3]

    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(count)  # type: ignore[arg-type]
    maps = torch.zeros(1, 18, 32, 16)
    generator.eval()(torch.zeros(1, 3, 32, 16), maps, maps)
    expected = macs
    positions = 8 * 4  # of a code; self-attention is over 64 channels, cross attention over 32, queries over an eighth
    expected += 2 * positions * positions * (64 // 8 + 64 + 32 // 8 + 32)
    assert count_macs(generator, (32, 16)) == expected


def test_every_way_of_a_batch_is_timed() -> None:
    generator = PoNAGenerator(width=8, blocks=1)
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    costs = measure(generator, (32, 16), 2, torch.device("cpu"), seconds=0)
    assert [cost.way for cost in costs] == ["fp32 eager", "fast", "fast, one person"]
    assert all(cost.milliseconds > 0 and cost.images_per_second == 1000 / cost.milliseconds for cost in costs)
    assert all(cost.memory is None or cost.memory >= 0 for cost in costs)
    assert len(measure(generator, (32, 16), 1, torch.device("cpu"), seconds=0)) == 2
    assert generator.training and all(
        torch.equal(value, before[name]) for name, value in generator.state_dict().items()
    )
    with pytest.raises(PoNAError, match="size is 30 x 16, expected multiples of 4"):
        measure(generator, (30, 16), 1, torch.device("cpu"))


def test_the_command(tmp_path: Path) -> None:
    generator = PoNAGenerator(width=8, blocks=1)
    save_checkpoint(tmp_path / "pona.pt", generator, generator.config, {})
    arguments = ("--ckpt", tmp_path / "pona.pt", "--size", "32x16", "--size", "64x32", "--batch-size", 2)
    shown = command(*arguments)
    assert shown.exit_code == 0 and "M parameters" in shown.stdout and "fast, one person" in shown.stdout
    values = json.loads(command(*arguments, "--json").stdout)
    assert values["parameters"] == count_parameters(generator) and len(values["rows"]) == 6
    assert {tuple(row["size"]) for row in values["rows"]} == {(32, 16), (64, 32)}
    assert values["rows"][0]["macs"] == count_macs(generator, (32, 16))
    for bad, message in (("32", "--size '32': expected HEIGHTxWIDTH"), ("30x16", "expected multiples of 4")):
        result = command("--ckpt", tmp_path / "pona.pt", "--size", bad)
        assert result.exit_code == 1 and message in " ".join(result.stderr.split())
