"""Any data set as a Market-1501 root."""

import csv
import shutil
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import PIL.Image
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import read_image
from reidaug.datasets.import_set import import_set
from reidaug.datasets.inspection import inspect_dataset
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.request import ImportRequest, parse_size
from tests.cli.commands import error_of, values_of
from tests.datasets.makers import write_images, write_msmt17, write_table
from tests.factories import STANDING, write_checkpoint

HALVES = np.zeros((60, 30, 3), np.uint8)  # upright: the upper half is red, the lower half blue
HALVES[:30, :, 0] = HALVES[30:, :, 2] = 250


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def import_quietly(source: Path, out: Path, **options: object) -> tuple[dict[str, object], list[str]]:
    said: list[str] = []
    return import_set(ImportRequest(source, out, **options), None, said.append), said  # type: ignore[arg-type]


def test_files_of_any_kind_become_one_size_and_can_be_traced(tmp_path: Path) -> None:
    source = tmp_path / "photos"
    files = ["1/c1.jpg", "1/c2.PNG", "2/c1_a.JPEG", "2/c1_b.bmp", "2/c2_grey.png", "2/c3_cmyk.jpg", "2/c3_turned.jpg"]
    write_images(source, files[:4], (60, 30))
    upright = PIL.Image.fromarray(HALVES)
    upright.convert("L").save(source / files[4])
    upright.convert("CMYK").save(source / files[5])
    exif = PIL.Image.Exif()
    exif[274] = 6  # as a phone that is held upright stores it
    upright.transpose(PIL.Image.Transpose.ROTATE_90).save(source / files[6], exif=exif, quality=95)
    values, said = import_quietly(source, tmp_path / "out", size=(128, 64))
    assert values == {
        **{"data": str(tmp_path / "out"), "layout": "people in folders", "people": 2, "train_images": 7},
        **{"query_images": 0, "gallery_images": 0, "cameras": 3, "size": "128x64", "keypoints": False},
    }
    images = open_dataset(tmp_path / "out").images("train")
    for image in images:
        with PIL.Image.open(image.path) as picture:
            assert (picture.size, picture.mode, picture.format) == ((64, 128), "RGB", "JPEG")
            assert picture.getexif().get(274, 1) == 1
    rows = rows_of(tmp_path / "out" / "sources.csv")
    assert sorted(row["source"] for row in rows) == sorted(files)
    turned = next(row for row in rows if "turned" in row["source"])
    assert (turned["person"], turned["camera"]) == ("2", "3") and turned["name"].startswith("0002_c3")
    pixels = read_image(split_folder(tmp_path / "out", "train") / turned["name"]).astype(int)
    assert pixels[:50, :, 0].min() > 200 and pixels[78:, :, 2].min() > 200
    assert said[-2].startswith("next, the poses: reidaug pose") and "--split train" in said[-2]
    assert f"reidaug split {tmp_path / 'out'} OUT2" in said[-1]


def test_images_that_fit_keep_their_bytes_and_keypoints_follow_the_size(tiny_root: Path, tmp_path: Path) -> None:
    original = {split: open_dataset(tiny_root).images(split) for split in ("train", "query", "gallery")}
    values, said = import_quietly(tiny_root, tmp_path / "same")
    copied = {split: open_dataset(tmp_path / "same").images(split) for split in original}
    for split, images in original.items():
        assert [i.name for i in copied[split]] == [i.name for i in images]
        assert all(a.path.read_bytes() == b.path.read_bytes() for a, b in zip(copied[split], images, strict=True))
    assert values["keypoints"] is True and values["size"] == "128x64" and "needs no import" in said[0]
    assert not (tmp_path / "same" / "cameras.csv").exists()
    import_quietly(tiny_root, tmp_path / "double", size=(256, 128))
    assert not inspect_dataset(tmp_path / "double").errors
    for file in ("train", "test"):
        before, same, after = (
            read_annotations(find_annotations(root, file))
            for root in (tiny_root, tmp_path / "same", tmp_path / "double")
        )
        np.testing.assert_array_equal(same.select(same.names), before.select(same.names))
        expected = 2 * before.select(after.names) + 0.5  # the middle of a pixel stays the middle of two
        np.testing.assert_allclose(after.select(after.names), expected, atol=1e-4)


def test_the_size_is_that_of_all_images_or_of_market(tmp_path: Path) -> None:
    write_images(tmp_path / "a", ["1/c1.jpg", "2/c1.jpg"], (96, 48))
    assert import_quietly(tmp_path / "a", tmp_path / "a-out")[0]["size"] == "96x48"
    write_images(tmp_path / "a", ["2/c2.jpg"], (97, 48))
    assert import_quietly(tmp_path / "a", tmp_path / "b-out")[0]["size"] == "128x64"
    write_images(tmp_path / "c", ["1/c1.jpg", "2/c1.jpg"], (90, 45))
    assert import_quietly(tmp_path / "c", tmp_path / "c-out")[0]["size"] == "128x64"


