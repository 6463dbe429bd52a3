"""What is kept, and from what the missing is made: the promises of a plan, beside a naive implementation."""

import math
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations
from reidaug.study.plan import PlanRow
from reidaug.study.request import ShrinkConfig
from reidaug.study.selection import make_plan, pose_distances
from tests.factories import image_named

TORSO = (2, 5, 8, 11)


@st.composite
def people(draw: st.DrawFn) -> tuple[list[Image], Annotations]:
    """A few persons with a few images; coarse poses, so that ties are common, and many unseen joints."""
    counts = draw(st.lists(st.integers(1, 7), min_size=1, max_size=8))
    random = np.random.RandomState(draw(st.integers(0, 2**31)))
    images = []
    for pid, count in enumerate(counts, start=1):
        for i in range(count):
            camid = random.randint(1, 4)
            images.append(image_named(f"{pid:04d}_c{camid}s1_{i:06d}_00.jpg"))
    keypoints = random.randint(0, 3, (len(images), 18, 2)).astype(np.float32) * 8
    keypoints[random.random_sample((len(images), 18)) < draw(st.sampled_from([0.0, 0.1, 0.9]))] = np.nan
    keypoints[random.random_sample(len(images)) < 0.2] = np.nan
    names = tuple(image.name for image in images)
    absent = random.random_sample(len(names)) < 0.1
    return images, Annotations(tuple(np.array(names)[~absent].tolist()), keypoints[~absent])


portions = st.integers(1, 99).map(lambda hundredths: hundredths / 100)
seeds = st.integers(0, 2**32 - 1)


def possible(images: list[Image], portion: float, keep: str) -> bool:
    least = len({image.pid for image in images}) if keep == "per-identity" else 1
    return least <= round(portion * len(images)) < len(images)


@settings(max_examples=80, deadline=None)
@given(people(), portions, seeds, st.sampled_from(["per-identity", "uniform"]), st.sampled_from(["nearest", "random"]))
def test_plan_keeps_its_promises(
    data: tuple[list[Image], Annotations], portion: float, seed: int, keep: str, source: str
) -> None:
    images, annotations = data
    assume(possible(images, portion, keep))
    config = ShrinkConfig(portion, keep, source, seed)
    plan = make_plan(images, annotations, config)
    assert plan == make_plan(images, annotations, config)
    assert [(row.name, row.pid, row.camid) for row in plan] == [(r.name, r.pid, r.camid) for r in images]
    kept = {row.name: row for row in plan if row.kept}
    assert len(kept) == round(portion * len(images))
    present = {row.pid for row in kept.values()}
    if keep == "per-identity":
        assert present == {image.pid for image in images}
    poses = dict(zip((row.name for row in plan), annotations.select([row.name for row in plan]), strict=True))
    for row in plan:
        if row.kept:
            assert (row.action, row.condition) == ("keep", "")
        elif row.pid not in present:
            assert (row.action, row.condition) == ("drop", "")
        else:
            assert row.action == ("generate" if has_torso(poses[row.name]) else "copy")
            candidates = [other for other in kept.values() if other.pid == row.pid]
            assert kept[row.condition] in allowed(row, candidates, poses, source)


def has_torso(pose: np.ndarray) -> bool:
    return all(not np.isnan(pose[joint]).any() for joint in TORSO)


def allowed(row: PlanRow, kept: list[PlanRow], poses: dict[str, np.ndarray], source: str) -> list[PlanRow]:
    """The condition images that the rule allows, written down plainly and in loops."""
    usable = [other for other in kept if has_torso(poses[other.name])]
    if not usable:
        return [other for other in kept if other.camid == row.camid] or kept
    if source == "random":
        return usable
    distance = {other.name: plain_distance(poses[row.name], poses[other.name]) for other in usable}
    nearest = [other for other in usable if distance[other.name] <= min(distance.values()) + 1e-6]
    return [other for other in nearest if other.camid == row.camid] or nearest


def plain_distance(first: np.ndarray, second: np.ndarray) -> float:
    both = [(a, b) for a, b in zip(first, second, strict=True) if not np.isnan(a).any() and not np.isnan(b).any()]
    return sum(math.dist(a, b) for a, b in both) / len(both) if both else math.inf


@settings(max_examples=60, deadline=None)
@given(people(), portions, portions, seeds, st.sampled_from(["per-identity", "uniform"]))
def test_kept_sets_are_nested(
    data: tuple[list[Image], Annotations], first: float, second: float, seed: int, keep: str
) -> None:
    images, annotations = data
    small, large = sorted((first, second))
    assume(possible(images, small, keep) and possible(images, large, keep))
    kept = [
        {row.name for row in make_plan(images, annotations, ShrinkConfig(portion, keep, seed=seed)) if row.kept}
        for portion in (small, large)
    ]
    assert kept[0] <= kept[1]


