"""The command line as a whole: help, usage errors, version, a process."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import pytest
import typer

from reidaug.cli.app import PANELS, app
from tests.cli.commands import error_of, runner

COMMANDS = [command.__name__ for commands in PANELS.values() for command in commands]
pytestmark = pytest.mark.usefixtures("own_folder")


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    result = runner.invoke(app, [command, "-h"])
    assert result.exit_code == 0 and result.stdout == runner.invoke(app, [command, "--help"]).stdout
    assert len(result.stdout) > 200 and "--json" in result.stdout
    shown = re.sub("--help .*", "", result.stdout)
    assert not any(kind in shown for kind in ("<list", "<str>", "<int", "<float", "<bool>"))


def test_shells_complete_commands_options_and_choices() -> None:
    def complete(typed: str) -> list[str]:
        words = {"COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" ")), "_REIDAUG_COMPLETE": "complete_bash"}
        return runner.invoke(app, [], env=words, prog_name="reidaug").stdout.split()

    assert complete("reidaug syn") == ["synthesize"]
    assert complete("reidaug shrink --por") == ["--portion"]
    assert complete("reidaug shrink --keep ") == ["per-identity", "uniform"]
    assert "--install-completion" in runner.invoke(app, ["-h"]).stdout


def test_the_commonest_options_are_short() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    short = {"--portion": "-p", "--portions": "-p", "--out": "-o", "--name": "-n"}
    flags = [option.opts for command in commands.values() for option in command.params]
    assert all(short[opts[0]] in opts for opts in flags if opts[0] in short)
    assert sum(len(opts) == 2 for opts in flags) >= 15


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("grid --ckpt shipped --person nobody.jpg", "nobody.jpg"),
        ("grid --ckpt shipped --pose nobody.jpg", "nobody.jpg"),
        ("ranks --set nothing", "no results"),
        ("score --ckpt shipped --pose-model nowhere", ""),
    ],
)
def test_earlier_spellings_of_options_are_taken(tiny_root: Path, typed: str, message: str) -> None:
    assert message in error_of(*typed.split(), "--data", str(tiny_root))
    name, *_, flag, _ = typed.split()
    assert flag not in runner.invoke(app, [name, "-h"]).stdout


def test_study_toml_takes_earlier_spellings(tiny_root: Path) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text('[grid]\nperson = "nobody.jpg"\n')
    assert "nobody.jpg" in error_of("grid", "--ckpt", "shipped", "--data", str(tiny_root))


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
