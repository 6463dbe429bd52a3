"""Read the keypoints of other estimators, or the public CSV.

An order of joints is known by their number; where the order comes from:

- 18, COCO's of OpenPose, which is also that of the public CSV, and 25, BODY_25: OpenPose's doc/02_output.md.
- 17, COCO: Lin et al., ECCV 2014, `keypoints` of the category in its annotation files; so AlphaPose, MMPose and YOLO.
- 26 and 136, Halpe: README of Fang-Haoshu/Halpe-FullBody. 133, COCO-WholeBody: Jin et al., ECCV 2020, README of
  jin-s13/COCO-WholeBody. The first 17 of the three are COCO's.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import refuse_pipe
from reidaug.datasets.keypoints import JOINTS, Annotations, are_coordinates, count_outside, read_annotations

OPENPOSE_END = "_keypoints.json"
Size = tuple[int, int]  # (height, width) in pixels
_COCO_JOINTS = (17, 26, 133, 136)  # numbers of joints of which the first 17 are COCO's
_OPENPOSE_JOINTS = (18, 25)
_EXPECTED = "a keypoint CSV, COCO's or AlphaPose's JSON (.json), or a folder that OpenPose, MMPose or YOLO wrote"


def read_keypoints(
    path: Path,
    threshold: float = 0.0,
    names: Iterable[str] | None = None,
    sizes: Mapping[str, Size] | None = None,
) -> Annotations:
    """Read the keypoints that an estimator wrote, one person per image.

    Of several people the one with the highest score (then the largest box) is taken from a JSON file, the one with the
    highest summed confidence (then the largest box) from a folder.

    Args:
        path: the public CSV; a JSON file as COCO's, as annotations with their images or as a list of results with file
            names as `image_id` (AlphaPose), with 17, 26, 133 or 136 joints; or a folder of one file an image:
            `NAME_keypoints.json` of OpenPose, with 18 or 25 joints; `NAME.json` of MMPose's inferencer, with as many as
            a JSON file; or `NAME.txt` of YOLO (Ultralytics), with 17 joints in fractions of the image.
        threshold: confidence below which a joint counts as missing; the CSV has none. Confidence 0 is always missing.
        names: file names of the images, which folders do not give. None = those of `sizes`, or NAME.jpg.
        sizes: of the images by file name, to find joints outside; YOLO needs them. An image without a size has no right
            and no lower edge.

    Returns:
        The keypoints: those of a file in its order, those of a folder sorted by name. A joint outside its image is
        missing. An image without a person is all NaN.

    Raises:
        ReidAugError: no such file, a broken or empty one (the message names the file and the entry), or keypoints of
            images of another size: more than half of an estimator's joints outside, or one of a CSV far outside.
    """
    sizes = sizes or {}
    if path.is_dir():
        poses = _read_folder(path, sizes if names is None else names, sizes)
    elif path.suffix.lower() == ".json":
        poses = _read_coco(path)
    elif path.exists():
        return _read_csv(path, sizes)
    else:
        raise ReidAugError(f"no {path}; expected {_EXPECTED}")
    if not poses:
        raise ReidAugError(f"{path} has no images; expected {_EXPECTED}")
    keypoints = np.full((len(poses), JOINTS, 2), np.nan)
    seen = outside = 0
    for row, (name, pose) in enumerate(poses.items()):
        certain = np.where((pose[:, 2:] > 0) & (pose[:, 2:] >= threshold), pose[:, :2], np.nan)
        inside = keep_inside(certain, _last_pixel(sizes, name))
        seen += np.isfinite(certain[:, 0]).sum()
        outside += np.isfinite(certain[:, 0]).sum() - np.isfinite(inside[:, 0]).sum()
        keypoints[row] = from_coco(inside) if len(inside) == 17 else inside
    if np.isfinite(keypoints).any() and np.nanmax(keypoints) <= 1:
        raise ReidAugError(f"{path} has coordinates from 0 to 1, expected pixels (OpenPose: --keypoint_scale 0)")
    if outside > seen / 2:
        raise ReidAugError(
            f"{path}: {outside:,} of {seen:,} joints lie outside their images; expected pixels of these images: were "
            "they estimated in images of another size?"
        )
    return Annotations(tuple(poses), keypoints.astype(np.float32))


def keep_inside(points: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Joints outside their image become missing; those less than half a pixel outside are moved to its edge.

    Args:
        points: (..., 2) pixels, NaN = missing.
        last: (x, y) of the last pixel of the image, to be broadcast; infinite = unknown.
    """
    pixel = np.rint(points)  # NaN where missing
    outside = ((pixel < 0) | (pixel > last)).any(axis=-1, keepdims=True)
    return np.where(outside, np.nan, np.clip(points, 0, last)).astype(points.dtype)


def _last_pixel(sizes: Mapping[str, Size], name: str) -> np.ndarray:
    height, width = sizes.get(name, (np.inf, np.inf))
    return np.array([width - 1, height - 1])


