"""Evaluating a study by the command line, with a network that is trained in no time."""

import json
from typing import Any

from typer.testing import Result

from reidaug.cli.app import app
from tests.cli.commands import runner

SMALL = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
RERANKED = ("rerank_mean_ap", "rerank_mean_ap_trapezoid", "rerank_rank1")


def evaluate(*arguments: str) -> Result:
    return runner.invoke(app, ["evaluate", *SMALL, "--json", *arguments])


def rows_of(result: Result) -> list[dict[str, Any]]:
    """The rows that a command printed, which must have succeeded."""
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"]
    return rows
