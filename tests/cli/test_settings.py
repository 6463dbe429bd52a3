"""study.toml: it overrides defaults, flags and environment override it; every command with --study only reads it."""

import json
import os
import sys
from collections import Counter
from pathlib import Path
from unittest.mock import Mock

import pytest
import typer

from reidaug.cli.app import app
from reidaug.cli.settings import ALONE, APART, SHARED
from tests.cli.commands import error_of, runner, values_of
from tests.factories import write_checkpoint

pytestmark = pytest.mark.usefixtures("own_folder")


def write_settings(text: str) -> None:
    Path("study").mkdir(exist_ok=True)
    Path("study/study.toml").write_text(text)


def test_the_environment_names_study_and_data(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    monkeypatch.setenv("REIDAUG_STUDY", "elsewhere")
    assert runner.invoke(app, ["shrink", "--portion", "0.4"]).exit_code == 0
    assert Path("elsewhere/p0.40/plan.csv").is_file()


def test_study_toml_overrides_defaults_and_flags_override_it(tiny_root: Path) -> None:
    write_settings('seed = 7\nsource = "random"\n')
    values = values_of("shrink", "--portion", "0.4", "--data", str(tiny_root), "--source", "nearest")
    assert (values["seed"], values["source"], values["keep"]) == (7, "nearest", "per-identity")


def test_study_toml_takes_flags_as_they_are_typed_and_tables_of_commands(tiny_root: Path) -> None:
    write_settings("validate-every = 3\nseed = 7\n[synthesize]\nseed = 8\n[shrink]\nseed = 9\n")
    assert "synthesize.seed" in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    write_settings("validate-every = 3\nseed = 7\n[shrink]\nseed = 9\n")
    assert values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))["seed"] == 9
    assert values_of("shrink", "--portion", "0.2")["data"] == str(tiny_root)  # as for the other portion


@pytest.mark.parametrize("table", ["", "[shrink]\n"])
def test_study_toml_may_name_the_data_of_all_commands_or_of_one(tiny_root: Path, table: str) -> None:
    write_settings(f"{table}data = {json.dumps(str(tiny_root))}\n")
    assert values_of("shrink", "--portion", "0.4")["data"] == str(tiny_root)


def test_one_value_and_a_list_of_one_are_the_same_in_study_toml(tiny_root: Path) -> None:
    write_settings('ckpt = "nowhere.pt"\nseed = [7]\n')
    assert "nowhere.pt" in error_of("sweep", "--data", str(tiny_root))  # the option is multiple
    assert values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))["seed"] == 7


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
    write_settings(text)
    assert error_of("sweep", "--data", "nowhere").startswith(f"error: study/study.toml: {value}")


REFUSED = {  # options that are for the command line alone
    **{"out": "elsewhere", "save-images": "elsewhere", "force": True},  # where to write, and over what
    **{"device": "cuda:7", "devices": 64, "model": "somebody/network"},  # of the machine, and from the network
    **{"json": True, "debug": True, "clean": True},
}


@pytest.mark.parametrize("key", REFUSED)
def test_a_study_does_not_say_where_to_write_what_to_replace_and_on_which_device(tiny_root: Path, key: str) -> None:
    command = {"save-images": "score", "devices": "train", "model": "score", "clean": "doctor"}.get(key, "augment")
    value = json.dumps(REFUSED[key])
    for text, shown in ((f"{key} = {value}", key), (f"[{command}]\n{key} = {value}", f"{command}.{key}")):
        write_settings(text)
        error = error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
        assert error.startswith(f"error: study/study.toml holds {shown}, which") and error.endswith(
            f"give --{key} on the command line"
        )
    assert sorted(path.name for path in Path().iterdir()) == ["data", "study"]
    assert list(Path("study").iterdir()) == [Path("study/study.toml")]


def test_the_earlier_spelling_of_a_refused_key_is_refused_too() -> None:
    write_settings('pose-model = "somebody/network"\n')
    assert "holds pose-model, which" in error_of("score", "--ckpt", "shipped", "--data", "nowhere")


@pytest.mark.parametrize(
    "value",
    [
        *("true", "1979-05-27", "07:32:00", "inf", "nan", "-inf", "9223372036854775808", "[]", "[1, 2]", "[[1]]"),
        *("{a = 1}", '"\\u001b[2J"', "0x" + "f" * 5000, "[0x" + "f" * 5000 + "]", "[[0x" + "f" * 5000 + "]]"),
        "[{" + "a." * 2000 + "a = 1}]",
    ],
)
def test_a_value_of_another_kind_is_one_line(tiny_root: Path, value: str) -> None:
    write_settings(f"[shrink]\nseed = {value}")
    error = error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert error.startswith("error: study/study.toml: seed = ") and len(error) < 250 and error.isprintable()


@pytest.mark.parametrize(
    "key",
    ['"\\u001b[2J"', '"' + "x" * 5000 + '"', "\n".join(f"x{i} = 1" for i in range(999)) + "\ny", "a." * 9999 + "a"],
)
def test_unknown_keys_are_shown_in_one_short_line(tiny_root: Path, key: str) -> None:
    write_settings(f"{key} = 1\n")
    error = error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    assert error.startswith("error: study/study.toml holds ") and len(error) < 400 and error.isprintable()


