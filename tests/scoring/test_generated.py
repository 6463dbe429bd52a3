"""Generated images in a folder, under the names that the field's programs give them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.scoring.generated import ImageFiles, generated_pairs, manifest_of
from reidaug.study.plan import ManifestRow, write_manifest
from reidaug.study.records import SynthesisRecord, write_record

PAIR = ("0001_c1s1_000007_00.jpg", "0001_c2s1_001007_01.jpg")
A, B = (name.removesuffix(".jpg") for name in PAIR)
SIZE = (8, 4)


def picture(path: Path, seed: int, width: int = SIZE[1]) -> np.ndarray:
    image = np.random.RandomState(seed).randint(0, 256, (SIZE[0], width, 3)).astype(np.uint8)
    Image.fromarray(image).save(path)
    return image


@pytest.mark.parametrize(
    "name",
    [
        f"{A}___{B}.png",
        f"{PAIR[0]}___{PAIR[1]}.png",
        f"{PAIR[0]}___{PAIR[1]}_vis.png",
        f"{A}_2_{B}_vis.png",
        f"{B}.png",
    ],
)
def test_file_names_of_published_code(name: str, tmp_path: Path) -> None:
    image = picture(tmp_path / name, 0)
    picture(tmp_path / f"{B}___{A}.png", 1)  # the other way round
    files = ImageFiles(tmp_path, SIZE)
    assert files.file_name(PAIR) == name and np.array_equal(files.images([PAIR])[0], image)


def test_files_of_the_system_are_passed_over_and_other_endings_read(tmp_path: Path) -> None:
    (tmp_path / f"._{B}.png").touch()
    image = picture(tmp_path / f"{B}.BMP", 0)
    assert np.array_equal(ImageFiles(tmp_path, SIZE).images([PAIR])[0], image)


def test_the_last_of_a_strip_is_taken(tmp_path: Path) -> None:
    strip = picture(tmp_path / f"{PAIR[0]}___{PAIR[1]}_vis.png", 0, width=5 * SIZE[1])
    assert np.array_equal(ImageFiles(tmp_path, SIZE).images([PAIR])[0], strip[:, -SIZE[1] :])


def test_what_is_no_image_of_a_pair(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match=r"no folder .*; expected generated images"):
        ImageFiles(tmp_path / "nowhere", SIZE)
    with pytest.raises(ReidAugError, match=r"no image in "):
        ImageFiles(tmp_path, SIZE)
    picture(tmp_path / f"{B}___{A}.png", 0)
    with pytest.raises(ReidAugError, match=f"no generated image for .* expected {A}___{B}.png or {B}.png"):
        ImageFiles(tmp_path, SIZE).images([PAIR])
    picture(tmp_path / f"{B}.png", 0, width=5)
    with pytest.raises(ReidAugError, match=rf"{B}.png is 8 x 5 pixels .*, expected 8 x 4, or 5 such images side"):
        ImageFiles(tmp_path, SIZE).images([PAIR])


def test_one_file_stands_for_one_pair(tmp_path: Path) -> None:
    picture(tmp_path / f"{B}.png", 0)
    other = ("0001_c3s1_002007_02.jpg", PAIR[1])
    files = ImageFiles(tmp_path, SIZE)
    files.check([PAIR])
    with pytest.raises(ReidAugError, match=rf"{B}.png would stand for {A}.jpg and for 0001_c3s1_002007_02.jpg as {B}"):
        files.check([PAIR, other])


def test_generated_pairs_of_a_set(tmp_path: Path) -> None:
    folder = tmp_path / "bounding_box_train"
    folder.mkdir()
    assert manifest_of(folder) is None
    rows = [
        ManifestRow(PAIR[0], 1, 1, False, "", "keep"),
        ManifestRow(PAIR[1], 1, 2, True, PAIR[0], "generate"),
        ManifestRow("0001_c3s1_002007_02.jpg", 1, 3, True, PAIR[0], "copy"),
    ]
    write_manifest(tmp_path / "manifest.csv", rows)
    assert manifest_of(folder) == manifest_of(tmp_path) == tmp_path / "manifest.csv"
    assert generated_pairs(tmp_path / "manifest.csv") == [PAIR]
    write_manifest(tmp_path / "manifest.csv", rows[::2])
    with pytest.raises(ReidAugError, match="names no generated image"):
        generated_pairs(tmp_path / "manifest.csv")


def test_images_of_an_augmented_set_have_no_real_counterpart(tmp_path: Path) -> None:
    pose = "0002_c3s1_002007_02.jpg"
    write_manifest(tmp_path / "manifest.csv", [ManifestRow(PAIR[1], 1, 2, True, PAIR[0], "generate", pose)])
    with pytest.raises(ReidAugError, match="augmented set: no photograph shows its people in their new poses"):
        generated_pairs(tmp_path / "manifest.csv")


def test_two_files_of_one_pair_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / f"{A}___{B}.png", 0)
    picture(tmp_path / f"{A}___{B}_vis.png", 1)
    with pytest.raises(ReidAugError, match=r"holds .*\.png and .*_vis\.png, which name one pair"):
        ImageFiles(tmp_path, SIZE)


def test_seen_images_of_a_whole_set(tmp_path: Path) -> None:
    folder = tmp_path / "pona" / "root" / "bounding_box_train"
    folder.mkdir(parents=True)
    picture(folder / PAIR[1], 0)
    write_manifest(folder.parent / "manifest.csv", [ManifestRow(PAIR[1], 1, 2, True, PAIR[0], "generate")])
    files, record = ImageFiles(folder.parent, SIZE), tmp_path / "pona" / "synthesis.json"
    assert files.label == "pona" and files.pairs == [PAIR] and files.count_seen([PAIR]) is None
    write_record(record, SynthesisRecord("pona.pt", "0", "auto", 95, seen_missing=1))
    assert files.count_seen([PAIR]) == 1 and files.count_seen([]) is None
    record.write_text("{")
    with pytest.raises(ReidAugError, match=r"synthesis\.json .*JSON file"):
        files.count_seen([PAIR])
