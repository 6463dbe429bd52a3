"""Rendered people: layout, determinism, and keypoints that lie where the image shows the joint."""

import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import read_annotations
from reidaug.demo.mannequins import MannequinConfig, dataset, write_mannequins
from reidaug.demo.mannequins.body import BONES, BodyShape, Pose, bone_motions, rest_joints
from reidaug.demo.mannequins.dataset import visits
from reidaug.demo.mannequins.figure import Figure, build_figure
from reidaug.demo.mannequins.looks import sample_outfit, sample_shape
from reidaug.demo.mannequins.occluders import OCCLUDERS, draw_occluder
from reidaug.demo.mannequins.poses import sample_pose
from reidaug.demo.mannequins.render import Lens, Light, Picture, Placed, bounds, place, render
from reidaug.demo.mannequins.shots import IDENTITY, Studio, take_shot
from reidaug.demo.mannequins.surface import SPACING, bone_weights, finish, make_tube
from reidaug.demo.mannequins.wardrobe import Decal, Fabric, paint, stamp

CONFIG = MannequinConfig(train_ids=4, test_ids=3, images=8, cameras=4, seed=5, distractors=4, junk=3)
LENS = Lens(distance=7.0, pitch=0.15)
FLAT = Light(sun=(0.0, 0.0, 1.0), strength=0.0, ambient=1.0)
NOSE, NECK, R_SHOULDER, R_ELBOW, R_WRIST, L_SHOULDER, L_ELBOW, L_WRIST, R_HIP, R_KNEE, R_ANKLE = range(11)
L_HIP, L_KNEE, L_ANKLE, R_EYE, L_EYE, R_EAR, L_EAR = range(11, 18)
READER_PATTERN = re.compile(r"([-\d]+)_c(\d)")  # as torchreid and fast-reid search it in the path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mannequins(tmp_path_factory.mktemp("mannequins") / "people", CONFIG)


def _parsed(folder: Path) -> list[tuple[int, int]]:
    """(pid, camid) of each image, read as torchreid does."""
    matches = [READER_PATTERN.search(path.name) for path in sorted(folder.glob("*.jpg"))]
    return [(int(match[1]), int(match[2])) for match in matches if match]


def _bytes(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _person(seed: int = 3, **changes: object) -> Figure:
    rng = np.random.default_rng(seed)
    shape = sample_shape(rng)
    plain = {"bag": None, "hat": None, "hair_style": "short", "fringe": False, "glasses": False, "outer": None}
    outfit = replace(sample_outfit(rng, shape), **{**plain, **changes})
    return build_figure(shape, outfit, seed)


def _picture(figure: Figure, yaw: float, pose: Pose | None = None, cut: float = 0.0) -> Picture:
    """Renders a figure whole, or without the lower part `cut` of its box."""
    view = place(Placed(figure, pose or Pose(), yaw), LENS, FLAT)
    left, top, right, bottom = bounds(view, LENS)
    high, centre = top - bottom, (left + right) / 2
    top, bottom = top + 0.04 * high, bottom - 0.04 * high + cut * high
    half = (top - bottom) / 4
    return render([view], LENS, FLAT, (centre - half, top, centre + half, bottom))


def _green(colours: np.ndarray) -> np.ndarray:
    return (colours[..., 1] > 0.6) & (colours[..., 0] < 0.3) & (colours[..., 2] < 0.3)


# Layout


def test_layout_is_read_like_market1501(root: Path) -> None:
    train, query, gallery = (_parsed(root / name) for name in ("bounding_box_train", "query", "bounding_box_test"))
    assert len(train) == 4 * 8
    assert len(query) + len(gallery) == 3 * 8 + 4 + 3
    assert {pid for pid, _ in train} == {1, 2, 3, 4}
    assert {pid for pid, _ in query} == {1001, 1002, 1003}
    assert Counter(pid for pid, _ in gallery)[-1] == 3
    assert Counter(pid for pid, _ in gallery)[0] == 4
    assert {camid for _, camid in train + query + gallery} <= {1, 2, 3, 4}
    assert {path.name for path in root.iterdir()} == {
        "bounding_box_train", "query", "bounding_box_test", "market-annotation-train.csv", "market-annotation-test.csv",
    }  # fmt: skip


def test_one_query_per_identity_and_camera_with_a_match_elsewhere(root: Path) -> None:
    query, gallery = _parsed(root / "query"), _parsed(root / "bounding_box_test")
    assert max(Counter(query).values()) == 1
    for pid, camid in query:
        assert any(other == pid and elsewhere != camid for other, elsewhere in gallery)
    assert all(len({camid for other, camid in query if other == pid}) >= 2 for pid in (1001, 1002, 1003))


def test_images_are_market1501_jpegs_with_one_row_of_keypoints_each(root: Path) -> None:
    splits = {"train": ["bounding_box_train"], "test": ["bounding_box_test", "query"]}
    for split, folders in splits.items():
        annotations = read_annotations(root / f"market-annotation-{split}.csv")
        names = [path.name for folder in folders for path in (root / folder).glob("*.jpg")]
        assert sorted(annotations.names) == sorted(names)
        seen = annotations.keypoints[np.isfinite(annotations.keypoints).all(axis=2)]
        assert (seen == np.rint(seen)).all()
        assert (seen >= 0).all() and (seen[:, 0] <= 63).all() and (seen[:, 1] <= 127).all()
    for path in root.rglob("*.jpg"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 128))


