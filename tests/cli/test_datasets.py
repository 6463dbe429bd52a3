"""Commands for data sets."""

import json
from pathlib import Path

from reidaug.cli.app import app
from reidaug.datasets.market1501 import split_folder
from tests.cli.commands import runner


def test_problems_end_in_one_line(tiny_root: Path) -> None:
    (split_folder(tiny_root, "gallery") / "x.jpg").touch()
    for arguments in ([], ["--json"]):
        result = runner.invoke(app, ["inspect", str(tiny_root), *arguments])
        assert result.exit_code == 1
        message = f"error: {tiny_root} has a problem that would stop or falsify the work: fix it first"
        assert result.stderr.splitlines() == [f"reading {tiny_root}", message]
    assert json.loads(result.stdout)["errors"] == 1
    (split_folder(tiny_root, "query") / "x.jpg").touch()
    result = runner.invoke(app, ["inspect", str(tiny_root)])
    assert "has 2 problems that would stop or falsify the work: fix them first" in result.stderr
