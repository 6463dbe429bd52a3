"""Read the keypoints of other estimators: COCO's JSON, the output folder of OpenPose, or the public CSV."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import JOINTS, Annotations, are_coordinates, read_annotations

OPENPOSE_END = "_keypoints.json"
_EXPECTED = "a keypoint CSV, COCO's keypoint JSON (.json) or a folder that OpenPose wrote"


def read_keypoints(path: Path, threshold: float = 0.0, names: Iterable[str] | None = None) -> Annotations:
    """Read the keypoints that an estimator wrote, one person per image.

    Of several people the one with the highest score (then the largest box) is taken from COCO's JSON, the one with the
    highest summed confidence from OpenPose's.

    Args:
        path: the public CSV; COCO's JSON, as annotations with their images or as a list of results with file names as
            `image_id`; or a folder of `NAME_keypoints.json` as OpenPose writes it, with 18 or 25 joints.
        threshold: confidence below which a joint counts as missing; the CSV has none. Confidence 0 is always missing.
        names: file names of the images, which OpenPose does not give. None = NAME.jpg.

    Returns:
        The keypoints: COCO's in the order of the file, OpenPose's sorted by name. An image without a person is all
        NaN.

    Raises:
        ReidAugError: no such file, or a broken or empty one; the message names the file and the entry.
    """
    if path.is_dir():
        poses = _read_openpose(path, threshold, names)
    elif path.suffix.lower() == ".json":
        poses = _read_coco(path, threshold)
    elif path.exists():
        return read_annotations(path)
    else:
        raise ReidAugError(f"no {path}; expected {_EXPECTED}")
    if not poses:
        raise ReidAugError(f"{path} has no images; expected {_EXPECTED}")
    keypoints = np.stack(list(poses.values())).astype(np.float32)
    if np.isfinite(keypoints).any() and np.nanmax(keypoints) <= 1:
        raise ReidAugError(f"{path} has coordinates from 0 to 1, expected pixels (OpenPose: --keypoint_scale 0)")
    return Annotations(tuple(poses), keypoints)


def _read_coco(path: Path, threshold: float) -> dict[str, np.ndarray]:
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
    poses = {name: np.full((JOINTS, 2), np.nan) for name in names.values()}
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
        points, _ = _points(person.get("keypoints"), (17,), entry, threshold)
        rank = (_number(person.get("score")), _box_area(person))
        if name not in best or rank > best[name]:
            poses[name], best[name] = from_coco(points), rank
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


def _read_openpose(folder: Path, threshold: float, names: Iterable[str] | None) -> dict[str, np.ndarray]:
    files = sorted(folder.glob(f"*{OPENPOSE_END}"))
    if not files:
        raise ReidAugError(f"no file *{OPENPOSE_END} in {folder}; expected a folder that OpenPose wrote")
    name_of = {Path(name).stem: name for name in names or ()}
    poses: dict[str, np.ndarray] = {}
    for path in files:
        stem = path.name.removesuffix(OPENPOSE_END)
        content = _load(path)
        people = content.get("people") if isinstance(content, dict) else None
        if not isinstance(people, list):
            raise ReidAugError(f"{path}: no list 'people'; expected a file that OpenPose wrote")
        keypoints, best = np.full((JOINTS, 2), np.nan), -1.0
        for number, person in enumerate(people, start=1):
            values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
            points, confidence = _points(values, (18, 25), f"{path} person {number}", threshold)
            if confidence > best:
                keypoints, best = points[_FROM_BODY_25, :] if len(points) == 25 else points, confidence
        poses[name_of.get(stem, f"{stem}.jpg")] = keypoints
    return poses


def _points(values: Any, joints: tuple[int, ...], entry: str, threshold: float) -> tuple[np.ndarray, float]:
    """(J, 2) float64 pixels with NaN = missing, and the sum of the confidences, of a flat list x, y, confidence, ..."""
    expected = " or ".join(f"{3 * count}" for count in joints)
    if not isinstance(values, list) or len(values) not in [3 * count for count in joints]:
        content = f"{len(values)} keypoint values" if isinstance(values, list) else f"keypoints {_short(values)}"
        raise ReidAugError(f"{entry}: {content}, expected a list of {expected} numbers (x, y, confidence)")
    if not are_coordinates(values):
        raise ReidAugError(f"{entry}: the keypoints hold something other than pixels and confidences")
    table = np.array(values, dtype=np.float64).reshape(-1, 3)
    points, confidence = table[:, :2].copy(), table[:, 2]
    outside = (np.rint(points) < 0).any(axis=1)
    points[(confidence <= 0) | (confidence < threshold) | outside] = np.nan
    return np.maximum(points, 0), float(confidence.sum())


def _box_area(person: dict[str, object]) -> float:
    box = person.get("bbox")
    if isinstance(box, list) and len(box) == 4:
        return _number(box[2]) * _number(box[3])
    return _number(person.get("area"))


def _number(value: Any) -> float:
    return float(value) if are_coordinates([value]) else 0.0


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ReidAugError(f"no {path}; expected {_EXPECTED}") from None
    except json.JSONDecodeError as error:
        raise ReidAugError(f"{path} line {error.lineno}: not valid JSON ({error.msg}); expected {_EXPECTED}") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise ReidAugError(f"{path} is not a JSON file; expected {_EXPECTED}") from None


def _short(value: object) -> str:
    return repr(value)[:40]


# COCO's 17 joints have no neck, which is appended as joint 17, and left comes before right.
_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
_FROM_BODY_25 = (*range(8), *range(9, 19))  # joint 8 is the middle of the hips, the last six are of the feet


def from_coco(keypoints: np.ndarray) -> np.ndarray:
    """COCO's 17 joints as OpenPose's 18; the neck is midway between the shoulders.

    Args:
        keypoints: (..., 17, 2) pixels, NaN = missing.

    Returns:
        (..., 18, 2); the neck is missing where a shoulder is.
    """
    neck = keypoints[..., _SHOULDERS, :].mean(axis=-2, keepdims=True)
    return np.concatenate([keypoints, neck], axis=-2)[..., _FROM_COCO, :]