@pytest.mark.parametrize("text", ["128", "64x", "128x63", "0x64", "128 x 64", "-4x4", "1x1"])
def test_a_size_that_generators_do_not_take_is_refused(text: str) -> None:
    with pytest.raises(ReidAugError, match="divisible by 4, such as 128x64"):
        parse_size(text)
    assert parse_size("128x64") == (128, 64)


def test_cameras_above_nine_get_other_numbers_with_a_table(tmp_path: Path) -> None:
    rows = [{"path": f"{camera}.jpg", "pid": 1 + camera % 2, "camid": camera} for camera in (3, 10, 25)]
    source = write_table(tmp_path / "people.csv", rows)
    _, said = import_quietly(source, tmp_path / "out")
    images = open_dataset(tmp_path / "out").images("train")
    assert [(i.pid, i.camid, i.name) for i in images] == [
        (1, 2, "0001_c2s1_000001_00.jpg"),
        (2, 1, "0002_c1s1_000001_00.jpg"),
        (2, 3, "0002_c3s1_000002_00.jpg"),
    ]
    table = [{"camera": "3", "camid": "1"}, {"camera": "10", "camid": "2"}, {"camera": "25", "camid": "3"}]
    assert rows_of(tmp_path / "out" / "cameras.csv") == table
    assert "3 cameras have other numbers" in said[0] and "cameras.csv" in said[0]
    (tmp_path / "table.csv").write_text("camera,camid\n3,4\n10,4\n25,5\n")
    import_quietly(source, tmp_path / "joined", cameras=str(tmp_path / "table.csv"))
    assert sorted(i.camid for i in open_dataset(tmp_path / "joined").images("train")) == [4, 4, 5]


def test_more_cameras_than_digits_are_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    rows = [{"path": f"{camera}.jpg", "pid": camera, "camid": camera} for camera in range(1, 11)]
    source = write_table(tmp_path / "people.csv", rows)
    line = error_of("import", str(source), str(tmp_path / "out"))
    assert "10 cameras" in line and "--cameras CSV" in line and "--cameras keep" in line
    assert not (tmp_path / "out").exists()
    _, said = import_quietly(source, tmp_path / "kept", cameras="keep")
    assert open_dataset(tmp_path / "kept").images("train")[-1].camid == 10
    assert any("first digit alone" in line for line in said)
    for content, message in (
        ("camera,camid\n1,1\n", "no row for camera 2"),
        ("camera,camid\n" + "".join(f"{c},{c}\n" for c in range(1, 11)), "camid is 10, expected 1 to 9"),
        ("a,b\n1,1\n", "columns camera,camid"),
    ):
        (tmp_path / "table.csv").write_text(content)
        assert message in error_of("import", str(source), str(tmp_path / "x"), "--cameras", str(tmp_path / "table.csv"))
    assert "expected renumber, keep, or a CSV" in error_of(
        "import", str(source), str(tmp_path / "x"), "--cameras", "no"
    )


def test_cameras_of_market_names_change_in_the_name(tmp_path: Path) -> None:
    files = ["bounding_box_train/0001_c12s1_000451_03.jpg", "bounding_box_train/0002_c2s1_000451_03.jpg"]
    import_quietly(write_images(tmp_path / "in", files), tmp_path / "out")
    names = [image.name for image in open_dataset(tmp_path / "out").images("train")]
    assert names == ["0001_c2s1_000451_03.jpg", "0002_c1s1_000451_03.jpg"]


def test_people_above_1501_are_named(tmp_path: Path) -> None:
    rows = [{"path": f"{pid}.jpg", "pid": pid, "camid": 1} for pid in (1, 1501, 1502, 4000)]
    _, said = import_quietly(write_table(tmp_path / "people.csv", rows), tmp_path / "out")
    assert any(line.startswith("2 people have numbers above 1501, such as 1502") for line in said)


def test_msmt17_becomes_a_market_root(tmp_path: Path) -> None:
    values = values_of("import", str(write_msmt17(tmp_path / "msmt17")), str(tmp_path / "out"))
    assert (values["train_images"], values["query_images"], values["gallery_images"]) == (4, 2, 2)
    table = {row["camera"]: row["camid"] for row in rows_of(tmp_path / "out" / "cameras.csv")}
    assert table == {"1": "1", "7": "2", "14": "3", "15": "4"}
    rows = {row["name"]: row for row in rows_of(tmp_path / "out" / "sources.csv")}
    query = open_dataset(tmp_path / "out").images("query")[1]
    assert rows[query.name]["source"] == "test/0001/0001_000_07_0303noon_0001_0_ex.jpg"
    assert (query.pid, rows[query.name]["person"]) == (4, "1")
    assert not [p for p in inspect_dataset(tmp_path / "out").errors if p.kind != "no-keypoints"]


