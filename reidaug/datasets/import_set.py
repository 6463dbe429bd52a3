"""`reidaug import`: any data set as a Market-1501 root, with tables of where its images and cameras come from.

OUT/sources.csv    a row for each image: its name, its file, and person and camera as the source spells them
OUT/cameras.csv    a row for each camera that has another number in the names than in the source
"""

import csv
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import PIL.Image

from reidaug.core.errors import ReidAugError
from reidaug.core.files import copy_file, lies_in, whole_folder, write_csv, write_image
from reidaug.core.progress import Advance, Say
from reidaug.core.threads import in_threads
from reidaug.datasets import layouts
from reidaug.datasets.dataset import SPLITS, Dataset, Image
from reidaug.datasets.images import ON_ITS_SIDE, opened, to_rgb, turn_of
from reidaug.datasets.inspection import MAX_PID
from reidaug.datasets.keypoints import (
    COVERED,
    FILES,
    find_annotations,
    has_annotations,
    read_annotations,
    write_annotations,
)
from reidaug.datasets.labels import natural
from reidaug.datasets.market1501 import IMAGE_SIZE, LAST_CAMID, split_folder
from reidaug.datasets.readable import check_readable
from reidaug.datasets.request import ImportRequest
from reidaug.datasets.split import check_new_root

JPEG_QUALITY = 95
_CAMERA_IN_NAME = re.compile(r"_c\d+")


@dataclass(frozen=True)
class Picture:
    """What is known of an image file before it is decoded."""

    size: tuple[int, int]  # (height, width) in pixels of what is written, upright and cut out, before it is resized
    turned: bool  # its pixels do not lie as they are shown
    plain: bool  # a JPEG in RGB that can be copied


def import_set(request: ImportRequest, advance: Advance | None, say: Say) -> dict[str, object]:
    """Writes a Market-1501 root, whole or not at all.

    Images that have the size already, and are upright JPEG files in RGB, keep their bytes. Keypoints are scaled along.

    Returns:
        Numbers of people and images, the layout, the size, and whether there are keypoints.

    Raises:
        ReidAugError: no data set, names or images that cannot be read, cameras that names cannot hold, or an output
            that exists.
    """
    check_new_root(request.out)
    data = _open(request.source, request.layout)
    if lies_in(request.out, data.root):
        raise ReidAugError(f"{request.out} lies in the data set {data.root}: give another folder")
    splits = {split: data.images(split) for split in SPLITS if split == "train" or _is_there(data, split)}
    camids = _camera_numbers([image for images in splits.values() for image in images], request.cameras)
    renamed = {split: [_renamed(image, camids) for image in images] for split, images in splits.items()}
    _check_names(renamed)
    check_readable(data, list(splits), advance)
    images = [image for members in renamed.values() for image in members]
    pictures = dict(zip(images, in_threads(_look_at, images), strict=True))
    size = request.size or _size({picture.size for picture in pictures.values()})
    with whole_folder(request.out) as root:
        for split in SPLITS if len(renamed) > 1 else ("train",):
            split_folder(root, split).mkdir()
        targets = [(image, split_folder(root, split) / image.name) for split in renamed for image in renamed[split]]
        in_threads(lambda pair: _write(*pair, pictures[pair[0]], size), targets, advance)
        _write_tables(root, data, images, camids)
        posed = [file for file in FILES if _write_keypoints(root, data, file, splits, renamed, pictures, size)]
    people = {image.pid for image in images if image.shows_known_person}
    _say_more(request, data, splits, posed, people, size, pictures, camids, say)
    counts = {f"{split}_images": len(splits.get(split, [])) for split in SPLITS}
    return {
        "data": str(request.out),
        "layout": data.layout.name,
        "people": len(people),
        **counts,
        "cameras": len({image.camid for image in images}),
        "size": f"{size[0]}x{size[1]}",
        "keypoints": "train" in posed,
    }


def _open(source: Path, name: str | None) -> Dataset:
    if name is None:
        return layouts.open_source(source)
    names = [layout.name for layout in layouts.LAYOUTS]
    layout = next((layout for layout in layouts.LAYOUTS if layout.name.lower() == name.lower()), None)
    if layout is None:
        raise ReidAugError(f"--layout {name!r} is none of: {', '.join(names)}")
    root = layout.find_root(source)
    if root is None:
        raise ReidAugError(f"{source} is not {layout.name}; expected {layout.expected}")
    return Dataset(root, layout)


