"""`reidaug profile`: counts, ways and one line for bad input."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pona import PoNAGenerator, save_checkpoint
from pona.profiling import count_macs, count_parameters
from reidaug.cli.app import app


def command(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["profile", "--device", "cpu", "--seconds", "0", *map(str, arguments)])


def test_each_size_has_its_counts_and_times(tmp_path: Path) -> None:
    generator = PoNAGenerator(width=8, blocks=1)
    save_checkpoint(tmp_path / "pona.pt", generator, generator.config, {})
    arguments = ("--ckpt", tmp_path / "pona.pt", "--size", "32x16", "--size", "64x32", "--batch-size", 2)
    shown = command(*arguments)
    assert shown.exit_code == 0 and "M parameters" in shown.stdout and "fast, one person" in shown.stdout
    values = json.loads(command(*arguments, "--json").stdout)["generators"][0]
    assert values["parameters"] == count_parameters(generator) and len(values["rows"]) == 6
    assert {tuple(row["size"]) for row in values["rows"]} == {(32, 16), (64, 32)}
    assert values["rows"][0]["macs"] == count_macs(generator, (32, 16))
    for bad, message in (("32", "--size '32': expected HEIGHTxWIDTH"), ("30x16", "expected multiples of 4")):
        result = command("--ckpt", tmp_path / "pona.pt", "--size", bad)
        assert result.exit_code == 1 and message in " ".join(result.stderr.split())


def test_methods_are_measured_without_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    small = ("--size", "32x16", "--batch-size", 1)
    rows = json.loads(
        command("--generator", "pona", "--generator", "patn", "--preset", "deepfashion", *small, "--json").stdout
    )["generators"]
    assert [(row["generator"], row["parameters"], row["printed_parameters"]) for row in rows] == [
        ("pona (deepfashion)", 34_329_356, "34.33 M"),
        ("patn (deepfashion)", 41_358_019, "41.36 M"),
    ]
    assert "as the paper prints: 41.36 M" in command("--generator", "patn", "--preset", "deepfashion", *small).stdout
    both = command("--ckpt", "shipped", "--generator", "deform", "--preset", "mini", *small, "--json").stdout
    assert [row["generator"] for row in json.loads(both)["generators"]] == ["shipped", "deform (mini)"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no generator: give --ckpt FILE, or --generator with one of pona, patn"),
        (("--generator", "gan"), "expected one of pona"),
    ],
)
def test_what_to_measure_is_asked_for(arguments: tuple[str, ...], message: str) -> None:
    result = command(*arguments)
    assert result.exit_code == 1 and message in " ".join(result.stderr.split())