def test_what_is_no_file_of_text_in_its_place_is_one_line(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, command = Path("study/study.toml"), ("shrink", "--portion", "0.4", "--data", str(tiny_root))
    path.mkdir(parents=True)
    assert "study/study.toml is no file of options" in error_of(*command)
    path.rmdir()
    os.mkfifo(path)
    assert "study/study.toml is a pipe" in error_of(*command)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "study/study.toml is no file of options" in error_of(*command)
    path.unlink()
    for content in (b"\xff\xfe\x00", bytes(100), b"\x7fELF\x02"):
        path.write_bytes(content)
        assert "study/study.toml is not valid TOML" in error_of(*command)
    path.write_bytes(b"# a comment\n" * 200_000)
    assert "at most 1,000,000 bytes" in error_of(*command)
    path.write_text("seed = 1\n")
    denied = PermissionError(13, "Permission denied", str(path))
    monkeypatch.setattr(Path, "read_text", Mock(side_effect=denied))
    assert "study/study.toml: Permission denied" in error_of(*command)
    monkeypatch.setattr(Path, "is_fifo", Mock(side_effect=denied))  # of a folder that one may not enter
    assert "study/study.toml: Permission denied" in error_of(*command)


def test_what_fails_in_the_check_of_an_option_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    write_settings('arch = "unheard-of"\n')
    monkeypatch.setitem(sys.modules, "reid_baseline", None)  # as a broken installation
    assert "unexpected ModuleNotFoundError" in error_of("evaluate")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sead = 7", "sead"),
        ("seed = ", "not valid TOML"),
        ("seed = " + "[" * 100_000, "not valid TOML"),
        ("seed = " + "9" * 5000, "not valid TOML"),
        ('study = "elsewhere"', "study"),
        ("threshold = 0.9", "threshold"),  # an option of commands that have no study
        ("[pose]\nthreshold = 0.9", "pose"),
    ],
)
def test_broken_study_toml_is_an_error(tiny_root: Path, text: str, expected: str) -> None:
    write_settings(text)
    assert expected in error_of("shrink", "--portion", "0.4", "--data", str(tiny_root))


def test_study_toml_stays_as_its_user_wrote_it(tiny_root: Path, small_quick: None, small_network: None) -> None:
    text = f"# mine\ndata   = {json.dumps(str(tiny_root))}  # ü\r\n[evaluate]\nseeds = 1\n\n# the end".encode()
    Path("study").mkdir()
    Path("study/study.toml").write_bytes(text)
    checkpoint = write_checkpoint(Path("tiny.pt"), seed=0)
    small = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1"]
    for command in (["shrink", "--portion", "0.4"], ["synthesize", "--ckpt", str(checkpoint)], ["evaluate", *small]):
        values_of(*command)
        assert Path("study/study.toml").read_bytes() == text


def test_an_option_with_another_meaning_is_set_in_its_table_only() -> None:
    write_settings('precision = "fp8"\n')
    assert "study.toml: precision = 'fp8'" in error_of("synthesize", "--ckpt", "shipped")
    assert "run `reidaug shrink" in error_of("evaluate")  # its precision is that of the baseline
    write_settings('precision = "fp16"\n[evaluate]\nprecision = "fp16"\n')
    assert "run `reidaug shrink" in error_of("synthesize", "--ckpt", "shipped")
    assert "study.toml: precision = 'fp16'" in error_of("evaluate")
    write_settings('set = "pona"\n')  # the earlier spelling of --name
    assert "study.toml holds set:" in error_of("ranks")
    write_settings('name = "x!"\n')  # that of a set to make, not of a result to draw
    assert "no results" in error_of("ranks")


def test_what_several_commands_have_is_shared() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {
        name: {o.opts[0][2:] for o in command.params if o.opts[0].startswith("--")}
        for name, command in commands.items()
    }
    counts = Counter(flag for flags in options.values() if "study" in flags for flag in flags - {"study"})
    assert {flag for flag, count in counts.items() if count > 1} - REFUSED.keys() == SHARED
    assert {flag for flag, count in counts.items() if count == 1} - REFUSED.keys() == ALONE
    assert all(set(keys) <= options[name] for name, keys in APART.items())


def test_a_byte_order_mark_is_no_part_of_the_settings(tiny_root: Path) -> None:
    write_settings("\ufeffseed = 1\n")
    assert values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))["seed"] == 1


def test_a_study_does_not_name_the_output_of_augment(tiny_root: Path, tmp_path: Path) -> None:
    values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    write_settings('name = "mine"\nseed = 3\n')
    command = ["--ckpt", str(write_checkpoint(tmp_path / "tiny.pt", 0)), "--device", "cpu"]
    assert values_of("synthesize", *command)["sets"][0]["name"] == "mine"
    assert values_of("augment", *command, "--per-person", "3")["sets"][0]["name"] == "augmented"
    assert json.loads(Path("study/p0.40/augmented/synthesis.json").read_text())["augmentation"]["seed"] == 3
    write_settings('[augment]\nname = "more"\nper-person = 4\n')
    assert values_of("augment", *command)["sets"][0]["name"] == "more"
