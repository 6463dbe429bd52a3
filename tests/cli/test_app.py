"""The command line: help, exit codes, one line for what the user can mend, and nothing but JSON under --json."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reidaug.cli.app import app

COMMANDS = [
    "demo",
    "mannequins",
    "inspect",
    "pairs",
    "pose",
    "train",
    "shrink",
    "sweep",
    "plot",
    "synthesize",
    "evaluate",
    "table",
    "ranks",
    "grid",
    "attention",
    "doctor",
]
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("own_folder")


def error_of(*arguments: str) -> str:
    """Runs a command that must fail with exit code 1 and one line; gives the line."""
    result = runner.invoke(app, list(arguments))
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    assert result.exit_code == 1, (result.exit_code, result.output, result.exception)
    assert len(errors) == 1 and lines[-1] == errors[0], result.stderr
    assert "Traceback" not in result.output
    return errors[0]


def test_help_names_every_command() -> None:
    result = runner.invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(command in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    result = runner.invoke(app, [command, "--help"])
    assert result.exit_code == 0
    assert len(result.stdout) > 200 and "--json" in result.stdout


@pytest.mark.parametrize("portion", ["0", "-1", "1.5", "1", "0.9999999999999", "nan", "abc", "0.123", "inf", ""])
def test_impossible_portions(portion: str, tiny_root: Path) -> None:
    assert "portion" in error_of("shrink", f"--portion={portion}", "--data", str(tiny_root))
    assert not Path("study").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["shrink"],
        ["shrink", "--portion", "0.4", "--keep", "all"],
        ["evaluate", "--seeds", "0"],
        ["evaluate", "--recipe", "best"],
        ["nonsense"],
    ],
)
def test_usage_errors_exit_with_2(arguments: list[str]) -> None:
    assert runner.invoke(app, arguments).exit_code == 2


def test_no_data() -> None:
    assert "--data" in error_of("shrink", "--portion", "0.4")
    assert "nowhere" in error_of("shrink", "--portion", "0.4", "--data", "nowhere")
    assert "nowhere" in error_of("inspect", "nowhere")


def test_empty_folder() -> None:
    Path("empty").mkdir()
    assert "bounding_box_train" in error_of("shrink", "--portion", "0.4", "--data", "empty")
    assert "bounding_box_train" in error_of("inspect", "empty")


@pytest.mark.parametrize("command", [["synthesize", "--ckpt", "x.pt"], ["evaluate"]])
def test_no_study(command: list[str]) -> None:
    assert "reidaug shrink" in error_of(*command)


def test_no_results() -> None:
    assert "reidaug evaluate" in error_of("table")


def test_poisoned_path(tiny_root: Path) -> None:
    assert "05_c3" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root), "--study", "run_05_c3_x")
    assert not Path("run_05_c3_x").exists()


def bomb() -> bytes:
    """A pickle that would run a command when loaded."""
    import pickle

    class Bomb:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch exploded",)

    return pickle.dumps({"state": Bomb()})


def foreign() -> bytes:
    import io

    import torch

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
    text = path.read_text()
    lines = text.splitlines()
    try:
        path.write_text("\n".join([*lines[:2], row, *lines[3:]]) + "\n")
        assert expected in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
        assert not Path("study/p0.40").exists()
    finally:
        path.write_text(text)


def test_shrink_prints_json_and_nothing_else(tiny_root: Path) -> None:
    result = runner.invoke(app, ["shrink", "--portion", "0.4", "--data", str(tiny_root), "--json"])
    assert result.exit_code == 0, result.output
    values = json.loads(result.stdout)
    assert values["kept"] + values["missing"] == values["images"]
    assert values["kept"] == round(0.4 * values["images"])


def test_the_environment_names_study_and_data(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    monkeypatch.setenv("REIDAUG_STUDY", "elsewhere")
    assert runner.invoke(app, ["shrink", "--portion", "0.4"]).exit_code == 0
    assert Path("elsewhere/p0.40/plan.csv").is_file()


def test_study_toml_stands_below_flags_and_above_defaults(tiny_root: Path) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text('seed = 7\nsource = "random"\n')
    arguments = ["shrink", "--portion", "0.4", "--data", str(tiny_root), "--json"]
    values = json.loads(runner.invoke(app, [*arguments, "--source", "nearest"]).stdout)
    assert (values["seed"], values["source"], values["keep"]) == (7, "nearest", "per-identity")


def test_study_toml_takes_flags_as_they_are_typed_and_tables_of_commands(tiny_root: Path) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text("validate-every = 3\nseed = 7\n[synthesize]\nseed = 8\n[shrink]\nseed = 9\n")
    assert "synthesize.seed" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    Path("study/study.toml").write_text("validate-every = 3\nseed = 7\n[shrink]\nseed = 9\n")
    values = json.loads(runner.invoke(app, ["shrink", "--portion", "0.4", "--data", str(tiny_root), "--json"]).stdout)
    assert values["seed"] == 9
    assert runner.invoke(app, ["shrink", "--portion", "0.2"]).exit_code == 0  # what the study remembers is kept


def test_study_toml_may_name_the_data_of_one_command(tiny_root: Path) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text(f"[shrink]\ndata = {json.dumps(str(tiny_root))}\n")
    result = runner.invoke(app, ["shrink", "--portion", "0.4", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["data"] == str(tiny_root)


def test_one_value_and_a_list_of_one_are_the_same_in_study_toml(tiny_root: Path) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text('ckpt = "nowhere.pt"\nseed = [7]\n')
    assert "nowhere.pt" in error_of("sweep", "--data", str(tiny_root))  # the option is multiple
    values = json.loads(runner.invoke(app, ["shrink", "--portion", "0.4", "--data", str(tiny_root), "--json"]).stdout)
    assert values["seed"] == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('seeds = "many"', "seeds = 'many'"),
        ("[sweep]\nseeds = 0", "seeds = 0"),
        ("portions = [0.2, 0.4]", "portions = [0.2, 0.4]: expected one value"),
        ("copy = [[true]]", "copy = [[True]]"),
    ],
)
def test_a_bad_value_names_study_toml(text: str, value: str) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text(text)
    assert error_of("sweep", "--data", "nowhere").startswith(f"error: study/study.toml: {value}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sead = 7", "sead"),
        ("seed = ", "not valid TOML"),
        ('study = "elsewhere"', "study"),
        ("threshold = 0.9", "threshold"),  # an option of commands that have no study
        ("[pose]\nthreshold = 0.9", "pose"),
    ],
)
def test_broken_study_toml_is_said(tiny_root: Path, text: str, expected: str) -> None:
    Path("study").mkdir()
    Path("study/study.toml").write_text(text)
    assert expected in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))


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


def test_as_a_process_without_a_terminal(tiny_root: Path) -> None:
    command = [sys.executable, "-m", "reidaug", "inspect", str(tiny_root), "--json"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(result.stdout)["splits"]["train"]["images"] > 0
    assert "\x1b" not in result.stderr


def test_full_disk_is_one_line_and_leaves_nothing(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("shutil.copyfile", no_room)
    assert "No space left" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert [path.name for path in Path("study").iterdir()] == [".p0.40.lock"]


def test_ctrl_c_before_the_command_is_there_shows_no_trace(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGINT)")
    places = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": places}
    done = subprocess.run([sys.executable, "-m", "reidaug"], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_ctrl_c_exits_with_130_and_leaves_nothing() -> None:
    command = [sys.executable, "-m", "reidaug", "mannequins", "people", "--train-ids", "500"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(Path().glob(".people*/bounding_box_train/*.jpg")):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=60)
    assert process.returncode == 130 and "interrupted" in message and "Traceback" not in message
    assert not list(Path().iterdir())


def test_a_number_in_a_package_version() -> None:
    result = runner.invoke(app, ["--version"])
    assert result.exit_code == 0 and result.stdout.startswith("reidaug 0.")


def test_what_doctor_finds_missing_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from reidaug.cli import doctor

    monkeypatch.setattr(doctor, "LEAST_MEMORY", 1e6)
    assert error_of("doctor").startswith("error: memory must be mended")
    result = runner.invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1 and json.loads(result.stdout)["ok"] is False and "error: " in result.stderr
