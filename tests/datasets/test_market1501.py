"""Names, folders and bytes of Market-1501, and the rules by which other tools read them."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import images_fingerprint, in_threads, read_image, read_images
from reidaug.datasets.market1501 import (
    ROOT_NAME,
    check_output_path,
    dataset_fingerprint,
    find_root,
    parse_name,
    scan_split,
    split_folder,
)

READER = re.compile(r"([-\d]+)_c(\d)")  # torchreid and fast-reid, on the whole path


@pytest.mark.parametrize(
    ("name", "pid", "camid"),
    [
        ("0002_c1s1_000451_03.jpg", 2, 1),
        ("-1_c5s3_086412_11.jpg", -1, 5),
        ("0000_c1s6_023071_04.jpg.jpg", 0, 1),
        ("1488_c5s3_071737_01.jpg.jpg", 1488, 5),
        ("0450_c2s1_000005_00.jpg", 450, 2),
        ("0005_c2_f0046985.jpg", 5, 2),
        ("0012_c14_0030.jpg", 12, 14),
    ],
)
def test_names(name: str, pid: int, camid: int) -> None:
    record = parse_name(name)
    assert (record.name, record.pid, record.camid) == (name, pid, camid)


@pytest.mark.parametrize(
    "name",
    [
        *[
            "Thumbs.db",
            "0002_c1s1_000451_03.JPG",
            "0002_c1s1_000451_03.png",
            "0002.jpg",
            "_c1s1.jpg",
            "-2_c1s1_0_0.jpg",
        ],
        *[
            "../0002_c1s1_000451_03.jpg",
            "0002_c1s1/x.jpg",
            "0002_c1s1 (copy).jpg",
            "0002_c1s1:x.jpg",
            "0002_c1s1,x.jpg",
        ],
        *["x0002_c1s1_000451_03.jpg", "0002_c1s1_000451_03.jpg\n", '0002_c1s1"x.jpg', "0002_c1s1_\udcff.jpg", ""],
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ReidAugError, match="does not parse"):
        parse_name(name)


def test_scan_is_sorted_and_passes_over_other_files(tiny_root: Path) -> None:
    (split_folder(tiny_root, "gallery") / "0101_c1s1_000451_03.JPG").touch()
    records = scan_split(tiny_root, "gallery")
    names = [record.name for record in records]
    assert names == sorted(names) and "Thumbs.db" not in names and len(names) == 4 * 4 + 3 + 4
    assert sum(record.pid == -1 for record in records) == 3
    assert sum(record.pid == 0 for record in records) == 4  # one of them ends in .jpg.jpg
    assert len(scan_split(tiny_root, "train")) == 36 and len(scan_split(tiny_root, "query")) == 8


def test_scan_refuses_missing_empty_and_foreign_folders(tiny_root: Path) -> None:
    folder = split_folder(tiny_root, "query")
    for name in ("x.jpg", "a.jpg"):
        (folder / name).touch()
    with pytest.raises(ReidAugError, match=r"2 image name\(s\) .*'a\.jpg'"):
        scan_split(tiny_root, "query")
    for path in folder.iterdir():
        path.unlink()
    with pytest.raises(ReidAugError, match=r"no \.jpg image in"):
        scan_split(tiny_root, "query")
    folder.rmdir()
    with pytest.raises(ReidAugError, match="no folder"):
        scan_split(tiny_root, "query")


@pytest.mark.parametrize("around", ["", ROOT_NAME, "market1501", f"market1501/{ROOT_NAME}"])
def test_root_is_found_where_people_put_it(tmp_path: Path, around: str) -> None:
    root = tmp_path / around
    split_folder(root, "train").mkdir(parents=True)
    assert find_root(tmp_path) == root


def test_no_root(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="not a Market-1501 root"):
        find_root(tmp_path)
    with pytest.raises(ReidAugError, match="no such data folder"):
        find_root(tmp_path / "absent")


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


def test_images_are_read_as_pillow_reads_them(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "train").iterdir())
    images = read_images(paths)
    assert images.shape == (36, 128, 64, 3) and images.dtype == np.uint8
    for path, image in zip(paths, images, strict=True):
        np.testing.assert_array_equal(image, np.asarray(Image.open(path).convert("RGB")))


def test_another_size_is_refused_or_resized(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "query").iterdir())[:3]
    with Image.open(paths[1]) as image:
        image.resize((48, 96)).save(paths[1])
    with pytest.raises(
        ReidAugError, match=re.escape(f"{paths[1]} is 96 x 48 pixels (height x width), expected 128 x 64")
    ):
        read_images(paths, size=(128, 64))
    both = f"{paths[1]} is 96 x 48 pixels (height x width) but {paths[0]} is 128 x 64"
    with pytest.raises(ReidAugError, match=re.escape(both)):
        read_images(paths)
    resized = read_images(paths, size=(128, 64), resize=True)
    np.testing.assert_array_equal(resized[0], read_image(paths[0]))
    assert resized.shape == (3, 128, 64, 3)


def test_grey_images_become_rgb(tmp_path: Path) -> None:
    Image.new("L", (64, 128), 77).save(tmp_path / "a.jpg")
    assert (read_image(tmp_path / "a.jpg") == 77).all() and read_image(tmp_path / "a.jpg").shape == (128, 64, 3)


@pytest.mark.parametrize("content", [b"", b"<html>", None], ids=["empty", "html", "truncated"])
def test_unreadable_image_is_named(tiny_root: Path, content: bytes | None) -> None:
    paths = sorted(split_folder(tiny_root, "query").iterdir())
    paths[5].write_bytes(paths[5].read_bytes()[:600] if content is None else content)
    with pytest.raises(ReidAugError, match=f"cannot read the image .*{paths[5].name}") as caught:
        read_images(paths)
    assert "\n" not in str(caught.value)
    with pytest.raises(ReidAugError, match="no such image"):
        read_images([paths[0], tiny_root / "absent.jpg"])
    with pytest.raises(ReidAugError, match="no images"):
        read_images([])


def test_threads_keep_the_order_and_tell_how_far() -> None:
    told: list[tuple[int, int]] = []
    assert in_threads(lambda n: n * n, range(1000), lambda done, of: told.append((done, of))) == [
        n * n for n in range(1000)
    ]
    assert told[-1] == (1000, 1000) and told == sorted(told)
    assert in_threads(str, []) == []


def test_fingerprint_follows_names_and_bytes_alone(tiny_root: Path, tmp_path: Path) -> None:
    folder = split_folder(tiny_root, "train")
    names = sorted(path.name for path in folder.iterdir())
    before, whole = images_fingerprint(folder, names), dataset_fingerprint(tiny_root)
    assert re.fullmatch("[0-9a-f]{16}", before) and before == images_fingerprint(folder, reversed(names))
    moved = tiny_root.rename(tmp_path / "moved")
    assert dataset_fingerprint(moved) == whole
    folder = split_folder(moved, "train")
    assert images_fingerprint(folder, names[1:]) != before
    (folder / names[0]).write_bytes((folder / names[1]).read_bytes())
    assert images_fingerprint(folder, names) != before and dataset_fingerprint(moved) != whole
    assert dataset_fingerprint(moved, ["query"]) == dataset_fingerprint(moved, ["query"]) != dataset_fingerprint(moved)
