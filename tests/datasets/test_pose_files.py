"""Other estimators' files: the same joints whichever way they are written, several people, and broken entries named."""

import json
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


def results(path: Path, pose: np.ndarray) -> Path:
    return write(path / "a.json", [{"image_id": "a.jpg", "keypoints": flat(COCO, pose), "score": 0.5}])


def openpose(path: Path, pose: np.ndarray, joints: str = OPENPOSE) -> Path:
    write(path / "a_keypoints.json", {"version": 1.3, "people": [{"pose_keypoints_2d": flat(joints, pose)}]})
    return path


def body_25(path: Path, pose: np.ndarray) -> Path:
    return openpose(path, pose, BODY_25)


def public(path: Path, pose: np.ndarray) -> Path:
    write_annotations(path / "a.csv", ["a.jpg"], pose[None].astype(np.float32))
    return path / "a.csv"


@settings(max_examples=15, deadline=None)
@given(hidden=st.sets(st.integers(0, 17)))
@pytest.mark.parametrize("form", [coco, results, openpose, body_25, public])
def test_every_format_gives_the_same_joints(
    form: Callable[[Path, np.ndarray], Path], hidden: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hidden = hidden | {1} if hidden & {2, 5} else hidden - {1}
    pose = POSE.copy()
    pose[list(hidden)] = np.nan
    annotations = read_keypoints(form(tmp_path_factory.mktemp("form"), pose))
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


GOOD = {"image_id": "a.jpg", "keypoints": flat(COCO)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("{", "line 1: not valid JSON"),
        ("[" * 100_000, "not a JSON file"),
        ("[]", "no images"),
        ("{}", "'images' and 'annotations'"),
        ([GOOD, 5], "entry 2: expected an object"),
        ([GOOD, GOOD | {"keypoints": [1] * 50}], "entry 2: 50 keypoint values, expected a list of 51"),
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
