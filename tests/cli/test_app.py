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
from reidaug.study.folder import Study
from tests.cli.commands import error_of, runner

COMMANDS = [command.__name__.strip("_") for commands in PANELS.values() for command in commands]
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


WITHOUT_TORCH = """
import json, sys
sys.modules["torch"] = None
from typer.testing import CliRunner
from reidaug.cli.app import app
runs = [CliRunner().invoke(app, typed.split()) for typed in json.loads(sys.argv[1])]
print(json.dumps([[run.exit_code, run.stderr.splitlines()] for run in runs]))
"""


def without_torch(*typed: str) -> list[tuple[int, list[str]]]:
    """Exit codes and lines of stderr of commands in a process that cannot import torch."""
    command = [sys.executable, "-c", WITHOUT_TORCH, json.dumps(typed)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [(code, lines) for code, lines in json.loads(done.stdout)]


def test_what_needs_no_torch_is_checked_before_its_import(study: Study, tiny_root: Path) -> None:
    Path("file").touch()
    Path("net.pt").touch()
    wrong = {
        "train --out file/a.pt": "file is a file, expected a folder for a.pt",
        "train --out a.pt --start-from none.pt": "none.pt does not exist",
        "train --out a.pt --vgg-weights none.pth": "none.pth does not exist",
        "train --out a.pt --portion 0.3": "no portion 0.30",
        "synthesize --ckpt none.pt": "none.pt does not exist",
        "sweep --ckpt absent.pt": "absent.pt does not exist",
        "evaluate --weights none.pt": "none.pt: no such file",
        "score --ckpt none.pt": "none.pt does not exist",
        "score --ckpt shipped --out file/a": "file is a file, expected a folder",
        "score --ckpt shipped --reid none.pt": "none.pt does not exist",
        "score --ckpt shipped --model nowhere": "no pose model nowhere",
        f"pose {tiny_root} --out a.csv --model nowhere": "no pose model nowhere",
        "grid --ckpt none.pt": "none.pt does not exist",
        "grid --ckpt shipped --out file/a.png": "file is a file, expected a folder",
        "attention --ckpt none.pt": "none.pt does not exist",
        "attention --ckpt shipped --out file/a.png": "file is a file, expected a folder",
        "profile --ckpt none.pt": "none.pt does not exist",
        "ranks --out file/a.png": "file is a file, expected a folder",
        "augment --ckpt none.pt --factor 2": "none.pt does not exist",
        "augment --ckpt shipped --factor 2 --out file/a": "file is a file, expected a folder",
        "adapt --out file/a.pt": "file is a file, expected a folder",
        "adapt --start-from none.pt": "none.pt does not exist",
        "adapt --out a.pt --vgg-weights none.pth": "none.pth does not exist",
        "adapt --portion 0.3": "no portion 0.30",
        "adopt none --name x": "no folder none",
        f"import {tiny_root} file/a": "file is a file, expected a folder",
        f"export {tiny_root} file/a --for torchreid": "file is a file, expected a folder",
        "export net.pt file/a.pth --for torchvision": "file is a file, expected a folder",
        f"pose {tiny_root} --out file/a.csv": "file is a file, expected a folder",
        f"pose {tiny_root} --out a.csv --read none.csv": "none.csv",
        f"pairs {tiny_root} --split train --out file/a.csv": "file is a file, expected a folder",
        f"split {tiny_root} file/a": "file is a file, expected a folder",
        "report --out file/a.html": "file is a file, expected a folder",
        "report --ckpt none.pt": "none.pt does not exist",
        "report --reid none.pt": "none.pt does not exist",
    }
    for typed, (code, lines) in zip(wrong, without_torch(*wrong), strict=True):
        assert code == 1 and wrong[typed] in lines[-1], (typed, lines)


def test_a_line_says_what_is_done_before_torch_is_imported(study: Study) -> None:
    work = ["train --out a.pt", "synthesize --ckpt shipped", "evaluate", "sweep --ckpt shipped", "pretrain"]
    work += ["score --ckpt shipped", "grid --ckpt shipped", "attention --ckpt shipped", "profile --ckpt shipped"]
    work += ["doctor", "fetch", "evaluate --device cuda", "augment --ckpt shipped --factor 2", "adapt", "report"]
    work += ["adopt set -n x", "import in out", "export in out --for torchreid", "pose in -o a.csv"]
    for typed, (_, lines) in zip(work, without_torch(*work), strict=True):
        assert lines and not lines[0].startswith("error"), (typed, lines)


ELSEWHERE = """
import os, signal, sys
sys.modules["fcntl"] = None
del os.sync, os.sched_getaffinity, signal.SIGHUP
from reidaug.cli.app import app
app()
"""


def test_without_what_windows_and_macos_lack_the_work_is_done_and_a_line_says_so(tiny_root: Path) -> None:
    def run(*typed: str, **more: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", ELSEWHERE, *typed, "--portion", "0.4", "--data", str(tiny_root)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **more})

    done = run("shrink")
    assert done.returncode == 0 and Path("study/p0.40/plan.csv").is_file(), done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "locked" in line]
    assert "this operating system has no flock" in line and "going on without locks" in line
    shared = run("synthesize", "--ckpt", "shipped", WORLD_SIZE="2")
    assert shared.returncode == 1 and "several processes cannot share the work" in shared.stderr


def test_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0 and result.stdout.startswith("reidaug 0.")


def test_every_command_keeps_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    keep = Mock()
    monkeypatch.setattr("reidaug.cli.app.keep_freed_memory", keep)
    error_of("table", "--study", "nowhere")
    keep.assert_called_once_with()
