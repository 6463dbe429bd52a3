"""The command line as a whole: help, usage errors, version, a process."""

import json
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from reidaug.cli.app import PANELS, app
from tests.cli.commands import error_of, runner

COMMANDS = [command.__name__.strip("_") for commands in PANELS.values() for command in commands]
pytestmark = pytest.mark.usefixtures("own_folder")


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout) > 200 and "--json" in result.stdout


@pytest.mark.parametrize(
    "typed", ["shrink", "shrink --portion 0.4 --keep all", "evaluate --seeds 0", "evaluate --recipe best", "nonsense"]
)
def test_usage_errors_exit_with_2(typed: str) -> None:
    assert runner.invoke(app, typed.split()).exit_code == 2


def test_as_a_process_without_a_terminal(tiny_root: Path) -> None:
    command = [sys.executable, "-m", "reidaug", "inspect", str(tiny_root), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(result.stdout)["splits"]["train"]["images"] > 0
    assert "\x1b" not in result.stderr


def test_ctrl_c_during_the_imports_shows_no_trace(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-m", "reidaug"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0 and result.stdout.startswith("reidaug 0.")


def test_every_command_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Mock()
    monkeypatch.setattr("reidaug.cli.app.keep_freed_memory", keep)
    error_of("table", "--study", "nowhere")
    keep.assert_called_once_with()