def _is_there(data: Dataset, split: str) -> bool:
    """Whether a data set has a split at all, usable or not."""
    images, problems = data.look_at(split)
    return bool(images) or any(problem.kind not in ("missing-folder", "empty-folder") for problem in problems)


def _spelled(image: Image) -> tuple[str, str]:
    """Person and camera of an image as its source spells them."""
    return image.labels or (str(image.pid), str(image.camid))


def _camera_numbers(images: Sequence[Image], how: str) -> dict[int, int]:
    """The camera number to write for each that images have."""
    numbers = sorted({image.camid for image in images})
    if how not in ("renumber", "keep"):
        spelled = {_spelled(image)[1]: image.camid for image in images}
        table = _read_cameras(Path(how))
        if missing := sorted(spelled.keys() - table.keys(), key=natural):
            raise ReidAugError(f"{how} has no row for camera {missing[0]} ({len(missing)} such): add it")
        return {camid: table[camera] for camera, camid in spelled.items()}
    if how == "keep" or (numbers[0] >= 1 and numbers[-1] <= LAST_CAMID):
        return {number: number for number in numbers}
    if len(numbers) > LAST_CAMID:
        raise ReidAugError(
            f"there are {len(numbers)} cameras, and re-ID tools read one digit in a Market-1501 name (10 as 1): give "
            "--cameras CSV with rows camera,camid, in which several cameras may share one of 1 to 9 (a query is then "
            "not compared with its person's images by any of them), or --cameras keep for use with reidaug alone"
        )
    return {number: new for new, number in enumerate(numbers, start=1)}


def _read_cameras(path: Path) -> dict[str, int]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = {row["camera"].strip(): int(row["camid"]) for row in csv.DictReader(file)}
    except FileNotFoundError:
        raise ReidAugError(f"--cameras {path}: expected renumber, keep, or a CSV that is there") from None
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error):
        raise ReidAugError(f"{path}: expected a CSV with the columns camera,camid, camid a number") from None
    if wrong := [camid for camid in table.values() if not 1 <= camid <= LAST_CAMID]:
        raise ReidAugError(f"{path}: camid is {wrong[0]}, expected 1 to {LAST_CAMID}, as re-ID tools read one digit")
    return table


def _renamed(image: Image, camids: Mapping[int, int]) -> Image:
    camid = camids[image.camid]
    if camid == image.camid:
        return image
    return replace(image, camid=camid, name=_CAMERA_IN_NAME.sub(f"_c{camid}", image.name, count=1))


def _check_names(splits: Mapping[str, Sequence[Image]]) -> None:
    for split, images in splits.items():
        name, count = Counter(image.name for image in images).most_common(1)[0] if images else ("", 0)
        if count > 1:
            raise ReidAugError(f"{count} {split} images would be called {name}: give their cameras different numbers")


def _look_at(image: Image) -> Picture:
    with opened(image.path) as picture:
        turn = turn_of(picture)
        size = (picture.width, picture.height) if turn in ON_ITS_SIDE else (picture.height, picture.width)
        if image.box is not None:
            left, top, width, height = image.box
            size = (min(top + height, size[0]) - max(top, 0), min(left + width, size[1]) - max(left, 0))
            if min(size) < 1:
                raise ReidAugError(f"{image.path}: the box {image.box} of person {_spelled(image)[0]} lies outside")
        plain = picture.format == "JPEG" and picture.mode == "RGB" and turn is None and image.box is None
        return Picture(size, turn is not None, plain)


def _size(sizes: set[tuple[int, int]]) -> tuple[int, int]:
    """That of all images, if generators take it."""
    size = next(iter(sizes)) if len(sizes) == 1 else IMAGE_SIZE
    return size if size[0] % 4 == size[1] % 4 == 0 else IMAGE_SIZE