def test_images_of_one_camera_do_not_share_their_background(root: Path) -> None:
    corners: dict[int, list[np.ndarray]] = {}
    for path in sorted((root / "bounding_box_train").glob("*.jpg")):
        camid = int(READER_PATTERN.search(path.name)[2])
        corners.setdefault(camid, []).append(np.asarray(Image.open(path))[:10, :6].astype(float))
    spread = [np.abs(a - b).mean() for group in corners.values() for a, b in pairwise(group)]
    assert np.mean(spread) > 10


# Determinism


def test_same_seed_gives_the_same_bytes_and_another_seed_does_not(root: Path, tmp_path: Path) -> None:
    assert _bytes(write_mannequins(tmp_path / "again", CONFIG)) == _bytes(root)
    other = _bytes(write_mannequins(tmp_path / "other", replace(CONFIG, train_ids=1, test_ids=1, seed=6)))
    first = next(path for path in sorted(other) if path.startswith("bounding_box_train"))
    assert other[first] not in _bytes(root).values()


def test_a_smaller_set_is_part_of_a_larger_one(root: Path, tmp_path: Path) -> None:
    small = write_mannequins(
        tmp_path / "small", replace(CONFIG, train_ids=2, test_ids=1, images=5, distractors=0, junk=0)
    )
    images = {name.split("/")[1]: data for name, data in _bytes(root).items() if name.endswith(".jpg")}
    for name, data in _bytes(small).items():
        if name.endswith(".jpg"):
            assert images[name.split("/")[1]] == data
    large, rows = (
        read_annotations(root / "market-annotation-train.csv"),
        read_annotations(small / "market-annotation-train.csv"),
    )
    np.testing.assert_array_equal(large.select(rows.names), rows.keypoints)


def test_an_image_does_not_depend_on_what_was_rendered_before() -> None:
    busy = Studio(seed=9)
    for number in range(40):
        busy.person(IDENTITY, 100 + number)  # more people than are kept
    fresh = take_shot(Studio(seed=9), IDENTITY, 7, 0, camid=2, passage=0)
    again = take_shot(busy, IDENTITY, 7, 0, camid=2, passage=0)
    assert fresh.jpeg == again.jpeg
    assert take_shot(busy, IDENTITY, 7, 1, camid=2, passage=0).jpeg != again.jpeg


@given(st.integers(0, 99), st.integers(1, 1501), st.integers(4, 40), st.integers(2, 6))
def test_visits_are_prefixes_and_give_every_identity_a_query(seed: int, pid: int, images: int, cameras: int) -> None:
    cams = visits(seed, pid, images, cameras)
    assert len(cams) == images and set(cams) <= set(range(1, cameras + 1))
    assert cams == visits(seed, pid, images + 7, cameras)[:images]
    assert sum(count >= 2 for count in Counter(cams).values()) >= 2


# Whole or not at all