def _read_csv(path: Path, sizes: Mapping[str, Size]) -> Annotations:
    annotations = read_annotations(path)
    known = annotations.only(sizes)
    count_outside(known, path, np.array([sizes[name] for name in known.names], dtype=np.int64).reshape(-1, 2))
    last = np.array([_last_pixel(sizes, name) for name in annotations.names])
    return Annotations(annotations.names, keep_inside(annotations.keypoints, last[:, None]))


def _read_coco(path: Path) -> dict[str, np.ndarray]:
    """(J, 3) x, y and confidence by image name."""
    content = _load(path)
    images: Any = []
    people, kind = content, "entry"
    if isinstance(content, dict):
        images, people, kind = content.get("images"), content.get("annotations"), "annotation"
    if not isinstance(images, list) or not isinstance(people, list):
        raise ReidAugError(
            f"{path}: expected a list of results, or an object with the lists 'images' and 'annotations'"
        )
    names = _coco_names(path, images)
    poses = {name: _NOBODY for name in names.values()}
    best: dict[str, tuple[float, float]] = {}
    for number, person in enumerate(people, start=1):
        entry = f"{path} {kind} {number}"
        if not isinstance(person, dict):
            raise ReidAugError(f"{entry}: expected an object with image_id and keypoints, got {_short(person)}")
        image = person.get("image_id")
        name = names.get(image) if isinstance(image, str | int) else None
        if name is None and not images and isinstance(image, str) and image:
            name = Path(image).name
        if name is None:
            raise ReidAugError(
                f"{entry}: no image {_short(image)}; expected a file name as image_id, or 'images' with id and "
                "file_name in the same file"
            )
        pose = _pose(person.get("keypoints"), _COCO_JOINTS, entry)
        rank = (_number(person.get("score")), _box_area(person))
        if name not in best or rank > best[name]:
            poses[name], best[name] = pose, rank
    return poses


def _coco_names(path: Path, images: list[object]) -> dict[object, str]:
    names: dict[object, str] = {}
    taken: set[str] = set()
    for number, image in enumerate(images, start=1):
        if not isinstance(image, dict) or not isinstance(image.get("id"), str | int):
            raise ReidAugError(f"{path} image {number}: expected an object with id and file_name, got {_short(image)}")
        if not isinstance(image.get("file_name"), str) or not Path(image["file_name"]).name:
            raise ReidAugError(f"{path} image {number}: its file_name is {_short(image.get('file_name'))}")
        name = Path(image["file_name"]).name
        if image["id"] in names or name in taken:
            raise ReidAugError(f"{path} image {number}: {name} (id {image['id']}) is listed already")
        names[image["id"]] = name
        taken.add(name)
    return names


def _read_folder(folder: Path, names: Iterable[str], sizes: Mapping[str, Size]) -> dict[str, np.ndarray]:
    """(J, 3) x, y and confidence by image name, from a file for each image."""
    name_of: dict[str, str] = {}
    for name in names:
        other = name_of.setdefault(Path(name).stem, name)
        if other != name:
            raise ReidAugError(f"{other} and {name} differ only in their ending, which files in {folder} do not tell")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    ending = next((end for end in _FOLDERS if any(path.name.endswith(end) for path in files)), None)
    if ending is None:
        raise ReidAugError(f"no file *{', *'.join(_FOLDERS)} in {folder}; expected a folder that an estimator wrote")
    poses: dict[str, np.ndarray] = {}
    for path in files:
        stem = path.name.removesuffix(ending)
        if stem == path.name or (ending == ".txt" and stem not in name_of):  # YOLO's folders also hold a classes.txt
            continue
        name = name_of.get(stem, f"{stem}.jpg")
        people = _FOLDERS[ending](path, sizes.get(name))
        poses[name] = max(people, key=lambda person: (person[0][:, 2].sum(), person[1]), default=(_NOBODY, 0.0))[0]
    return poses


Person = tuple[np.ndarray, float]  # (J, 3) x, y and confidence; area of the box, where it decides


def _openpose_people(path: Path, size: Size | None) -> list[Person]:
    """`people` with `pose_keypoints_2d`, before OpenPose 1.2 `pose_keypoints`."""
    content = _load(path)
    people = content.get("people") if isinstance(content, dict) else None
    if not isinstance(people, list):
        raise ReidAugError(f"{path}: no list 'people'; expected a file that OpenPose wrote")
    found = []
    for number, person in enumerate(people, start=1):
        known = person if isinstance(person, dict) else {}
        values = known.get("pose_keypoints_2d", known.get("pose_keypoints"))
        found.append((_pose(values, _OPENPOSE_JOINTS, f"{path} person {number}"), 0.0))
    return found


