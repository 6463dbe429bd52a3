"""Images of another program as a set of the study."""

import json
import os
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from reidaug.cli.app import app
from reidaug.datasets.images import read_image
from reidaug.datasets.keypoints import find_annotations, read_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_manifest, read_plan
from tests.cli.commands import error_of, runner, values_of
from tests.synthesis.commands import complete


@pytest.fixture
def missing(study: Study) -> list[PlanRow]:
    return [row for row in read_plan(study.plan_path(0.4)) if not row.kept]


@pytest.fixture
def made(missing: list[PlanRow], tmp_path: Path) -> Path:
    """What another program generated: PNG files, one for each missing image with a pose."""
    random = np.random.RandomState(0)
    (tmp_path / "made").mkdir()
    for row in missing:
        if row.action == "generate":
            pixels = random.randint(0, 256, (8, 4, 3)).repeat(16, axis=0).repeat(16, axis=1).astype(np.uint8)
            PIL.Image.fromarray(pixels).save(tmp_path / "made" / row.name.replace(".jpg", ".png"))
    return tmp_path / "made"


def adopt(folder: Path, *more: str) -> list[str]:
    return ["adopt", str(folder), "--name", "dgnet", "--portion", "0.4", *more]


def test_they_become_a_set_with_a_row_that_says_what_is_not_known(
    study: Study, made: Path, missing: list[PlanRow], small_quick: None, small_network: None
) -> None:
    values = values_of(*adopt(made))
    generate = [row for row in missing if row.action == "generate"]
    assert (values["kept"], values["adopted"], values["copied"]) == (14, len(generate), len(missing) - len(generate))
    root = study.set_root(0.4, "dgnet")
    manifest = {row.name: row for row in read_manifest(root / "manifest.csv")}
    folder = split_folder(root, "train")
    original = {image.name: image.path for image in study.data_of(0.4).images("train")}
    assert sorted(os.listdir(folder)) == sorted(original) == sorted(manifest)
    for row in read_plan(study.plan_path(0.4)):
        if row.action == "generate":
            assert (manifest[row.name].action, manifest[row.name].condition) == ("adopt", "")
            assert manifest[row.name].synthetic
            theirs, ours = (read_image(p).astype(int) for p in (made / f"{row.name[:-4]}.png", folder / row.name))
            assert np.abs(theirs - ours).mean() < 8
        else:
            assert (folder / row.name).read_bytes() == original[row.condition or row.name].read_bytes()
    test = open_dataset(root)
    assert test.fingerprint("query", "gallery") == study.data_of(0.4).fingerprint("query", "gallery")
    assert read_annotations(find_annotations(root, "train")).names
    small = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
    result = runner.invoke(app, ["evaluate", *small, "--json"])
    rows = {row["set"]: row for row in json.loads(result.stdout)["rows"]}
    assert rows["dgnet"]["synthetic"] == len(missing) and rows.keys() == {"none", "dgnet", "full"}
    table = " ".join(runner.invoke(app, ["table"]).stdout.split())
    assert (
        "dgnet, p = 0.40: images of another program; whether it was trained on the missing images is not known" in table
    )


def test_again_does_nothing_and_an_interrupted_run_goes_on(study: Study, made: Path, missing: list[PlanRow]) -> None:
    assert values_of(*adopt(made))["written_now"] == 36 and values_of(*adopt(made))["written_now"] == 0
    root = study.set_root(0.4, "dgnet")
    (split_folder(root, "train") / missing[0].name).unlink()
    assert values_of(*adopt(made))["written_now"] == 1
    first = next(made.iterdir())
    PIL.Image.new("RGB", (64, 128), "red").save(first)
    assert "give another --name, or --force, which replaces the set" in error_of(*adopt(made))
    assert values_of(*adopt(made, "--force"))["written_now"] == 36
    assert read_image(split_folder(root, "train") / f"{first.stem}.jpg")[64, 32, 0] > 200


def test_a_whole_root_will_do_and_poses_that_lack_may_be_given(study: Study, checkpoint: Path, tmp_path: Path) -> None:
    complete(study, checkpoint)
    theirs = study.set_root(0.4, "pona")
    plan = read_plan(study.plan_path(0.4))
    result = runner.invoke(app, adopt(theirs))
    assert result.exit_code == 0 and "14 images" in result.stderr and "passed over" in result.stderr
    values = values_of(*adopt(theirs))
    assert (values["adopted"], values["copied"]) == (sum(not row.kept for row in plan), 0)


def test_what_cannot_be_adopted_is_named(study: Study, made: Path, missing: list[PlanRow], tmp_path: Path) -> None:
    file = made / next(row.name for row in missing if row.action == "generate").replace(".jpg", ".png")
    content = file.read_bytes()
    PIL.Image.new("RGB", (64, 64)).save(file)
    assert f"{file} is 64 x 64 pixels (height x width), and the kept images are 128 x 64" in error_of(*adopt(made))
    original = {image.name: image.path for image in study.data_of(0.4).images("train")}
    file.write_bytes(original[f"{file.stem}.jpg"].read_bytes())
    assert "is the missing image itself" in error_of(*adopt(made))
    file.rename(made / "0001_c1s1_999999_00.png")
    assert "1 images of" in (line := error_of(*adopt(made))) and "0001_c1s1_999999_00.png: expected names" in line
    (made / "0001_c1s1_999999_00.png").unlink()
    generate = sum(row.action == "generate" for row in missing)
    assert f"lacks 1 of {generate} missing images, such as {file.stem}.jpg (person" in error_of(*adopt(made))
    file.write_bytes(content)
    file.with_suffix(".bmp").write_bytes(content)
    assert "remove one" in error_of(*adopt(made))
    file.with_suffix(".bmp").unlink()
    (tmp_path / "empty").mkdir()
    assert "no image in" in error_of(*adopt(tmp_path / "empty"))
    assert "--name 'none'" in error_of("adopt", str(made), "--name", "none")
    assert not study.set_root(0.4, "dgnet").parent.exists()
