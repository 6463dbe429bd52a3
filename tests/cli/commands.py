"""Running commands in this process."""

import json
from typing import Any

import numpy as np
from PIL import Image
from typer.testing import CliRunner

from reidaug.cli.app import app

runner = CliRunner()


def values_of(*arguments: str) -> dict[str, Any]:
    """Runs a command with --json that must succeed; returns its JSON object."""
    result = runner.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(result.stdout)
    return values


def picture_of(*arguments: str) -> tuple[dict[str, Any], np.ndarray]:
    """Runs a command that draws; returns its JSON object and the picture that it names as `out`."""
    values = values_of(*arguments)
    with Image.open(values["out"]) as image:
        return values, np.asarray(image.convert("RGB"))


def error_of(*arguments: str) -> str:
    """Runs a command that must fail with exit code 1 and one line of error; returns the line."""
    result = runner.invoke(app, list(arguments))
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    assert result.exit_code == 1, (result.exit_code, result.output, result.exception)
    assert len(errors) == 1 and lines[-1] == errors[0], result.stderr
    assert "Traceback" not in result.output
    return errors[0]
