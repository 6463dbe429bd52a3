"""Commands of the main job: what they print for several portions."""

import shutil
from pathlib import Path

import pytest

from reidaug.cli.app import app
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from tests.cli.commands import error_of, runner, values_of
from tests.evaluation.commands import SMALL
from tests.factories import write_checkpoint
from tests.synthesis.commands import SMALL_TRAINING


def test_synthesize_prints_each_portion_or_one_object(own_folder: Path, tiny_root: Path) -> None:
    for portion in ("0.4", "0.2"):
        values_of("shrink", "--portion", portion, "--data", str(tiny_root))
    command = ["synthesize", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", 0)), "--device", "cpu"]
    shown = runner.invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert [line.split("  ")[0] for line in shown.stdout.splitlines() if "kept" in line] == ["p = 0.20", "p = 0.40"]
    sets = values_of(*command)["sets"]
    assert [(report["portion"], report["painted_now"]) for report in sets] == [(0.2, 0), (0.4, 0)]
    assert [report["portion"] for report in values_of(*command, "--portion", "0.4")["sets"]] == [0.4]
    assert "no portion 0.30" in error_of(*command, "--portion", "0.3")


MAIN_JOB = [
    ["shrink", "--portion", "0.4"],
    ["synthesize", "--ckpt", "tiny.pt"],
    ["evaluate", *SMALL],
    ["sweep", *SMALL, "--portions", "0.4", "--seeds", "1"],
    ["table"],
    ["plot"],
    ["ranks", "--name", "full", "--worst", "1"],
    ["train", *SMALL_TRAINING, "--portion", "0.4", "--out", "new.pt"],
    ["score", "--ckpt", "tiny.pt", "--count", "2"],
    ["grid", "--ckpt", "tiny.pt", "--count", "1"],
    ["attention", "--ckpt", "tiny.pt"],
]


@pytest.mark.parametrize("way", ["both", "study", "data"])
def test_every_command_goes_on_where_study_or_data_set_have_moved(
    own_folder: Path, tiny_root: Path, small_quick: None, small_network: None, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    work = own_folder / "work"
    shutil.move(tiny_root.parent, work / "data")
    monkeypatch.chdir(work)
    write_checkpoint(work / "tiny.pt", 0)
    values_of("shrink", "--portion", "0.4", "--data", "data")
    values_of("synthesize", "--ckpt", "tiny.pt", "--device", "cpu")
    rows = values_of("evaluate", *SMALL, "--save-models")["rows"]
    if way == "both":
        monkeypatch.chdir(work.rename(own_folder / "elsewhere"))
    elif way == "study":
        shutil.move("study", own_folder / "far" / "study")
        monkeypatch.setenv("REIDAUG_STUDY", "../far/study")
    else:
        shutil.move("data", own_folder / "far" / "data")
        monkeypatch.setenv("REIDAUG_DATA", "../far/data")
    for command in MAIN_JOB:
        values = values_of(*command)
        assert command[0] in ("score", "sweep") or values.get("rows") in (None, rows), command
    place = Study(own_folder / "far" / "study" if way == "study" else Path("study"))
    for name in ("none", "tiny" if "tiny" in place.sets(0.4) else "pona"):
        assert all(split_folder(place.set_root(0.4, name), split).exists() for split in ("query", "gallery"))
    monkeypatch.delenv("REIDAUG_DATA", raising=False)
    assert values_of("evaluate", *SMALL)["rows"] == rows


def test_a_study_holds_no_path_from_the_root_of_the_disk_but_where_its_data_set_was(
    own_folder: Path, tiny_root: Path
) -> None:
    values_of("shrink", "--portion", "0.4", "--data", str(tiny_root))
    values_of("synthesize", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", 0)), "--device", "cpu")
    files = [path for path in Path("study").rglob("*") if path.suffix in (".json", ".csv", ".jsonl")]
    holding = [path.name for path in files if str(own_folder) in path.read_text()]
    assert len(files) > 6 and holding == ["shrink.json"]
    assert Path("study/p0.40/shrink.json").read_text().count(str(own_folder)) == 1
    assert not any(path.is_symlink() and path.readlink().is_absolute() for path in Path("study").rglob("*"))


def test_augment_prints_each_portion_and_a_whole_data_set(own_folder: Path, tiny_root: Path) -> None:
    command = ["augment", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", 0)), "--device", "cpu"]
    assert "no --out, and no study at study" in error_of(*command, "--factor", "2")
    for portion in ("0.4", "0.2"):
        values_of("shrink", "--portion", portion, "--data", str(tiny_root))
    shown = runner.invoke(app, [*command, "--factor", "2"])
    assert shown.exit_code == 0, shown.output
    first, second, third, fourth = shown.stdout.splitlines()
    assert first.startswith("p = 0.20  augmented: 6 people, 7 real images and ") and second.endswith("15.09.15")
    assert third.startswith("p = 0.40  augmented: 6 people, 14 real images and ") and "p0.40/augmented" in fourth
    whole = runner.invoke(app, [*command, "--per-person", "8", "--data", str(tiny_root), "--out", "out"])
    assert whole.stdout.splitlines() == [
        "6 people, 36 real images and 12 generated (12 by this run)",
        f"  {own_folder / 'out'}",
    ]
