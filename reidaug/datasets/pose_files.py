"""Keypoints that other estimators wrote: COCO's JSON and the output folder of OpenPose, read beside the public CSV."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import JOINTS, Annotations, are_coordinates, read_annotations

OPENPOSE_END = "_keypoints.json"
_OTHERS = "a keypoint CSV, COCO's keypoint JSON (.json) or a folder that OpenPose wrote"


def read_keypoints(path: Path, threshold: float = 0.0, names: Iterable[str] | None = None) -> Annotations:
    """Read the keypoints that some estimator wrote, one person per image.

    Where there are several people, COCO's one of the highest score (then of the largest box) is taken, OpenPose's of
    the highest summed confidence.

    Args:
        path: the public CSV; COCO's JSON, as annotations with their images or as a list of results with file names as
            `image_id`; or a folder of `NAME_keypoints.json` as OpenPose writes it, with 18 or 25 joints.
        threshold: confidence below which a joint counts as missing; the CSV holds none. 0 always means missing.
        names: file names of the images, which OpenPose does not tell. Without them: NAME.jpg.

    Returns:
        The keypoints: COCO's in the order of the file, OpenPose's sorted by name. An image without a person has NaN
        throughout.

    Raises:
        ReidAugError: nothing there, or a broken or empty file; the message names the file and the entry.
    """
    if path.is_dir():
        found = _read_openpose(path, threshold, names)
    elif path.suffix.lower() == ".json":
        found = _read_coco(path, threshold)
    elif path.exists():
        return read_annotations(path)
    else:
        raise ReidAugError(f"no {path}; expected {_OTHERS}")
    if not found:
        raise ReidAugError(f"{path} holds no images; expected {_OTHERS}")
    keypoints = np.stack(list(found.values())).astype(np.float32)
    if np.isfinite(keypoints).any() and np.nanmax(keypoints) <= 1:
        raise ReidAugError(f"{path} holds coordinates from 0 to 1, expected pixels (OpenPose: --keypoint_scale 0)")
    return Annotations(tuple(found), keypoints)


def _read_coco(path: Path, threshold: float) -> dict[str, np.ndarray]:
    content = _load(path)
    images: Any = []
    people, where = content, "entry"
    if isinstance(content, dict):
        images, people, where = content.get("images"), content.get("annotations"), "annotation"
    if not isinstance(images, list) or not isinstance(people, list):
        raise ReidAugError(
            f"{path}: expected a list of results, or an object with the lists 'images' and 'annotations'"
        )
    names = _coco_names(path, images)
    found = {name: np.full((JOINTS, 2), np.nan) for name in names.values()}
    best: dict[str, tuple[float, float]] = {}
    for number, person in enumerate(people, start=1):
        place = f"{path} {where} {number}"
        if not isinstance(person, dict):
            raise ReidAugError(f"{place}: expected an object with image_id and keypoints, found {_short(person)}")
        image = person.get("image_id")
        name = names.get(image) if isinstance(image, str | int) else None
        if name is None and not images and isinstance(image, str) and image:
            name = Path(image).name
        if name is None:
            raise ReidAugError(
                f"{place}: no image {_short(image)}; expected a file name as image_id, or 'images' with id and "
                "file_name in the same file"
            )
        points, _ = _points(person.get("keypoints"), (17,), place, threshold)
        rank = (_number(person.get("score")), _box_area(person))
        if name not in best or rank > best[name]:
            found[name], best[name] = from_coco(points), rank
    return found


def _coco_names(path: Path, images: list[Any]) -> dict[Any, str]:
    names: dict[Any, str] = {}
    taken: set[str] = set()
    for number, image in enumerate(images, start=1):
        if not isinstance(image, dict) or not isinstance(image.get("id"), str | int):
            raise ReidAugError(
                f"{path} image {number}: expected an object with id and file_name, found {_short(image)}"
            )
        if not isinstance(image.get("file_name"), str) or not Path(image["file_name"]).name:
            raise ReidAugError(f"{path} image {number}: its file_name is {_short(image.get('file_name'))}")
        name = Path(image["file_name"]).name
        if image["id"] in names or name in taken:
            raise ReidAugError(f"{path} image {number}: {name} (id {image['id']}) stands there already")
        names[image["id"]] = name
        taken.add(name)
    return names


def _read_openpose(folder: Path, threshold: float, names: Iterable[str] | None) -> dict[str, np.ndarray]:
    files = sorted(folder.glob(f"*{OPENPOSE_END}"))
    if not files:
        raise ReidAugError(f"no file *{OPENPOSE_END} in {folder}; expected a folder that OpenPose wrote")
    name_of = {Path(name).stem: name for name in names or ()}
    found: dict[str, np.ndarray] = {}
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
                keypoints, best = from_body_25(points) if len(points) == 25 else points, confidence
        found[name_of.get(stem, f"{stem}.jpg")] = keypoints
    return found


def _points(values: Any, joints: tuple[int, ...], place: str, threshold: float) -> tuple[np.ndarray, float]:
    """(J, 2) float64 pixels with NaN = missing, and the sum of the confidences, of a flat list x, y, confidence, ..."""
    expected = " or ".join(f"{3 * count}" for count in joints)
    if not isinstance(values, list) or len(values) not in [3 * count for count in joints]:
        found = f"{len(values)} keypoint values" if isinstance(values, list) else f"keypoints {_short(values)}"
        raise ReidAugError(f"{place}: {found}, expected a list of {expected} numbers (x, y, confidence)")
    if not are_coordinates(values):
        raise ReidAugError(f"{place}: the keypoints hold something other than pixels and confidences")
    table = np.array(values, dtype=np.float64).reshape(-1, 3)
    points, confidence = table[:, :2].copy(), table[:, 2]
    outside = (np.rint(points) < 0).any(axis=1)
    points[(confidence <= 0) | (confidence < threshold) | outside] = np.nan
    return np.maximum(points, 0), float(confidence.sum())


def _box_area(person: dict[str, Any]) -> float:
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
        raise ReidAugError(f"no {path}; expected {_OTHERS}") from None
    except json.JSONDecodeError as error:
        raise ReidAugError(f"{path} line {error.lineno}: not valid JSON ({error.msg}); expected {_OTHERS}") from None
    except (UnicodeDecodeError, RecursionError, ValueError):
        raise ReidAugError(f"{path} is no JSON file; expected {_OTHERS}") from None


def _short(value: Any) -> str:
    return repr(value)[:40]


# The 17 of COCO have no neck; it is appended as joint 17. Their left comes before their right.
_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = (5, 6)
# BODY_25 has the middle of the hips in place 8 and six joints of the feet at the end.
_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)


def from_coco(keypoints: np.ndarray) -> np.ndarray:
    """COCO's 17 joints as OpenPose's 18; the neck is the middle of the shoulders.

    Args:
        keypoints: (..., 17, 2) pixels, NaN = missing.

    Returns:
        (..., 18, 2); the neck is missing where a shoulder is.
    """
    neck = keypoints[..., _SHOULDERS, :].mean(axis=-2, keepdims=True)
    return np.concatenate([keypoints, neck], axis=-2)[..., _FROM_COCO, :]


def from_body_25(keypoints: np.ndarray) -> np.ndarray:
    """OpenPose's BODY_25 as its 18 joints of COCO: (..., 25, 2) pixels to (..., 18, 2)."""
    return keypoints[..., _FROM_BODY_25, :]
