"""One line and exit code 1 for what the user can fix, 130 for Ctrl-C, and nothing but JSON under --json."""

import errno
import fcntl
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
import typer

from reidaug.cli.app import app
from tests.cli.commands import error_of, runner, values_of

pytestmark = pytest.mark.usefixtures("own_folder")


@pytest.mark.parametrize("portion", ["0", "-1", "1.5", "1", "0.9999999999999", "nan", "abc", "0.123", "inf", ""])
def test_impossible_portions(portion: str, tiny_root: Path) -> None:
    assert "portion" in error_of("shrink", f"--portion={portion}", "--data", str(tiny_root))
    assert not Path("study").exists()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("shrink --portion 0.4", "--data"),
        ("shrink --portion 0.4 --data nowhere", "nowhere"),
        ("shrink --portion 0.4 --data empty", "bounding_box_train"),
        ("inspect nowhere", "nowhere"),
        ("inspect empty", "bounding_box_train"),
        ("synthesize --ckpt x.pt", "reidaug shrink"),
        ("evaluate", "reidaug shrink"),
        ("evaluate --controls copies", "copies: expected all, or some of none-matched, duplicate"),
        ("table", "reidaug evaluate"),
    ],
)
def test_missing_or_unknown_input_is_named(typed: str, expected: str) -> None:
    Path("empty").mkdir()
    assert expected in error_of(*typed.split())


def test_poisoned_path(tiny_root: Path) -> None:
    assert "05_c3" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root), "--study", "run_05_c3_x")
    assert not Path("run_05_c3_x").exists()


def bomb() -> bytes:
    """A pickle that would run a command when loaded."""

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch exploded",)

    return pickle.dumps({"state": Bomb()})


def foreign() -> bytes:
    """A torch file that is no checkpoint."""
    content = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, content)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [None, b"", b"<!DOCTYPE html><html>404</html>", foreign()[:300], bomb(), foreign(), b"\x00" * 5000],
    ids=["missing", "empty", "html", "truncated", "bomb", "foreign", "zeros"],
)
def test_broken_checkpoints(content: bytes | None, tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.4", "--data", str(tiny_root)]).exit_code == 0
    if content is not None:
        Path("pona.pt").write_bytes(content)
    assert "pona.pt" in error_of("synthesize", "--ckpt", "pona.pt")
    assert not Path("exploded").exists()
    assert [path.name for path in Path("study/p0.40").iterdir() if path.is_dir()] == ["none"]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("no colon here", "line 3"),
        ("0001_c1s1_000001_01.jpg: [1, 2: [3, 4]", "line 3"),
        (f"0001_c1s1_000001_01.jpg: {[1] * 17}: {[1] * 17}", "17"),
    ],
)
def test_broken_keypoint_rows_are_named_with_their_line(tiny_root: Path, row: str, expected: str) -> None:
    path = tiny_root / "market-annotation-train.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:2], row, *lines[3:]]) + "\n")
    assert expected in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert not Path("study/p0.40").exists()


def test_shrink_prints_json_and_nothing_else(tiny_root: Path) -> None:
    values = values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert values["kept"] + values["missing"] == values["images"]
    assert values["kept"] == round(0.4 * values["images"])


def test_debug_shows_the_trace() -> None:
    result = runner.invoke(app, ["table", "--debug"])
    assert result.exit_code == 1 and result.exception is not None


def test_read_only_folder_leaves_nothing(tiny_root: Path) -> None:
    target = Path("locked")
    target.mkdir()
    target.chmod(0o500)
    try:
        if os.access(target, os.W_OK):
            pytest.skip("this user may write everywhere")
        error_of("shrink", "--portion", "0.4", "--data", str(tiny_root), "--study", "locked/study")
        assert not list(target.iterdir())
    finally:
        target.chmod(0o700)


def test_full_disk_is_one_line_and_leaves_nothing(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfile", no_space)
    assert "No space left" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert not list(Path("study").iterdir())


WITH_DEVICE = {
    **{"demo": "", "synthesize": "--ckpt shipped", "evaluate": "", "sweep": "--ckpt shipped --portions 0.4"},
    **{"pretrain": "", "train": "--data data --out a.pt", "score": "--ckpt shipped", "grid": "--ckpt shipped"},
    **{"adapt": "--data data --out a.pt", "augment": "--ckpt shipped --data data --out b", "report": ""},
    **{"attention": "--ckpt shipped", "profile": "--ckpt shipped", "pose": "data --out a.csv"},
}


def test_all_commands_with_a_device_are_known() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {name for name in commands if any(option.name == "device" for option in commands[name].params)} == {
        *WITH_DEVICE
    }


@pytest.mark.parametrize("name", WITH_DEVICE)
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(name: str) -> None:
    for device in ("meta", "xpu", "cuda:77"):
        message = error_of(name, *WITH_DEVICE[name].split(), "--device", device)
        assert f"device '{device}' cannot be used: expected auto, or what is there: cpu" in message
    assert not list(Path().iterdir())


def test_a_file_system_without_locks_and_links_is_one_line_each(
    tiny_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = Mock(side_effect=OSError(errno.EOPNOTSUPP, "Operation not supported"))
    monkeypatch.setattr(fcntl, "flock", refused)
    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.setenv("WORLD_SIZE", "2")
    shrunk = runner.invoke(app, ["shrink", "--portion", "0.4", "--data", str(tiny_root)])
    assert shrunk.exit_code == 0 and Path("study/p0.40/plan.csv").is_file()
    _, lock, links = shrunk.stderr.splitlines()
    assert lock.startswith("study/.p0.40.lock cannot be locked (Operation not supported)")
    assert links.startswith("links are not possible at ")
    for typed in (["synthesize", "--ckpt", "shipped"], ["sweep", "--ckpt", "shipped", "--portions", "0.4"]):
        assert "several processes cannot share the work" in error_of(*typed, "--device", "cpu")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_command_exits_with_130_and_leaves_nothing(signum: signal.Signals) -> None:
    command = [sys.executable, "-m", "reidaug", "mannequins", "people", "--train-ids", "500"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(Path().glob(".people.partial/bounding_box_train/*.jpg")):
        time.sleep(0.02)
    process.send_signal(signum)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in message and "Traceback" not in message
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    "typed",
    [
        *[
            "import pipe out",
            "import {data} out --cameras pipe",
            "export pipe out --for fastreid",
            "pose pipe --out x.csv",
        ],
        *["augment --data {data} --ckpt pipe --per-person 9 --out out", "pose {data} --out x.csv --read pipe"],
        *["import {data} pipe", "inspect pipe", "adapt --data {data} --out x.pt --start-from pipe"],
    ],
)
def test_a_pipe_is_refused_and_not_waited_on(typed: str, tiny_root: Path) -> None:
    os.mkfifo("pipe")
    assert error_of(*typed.format(data=tiny_root).split()) == "error: pipe is a pipe, expected a file"
    assert sorted(os.listdir()) == ["data", "pipe"]