@settings(max_examples=40, deadline=None)
@given(people(), portions)
def test_an_impossible_portion_names_the_possible_ones(data: tuple[list[Image], Annotations], portion: float) -> None:
    images, annotations = data
    assume(not possible(images, portion, "per-identity"))
    with pytest.raises(ReidAugError, match=r"too few|nothing would be missing") as caught:
        make_plan(images, annotations, ShrinkConfig(portion))
    named = re.search(r"give (0\.\d\d) to (0\.\d\d)$", str(caught.value))
    enough = [p / 100 for p in range(1, 100) if possible(images, p / 100, "per-identity")]
    assert [float(p) for p in named.groups()] == [enough[0], enough[-1]] if named else not enough


def test_a_portion_that_takes_nothing_away_is_refused() -> None:
    annotations = Annotations((), np.empty((0, 18, 2), dtype=np.float32))
    people = [image_named(f"{1 + i // 6:04d}_c1s1_{i:06d}_00.jpg") for i in range(36)]
    with pytest.raises(ReidAugError, match=r"keeps 36 of 36 images, so nothing would be missing: give 0.16 to 0.98$"):
        make_plan(people, annotations, ShrinkConfig(0.99))
    alone = people[::6]  # one image of each person
    for portion, why in ((0.95, "nothing would be missing"), (0.5, "too few")):
        with pytest.raises(
            ReidAugError, match=rf"{why}.*no portion .* one of each of the 6 identities .*--keep uniform"
        ):
            make_plan(alone, annotations, ShrinkConfig(portion))
    assert sum(row.kept for row in make_plan(alone, annotations, ShrinkConfig(0.5, keep="uniform"))) == 3


@pytest.mark.parametrize("portion", [0.2, 0.4])
def test_seeds_differ_and_every_image_has_its_chance(portion: float) -> None:
    images = [image_named(f"{1 + i // 5:04d}_c1s1_{i:06d}_00.jpg") for i in range(20)]
    annotations = Annotations((), np.empty((0, 18, 2), dtype=np.float32))
    kept: Counter[str] = Counter()
    for seed in range(400):
        kept.update(row.name for row in make_plan(images, annotations, ShrinkConfig(portion, seed=seed)) if row.kept)
    # Binomial, 400 trials: mean 80 or 160, standard deviation at most 10; five of them either way.
    assert len(kept) == 20 and all(abs(count - 400 * portion) < 50 for count in kept.values())


def test_random_source_draws_evenly() -> None:
    images = [image_named(f"0001_c1s1_{i:06d}_00.jpg") for i in range(1000)]
    annotations = Annotations(tuple(r.name for r in images), np.ones((1000, 18, 2), dtype=np.float32))
    plan = make_plan(images, annotations, ShrinkConfig(0.01, source="random"))
    conditions = Counter(row.condition for row in plan if row.condition)
    # 990 draws among 10: mean 99, standard deviation 9.4; five of them either way.
    assert len(conditions) == 10 and all(52 < count < 146 for count in conditions.values())


def test_distance_in_numbers() -> None:
    poses = np.full((4, 18, 2), np.nan, dtype=np.float32)
    poses[0, :2] = [(0, 0), (10, 10)]
    poses[1, :3] = [(3, 4), (10, 10), (50, 50)]
    poses[2, 1] = (10, 22)
    expected = [[0, 2.5, 12, math.inf], [2.5, 0, 12, math.inf], [12, 12, 0, math.inf], [math.inf] * 4]
    assert pose_distances(poses, poses).tolist() == expected


@pytest.mark.parametrize("portion", [0.2, 0.4])
def test_published_names_keep_all_identities(published: Path, portion: float) -> None:
    """12,936 images of 751 persons; 11 pixels to the nearest kept image at 0.2, 17 to a random one (measured)."""
    annotations = read_annotations(find_annotations(published, "train"))
    images = list(map(image_named, sorted(annotations.names)))
    plan = make_plan(images, annotations, ShrinkConfig(portion))
    kept = [row for row in plan if row.kept]
    assert len(plan) == 12936 and len(kept) == {0.2: 2587, 0.4: 5174}[portion] and len({row.pid for row in kept}) == 751
    actions = Counter(row.action for row in plan)
    # 12,936 - 12,116 images have no usable pose; those of them that are missing are copied.
    assert actions["copy"] == 820 - sum(not has_torso(pose) for pose in annotations.select([row.name for row in kept]))
    poses = dict(zip(annotations.names, annotations.keypoints, strict=True))
    for source, least, most in (("nearest", 8, 12), ("random", 16, 18)):
        plan = make_plan(images, annotations, ShrinkConfig(portion, source=source))
        generated = [row for row in plan if row.action == "generate"][::50]
        assert least < np.mean([plain_distance(poses[row.name], poses[row.condition]) for row in generated]) < most


def test_plain_draw_loses_identities(published: Path) -> None:
    annotations = read_annotations(find_annotations(published, "train"))
    images = list(map(image_named, sorted(annotations.names)))
    plan = make_plan(images, annotations, ShrinkConfig(0.2, keep="uniform"))
    assert 55 < 751 - len({row.pid for row in plan if row.kept}) < 80  # 65-70 on average
