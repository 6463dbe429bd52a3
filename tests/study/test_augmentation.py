"""New images for people: poses that they lack, spread over kinds of poses and cameras, under names that are free."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.datasets.keypoints import FILES, Annotations, read_annotations
from reidaug.datasets.market1501 import frame_of, parse_name
from reidaug.datasets.pairs import usable
from reidaug.study.augmentation import find_kinds, normalise, plan_new_images
from reidaug.study.plan import PlanRow
from reidaug.study.request import AugmentConfig
from tests.factories import STANDING, image_named

MIRRORED = STANDING * (-1, 1) + (64, 0)  # the same person from behind: right and left change sides
SEATED = STANDING - np.where(np.arange(18)[:, None] > 7, (0, 1), (0, 0)) * (STANDING[:, 1:] - 62) * 0.6
SIDE = (STANDING - (32, 0)) * (0.1, 1) + (32, 0)
VIEWS = (STANDING, MIRRORED, SEATED, SIDE)


def people(views: Sequence[Sequence[int]], seed: int, usable_share: float = 1.0) -> tuple[list[Image], Annotations]:
    """A person for each list of views, an image for each view, in cameras 1 to 3, somewhere in the image."""
    random = np.random.RandomState(seed)
    images, keypoints = [], []
    for pid, shown in enumerate(views, start=1):
        for i, view in enumerate(shown):
            images.append(image_named(f"{pid:04d}_c{1 + i % 3}s{1 + i % 2}_{100 * pid + i:06d}_01.jpg"))
            pose = VIEWS[view] * random.uniform(0.8, 1.1) + random.normal(0, 1, (18, 2)) + random.randint(-4, 5, 2)
            unseen = random.random_sample(18) < 0.03
            unseen[[2, 5, 8, 11]] = random.random_sample() >= usable_share
            pose[unseen] = np.nan
            keypoints.append(pose)
    return images, Annotations(tuple(image.name for image in images), np.array(keypoints, dtype=np.float32))


def plan(people: tuple[list[Image], Annotations], config: AugmentConfig, *others: Image) -> list[PlanRow]:
    return plan_new_images(*people, config, [*people[0], *others])


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    views=st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=7), min_size=3, max_size=8),
    per_person=st.integers(2, 12),
)
def test_new_images_are_of_usable_poses_of_others_under_free_names(
    seed: int, views: list[list[int]], per_person: int
) -> None:
    images, annotations = people(views, seed % 1000, usable_share=0.9)
    by_name = {image.name: image for image in images}
    posed = dict(zip(annotations.names, usable(annotations.keypoints).tolist(), strict=True))
    config = AugmentConfig(per_person=per_person, seed=seed)
    try:
        rows = plan((images, annotations), config)
    except ReidAugError as error:
        assert "nothing to generate" in str(error)
        return
    assert rows == plan((images, annotations), config)
    count = Counter(row.pid for row in rows)
    frames = {(image.camid, frame_of(image.name)) for image in images}
    for row in rows:
        source, target = by_name[row.condition], by_name[row.pose]
        assert posed[source.name] and posed[target.name]
        assert source.pid == row.pid != target.pid
        assert parse_name(row.name) == (row.pid, row.camid) == (source.pid, source.camid)
        frame = (row.camid, frame_of(row.name))
        assert frame not in frames
        frames.add(frame)
    assert len({(row.pid, row.pose) for row in rows}) == len(rows) == len({row.name for row in rows})
    for pid, shown in enumerate(views, start=1):
        others = sum(posed[image.name] for image in images if image.pid != pid)
        able = any(posed[image.name] for image in images if image.pid == pid)
        assert count[pid] == (min(max(0, per_person - len(shown)), others) if able else 0)


def test_a_person_gets_the_views_that_the_person_lacks() -> None:
    views = [[0] * 6, [1] * 6, [2] * 6, [3] * 6]
    images, annotations = people(views, seed=0)
    view_of = {image.name: image.pid - 1 for image in images}
    rows = plan((images, annotations), AugmentConfig(per_person=12))
    for pid in range(1, 5):
        taken = Counter(view_of[row.pose] for row in rows if row.pid == pid)
        assert sum(taken.values()) == 6 and len(taken) == 3 and min(taken.values()) >= 1
    distance = distances(images, annotations)
    for row in rows:
        mine = [image.name for image in images if image.pid == row.pid]
        among_own = max(min(distance[a, b] for b in mine if b != a) for a in mine)
        assert min(distance[row.pose, name] for name in mine) > among_own


def distances(images: Sequence[Image], annotations: Annotations) -> dict[tuple[str, str], float]:
    """Mean distance of joints, in torsos, between poses that are centred between the hips."""
    centred = {}
    for image in images:
        pose = annotations.select([image.name])[0].astype(float)
        hips, shoulders = (pose[8] + pose[11]) / 2, (pose[2] + pose[5]) / 2
        centred[image.name] = (pose - hips) / np.linalg.norm(shoulders - hips)
    return {
        (a, b): float(np.nanmean(np.linalg.norm(centred[a] - centred[b], axis=1))) for a in centred for b in centred
    }


def test_new_images_even_out_the_cameras_and_share_the_condition_images() -> None:
    views = [[0, 1, 2, 3, 0]] * 6  # cameras 1, 2, 3, 1, 2
    rows = plan(people(views, seed=3), AugmentConfig(factor=3))
    for pid in range(1, 7):
        mine = [row for row in rows if row.pid == pid]
        assert len(mine) == 10
        in_all = Counter([1, 2, 3, 1, 2, *(row.camid for row in mine)])
        assert set(in_all.values()) == {5}
        for camera in (1, 2, 3):
            uses = Counter(row.condition for row in mine if row.camid == camera)
            assert len(uses) == min(2, 4 - camera) and max(uses.values()) - min(uses.values()) <= 1


def test_poses_are_taken_from_the_camera_that_the_new_image_continues() -> None:
    views = np.random.RandomState(0).randint(0, 4, (24, 6)).tolist()
    images, annotations = people(views, seed=1)
    camera = {image.name: image.camid for image in images}
    rows = plan((images, annotations), AugmentConfig(per_person=9))
    assert sum(camera[row.pose] == row.camid for row in rows) > 0.9 * len(rows)


def test_another_seed_draws_other_poses() -> None:
    data = people([[0, 1, 2], [1, 2, 3], [2, 3, 0], [0, 1, 3]] * 3, seed=0)
    first, second = (plan(data, AugmentConfig(factor=2, seed=seed)) for seed in (0, 1))
    assert [row.name for row in first] == [row.name for row in second]
    assert [row.pose for row in first] != [row.pose for row in second]


def test_frames_go_on_after_those_of_query_and_gallery() -> None:
    other = image_named("0099_c2s3_900000_01.jpg")
    rows = plan(people([[0, 1, 2], [1, 2, 3]], seed=0), AugmentConfig(factor=2), other)
    assert next(row.name for row in rows if row.camid == 2) == "0001_c2s2_900001_00.jpg"
    assert all(frame_of(row.name) < 1000 for row in rows if row.camid != 2)


def test_an_error_of_the_pose_estimator_is_not_taken_while_a_person_lacks_ordinary_poses() -> None:
    images, annotations = people([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]] * 4, seed=0)
    broken = annotations.keypoints.copy()
    broken[-1, [2, 5]] = broken[-1, [8, 11]] + 0.5  # a torso without height
    annotations = Annotations(annotations.names, broken)
    rows = plan((images, annotations), AugmentConfig(per_person=4))
    assert rows and annotations.names[-1] not in {row.pose for row in rows}


def test_what_cannot_be_augmented_says_why() -> None:
    images, annotations = people([[0, 1], [1, 2]], seed=0)
    with pytest.raises(ReidAugError, match="each of the 2 people has enough images; ask for more"):
        plan((images, annotations), AugmentConfig(per_person=2))
    alone = people([[0, 1, 2]], seed=0)
    with pytest.raises(ReidAugError, match="poses come from other people, and fewer than two"):
        plan(alone, AugmentConfig(per_person=5))
    lacking = people([[0], [1, 2], [2, 3]], seed=0)
    lacking[1].keypoints[0] = np.nan
    with pytest.raises(ReidAugError, match="nobody who lacks images has one with both shoulders"):
        plan(lacking, AugmentConfig(per_person=2))


def test_kinds_do_not_depend_on_place_and_size() -> None:
    _, annotations = people([[0, 1, 2, 3]] * 8, seed=5)
    moved = normalise(annotations.keypoints * 2 + 7)
    assert np.allclose(moved, normalise(annotations.keypoints), atol=1e-4)
    kinds = find_kinds(moved, seed=0)
    view = np.tile(np.arange(4), 8)
    for kind in range(len(kinds.centres)):
        assert len(np.unique(view[kinds.kind == kind])) == 1
    assert all((kinds.typical & (kinds.kind == kind)).any() for kind in range(len(kinds.centres)))


def test_published_poses_are_farther_than_those_of_anybody(published: Path) -> None:
    annotations = read_annotations(published / FILES["train"])
    images = sorted(map(image_named, annotations.names), key=lambda image: image.name)
    rows = plan((images, annotations), AugmentConfig(factor=2))
    assert len(rows) > 0.99 * len(images)
    keypoints = annotations.select([image.name for image in images])
    posed = [image for image, can in zip(images, usable(keypoints), strict=True) if can]
    poses, pids = normalise(keypoints[usable(keypoints)]), np.array([image.pid for image in posed])
    place = {image.name: row for row, image in enumerate(posed)}
    random, new, own, anybody = np.random.RandomState(0), [], [], []
    for pid in np.unique(pids)[::10]:
        mine = poses[pids == pid]
        targets = [place[row.pose] for row in rows if row.pid == pid]
        strangers = random.choice(np.flatnonzero(pids != pid), len(targets))
        among = np.linalg.norm(mine[:, None] - mine[None], axis=-1) + np.diag(np.full(len(mine), np.inf))
        own += among.min(axis=1)[np.isfinite(among.min(axis=1))].tolist()
        for rows_of, distances_of in ((targets, new), (strangers, anybody)):
            distances_of += np.linalg.norm(poses[rows_of][:, None] - mine[None], axis=-1).min(axis=1).tolist()
    assert np.mean(new) > 1.1 * np.mean(anybody) and np.mean(anybody) > 1.1 * np.mean(own)