def _mmpose_people(path: Path, size: Size | None) -> list[Person]:
    """A list of `keypoints` [[x, y], ...] with `keypoint_scores`: `split_instances` of mmpose/structures/utils.py."""
    people = _load(path)
    if not isinstance(people, list):
        raise ReidAugError(f"{path}: no list of people; expected a file that MMPose's inferencer wrote for an image")
    found = []
    for number, person in enumerate(people, start=1):
        known = person if isinstance(person, dict) else {}
        points, scores = known.get("keypoints"), known.get("keypoint_scores")
        if not (
            isinstance(points, list)
            and isinstance(scores, list)
            and len(points) == len(scores)
            and all(isinstance(point, list) and len(point) == 2 for point in points)
        ):
            raise ReidAugError(f"{path} person {number}: expected keypoints [[x, y], ...] and as many keypoint_scores")
        values = [value for point, score in zip(points, scores, strict=True) for value in (*point, score)]
        found.append((_pose(values, _COCO_JOINTS, f"{path} person {number}"), 0.0))
    return found


def _yolo_people(path: Path, size: Size | None) -> list[Person]:
    """Lines of class, box (x, y, width, height) and 17 joints, all in fractions of the image.

    A joint is x, y and visibility or confidence, or x and y alone; confidence of the box and number of the track may
    follow. Ultralytics, docs/en/datasets/pose and `Results.save_txt`; it writes joints that it does not trust as 0, 0.
    """
    if size is None:
        raise ReidAugError(
            f"{path} is in fractions of an image of unknown size: convert with `reidaug pose DATA --read`"
        )
    height, width = size
    found = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            values = [float(value) for value in line.split()]
        except ValueError:
            values = []
        columns = next((count for count in (3, 2) if 0 <= len(values) - 5 - 17 * count <= 2), 0)
        if not columns or not are_coordinates(values):
            raise ReidAugError(
                f"{path} line {number}: {len(values)} numbers, expected class, box and 17 joints: 56, or 39 without "
                "confidences, and up to 2 more"
            )
        joints = np.array(values[5 : 5 + 17 * columns]).reshape(17, columns)
        trusted = (joints[:, :2] != 0).any(axis=1)
        confidence = trusted * (joints[:, 2] if columns == 3 else 1.0)
        pose = np.column_stack([joints[:, 0] * width, joints[:, 1] * height, confidence])
        found.append((pose, values[3] * values[4]))
    return found


_FOLDERS: dict[str, Callable[[Path, Size | None], list[Person]]] = {  # ending of the files -> the people in one
    OPENPOSE_END: _openpose_people,
    ".json": _mmpose_people,
    ".txt": _yolo_people,
}


def _pose(values: Any, joints: tuple[int, ...], entry: str) -> np.ndarray:
    """(J, 3) float64 of a flat list x, y, confidence, ...: COCO's 17 joints, or OpenPose's 18."""
    expected = " or ".join(f"{3 * count}" for count in joints)
    if not isinstance(values, list) or len(values) not in [3 * count for count in joints]:
        content = f"{len(values)} keypoint values" if isinstance(values, list) else f"keypoints {_short(values)}"
        raise ReidAugError(f"{entry}: {content}, expected a list of {expected} numbers (x, y, confidence)")
    if not are_coordinates(values):
        raise ReidAugError(f"{entry}: the keypoints hold something other than pixels and confidences")
    pose = np.array(values, dtype=np.float64).reshape(-1, 3)
    return pose[:17] if joints == _COCO_JOINTS else pose[_FROM_BODY_25, :] if len(pose) == 25 else pose


def _box_area(person: dict[str, object]) -> float:
    box = person.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        return _number(box[2]) * _number(box[3])
    return _number(person.get("area"))


def _number(value: Any) -> float:
    return float(value) if are_coordinates([value]) else 0.0


def _load(path: Path) -> Any:
    try:
        return json.loads(_text(path))
    except json.JSONDecodeError as error:
        raise ReidAugError(f"{path} line {error.lineno}: not valid JSON ({error.msg}); expected {_EXPECTED}") from None
    except (RecursionError, ValueError):
        raise ReidAugError(f"{path} is not a JSON file; expected {_EXPECTED}") from None


def _text(path: Path) -> str:
    refuse_pipe(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ReidAugError(f"no {path}; expected {_EXPECTED}") from None
    except UnicodeDecodeError:
        raise ReidAugError(f"{path} is not a text file; expected {_EXPECTED}") from None


def _short(value: object) -> str:
    return repr(value)[:40]


# COCO's 17 joints have no neck, which is appended as joint 17, and left comes before right.
_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
_FROM_BODY_25 = (*range(8), *range(9, 19))  # joint 8 is the middle of the hips, the last six are of the feet
_NOBODY = np.zeros((JOINTS, 3))


def from_coco(keypoints: np.ndarray) -> np.ndarray:
    """COCO's 17 joints as OpenPose's 18; the neck is midway between the shoulders.

    Args:
        keypoints: (..., 17, 2) pixels, NaN = missing.

    Returns:
        (..., 18, 2); the neck is missing where a shoulder is.
    """
    neck = keypoints[..., _SHOULDERS, :].mean(axis=-2, keepdims=True)
    return np.concatenate([keypoints, neck], axis=-2)[..., _FROM_COCO, :]
