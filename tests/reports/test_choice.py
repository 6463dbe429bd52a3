"""Which images a picture shows: the named ones in their order, others drawn from the test people."""

from pathlib import Path

import numpy as np
import pytest

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import FILES, write_annotations
from reidaug.datasets.posed_images import PosedImages
from reidaug.reports.choice import choose_crossed, choose_pairs, people_of
from tests.factories import posed_images_of


@pytest.fixture
def source(tiny_root: Path) -> PosedImages:
    return posed_images_of(tiny_root)


def pid(name: str) -> str:
    return name.split("_")[0]


def test_named_images_are_taken_in_their_order_and_partners_are_drawn(source: PosedImages) -> None:
    train = [name for name in source.usable() if 0 < int(pid(name)) < 100]
    named = [train[3], train[0]], [train[5], train[1]]
    assert choose_crossed(source, *named, (1, 8), 0) == choose_pairs(source, *named, 8, 0) == named
    files = tuple([name.replace(".jpg", ".PNG") for name in names] for names in named)
    assert choose_crossed(source, *files, (1, 8), 0) == choose_pairs(source, *files, 8, 0) == named
    persons, poses = choose_pairs(source, [], [train[4], train[9]], 8, 0)
    assert poses == [train[4], train[9]]
    for person, pose in zip(persons, poses, strict=True):
        assert pid(person) == pid(pose) and person != pose
    persons, poses = choose_pairs(source, [train[4]], [], 8, 0)
    assert persons == [train[4]] and pid(poses[0]) == pid(train[4])


@pytest.mark.parametrize("seed", range(5))
def test_drawn_people_are_different_ones_and_never_in_a_pose_of_their_own(source: PosedImages, seed: int) -> None:
    persons, poses = choose_crossed(source, [], [], (3, 4), seed)
    assert len({*map(pid, persons)}) == 3 and len({*map(pid, poses)}) == 4 and not {*persons} & {*poses}
    conditions, targets = choose_pairs(source, [], [], 3, seed)
    assert [*map(pid, conditions)] == [*map(pid, targets)] and len({*map(pid, conditions)}) == 3
    assert not {*conditions} & {*targets}
    assert choose_crossed(source, [], [], (3, 4), seed) == (persons, poses)
    assert choose_crossed(source, [], [], (3, 4), seed + 1) != (persons, poses)


def test_people_of_the_training_set_where_there_are_no_others(source: PosedImages) -> None:
    assert sorted(map(str, people_of(source))) == ["101", "102", "103", "104"]
    (source.root / FILES["test"]).unlink()
    persons, _ = choose_crossed(posed_images_of(source.root), [], [], (8, 1), 0)
    assert sorted(map(pid, persons)) == [f"000{i}" for i in range(1, 7)]


def test_names_that_cannot_be_taken(source: PosedImages) -> None:
    hidden = next(name for name in source.by_name if name not in source.usable())
    for names, message in ((["nobody.jpg"], "no image 'nobody.jpg'"), ([hidden], f"{hidden} has no usable pose")):
        with pytest.raises(ReidAugError, match=message):
            choose_crossed(source, [], names, (1, 1), 0)
    name = source.usable()[0]
    with pytest.raises(ReidAugError, match="1 condition and 2 target images"):
        choose_pairs(source, [name], [name, name], 1, 0)


def test_nobody_to_draw(source: PosedImages) -> None:
    annotations = source.annotations
    alone = {pid(name): name for name in source.usable()}
    for file in FILES.values():
        names = [name for name in annotations.names if name in alone.values()]
        write_annotations(source.root / file, names, annotations.select(names))
    lonely = posed_images_of(source.root)
    with pytest.raises(ReidAugError, match="nobody in"):
        choose_pairs(lonely, [], [], 8, 0)
    name = next(iter(alone.values()))
    with pytest.raises(ReidAugError, match=f"no other image of the person of {name}"):
        choose_pairs(lonely, [name], [], 8, 0)
    for file in FILES.values():
        write_annotations(source.root / file, annotations.names, np.full_like(annotations.keypoints, np.nan))
    with pytest.raises(ReidAugError, match="shoulders and both hips"):
        choose_crossed(posed_images_of(source.root), [], [], (1, 1), 0)