def _write(image: Image, target: Path, picture: Picture, size: tuple[int, int]) -> None:
    with opened(image.path) as file:
        turn = turn_of(file)
        pixels = to_rgb(file)  # also of one to copy: what is cut off is no image
        if turn is not None:
            pixels = pixels.transpose(turn)
    if picture.plain and picture.size == size:
        copy_file(image.path, target)
        return
    if image.box is not None:
        left, top, width, height = image.box
        corners = (max(left, 0), max(top, 0), min(left + width, pixels.width), min(top + height, pixels.height))
        pixels = pixels.crop(corners)
    if picture.size != size:
        pixels = pixels.resize((size[1], size[0]), PIL.Image.Resampling.BICUBIC)
    write_image(target, pixels, "JPEG", quality=JPEG_QUALITY)


def _write_tables(root: Path, data: Dataset, images: Sequence[Image], camids: Mapping[int, int]) -> None:
    base = data.root if data.root.is_dir() else data.root.parent
    files = [str(image.path.relative_to(base) if image.path.is_relative_to(base) else image.path) for image in images]
    rows = [[image.name, file, *_spelled(image)] for image, file in zip(images, files, strict=True)]
    write_csv(root / "sources.csv", [["name", "source", "person", "camera"], *rows])
    cameras = sorted({(_spelled(image)[1], image.camid) for image in images}, key=lambda row: natural(row[0]))
    if any(camera.lstrip("0") != str(camid) for camera, camid in cameras):
        write_csv(root / "cameras.csv", [["camera", "camid"], *cameras])


def _write_keypoints(
    root: Path,
    data: Dataset,
    file: str,
    splits: Mapping[str, Sequence[Image]],
    renamed: Mapping[str, Sequence[Image]],
    pictures: Mapping[Image, Picture],
    size: tuple[int, int],
) -> bool:
    """Writes the rows of images that have one, in pixels of the size; returns whether there are any.

    Those of pictures that lie on their side, or are cut out, are left out.
    """
    if not has_annotations(data.root, file):
        return False
    path = find_annotations(data.root, file)
    rows = read_annotations(path).in_jpg(path)
    pairs = [
        pair
        for split in COVERED[file]
        for pair in zip(splits.get(split, []), renamed.get(split, []), strict=True)
        if pair[0].name in rows.index and not pictures[pair[1]].turned and pair[0].box is None
    ]
    if not pairs:
        return False
    keypoints = rows.select([old.name for old, _ in pairs])
    for row, (_, new) in enumerate(pairs):
        scale = np.array(size[::-1]) / pictures[new].size[::-1]
        if (scale != 1).any():
            keypoints[row] = (keypoints[row] + 0.5) * scale - 0.5
    outside = (keypoints < 0).any(axis=2)
    keypoints[outside] = np.maximum(keypoints[outside], 0)  # -1 means missing in the file
    write_annotations(root / FILES[file], [new.name for _, new in pairs], keypoints)
    return True


def _say_more(
    request: ImportRequest,
    data: Dataset,
    splits: Mapping[str, Sequence[Image]],
    posed: Sequence[str],
    people: set[int],
    size: tuple[int, int],
    pictures: Mapping[Image, Picture],
    camids: Mapping[int, int],
    say: Say,
) -> None:
    """What a user must know of the new root, and what comes next."""
    out = request.out
    if data.layout.in_place and not any(picture.turned or picture.size != size for picture in pictures.values()):
        with suppress(ReidAugError):
            if layouts.open_dataset(request.source).layout is data.layout and max(camids) <= LAST_CAMID:
                say(f"{request.source} needs no import: every command takes it as it is, --data {request.source}")
    if changed := {old: new for old, new in camids.items() if old != new}:
        say(f"{len(changed)} cameras have other numbers in the names: {out}/cameras.csv")
    if kept := [camid for camid in camids.values() if camid > LAST_CAMID]:
        say(
            f"cameras such as {kept[-1]}: torchreid, fast-reid and TransReID read the first digit alone, without a word"
        )
    if above := sorted(pid for pid in people if pid > MAX_PID):
        say(
            f"{len(above):,} people have numbers above {MAX_PID}, such as {above[0]}: the Market-1501 readers of "
            "torchreid, fast-reid and TransReID refuse them; `reidaug export` uses MSMT17's layout where it can"
        )
    if "train" not in posed:
        say(f"next, the poses: reidaug pose {out} --split train --out {out / FILES['train']}")
    if "query" not in splits or "gallery" not in splits:
        say(f"then query and gallery, which are not there: reidaug split {out} OUT2, which divides the poses too")
