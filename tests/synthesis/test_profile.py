"""`reidaug profile`: counts, ways and one line for bad input."""

import json
from pathlib import Path

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
    values = json.loads(command(*arguments, "--json").stdout)
    assert values["parameters"] == count_parameters(generator) and len(values["rows"]) == 6
    assert {tuple(row["size"]) for row in values["rows"]} == {(32, 16), (64, 32)}
    assert values["rows"][0]["macs"] == count_macs(generator, (32, 16))
    for bad, message in (("32", "--size '32': expected HEIGHTxWIDTH"), ("30x16", "expected multiples of 4")):
        result = command("--ckpt", tmp_path / "pona.pt", "--size", bad)
        assert result.exit_code == 1 and message in " ".join(result.stderr.split())