def test_a_layout_may_be_named(tiny_root: Path, tmp_path: Path) -> None:
    assert values_of("import", str(tiny_root), str(tmp_path / "out"), "--layout", "market-1501")["train_images"] == 36
    assert "is none of: DukeMTMC-reID" in error_of("import", str(tiny_root), str(tmp_path / "x"), "--layout", "mars")
    line = error_of("import", str(tiny_root), str(tmp_path / "x"), "--layout", "VIPeR")
    assert "is not VIPeR; expected VIPeR with cam_a/ and cam_b/" in line


def test_what_cannot_be_read_leaves_nothing_behind(tiny_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "new"
    shutil.copyfile(tiny_root / "market-annotation-train.csv", split_folder(tiny_root, "train") / "0001_c1s1_0_00.jpg")
    assert "an image of " in (error := error_of("import", str(tiny_root), str(out))) and "0001_c1s1_0_00.jpg" in error
    (split_folder(tiny_root, "train") / "0001_c1s1_0_00.jpg").unlink()
    (split_folder(tiny_root, "query") / "x.jpg").touch()
    assert "query/x.jpg" in error_of("import", str(tiny_root), str(out))
    for path in split_folder(tiny_root, "query").glob("*_c*"):
        path.unlink()
    assert "query/x.jpg" in error_of("import", str(tiny_root), str(out))  # broken is not the same as absent
    assert "no such data folder" in error_of("import", str(tmp_path / "absent"), str(out))
    assert not out.exists() and not list(tmp_path.glob(".new*"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    assert "full is there already" in error_of("import", str(tiny_root), str(tmp_path / "full"))
    assert "person and camera" in error_of("import", str(tiny_root), str(tmp_path / "run_05_c3_x"))


def test_the_main_job_on_an_imported_folder_of_people(
    tiny_root: Path, own_folder: Path, small_quick: None, small_network: None
) -> None:
    for image in open_dataset(tiny_root).images("train"):
        target = Path("photos") / f"person{image.pid}" / f"cam{image.camid}_{image.name.split('_')[2]}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(image.path, target)
    values_of("import", "photos", "market", "--size", "64x32")
    images = open_dataset(Path("market")).images("train")
    keypoints = np.tile(STANDING / 2, (len(images), 1, 1)).astype(np.float32)
    write_annotations(Path("market/market-annotation-train.csv"), [image.name for image in images], keypoints)
    assert values_of("split", "market", "mine")["keypoints"] is True
    assert not inspect_dataset(Path("mine")).errors
    checkpoint = str(write_checkpoint(own_folder / "tiny.pt", seed=0))
    assert values_of("shrink", "--portion", "0.4", "--data", "mine")["kept"] == 7
    assert values_of("synthesize", "--ckpt", checkpoint, "--device", "cpu")["sets"][0]["complete"]
    small = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
    rows = values_of("evaluate", *small)["rows"]
    assert {row["set"]: row["images"] for row in rows} == {"none": 7, "pona": 18, "full": 18}


def test_an_image_that_is_cut_off_is_not_copied(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", ["1/c1.jpg", "1/c2.jpg", "2/c1.jpg"], (128, 64))
    broken = tmp_path / "photos" / "1" / "c2.jpg"
    broken.write_bytes(broken.read_bytes()[:-300])  # its header says size and mode
    assert f"cannot be read: {broken}" in error_of("import", str(tmp_path / "photos"), str(tmp_path / "out"))
    assert [path.name for path in tmp_path.iterdir()] == ["photos"]


def test_all_images_that_cannot_be_read_are_named(tiny_root: Path, tmp_path: Path) -> None:
    paths = sorted((tiny_root / "query").glob("*.jpg"))[:2]
    for path in paths:
        path.write_bytes(b"")
    error = error_of("import", str(tiny_root), str(tmp_path / "out"))
    assert "2 images of " in error and all(str(path) in error for path in paths)


def test_the_new_root_lies_outside_of_the_data_set(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", ["1/c1.jpg", "2/c1.jpg"], (128, 64))
    (tmp_path / "link").symlink_to("photos")
    for out in ("photos/out", "link/new/out"):
        line = error_of("import", str(tmp_path / "photos"), str(tmp_path / out))
        assert f"{out} lies in the data set" in line
    assert open_dataset(tmp_path / "photos").layout.name == "people in folders"


def test_a_full_disk_is_not_called_an_image_that_cannot_be_read(
    tiny_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(shutil, "copyfile", Mock(side_effect=full))
    message = error_of("import", str(tiny_root), str(tmp_path / "out"))
    assert message.startswith(f"error: cannot write {tmp_path}/.out.partial/") and "No space left" in message
