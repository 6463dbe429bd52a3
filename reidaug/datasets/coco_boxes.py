"""Boxes of people in larger pictures: a JSON file in the form of COCO (Lin et al., ECCV 2014).

Each annotation has a `bbox` (left, top, width, height in pixels) and a person: `pid`, `person_id` or `track_id`, in the
annotation or in its `attributes`. `camid` (`camera_id`, `camera`) and `split` stand there too, or in the image; without
them all are of camera 1, and training images. An annotation without a person is passed over.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image, Layout, Problem
from reidaug.datasets.image_table import SPLIT_NAMES
from reidaug.datasets.labels import Found, split_of

PERSON = ("pid", "person_id", "track_id")
CAMERA = ("camid", "camera_id", "camera")


def find_root(path: Path) -> Path | None:
    """The file itself if it holds images and annotations, else None."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return None
    try:
        return path if _content(path) else None
    except ReidAugError:
        return None


def _content(path: Path) -> dict[str, Any]:
    state = path.stat()
    return _parsed(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _parsed(path: Path, size: int, time: int) -> dict[str, Any]:
    """The content of a file as it is now: it may be large, and is asked for once to know it and once for each split."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        raise ReidAugError(f"{path} is not a JSON file; expected one in the form of COCO") from None
    whole = isinstance(content, dict) and all(isinstance(content.get(key), list) for key in ("images", "annotations"))
    return content if whole else {}


def read_split(root: Path, split: str) -> tuple[list[Image], list[Problem]]:
    """The people of a split, each with its box, sorted by name, and the annotations that are broken."""
    content = _content(root)
    images = [image for image in content.get("images", []) if isinstance(image, dict)]
    pictures = {image["id"]: image for image in images if isinstance(image.get("id"), str | int)}
    found, problems, passed_over = [], [], 0
    for number, annotation in enumerate(content.get("annotations", [])):
        try:
            picture = pictures[annotation["image_id"]]
            sources = (annotation, annotation.get("attributes") or {}, picture)
            person = _first(sources[:2], PERSON)
            if person is None:
                passed_over += 1
                continue
            left, top, width, height = (round(float(value)) for value in annotation["bbox"])
            name = SPLIT_NAMES[_first(sources, ("split",)) or "train"]
            path = _file(root, str(picture["file_name"]))
            if width < 1 or height < 1:
                raise ValueError
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            message = "expected image_id of an image with a file_name, bbox of 4 numbers, and a split, if any, of "
            message += ", ".join(SPLIT_NAMES)
            problems.append(Problem("broken-row", "error", f"annotation {number}", message))
            continue
        found.append(Found(path, person, _first(sources, CAMERA) or "1", name, (left, top, width, height)))
    if passed_over:
        message = f"{passed_over:,} annotations have no person ({', '.join(PERSON)}): passed over"
        problems.append(Problem("no-person", "note", root.name, message))
    return split_of(found, problems, split)


def _first(sources: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> str | None:
    values = (source.get(key) for source in sources for key in keys)
    return next((str(value) for value in values if isinstance(value, str | int) and value != ""), None)


def _file(root: Path, name: str) -> Path:
    """The picture: beside the JSON file, in `images/` there, or in `images/` beside its folder."""
    places = (root.parent, root.parent / "images", root.parent.parent / "images")
    return next((place / name for place in places if (place / name).is_file()), root.parent / name)


LAYOUT = Layout("COCO boxes", "a COCO JSON file with boxes of people", find_root, read_split, in_place=False)
