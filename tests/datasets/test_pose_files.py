"""Other estimators' files: the same joints whichever way they are written, several people, and broken entries named."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import write_annotations
from reidaug.datasets.pose_files import from_coco, read_keypoints
from tests.factories import STANDING

# Where each joint of a format stands among the 18 of OpenPose, from the formats' own lists of names.
OPENPOSE = "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist rhip rknee rankle lhip lknee lankle reye leye \
rear lear"
BODY_25 = "nose neck rshoulder relbow rwrist lshoulder lelbow lwrist midhip rhip rknee rankle lhip lknee lankle reye \
leye rear lear lbigtoe lsmalltoe lheel rbigtoe rsmalltoe rheel"
COCO = "nose leye reye lear rear lshoulder rshoulder lelbow relbow lwrist rwrist lhip rhip lknee rknee lankle rankle"
PLACES = OPENPOSE.split()
HALPE_26 = f"{COCO} head neckbase hip lbigtoe rbigtoe lsmalltoe rsmalltoe lheel rheel"
HALPE_136 = f"{HALPE_26} {' '.join(f'p{number}' for number in range(110))}"  # face and hands
WHOLE_BODY = f"{COCO} {' '.join(f'p{number}' for number in range(116))}"  # feet, face and hands
SIZES = {"a.jpg": (128, 64)}
POSE = STANDING.astype(float)
POSE[1] = (POSE[2] + POSE[5]) / 2  # COCO knows no other neck


def flat(joints: str, pose: np.ndarray = POSE, confidence: float = 0.9) -> list[float]:
    """x, y, confidence of a pose in a format's order; feet and the middle of the hips lie at (1, 1)."""
    points = [pose[PLACES.index(joint)] if joint in PLACES else (1.0, 1.0) for joint in joints.split()]
    return [value for x, y in points for value in ((0, 0, 0) if np.isnan(x) else (float(x), float(y), confidence))]


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def coco(path: Path, pose: np.ndarray) -> Path:
    images = [{"id": 7, "file_name": "some/folder/a.jpg"}, {"id": 3, "file_name": "b.jpg"}]
    return write(path / "a.json", {"images": images, "annotations": [{"image_id": 7, "keypoints": flat(COCO, pose)}]})


def results(path: Path, pose: np.ndarray, joints: str = COCO) -> Path:
    return write(path / "a.json", [{"image_id": "a.jpg", "keypoints": flat(joints, pose), "score": 0.5}])


def halpe_26(path: Path, pose: np.ndarray) -> Path:
    return results(path, pose, HALPE_26)


def halpe_136(path: Path, pose: np.ndarray) -> Path:
    return results(path, pose, HALPE_136)


def whole_body(path: Path, pose: np.ndarray) -> Path:
    return results(path, pose, WHOLE_BODY)


def mmpose(path: Path, pose: np.ndarray, joints: str = COCO) -> Path:
    values = flat(joints, pose)
    person = {
        "keypoints": [list(point) for point in zip(values[::3], values[1::3], strict=True)],
        "keypoint_scores": values[2::3],
        "bbox": [[0, 0, 64, 128]],
        "bbox_score": 0.9,
    }
    write(path / "a.json", [person])
    return path


def mmpose_whole_body(path: Path, pose: np.ndarray) -> Path:
    return mmpose(path, pose, WHOLE_BODY)


def yolo(path: Path, pose: np.ndarray) -> Path:
    """In fractions of 64 x 128 pixels, which are exact."""
    points = [(x / 64, y / 128, c) for x, y, c in zip(*(flat(COCO, pose)[start::3] for start in range(3)), strict=True)]
    write(path / "a.txt", " ".join(map(str, [0, 0.5, 0.5, 1, 1, *(value for point in points for value in point)])))
    return path


def yolo_with_track(path: Path, pose: np.ndarray) -> Path:
    yolo(path, pose)
    return write(path / "a.txt", (path / "a.txt").read_text() + " 0.83 7\n").parent


def old_openpose(path: Path, pose: np.ndarray) -> Path:
    write(path / "a_keypoints.json", {"version": 0.1, "people": [{"pose_keypoints": flat(OPENPOSE, pose)}]})
    return path


def openpose(path: Path, pose: np.ndarray, joints: str = OPENPOSE) -> Path:
    write(path / "a_keypoints.json", {"version": 1.3, "people": [{"pose_keypoints_2d": flat(joints, pose)}]})
    return path


def body_25(path: Path, pose: np.ndarray) -> Path:
    return openpose(path, pose, BODY_25)


