"""The pairs file of a data set: published rows, which images it covers."""

from pathlib import Path

import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pairs import read_pairs
from reidaug.datasets.pairs_file import pairs_file
from tests.factories import double_keypoints


def test_published_test_pairs_are_reproduced(published: Path, tmp_path: Path) -> None:
    """The file of 12,000 test pairs that PATN and PoNA share, byte for byte."""
    assert pairs_file(published, "test", tmp_path / "pairs.csv", 12000, 0) == (12000, 257198)
    assert (tmp_path / "pairs.csv").read_bytes() == (published / "market-pairs-test.csv").read_bytes()


def test_pairs_file_takes_root_or_the_folder_around_it(tiny_root: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.csv"
    assert pairs_file(tiny_root, "train", first) == pairs_file(tiny_root.parent, "train", second)
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(ReidAugError, match="cannot draw"):
        pairs_file(tiny_root, "train", tmp_path / "c.csv", 10**6)
    assert not (tmp_path / "c.csv").exists()


def test_keypoints_of_other_images_give_no_pairs(tiny_root: Path, tmp_path: Path) -> None:
    double_keypoints(tiny_root / "market-annotation-test.csv")
    with pytest.raises(ReidAugError, match=r"annotation-test.csv line .*of images of another size"):
        pairs_file(tiny_root, "test", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_pairs_of_a_root_are_those_of_its_gallery_and_of_training_images_that_are_there(
    tiny_root: Path, tmp_path: Path
) -> None:
    gone = sorted(split_folder(tiny_root, "train").glob("0002*"))
    for path in gone:
        path.unlink()
    for file, split in (("test", "gallery"), ("train", "train")):
        assert pairs_file(tiny_root, file, tmp_path / "pairs.csv")[0] > 10
        named = {name for pair in read_pairs(tmp_path / "pairs.csv") for name in pair}
        assert named <= {path.name for path in split_folder(tiny_root, split).iterdir()}
    (tmp_path / "bare").mkdir()
    for path in tiny_root.glob("*.csv"):
        (tmp_path / "bare" / path.name).write_bytes(path.read_bytes())
    pairs_file(tmp_path / "bare", "train", tmp_path / "pairs.csv")  # keypoints without images: every row
    assert {path.name for path in gone} & {name for pair in read_pairs(tmp_path / "pairs.csv") for name in pair}
