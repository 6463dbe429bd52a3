"""Names, folders and bytes of Market-1501, and the rules by which other tools read them."""

import re
from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import SPLITS, images_fingerprint
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import (
    ROOT_NAME,
    check_output_path,
    find_root,
    frame_of,
    name_at,
    parse_name,
    split_folder,
)

READER = re.compile(r"([-\d]+)_c(\d)")  # torchreid and fast-reid, on the whole path


@pytest.mark.parametrize(
    ("name", "pid", "camid"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("-1_c5s3_086412_11.jpg", -1, 5),
        ("-001_c5s3_086412_11.jpg", -1, 5),  # f"{-1:04d}"
        ("9223372036854775807_c9223372036854775807.jpg", 2**63 - 1, 2**63 - 1),
        ("0000_c1s6_023071_04.jpg.jpg", 0, 1),
        ("1488_c5s3_071737_01.jpg.jpg", 1488, 5),
        ("0450_c2s1_000005_00.jpg", 450, 2),
        ("0005_c2_f0046985.jpg", 5, 2),
        ("0012_c14_0030.jpg", 12, 14),
        ("0002_c1s1_000451_03.JPG", 2, 1),
        ("0002_c1s1_000451_03.png", 2, 1),
    ],
)
def test_names(name: str, pid: int, camid: int) -> None:
    assert parse_name(name) == (pid, camid)


@pytest.mark.parametrize(
    "name",
    [
        *["Thumbs.db", "0002_c1s1_000451_03.txt", "0002_c1s1_000451_03", "0002.jpg", "_c1s1.jpg"],
        *["-2_c1s1_0_0.jpg", "../0002_c1s1_000451_03.jpg", "0002_c1s1/x.jpg", "0002_c1s1 (copy).jpg"],
        *["0002_c1s1:x.jpg", "0002_c1s1,x.jpg", "x0002_c1s1_000451_03.jpg", "0002_c1s1_000451_03.jpg\n"],
        *['0002_c1s1"x.jpg', "0002_c1s1_\udcff.jpg", ""],
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ReidAugError, match="does not parse"):
        parse_name(name)


@pytest.mark.parametrize("name", ["9223372036854775808_c1s1_0.jpg", f"1_c{'9' * 200}s1_0.jpg"])
def test_numbers_that_no_array_holds_are_refused_when_the_names_are_read(tiny_root: Path, name: str) -> None:
    (split_folder(tiny_root, "gallery") / name).touch()
    with pytest.raises(ReidAugError, match=rf"{name}.* above 9223372036854775807; give smaller ones"):
        open_dataset(tiny_root).images("gallery")


def test_a_name_of_a_table_may_be_longer_than_any_of_a_file_and_its_message_is_not() -> None:
    for name, message in (("9" * 5000 + "_c1s1_0.jpg", "above 9223372036854775807"), ("x" * 140_000, "does not parse")):
        with pytest.raises(ReidAugError, match=message) as error:
            parse_name(name)
        assert len(str(error.value)) < 400


def test_scan_is_sorted_and_passes_over_other_files(tiny_root: Path) -> None:
    for stray in ("0101_c1s1_000451_03.txt", "._0101_c1s1_000451_03.jpg", ".0101_c1s1_000451_03.jpg.1f.partial"):
        (split_folder(tiny_root, "gallery") / stray).touch()
    images = open_dataset(tiny_root).images("gallery")
    names = [image.name for image in images]
    assert names == sorted(names) and "Thumbs.db" not in names and len(names) == 4 * 4 + 3 + 4
    assert sum(image.pid == -1 for image in images) == 3
    assert sum(image.pid == 0 for image in images) == 4  # one of them ends in .jpg.jpg
    assert len(open_dataset(tiny_root).images("train")) == 36 and len(open_dataset(tiny_root).images("query")) == 8


def test_scan_refuses_missing_empty_and_foreign_folders(tiny_root: Path) -> None:
    folder = split_folder(tiny_root, "query")
    for name in ("x.jpg", "a.jpg"):
        (folder / name).touch()
    with pytest.raises(ReidAugError, match=r"query/a\.jpg: .*does not parse.*\(2 such problems\)"):
        open_dataset(tiny_root).images("query")
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ReidAugError, match=r"query: no image with a name that"):
        open_dataset(tiny_root).images("query")
    folder.rmdir()
    with pytest.raises(ReidAugError, match=r"query: no such folder.*bounding_box_test"):
        open_dataset(tiny_root).images("query")
    folder.symlink_to(tiny_root / "gone")
    with pytest.raises(ReidAugError, match=r"query: a link to .*gone, which is gone: .*shrink.*--data"):
        open_dataset(tiny_root).images("query")


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("ending", ["JPG", "jpeg", "JPEG", "png", "BMP", "tif", "webp"])
def test_an_image_in_another_ending_is_the_same_image(tiny_root: Path, split: str, ending: str) -> None:
    before = open_dataset(tiny_root).images(split)
    changed = {image.name for image in before if image.pid == before[-1].pid}
    for image in before:
        if image.name in changed:
            image.path.rename(image.path.with_suffix(f".{ending}"))
    after = open_dataset(tiny_root).images(split)
    assert [(image.name, image.pid, image.camid) for image in after] == [
        (image.name, image.pid, image.camid) for image in before
    ]
    assert {image.name for image in after if image.path.name == f"{image.path.stem}.{ending}"} == changed
    assert open_dataset(tiny_root).split_fingerprint(split) == images_fingerprint(after)