def public(path: Path, pose: np.ndarray) -> Path:
    write_annotations(path / "a.csv", ["a.jpg"], pose[None].astype(np.float32))
    return path / "a.csv"


FORMS = [
    *[coco, results, halpe_26, halpe_136, whole_body, openpose, old_openpose, body_25],
    *[mmpose, mmpose_whole_body, yolo, yolo_with_track, public],
]


# By hand: joint number i of COCO's order, from 0, lies at x = i + 1, y = 2 (i + 1); the neck is the middle of joints 5
# and 6, at 6.5.
BY_HAND = [1, 6.5, 7, 9, 11, 6, 8, 10, 13, 15, 17, 12, 14, 16, 3, 2, 5, 4]


@pytest.mark.parametrize("joints", [17, 26, 133, 136])
def test_orders_by_hand(tmp_path: Path, joints: int) -> None:
    points = [[i + 1, 2 * i + 2] for i in range(joints)]
    flat_list = [value for x, y in points for value in (x, y, 0.5)]
    write(tmp_path / "results.json", [{"image_id": "a.jpg", "keypoints": flat_list}])
    write(tmp_path / "mmpose" / "a.json", [{"keypoints": points, "keypoint_scores": [0.5] * joints}])
    for path in (tmp_path / "results.json", tmp_path / "mmpose"):
        keypoints = read_keypoints(path, sizes={"a.jpg": (400, 200)}).keypoints[0]
        assert keypoints[:, 0].tolist() == BY_HAND and keypoints[:, 1].tolist() == [2 * x for x in BY_HAND]


