"""Inspection: every sort of problem, all of them in one go, and the right counts."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.datasets.inspection import inspect_dataset
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import usable
from tests.cli.commands import runner
from tests.datasets.makers import write_images
from tests.factories import STANDING

NAMES = {"train": "0001_c2s1_000007_00.jpg", "query": "0101_c3s1_000007_00.jpg"}


def kinds(root: Path) -> set[tuple[str, str, str]]:
    return {(problem.kind, problem.level, problem.where) for problem in inspect_dataset(root).problems}


def test_counts_of_a_good_set(tiny_root: Path) -> None:
    told: list[tuple[int, int]] = []
    inspection = inspect_dataset(tiny_root.parent, lambda done, of: told.append((done, of)))
    assert inspection.root == tiny_root and inspection.errors == [] and told[-1] == (67, 67)
    counts = [(part.split, part.images, part.identities, part.junk, part.distractors) for part in inspection.splits]
    assert counts == [("train", 36, 6, 0, 0), ("query", 8, 4, 0, 0), ("gallery", 23, 4, 3, 4)]
    train, _, gallery = inspection.splits
    assert train.images_of_camera == {1: 12, 2: 12, 3: 12} and (train.annotated, gallery.annotated) == (36, 23)
    assert train.poses == usable(read_annotations(find_annotations(tiny_root, "train")).keypoints).sum() < 36
    problems = {(problem.kind, problem.level) for problem in inspection.problems}
    assert problems == {("stray-file", "note"), ("double-ending", "note")}


def rename(split: str, name: str) -> Callable[[Path], object]:
    return lambda root: (split_folder(root, split) / NAMES[split]).rename(split_folder(root, split) / name)


def replace(split: str, content: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        path = split_folder(root, split) / NAMES[split]
        path.write_bytes(content(path.read_bytes()))

    return damage


def resize(root: Path) -> None:
    Image.new("RGB", (64, 127)).save(split_folder(root, "train") / NAMES["train"])


def rewrite(split: str, change: Callable[[str], str]) -> Callable[[Path], object]:
    def damage(root: Path) -> None:
        path = find_annotations(root, split)
        path.write_text(change(path.read_text()))

    return damage


def remove_matches(root: Path) -> None:
    """Leaves only the gallery images of person 101 that camera 3 took, as it did the first query."""
    for path in split_folder(root, "gallery").glob("0101_*"):
        if "_c3" not in path.name:
            path.unlink()


def remove_all_matches(root: Path) -> None:
    for path in split_folder(root, "gallery").glob("01*"):
        path.unlink()


def copy_query(root: Path) -> None:
    (split_folder(root, "gallery") / NAMES["query"]).hardlink_to(split_folder(root, "query") / NAMES["query"])


def cut_a_row(text: str) -> str:
    lines = text.split("\n")
    return "\n".join([*lines[:4], lines[4][:60], *lines[5:]])


def move_joint(text: str) -> str:
    return re.sub(r"\[\d+", "[300", text, count=1)


def hide(split: str, every: int = 1) -> Callable[[Path], object]:
    """Leaves a pose in every so many rows, and none where it is 0."""

    def damage(root: Path) -> None:
        path = find_annotations(root, split)
        annotations = read_annotations(path)
        kept = np.arange(len(annotations)) % every == 0 if every else np.zeros(len(annotations), bool)
        annotations.keypoints[:] = np.nan
        annotations.keypoints[kept] = STANDING
        write_annotations(path, annotations.names, annotations.keypoints)

    return damage


def one_camera(root: Path) -> None:
    for split in ("query", "gallery"):
        for path in split_folder(root, split).glob("*.jpg"):
            path.rename(path.with_name(re.sub(r"_c\d", "_c1", path.name)))


def one_person(root: Path) -> None:
    for path in split_folder(root, "train").iterdir():
        path.rename(path.with_name(re.sub(r"^\d+", "0001", path.name)))


def zeros(text: str) -> str:
    """Missing joints as other programs write them."""
    return text.replace("-1", "0")


TRAIN, QUERY = f"bounding_box_train/{NAMES['train']}", f"query/{NAMES['query']}"
BROKEN = [
    (replace("train", lambda content: content[:500]), ("unreadable-image", "error", TRAIN)),
    (replace("query", lambda content: b""), ("unreadable-image", "error", QUERY)),
    (resize, ("wrong-size", "error", TRAIN)),
    (rewrite("train", move_joint), ("joint-outside", "error", "market-annotation-train.csv")),
    (rename("train", "someone.jpg"), ("bad-name", "error", "bounding_box_train/someone.jpg")),
    (rename("train", "0001_c2.txt"), ("stray-file", "note", "bounding_box_train/0001_c2.txt")),
    (rename("train", "._0001_c2s1_0_0.jpg"), ("stray-file", "note", "bounding_box_train/._0001_c2s1_0_0.jpg")),
    (rename("train", "0001_c2.PNG"), ("other-ending", "note", "bounding_box_train/0001_c2.PNG")),
    (rename("train", "0001_c3s1_001007_01.png"), ("same-name", "error", "bounding_box_train/0001_c3s1_001007_01.png")),
    (rename("train", "1502_c2s1_0_0.jpg"), ("out-of-range", "note", "bounding_box_train/1502_c2s1_0_0.jpg")),
    (rename("train", "0001_c7s1_0_0.jpg"), ("out-of-range", "note", "bounding_box_train/0001_c7s1_0_0.jpg")),
    (rename("train", "-1_c2s1_0_0.jpg"), ("out-of-place", "error", "bounding_box_train/-1_c2s1_0_0.jpg")),
    (rename("query", "0000_c2s1_0_0.jpg"), ("out-of-place", "error", "query/0000_c2s1_0_0.jpg")),
    (rename("train", "0102_c2s1_0_0.jpg"), ("identity-overlap", "error", "bounding_box_train")),
    (rename("query", "0999_c2s1_0_0.jpg"), ("no-match", "note", "query/0999_c2s1_0_0.jpg")),
    (rename("train", "0001_c2s1_x.jpg"), ("no-row", "error", "bounding_box_train/0001_c2s1_x.jpg")),
    (rename("train", "0001_c2s1_x.jpg"), ("no-image", "note", "market-annotation-train.csv")),
    (rename("query", "0101_c2s1_x.jpg"), ("no-row", "note", "query/0101_c2s1_x.jpg")),
    (remove_matches, ("no-match", "note", QUERY)),
    (copy_query, ("in-query-and-gallery", "note", QUERY)),
    (rewrite("train", cut_a_row), ("broken-row", "error", "market-annotation-train.csv:5")),
    (rewrite("test", cut_a_row), ("broken-row", "error", "market-annotation-test.csv:5")),
    (rewrite("test", lambda text: "<html>"), ("no-keypoints", "error", "bounding_box_test")),
    (rewrite("test", lambda text: text.split("\n")[0]), ("no-keypoints", "error", "market-annotation-test.csv")),
    (hide("train", 0), ("no-pairs", "error", "market-annotation-train.csv")),
    (hide("train", 6), ("no-pairs", "error", "market-annotation-train.csv")),
    (hide("test", 0), ("no-pairs", "note", "market-annotation-test.csv")),
    (one_camera, ("no-map", "error", "query")),
    (remove_all_matches, ("no-map", "error", "query")),
    (one_person, ("one-person", "error", "bounding_box_train")),
    (rewrite("train", zeros), ("zero-joints", "note", "market-annotation-train.csv")),
    (rewrite("train", lambda text: "<html>"), ("no-keypoints", "error", "bounding_box_train")),
    (rewrite("train", lambda text: text.split("\n")[0]), ("no-row", "error", TRAIN)),
    (lambda root: find_annotations(root, "test").unlink(), ("no-keypoints", "note", "bounding_box_test")),
    (lambda root: split_folder(root, "query").rename(root / "x"), ("missing-folder", "error", "query")),
]


@pytest.mark.parametrize(("damage", "expected"), BROKEN, ids=[f"{i}-{e[0]}" for i, (_, e) in enumerate(BROKEN)])
def test_each_problem_is_found(
    tiny_root: Path, damage: Callable[[Path], object], expected: tuple[str, str, str]
) -> None:
    assert expected not in kinds(tiny_root)
    damage(tiny_root)
    assert expected in kinds(tiny_root)


@pytest.mark.parametrize(("size", "errors"), [((128, 256), set()), ((66, 132), {("odd-size", "error")})])
def test_another_size_is_no_error_where_4_divides_it(
    tiny_root: Path, size: tuple[int, int], errors: set[tuple[str, str]]
) -> None:
    for folder in ("bounding_box_train", "query", "bounding_box_test"):
        for path in (tiny_root / folder).glob("*.jpg"):
            with Image.open(path) as image:
                image.resize(size).save(path)
    problems = {(kind, level) for kind, level, _ in kinds(tiny_root)}
    assert problems == errors | {("stray-file", "note"), ("double-ending", "note"), ("other-size", "note")}


def test_what_inspect_says_of_poses_and_cameras(tiny_root: Path) -> None:
    missing = int(np.isnan(read_annotations(find_annotations(tiny_root, "train")).keypoints[..., 0]).sum())
    rewrite("train", zeros)(tiny_root)
    one_camera(tiny_root)
    messages = {problem.kind: problem.message for problem in inspect_dataset(tiny_root).problems}
    assert missing > 50 and messages["zero-joints"].startswith(f"{missing} joints lie at x = 0, y = 0")
    assert "(all images are of camera 1): mAP is undefined" in messages["no-map"]
    for every, expected in ((0, "nobody has an image with both"), (6, "nobody has two images with both")):
        hide("train", every)(tiny_root)
        (message,) = [problem.message for problem in inspect_dataset(tiny_root).errors if problem.kind == "no-pairs"]
        assert message.startswith(f"{expected} shoulders and both hips: no generator can be trained")


def test_rows_of_images_that_are_not_there_are_not_measured(tiny_root: Path) -> None:
    """As other commands do not look at them either."""
    path = find_annotations(tiny_root, "train")
    path.write_text(path.read_text() + f"0009_c1s1_000000_00.jpg: {[500] * 18}: {[500] * 18}\n")
    assert {kind for kind, level, _ in kinds(tiny_root) if level == "error"} == set()


def test_rows_of_images_that_are_refused_are_not_called_rows_without_an_image(tiny_root: Path) -> None:
    rename("train", "0000_c2s1_000007_00.jpg")(tiny_root)
    rewrite("train", lambda text: text.replace(NAMES["train"], "0000_c2s1_000007_00.jpg"))(tiny_root)
    found = {(kind, level) for kind, level, _ in kinds(tiny_root)}
    assert ("out-of-place", "error") in found and not {kind for kind, _ in found} & {"no-image", "no-row"}


def test_all_problems_come_in_one_go(tiny_root: Path) -> None:
    for damage in (replace("query", lambda _: b""), rename("train", "0102_c7s1_0_0.jpg"), rewrite("train", cut_a_row)):
        damage(tiny_root)
    (split_folder(tiny_root, "gallery") / "x.jpg").touch()
    expected = "unreadable-image identity-overlap out-of-range no-row no-image broken-row bad-name"
    assert {kind for kind, _, _ in kinds(tiny_root)} >= set(expected.split())


def test_empty_folders_are_named(tiny_root: Path) -> None:
    for split in ("train", "query", "gallery"):
        for path in split_folder(tiny_root, split).iterdir():
            path.unlink()
    folders = {where for kind, level, where in kinds(tiny_root) if (kind, level) == ("empty-folder", "error")}
    assert folders == {"bounding_box_train", "query", "bounding_box_test"}


def test_poisoned_path_is_an_error(tiny_root: Path, tmp_path: Path) -> None:
    moved = tiny_root.rename(tmp_path / "run_05_c3_x")
    assert "poisoned-path" in {problem.kind for problem in inspect_dataset(moved).errors}


def test_published_keypoints_without_query_are_in_order(tiny_root: Path) -> None:
    query = {path.name for path in split_folder(tiny_root, "query").iterdir()}
    rewrite("test", lambda text: "\n".join(row for row in text.split("\n") if row.split(":")[0] not in query))(
        tiny_root
    )
    assert not [problem for problem in inspect_dataset(tiny_root).problems if problem.kind == "no-row"]


def test_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="expected a Market-1501 root"):
        inspect_dataset(tmp_path)


def test_the_layout_is_named(tiny_root: Path, tmp_path: Path) -> None:
    assert inspect_dataset(tiny_root).layout == "Market-1501"
    write_images(tmp_path / "people", ["1/c1.jpg", "1/c2.jpg", "2/c1.jpg"])
    inspection = inspect_dataset(tmp_path / "people")
    assert inspection.layout == "people in folders" and inspection.splits[0].images == 3
    result = runner.invoke(app, ["inspect", str(tmp_path / "people")])
    assert "people in folders: " in result.stdout and "`reidaug split`" in " ".join(result.stdout.split())


def test_missing_keypoints_come_with_the_command_that_makes_them(tiny_root: Path) -> None:
    find_annotations(tiny_root, "train").unlink()
    (problem,) = [problem for problem in inspect_dataset(tiny_root).errors if problem.kind == "no-keypoints"]
    out = tiny_root / "market-annotation-train.csv"
    assert f"reidaug pose {tiny_root} --split train --out {out}" in problem.message


def test_turned_images_and_cameras_of_two_digits_are_named(tiny_root: Path) -> None:
    path = split_folder(tiny_root, "train") / NAMES["train"]
    exif = Image.Exif()
    exif[274] = 6
    with Image.open(path) as image:
        image.save(path, "JPEG", exif=exif)
    rename("query", "0101_c12s1_000007_00.jpg")(tiny_root)
    problems = {problem.kind: problem for problem in inspect_dataset(tiny_root).problems}
    assert (
        "1 of 67 images are stored turned" in problems["turned-image"].message
        and problems["turned-image"].level == "note"
    )
    assert "read its first digit alone, as camera 1" in problems["out-of-range"].message