def test_two_files_that_differ_only_in_their_ending_are_refused(tiny_root: Path) -> None:
    image = open_dataset(tiny_root).images("train")[3]
    image.path.with_suffix(".png").touch()
    message = rf"{image.path.stem}\.png: has the name of {image.name} in another ending: rename or remove one"
    with pytest.raises(ReidAugError, match=message):
        open_dataset(tiny_root).images("train")


@pytest.mark.parametrize("around", ["", ROOT_NAME, "market1501", f"market1501/{ROOT_NAME}"])
def test_root_is_found_where_people_put_it(tmp_path: Path, around: str) -> None:
    root = tmp_path / around
    split_folder(root, "train").mkdir(parents=True)
    assert find_root(tmp_path) == root


def test_no_root(tmp_path: Path) -> None:
    assert find_root(tmp_path) is None and find_root(tmp_path / "absent") is None


@pytest.mark.parametrize("folder", ["run_05_c3_x", "a/05_c3", "-_c1", "x/12_c9/y", "2024-05_c1"])
def test_poisoned_paths_are_refused(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder / "study"
    assert READER.search(str(path / "0002_c1s1_000451_03.jpg"))[0] != "0002_c1"  # type: ignore[index]
    with pytest.raises(ReidAugError, match="torchreid"):
        check_output_path(path)


@pytest.mark.parametrize("folder", ["run_5", "c3", "a_c3", "5_camera", "05-c3", "p0.40/none"])
def test_harmless_paths_are_not(tmp_path: Path, folder: str) -> None:
    path = tmp_path / folder
    assert READER.search(str(path / "0002_c1s1_000451_03.jpg"))[0] == "0002_c1"  # type: ignore[index]
    check_output_path(path)


def test_poison_is_seen_behind_links_and_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned = tmp_path / "run_05_c3_x"
    poisoned.mkdir()
    (tmp_path / "link").symlink_to(poisoned)
    with pytest.raises(ReidAugError, match="05_c3"):
        check_output_path(tmp_path / "link" / "study")
    (poisoned / "to-clean").symlink_to(tmp_path)
    with pytest.raises(ReidAugError, match="05_c3"):
        check_output_path(poisoned / "to-clean" / "study")
    monkeypatch.chdir(poisoned)
    with pytest.raises(ReidAugError, match="05_c3"):
        check_output_path(Path("study"))


@pytest.mark.parametrize(
    ("name", "frame", "another"),
    [
        ("0002_c1s1_000451_03.jpg", 451, "0002_c1s1_000452_00.jpg"),
        ("0002_c1s5_000451_03.jpg.jpg", 451, "0002_c1s5_000452_00.jpg"),
        ("2_c12s3_1234567_00.jpg", 1234567, "2_c12s3_1234568_00.jpg"),
        ("0005_c2_f0046182.jpg", 46182, "0005_c2s1_046183_00.jpg"),  # DukeMTMC's
        ("0005_c12.jpg", 0, "0005_c12s1_000001_00.jpg"),
        ("0005_c12s34.jpg", 0, "0005_c12s34_000001_00.jpg"),
    ],
)
def test_another_image_of_a_person_by_a_camera(name: str, frame: int, another: str) -> None:
    assert frame_of(name) == frame and name_at(name, frame + 1) == another
    assert parse_name(another) == parse_name(name) and frame_of(another) == frame + 1