def test_fractions_by_hand(tmp_path: Path) -> None:
    """In an image 100 pixels wide and 200 high the same joints lie at x = y = 0.01, 0.02, ..."""
    numbers = " ".join(f"{(i + 1) / 100:.2f} {(i + 1) / 100:.2f} {i / 16:.4f}" for i in range(17))
    write(tmp_path / "a.txt", f"0 0.5 0.5 1 1 {numbers}\n")
    keypoints = read_keypoints(tmp_path, 0.25, sizes={"a.png": (200, 100)}).keypoints[0]
    seen = [x if x > 4 and x != 6.5 else np.nan for x in BY_HAND]  # confidence i / 16 >= 0.25 for i >= 4
    seen[1] = 6.5
    np.testing.assert_allclose(keypoints[:, 0], seen, rtol=1e-6)
    np.testing.assert_allclose(keypoints[:, 1], np.multiply(seen, 2), rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(hidden=st.sets(st.integers(0, 17)))
@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_joints(
    form: Callable[[Path, np.ndarray], Path], hidden: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hidden = hidden | {1} if hidden & {2, 5} else hidden - {1}
    pose = POSE.copy()
    pose[list(hidden)] = np.nan
    annotations = read_keypoints(form(tmp_path_factory.mktemp("form"), pose), sizes=SIZES)
    assert annotations.names[0] == "a.jpg" and annotations.keypoints.dtype == np.float32
    np.testing.assert_array_equal(annotations.keypoints[0], pose.astype(np.float32))
    assert np.isnan(annotations.keypoints[1:]).all()


@pytest.mark.parametrize(
    ("people", "expected"),
    [
        ([{"score": 0.2}, {"score": 0.9}, {"score": 0.9}], 1),
        ([{"bbox": [0, 0, 5, 9]}, {"bbox": [0, 0, 5, 10]}, {"area": 12}], 1),
        ([{"bbox": [0, 0, 90, 90], "score": 0.1}, {"score": 0.2}], 1),
        ([{}, {}], 0),
    ],
)
def test_several_people_in_coco(tmp_path: Path, people: list[dict[str, Any]], expected: int) -> None:
    entries = [{"image_id": "a.jpg", "keypoints": flat(COCO, POSE + i)} | person for i, person in enumerate(people)]
    keypoints = read_keypoints(write(tmp_path / "a.json", entries)).keypoints
    np.testing.assert_array_equal(keypoints[0], (POSE + expected).astype(np.float32))


def test_several_people_in_openpose(tmp_path: Path) -> None:
    people = [{"pose_keypoints_2d": flat(OPENPOSE, POSE + i, score)} for i, score in enumerate((0.3, 0.8, 0.5))]
    write(tmp_path / "a_keypoints.json", {"people": people})
    write(tmp_path / "b_keypoints.json", {"people": []})
    annotations = read_keypoints(tmp_path, names=["b.png", "c.jpg"])
    assert annotations.names == ("a.jpg", "b.png")
    np.testing.assert_array_equal(annotations.keypoints[0], (POSE + 1).astype(np.float32))
    assert np.isnan(annotations.keypoints[1]).all()


def test_uncertain_joints_and_those_left_of_the_image_are_missing(tmp_path: Path) -> None:
    values = flat(OPENPOSE)
    values[2], values[5], values[6:9] = 0.29, 0.3, [-1, 4, 0.9]
    path = write(tmp_path / "a_keypoints.json", {"people": [{"pose_keypoints_2d": values}]}).parent
    assert np.flatnonzero(np.isnan(read_keypoints(path, 0.3).keypoints[0, :, 0])).tolist() == [0, 2]


@pytest.mark.parametrize("form", FORMS)
def test_joints_beyond_each_edge_are_missing(form: Callable[[Path, np.ndarray], Path], tmp_path: Path) -> None:
    """Of 64 x 128 pixels the last is (63, 127); half a pixel beyond it is a matter of rounding."""
    pose = POSE.copy()
    beyond = {3: (64, 42), 4: (20, 128), 10: (63.6, 112), 13: (39, 127.6), 7: (63.25, 127.25)}
    for joint, point in beyond.items():
        pose[joint] = point
    keypoints = read_keypoints(form(tmp_path, pose), sizes=SIZES).keypoints[0]
    assert np.flatnonzero(np.isnan(keypoints[:, 0])).tolist() == [3, 4, 10, 13]
    assert keypoints[7].tolist() == [63, 127]
    np.testing.assert_array_equal(keypoints[[0, 5, 8, 12]], pose[[0, 5, 8, 12]].astype(np.float32))


@pytest.mark.parametrize("form", FORMS)
def test_keypoints_of_a_larger_image_are_refused(form: Callable[[Path, np.ndarray], Path], tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="of another size"):
        read_keypoints(form(tmp_path, 2 * POSE), sizes=SIZES)


def test_a_shoulder_outside_leaves_no_neck_in_coco_and_openpose_s_own(tmp_path: Path) -> None:
    pose = POSE.copy()
    pose[5] = (70, 25)
    for form, missing in ((results, [1, 5]), (openpose, [5])):
        keypoints = read_keypoints(form(tmp_path / form.__name__, pose), sizes=SIZES).keypoints[0]
        assert np.flatnonzero(np.isnan(keypoints[:, 0])).tolist() == missing


def test_several_people_in_folders(tmp_path: Path) -> None:
    """MMPose: the highest sum of scores; YOLO without confidences: the largest box."""
    people = [
        {"keypoints": [[x + i, y] for x, y in np.reshape(flat(COCO), (17, 3))[:, :2]], "keypoint_scores": [score] * 17}
        for i, score in enumerate((0.3, 0.8, 0.5))
    ]
    write(tmp_path / "mmpose" / "a.json", people)
    write(tmp_path / "mmpose" / "b.json", [])
    annotations = read_keypoints(tmp_path / "mmpose", names=["a.png", "b.jpg"])
    assert annotations.names == ("a.png", "b.jpg") and np.isnan(annotations.keypoints[1]).all()
    np.testing.assert_array_equal(annotations.keypoints[0], (POSE + np.array([1, 0])).astype(np.float32))
    boxes = [(0.2, 0.9), (0.5, 0.5), (0.4, 0.4)]
    lines = [f"0 .5 .5 {w} {h} " + f"{(i + 1) / 64} .5 " * 16 + "0 0" for i, (w, h) in enumerate(boxes)]
    write(tmp_path / "yolo" / "a.txt", "\n".join(lines))
    write(tmp_path / "yolo" / "classes.txt", "person")
    keypoints = read_keypoints(tmp_path / "yolo", sizes=SIZES).keypoints
    assert len(keypoints) == 1 and np.nanmax(keypoints[0, :, 0]) == np.nanmin(keypoints[0, :, 0]) == 2
    assert np.flatnonzero(np.isnan(keypoints[0, :, 0])).tolist() == [10]  # COCO's last is the right ankle


@pytest.mark.parametrize(
    ("file", "content", "expected"),
    [
        ("a.json", {"instance_info": []}, "a.json: no list of people"),
        ("a.json", [{"frame_id": 0, "instances": []}], r"person 1: expected keypoints \[\[x, y\]"),
        ("a.json", [{"keypoints": [[1, 2, 3]], "keypoint_scores": [1]}], "person 1: expected keypoints"),
        ("a.json", [{"keypoints": [[1, 2]], "keypoint_scores": [1]}], "person 1: 3 keypoint values, expected"),
        ("a.txt", "0 .5 .5 1 1", "line 1: 5 numbers, expected class, box and 17 joints: 56, or 39"),
        ("a.txt", "0 " * 56 + "\n" + "x " * 56, "line 2: 0 numbers"),
        ("a.txt", "nan " * 56, "line 1: 56 numbers, expected"),
        ("a.dat", "", r"no file \*_keypoints.json, \*.json, \*.txt"),
    ],
)
def test_broken_folders(tmp_path: Path, file: str, content: Any, expected: str) -> None:
    write(tmp_path / file, content)
    with pytest.raises(ReidAugError, match=expected):
        read_keypoints(tmp_path, sizes=SIZES)


def test_fractions_need_sizes_and_stems_one_image(tmp_path: Path) -> None:
    yolo(tmp_path, POSE)
    with pytest.raises(ReidAugError, match="an image of unknown size"):
        read_keypoints(tmp_path, names=["a.jpg"])
    with pytest.raises(ReidAugError, match=r"a\.jpg and a\.png differ only in their ending"):
        read_keypoints(tmp_path, names=["a.jpg", "a.png"])
    with pytest.raises(ReidAugError, match="has no images"):
        read_keypoints(tmp_path, sizes={"b.jpg": (128, 64)})


GOOD = {"image_id": "a.jpg", "keypoints": flat(COCO)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "line 1: not valid JSON"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "no images"),
        ("{}", "'images' and 'annotations'"),
        ([GOOD, 5], "entry 2: expected an object"),
        ([GOOD, GOOD | {"keypoints": [1] * 50}], "entry 2: 50 keypoint values, expected a list of 51 or 78"),
        ([{"image_id": "a.jpg"}], "entry 1: keypoints None"),
        ([GOOD | {"keypoints": ["1"] * 51}], "entry 1: the keypoints hold something other"),
        ([GOOD | {"keypoints": [float("nan")] * 51}], "entry 1: the keypoints hold something other"),
        ([GOOD | {"image_id": 7}], "entry 1: no image 7; expected a file name"),
        ([GOOD | {"image_id": [7]}], r"entry 1: no image \[7\]"),
        ([GOOD | {"keypoints": [0.5, 0.5, 0.9] * 17}], "from 0 to 1, expected pixels"),
        ({"images": [{"id": 1}], "annotations": []}, "image 1: its file_name is None"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}] * 2, "annotations": []}, "image 2: a.jpg .* already"),
        ({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [GOOD]}, "annotation 1: no image 'a.jpg'"),
    ],
)
def test_broken_coco(tmp_path: Path, content: Any, expected: str) -> None:
    path = write(tmp_path / "a.json", content)
    with pytest.raises(ReidAugError, match=expected) as caught:
        read_keypoints(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "not valid JSON"),
        ([], "no list 'people'"),
        ({"people": [{"pose_keypoints_2d": flat(OPENPOSE)}, 3]}, "person 2: keypoints None, expected"),
        ({"people": [{"pose_keypoints_2d": flat(COCO)}]}, "person 1: 51 keypoint values, expected a list of 54 or 75"),
    ],
)
def test_broken_openpose(tmp_path: Path, content: Any, expected: str) -> None:
    path = write(tmp_path / "a_keypoints.json", content)
    with pytest.raises(ReidAugError, match=expected) as caught:
        read_keypoints(tmp_path)
    assert str(path) in str(caught.value)


def test_what_is_not_there(tmp_path: Path) -> None:
    for path, expected in ((tmp_path / "a.json", "no .*a.json"), (tmp_path / "a", "no .*a;"), (tmp_path, "no file")):
        with pytest.raises(ReidAugError, match=expected):
            read_keypoints(path)


def test_mapping_by_hand() -> None:
    coco = np.arange(17, dtype=np.float32)[:, None] * [1, 10]
    joints = from_coco(coco)
    assert joints[:, 0].tolist() == [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    np.testing.assert_array_equal(joints[:, 1], joints[:, 0] * 10)
    for shoulder, joint in ((5, 5), (6, 2)):
        hidden = coco.copy()
        hidden[shoulder] = np.nan
        assert np.flatnonzero(np.isnan(from_coco(hidden)).all(axis=1)).tolist() == sorted([1, joint])


def test_a_pipe_in_a_folder_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a_keypoints.json")
    with pytest.raises(ReidAugError, match=r"a_keypoints\.json is a pipe"):
        read_keypoints(tmp_path)
