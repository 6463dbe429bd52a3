"""The kinds of data sets: which is found where, and what it takes to add one."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets import layouts
from reidaug.datasets.dataset import Image, Layout, Problem
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from tests.factories import write_checkpoint


def test_what_is_no_data_set_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(
        ReidAugError, match="not a data set that can be read; expected a Market-1501 root with bounding_"
    ):
        open_dataset(tmp_path)
    with pytest.raises(ReidAugError, match="no such data folder"):
        open_dataset(tmp_path / "absent")


# Another kind of data set: PEOPLE/SPLIT/PERSON/cameraC-N.jpg. All that must be written for it.
FORM = re.compile(r"camera(\d)-(\d+)\.jpg")


def find_root(path: Path) -> Path | None:
    return next((root for root in (path, path / "people") if root.name == "people" and root.is_dir()), None)


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    images, problems = [], []
    for path in sorted((root / split).glob("*/*")):
        match = FORM.fullmatch(path.name)
        if match is None:
            problems.append(Problem("bad-name", "error", str(path.relative_to(root)), "expected cameraC-N.jpg"))
            continue
        pid, camid, number = int(path.parent.name), int(match[1]), int(match[2])
        images.append(Image(path, pid, camid, f"{pid:04d}_c{camid}s1_{number:06d}_00.jpg"))
    return sorted(images, key=lambda image: image.name), problems


PEOPLE = Layout("people", "a folder people/ with train/, query/ and gallery/", find_root, read_split)


@pytest.fixture
def people(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`tiny_root` laid out in that way, known to the program by one line in the table."""
    market = open_dataset(tiny_root)
    folder = tiny_root.parent / "other"
    for split in ("train", "query", "gallery"):
        for image in market.images(split):
            number = int(image.name.split("_")[2].removesuffix(".jpg"))
            target = folder / "people" / split / str(image.pid) / f"camera{image.camid}-{number}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(image.path, target)
    for file in ("train", "test"):
        source = tiny_root / f"market-annotation-{file}.csv"
        lines = [re.sub(r"_\d\d(\.jpg)(\.jpg)?:", r"_00\1:", line) for line in source.read_text().splitlines()]
        (folder / "people" / source.name).write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(layouts, "LAYOUTS", (PEOPLE, *layouts.LAYOUTS))  # before those that take any name
    return folder


def test_another_kind_of_data_set_does_the_main_job(
    people: Path, own_folder: Path, small_quick: None, small_network: None
) -> None:
    runner = CliRunner()
    result = runner.invoke(app, ["inspect", str(people), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["splits"]["train"]["images"] == 36
    small = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
    for command in (
        ["shrink", "--portion", "0.4", "--data", str(people)],
        ["synthesize", "--ckpt", str(write_checkpoint(own_folder / "tiny.pt", seed=0)), "--device", "cpu"],
        ["evaluate", *small, "--controls", "source-copy"],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    rows = json.loads(runner.invoke(app, ["table", "--json"]).stdout)["rows"]
    assert {row["set"]: row["images"] for row in rows} == {"none": 14, "pona": 36, "full": 36, "source-copy": 36}
    root = own_folder / "study/p0.40/pona/Market-1501-v15.09.15"
    for split in ("train", "query", "gallery"):  # what is written is Market-1501, whatever was read
        images = open_dataset(people).images(split)
        written = {path.name: path for path in split_folder(root, split).iterdir()}
        assert written.keys() == {image.name for image in images}
        assert split == "train" or all(written[image.name].samefile(image.path) for image in images)


def test_what_is_wrong_in_it_is_named(people: Path) -> None:
    (people / "people" / "query" / "101" / "x.jpg").touch()
    with pytest.raises(ReidAugError, match=r"people/query/101/x.jpg: expected cameraC-N.jpg"):
        open_dataset(people).images("query")


def test_a_folder_near_a_root_names_the_root(tiny_root: Path, tmp_path: Path) -> None:
    for path in (split_folder(tiny_root, "train"), tmp_path):
        with pytest.raises(ReidAugError, match=f"; give {tiny_root}, which is Market-1501$"):
            open_dataset(path)
    far = tmp_path / "a" / "b" / "c"
    far.mkdir(parents=True)
    with pytest.raises(ReidAugError, match=r"people in folders \(docs/layouts.md\)$"):
        open_dataset(far)
