"""Pairs: the published count, and a naive implementation of the rule."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations
from reidaug.datasets.pairs import draw_pairs, read_pairs, usable, write_pairs
from tests.factories import all_pairs


def test_published_counts(published: Path) -> None:
    """263,632 training pairs of 12,116 valid images: the PoNA paper (IEEE TIP 2020), and PATN's public code."""
    annotations = read_annotations(find_annotations(published, "train"))
    assert int(usable(annotations.keypoints).sum()) == 12116
    assert all_pairs(annotations).shape == (263632, 2)


def test_the_rule_in_plain_words(tiny_root: Path) -> None:
    annotations = read_annotations(find_annotations(tiny_root, "test"))
    people: dict[str, list[str]] = {}
    for name, pose in zip(annotations.names, annotations.keypoints, strict=True):
        if all(not np.isnan(pose[joint]).any() for joint in (2, 5, 8, 11)) and not name.startswith(("-1", "0000")):
            people.setdefault(name[:4], []).append(name)
    expected = [pair for names in people.values() for pair in permutations(names, 2)]
    pairs = [(annotations.names[a], annotations.names[b]) for a, b in all_pairs(annotations)]
    assert pairs == expected and len(pairs) > 50


@pytest.mark.parametrize("joint", range(18))
def test_only_shoulders_and_hips_matter(joint: int) -> None:
    keypoints = np.ones((2, 18, 2), dtype=np.float32)
    keypoints[0, joint] = np.nan
    assert usable(keypoints).tolist() == [joint not in (2, 5, 8, 11), True]


def test_order_is_that_of_the_file_not_of_the_persons() -> None:
    stems = ["0007_c1s1_1", "0002_c1s1_1", "0007_c1s1_0", "-1_c1s1_0", "-1_c1s1_1", "0002_c1s1_0"]
    annotations = Annotations(tuple(f"{stem}.jpg" for stem in stems), np.ones((6, 18, 2), dtype=np.float32))
    assert all_pairs(annotations).tolist() == [[0, 2], [2, 0], [1, 5], [5, 1]]


def test_drawing_is_without_putting_back_and_by_seed() -> None:
    pairs = np.arange(40).reshape(20, 2)
    drawn = draw_pairs(pairs, 20, seed=3)
    assert sorted(drawn.tolist()) == pairs.tolist() != drawn.tolist()
    np.testing.assert_array_equal(draw_pairs(pairs, 7, seed=3), drawn[:7])
    assert draw_pairs(pairs, 7, seed=4).tolist() != drawn[:7].tolist()
    for count in (0, 21):
        with pytest.raises(ReidAugError, match=f"cannot draw {count} pairs"):
            draw_pairs(pairs, count, seed=0)


def test_file_goes_there_and_back(tmp_path: Path) -> None:
    names = ["0002_c1s1_000451_03.jpg", "0002_c2s1_000451_03.jpg"]
    write_pairs(tmp_path / "p.csv", names, np.array([[1, 0], [0, 1]]))
    assert (tmp_path / "p.csv").read_text() == f"from,to\n{names[1]},{names[0]}\n{names[0]},{names[1]}\n"
    assert read_pairs(tmp_path / "p.csv") == [(names[1], names[0]), (names[0], names[1])]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        *[(b"", "header"), (b"a,b\n", "header"), (b"from,to\n", "no pairs"), (b"from,to\nx.jpg\n", "line 2")],
        (b"\xff\xfe\x00", "not a text file"),
        (b"from,to\n" + b"x" * 200_000, "no CSV"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(ReidAugError, match=expected):
        read_pairs(tmp_path / "p.csv")
    with pytest.raises(ReidAugError, match="no pairs file"):
        read_pairs(tmp_path / "absent.csv")


def test_names_of_files_in_another_ending_are_those_of_the_images(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("from,to\nfront.PNG,back.jpg\n")
    assert read_pairs(tmp_path / "p.csv") == [("front.jpg", "back.jpg")]


def test_names_are_checked(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("from,to\nfront.jpg,back.jpg\nside.jpg,back.jpg\n")

    def refuse(name: str) -> None:
        raise ReidAugError(f"unknown {name}")

    with pytest.raises(ReidAugError, match=r"line 2: unknown front.jpg"):
        read_pairs(tmp_path / "p.csv", refuse)
    seen: list[str] = []
    assert read_pairs(tmp_path / "p.csv", seen.append) == [("front.jpg", "back.jpg"), ("side.jpg", "back.jpg")]
    assert seen == ["front.jpg", "back.jpg", "side.jpg", "back.jpg"]
