"""study.toml: it overrides defaults, flags and environment override it; every command with --study only reads it."""

import json
from collections import Counter
from pathlib import Path

import pytest
import typer

from reidaug.cli.app import app
from reidaug.cli.settings import APART, SHARED
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
    assert {flag for flag, count in counts.items() if count > 1} == SHARED
    assert all(set(keys) <= options[name] for name, keys in APART.items())


def test_a_byte_order_mark_is_no_part_of_the_settings(tiny_root: Path) -> None:
    write_settings("\ufeffseed = 1\n")
    assert values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))["seed"] == 1


def test_a_study_does_not_name_the_output_of_augment(tiny_root: Path, tmp_path: Path) -> None:
    values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    write_settings('name = "mine"\nout = "pona.pt"\nseed = 3\n')
    command = ["--ckpt", str(write_checkpoint(tmp_path / "tiny.pt", 0)), "--device", "cpu"]
    assert values_of("synthesize", *command)["sets"][0]["name"] == "mine"
    assert values_of("augment", *command, "--per-person", "3")["sets"][0]["name"] == "augmented"
    assert json.loads(Path("study/p0.40/augmented/synthesis.json").read_text())["augmentation"]["seed"] == 3
    write_settings('[augment]\nname = "more"\nper-person = 4\n')
    assert values_of("augment", *command)["sets"][0]["name"] == "more"