def test_a_folder_in_use_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "of_bone").mkdir()
    (tmp_path / "of_bone" / "thesis.txt").write_text("text")
    with pytest.raises(ReidAugError, match="not an empty folder"):
        write_mannequins(tmp_path / "of_bone", CONFIG)
    (tmp_path / "file").write_text("text")
    with pytest.raises(ReidAugError, match="not an empty folder"):
        write_mannequins(tmp_path / "file", CONFIG)
    assert _bytes(tmp_path) == {"of_bone/thesis.txt": b"text", "file": b"text"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    calls = 0

    def fail_later(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise error
        return take_shot(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(dataset, "take_shot", fail_later)
    with pytest.raises(ReidAugError if isinstance(error, OSError) else KeyboardInterrupt):
        write_mannequins(tmp_path / "out", CONFIG)
    assert calls == 5 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"train_ids": 0},
        {"train_ids": 1001},
        {"test_ids": 502},
        {"images": 3},
        {"cameras": 7},
        {"cameras": 1},
        {"seed": -1},
        {"junk": -1},
    ],
)
def test_values_out_of_range_are_named(tmp_path: Path, change: dict[str, int]) -> None:
    with pytest.raises(ReidAugError, match=next(iter(change))):
        write_mannequins(tmp_path / "out", replace(CONFIG, **change))
    assert list(tmp_path.iterdir()) == []


def test_a_path_that_readers_would_misread_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReidAugError):
        write_mannequins(tmp_path / "run_05_c3_x" / "out", CONFIG)
    assert list(tmp_path.iterdir()) == []


def test_progress_counts_every_image(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    config = MannequinConfig(train_ids=1, test_ids=1, images=4, seed=1)
    write_mannequins(tmp_path / "out", config, lambda done, total: seen.append((done, total)))
    assert seen == [(done, 8) for done in range(1, 9)]  # a tenth of 4 test images rounds to no extras


# Keypoints


@pytest.mark.parametrize("yaw", [0.0, 0.5, np.pi, -2.7])
@pytest.mark.parametrize(
    ("bone", "first", "second"),
    [("r_forearm", R_ELBOW, R_WRIST), ("l_forearm", L_ELBOW, L_WRIST), ("r_arm", R_SHOULDER, R_ELBOW),
     ("l_thigh", L_HIP, L_KNEE), ("r_shin", R_KNEE, R_ANKLE), ("l_shin", L_KNEE, L_ANKLE)],
)  # fmt: skip
def test_limb_between_two_joints_has_the_colour_of_its_bone(bone: str, first: int, second: int, yaw: float) -> None:
    figure = _person(bottom_kind="trousers")
    of_bone = np.zeros(len(figure.colours))
    for pull in figure.pulls:
        if pull.bone == BONES.index(bone):
            of_bone[pull.surfels] += pull.weights
    colours = np.where(of_bone[:, None] > 0.5, [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]).astype(np.float32)
    pose = Pose(shoulder_abduct=(0.5, 0.5), elbow=(0.3, 0.3), hip_abduct=(0.15, 0.15), hip_flex=(0.25, -0.25))
    picture = _picture(replace(figure, colours=colours), yaw, pose)
    ends = picture.keypoints[[first, second]]
    x, y = ends.mean(axis=0)
    red, _, blue = picture.colours[int(y), int(x)]
    assert red > 0.4 and red > blue


def test_no_limb_is_hidden_when_the_arms_are_spread() -> None:
    for yaw in (0.0, np.pi):
        keypoints = _picture(_person(), yaw, Pose(shoulder_abduct=(0.6, 0.6))).keypoints
        assert np.isfinite(keypoints[:R_EYE]).all(axis=1)[1:].all()


def test_left_is_left() -> None:
    front, back = _picture(_person(), 0.0).keypoints, _picture(_person(), np.pi).keypoints
    for right, left in ((R_SHOULDER, L_SHOULDER), (R_HIP, L_HIP), (R_KNEE, L_KNEE), (R_ANKLE, L_ANKLE)):
        assert front[right, 0] < front[left, 0] - 4
        assert back[right, 0] > back[left, 0] + 4
    assert front[R_EYE, 0] < front[NOSE, 0] < front[L_EYE, 0]
    assert front[R_EAR, 0] < front[R_EYE, 0] and front[L_EYE, 0] < front[L_EAR, 0]


def test_joints_stand_in_order_from_head_to_foot() -> None:
    keypoints = _picture(_person(), 0.0).keypoints
    heights = keypoints[[R_EYE, NOSE, NECK, R_HIP, R_KNEE, R_ANKLE], 1]
    assert (np.diff(heights) > 0).all()
    np.testing.assert_allclose(keypoints[NECK], keypoints[[R_SHOULDER, L_SHOULDER]].mean(axis=0), atol=0.5)


def test_a_person_who_turns_to_the_left_looks_to_the_right_of_the_image() -> None:
    keypoints = _picture(_person(), np.pi / 2).keypoints
    assert keypoints[NOSE, 0] > keypoints[NECK, 0] + 3


def test_the_back_of_the_head_hides_the_face() -> None:
    face = [NOSE, R_EYE, L_EYE]
    assert np.isfinite(_picture(_person(), 0.0).keypoints[face]).all()
    assert np.isnan(_picture(_person(), np.pi).keypoints[face]).all()


def test_the_body_hides_the_far_arm_but_not_the_near_one() -> None:
    pose = Pose(shoulder_abduct=(0.05, 0.05), elbow=(0.05, 0.05))
    for yaw, near, far in ((np.pi / 2, R_WRIST, L_WRIST), (-np.pi / 2, L_WRIST, R_WRIST)):
        keypoints = _picture(_person(), yaw, pose).keypoints
        assert np.isfinite(keypoints[near]).all() and np.isnan(keypoints[far]).all()


def test_joints_below_the_frame_are_missing() -> None:
    keypoints = _picture(_person(), 0.0, cut=0.4).keypoints
    assert np.isnan(keypoints[[R_ANKLE, L_ANKLE]]).all()
    assert np.isfinite(keypoints[[R_SHOULDER, L_SHOULDER]]).all()


@pytest.mark.parametrize("kind", sorted(OCCLUDERS))
def test_occluders_cover_a_part_of_the_image(kind: str) -> None:
    for seed in range(5):
        colours, alpha = draw_occluder(kind, np.random.default_rng(seed))
        assert colours.shape == (128, 64, 3) and alpha.shape == (128, 64)
        assert (colours <= alpha[..., None] + 1e-6).all()
        assert alpha.mean() < 0.75


def test_joints_are_seen_about_as_often_as_on_market1501() -> None:
    """Shares of the published file of 12,936 images: 0.937 usable, 0.032 without any joint, and as below."""
    studio = Studio(seed=2)
    shots = [take_shot(studio, IDENTITY, i // 6, i % 6, i % 6 + 1, 0) for i in range(180)]
    seen = np.isfinite(np.stack([shot.keypoints for shot in shots])[..., 0])
    assert 0.88 < seen[:, [R_SHOULDER, L_SHOULDER, R_HIP, L_HIP]].all(axis=1).mean() < 0.99
    assert 0.0 < (~seen.any(axis=1)).mean() < 0.08
    published = {NOSE: 0.59, R_ELBOW: 0.77, R_WRIST: 0.58, R_KNEE: 0.89, R_ANKLE: 0.76, R_EYE: 0.50, R_EAR: 0.53}
    for joint, share in published.items():
        assert abs(seen[:, joint].mean() - share) < 0.17, joint


# Bodies and clothes


def test_front_and_back_differ_by_the_print() -> None:
    decal = Decal("disc", (0.0, 1.0, 0.0), drop=0.2, size=0.1, seed=0)
    figure = _person(top=Fabric((0.5, 0.0, 0.0)), front_decal=decal, back_decal=None, buttons=False)
    arms_apart = Pose(shoulder_abduct=(0.5, 0.5))
    front, back = (_picture(figure, yaw, arms_apart).colours for yaw in (0.0, np.pi))
    assert _green(front).sum() > 40
    assert _green(back).sum() == 0


def test_a_print_reads_the_same_way_from_where_one_looks_at_it() -> None:
    """A badge sits to the right of the middle line, for who looks at the front and for who looks at the back."""
    decal = Decal("badge", (0.0, 1.0, 0.0), drop=0.2, size=0.06, seed=0)
    for yaw, where in ((0.0, "front_decal"), (np.pi, "back_decal")):
        prints = {"front_decal": None, "back_decal": None, where: decal}
        figure = _person(top=Fabric((0.5, 0.0, 0.0)), buttons=False, **prints)
        picture = _picture(figure, yaw, Pose(shoulder_abduct=(0.5, 0.5)))
        columns = np.nonzero(_green(picture.colours))[1]
        assert len(columns) > 5
        assert columns.mean() > picture.keypoints[NECK, 0] + 1


@given(st.floats(-0.4, 0.4), st.floats(-0.4, 0.4))
def test_patterns_follow_body_coordinates(u: float, v: float) -> None:
    grain = np.zeros(2)
    fabric = Fabric((0.1, 0.2, 0.3), "bands", second=(0.9, 0.8, 0.7), size=0.08)
    around = paint(fabric, np.array([0.0, u]), np.array([v, v]), grain)
    assert (around[0] == around[1]).all()
    along = paint(replace(fabric, kind="stripes"), np.array([u, u]), np.array([0.0, v]), grain)
    assert (along[0] == along[1]).all()
    shifted = paint(fabric, np.array([u, u]), np.array([0.01, 0.05]), grain)
    assert (shifted[0] != shifted[1]).any()


def test_stamp_keeps_what_lies_outside_the_print() -> None:
    base = np.full((3, 3), 0.5)
    decal = Decal("panel", (1.0, 0.0, 0.0), drop=0.2, size=0.1, seed=0)
    stamped = stamp(base, decal, np.array([0.0, 0.2, 0.0]), np.array([0.2, 0.2, 0.5]))
    np.testing.assert_allclose(stamped, [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]])


@given(st.integers(0, 10_000), st.floats(-3, 3))
@settings(max_examples=40)
def test_poses_move_bones_rigidly_and_stand_on_the_floor(seed: int, yaw: float) -> None:
    rng = np.random.default_rng(seed)
    shape, pose = sample_shape(rng), sample_pose(rng, None, True)
    rotations, offsets = bone_motions(shape, pose, yaw)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.broadcast_to(np.eye(3), (14, 3, 3)), atol=1e-12
    )
    rest = rest_joints(shape)

    def moved(bone: str, joint: str) -> np.ndarray:
        index = BONES.index(bone)
        return rotations[index] @ rest[joint] + offsets[index]

    for parent, child in (("r_arm", "r_forearm"), ("l_thigh", "l_shin"), ("l_shin", "l_foot"), ("chest", "head")):
        np.testing.assert_allclose(moved(parent, child), moved(child, child), atol=1e-12)  # joints hold together
    assert abs(min(moved(f"{side}_foot", f"{side}_foot")[1] for side in "rl") - 0.08) < 0.09
    for knee in pose.knee + pose.elbow:
        assert -0.01 <= knee < 2.9  # neither bends the wrong way


def test_a_person_at_rest_is_not_moved() -> None:
    shape = BodyShape()
    pose = Pose(shoulder_abduct=(0.35, 0.35), shoulder_turn=(0, 0), elbow=(0, 0), hip_abduct=(0, 0), knee=(0, 0))
    rotations, offsets = bone_motions(shape, pose, 0.0)
    np.testing.assert_allclose(rotations, np.broadcast_to(np.eye(3), (14, 3, 3)), atol=1e-12)
    np.testing.assert_allclose(offsets, 0, atol=1e-12)


def test_a_cylinder_has_outward_normals_and_measures_its_girth() -> None:
    tube = make_tube([(0, 1.0, 0, 0.1, 0.1), (0, 0.5, 0, 0.1, 0.1)])
    patch = finish(tube, np.array([0.5, 0.5, 0.5]), bone_weights(tube, "chest"))
    radial = patch.points * (1, 0, 1)
    np.testing.assert_allclose((patch.normals * radial).sum(axis=1), 0.1, rtol=1e-3)
    step = np.diff(tube.u[0])
    assert tube.u[0, -1] - tube.u[0, 0] + step[0] == pytest.approx(2 * np.pi * 0.1, rel=1e-3)
    assert step.max() <= SPACING * 1.001
    assert (tube.u[0] * np.sin(tube.theta) >= 0).all()  # positive to the person's left
    assert abs(tube.back_u[0, 0]) < SPACING and abs(tube.back_u[0, -1]) < SPACING


@pytest.mark.parametrize("seed", range(6))
def test_every_surfel_is_carried_whole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = sample_shape(rng)
    figure = build_figure(shape, sample_outfit(rng, shape), seed)
    total = np.zeros(figure.points.shape[1])
    for pull in figure.pulls:
        total[pull.surfels] += pull.weights
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert figure.colours.min() >= 0 and figure.colours.max() <= 1
    np.testing.assert_allclose((figure.normals**2).sum(axis=0), 1, atol=1e-4)


def test_people_have_no_holes() -> None:
    """Inside the outline of a torso, every pixel is covered, also in a box around a part of the body."""
    for cut in (0.0, 0.6):
        picture = _picture(_person(), 0.0, cut=cut)
        (x0, y0), (x1, _) = picture.keypoints[R_SHOULDER], picture.keypoints[L_SHOULDER]
        chest = picture.alpha[int(y0) + 4 : int(y0) + 20, int(x0) + 1 : int(x1)]
        assert chest.size > 150 and (chest == 1).all()
