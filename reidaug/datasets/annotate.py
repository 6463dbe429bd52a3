"""`reidaug pose`: a keypoint CSV for a folder of images, estimated or converted from another estimator's file.

Estimates are collected in `.NAME.part` beside the CSV until all are done: a line with the settings, then the rows of
the CSV, batch by batch, each after the digest of its image.
"""

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_out, writing
from reidaug.core.fingerprint import fingerprint, refuse_pipe
from reidaug.core.locks import locked
from reidaug.core.progress import Advance, Say
from reidaug.core.threads import in_threads
from reidaug.datasets import estimators
from reidaug.datasets.dataset import is_image_file
from reidaug.datasets.images import image_size, read_image
from reidaug.datasets.keypoints import (
    COVERED,
    HEADER,
    Annotations,
    format_annotations,
    format_rows,
    parse_row,
    read_annotations,
)
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.pairs import usable
from reidaug.datasets.pose_files import read_keypoints
from reidaug.datasets.request import PoseRequest

FORMAT = "reidaug pose 1"


def annotate(request: PoseRequest, advance: Advance, say: Say) -> dict[str, object]:
    """Write a keypoint CSV with a row for each image: poses that are estimated, or those of another estimator's file.

    Estimation continues where an interrupted run stopped, and a complete CSV is left alone.

    Returns:
        What to print: the file, how many images, estimated ones (unless a file is read), poses without a joint, and
        usable ones.

    Raises:
        ReidAugError: no images, one that cannot be read, another CSV in the way, another run at work on it, an
            interrupted run with other settings, or a file to read that is broken or of other images.
    """
    images = find_images(request.data, request.split)
    check_out(request.out)
    if request.read is None:
        estimators.check_model(request.model)
    else:
        return _convert(request, request.read, images, say)
    return _estimate(request, images, advance, say)


def find_images(data: Path, split: str | None = None) -> dict[str, Path]:
    """The images of a folder, or of a split of a Market-1501 root, by name and sorted.

    Args:
        data: a data set, or a folder of images (subfolders are not searched).
        split: of a root only: train (also for None), or test, which is gallery and query.

    Raises:
        ReidAugError: no such folder, no image in it, a split of a plain folder, or a name that the CSV cannot hold.
    """
    if not data.exists():
        raise ReidAugError(f"no folder {data}; expected a folder of images or a data set")
    try:
        dataset = open_dataset(data)
    except ReidAugError:
        if not data.is_dir():
            raise
        if split:
            raise ReidAugError(f"{data} is not a data set, so it has no split {split}; omit --split") from None
        files = [(path.name, path) for path in data.iterdir() if is_image_file(path.name)]
    else:
        covered = COVERED[split or "train"]
        files = [(image.name, image.path) for part in covered for image in dataset.images(part)]
    if not files:
        raise ReidAugError(f"no image in {data}; expected a folder of images or a data set")
    images: dict[str, Path] = {}
    for name, path in sorted(files):
        if ":" in name or not name.isprintable() or name != name.strip():
            raise ReidAugError(f"the keypoint CSV cannot hold the image name {name!r}; rename it")
        if images.setdefault(name, path) != path:
            raise ReidAugError(f"{path} and {images[name]} have the same name; rename or remove one")
    return images


def _estimate(request: PoseRequest, images: dict[str, Path], advance: Advance, say: Say) -> dict[str, object]:
    with locked(_beside(request.out, "lock"), str(request.out)):
        digests = "".join(f"{name}\0{_digest(path)}\n" for name, path in images.items())
        done = json.dumps({"model": request.model, "threshold": request.threshold, "images": fingerprint(digests)})
        if _is_complete(request, list(images), done):
            _beside(request.out, "part").unlink(missing_ok=True)  # of a run that was killed at its very end
            say(f"{request.out} has a row for each image already: nothing was done; --force estimates them again")
            return _summary(request.out, estimated=0)
        fetched = " (from huggingface.co, unless it was fetched before)" if estimators.from_hub(request.model) else ""
        say(f"loading the pose model {request.model}{fetched}")
        estimator = estimators.load_estimator(request.model, request.device)
        part = _beside(request.out, "part")
        settings = {"model": request.model, "weights": estimator.fingerprint(), "threshold": request.threshold}
        rows = _resume(part, {"format": FORMAT, **settings}, images, request.force)
        todo = [name for name in images if name not in rows]
        with open(part, "ab") as file:
            for start in range(0, len(todo), request.batch_size):
                advance(len(rows), len(images))
                batch = todo[start : start + request.batch_size]
                pixels = [read_image(images[name]) for name in batch]
                keypoints = estimator(pixels, request.threshold, request.batch_size)
                new = dict(zip(batch, format_rows(batch, keypoints), strict=True))
                lines = "".join(f"{_digest(images[name])} {row}\n" for name, row in new.items())
                with writing(part):
                    file.write(lines.encode())
                    file.flush()
                    os.fsync(file.fileno())
                rows |= new
        advance(len(images), len(images))
        request.out.unlink(missing_ok=True)  # it never stands beside the record of another one
        atomic_write(_beside(request.out, "record"), done)
        atomic_write(request.out, "\n".join([HEADER, *(rows[name] for name in images)]) + "\n")
        part.unlink()
    return _summary(request.out, estimated=len(todo))


def _convert(request: PoseRequest, source: Path, images: dict[str, Path], say: Say) -> dict[str, object]:
    """Writes the keypoints of another estimator's file or folder, see `read_keypoints`."""
    names, files_called = list(images), Counter(path.name for path in images.values())
    name_of = {path.name: name for name, path in images.items() if files_called[path.name] == 1}
    sizes = in_threads(image_size, list(images.values()))
    size_of = dict(zip(names, sizes, strict=True))
    files = {path.name: size for path, size in zip(images.values(), sizes, strict=True) if path.name in name_of}
    found = read_keypoints(source, request.threshold, names, size_of | files)
    annotations = Annotations(tuple(name_of.get(name, name) for name in found.names), found.keypoints)
    absent = [name for name in names if name not in annotations.index]
    others = len(annotations) - (len(names) - len(absent))
    if len(absent) == len(names):
        raise ReidAugError(f"{source} has no image of {request.data}: it names {annotations.names[0]}, not {names[0]}")
    if absent:
        say(f"{len(absent):,} of {len(names):,} images are not in {source}, such as {absent[0]}: all joints missing")
    if others:
        say(f"{others:,} images of {source} are not in {request.data} and are left out")
    content = format_annotations(names, annotations.select(names))
    with locked(_beside(request.out, "lock"), str(request.out)):
        earlier = request.out.read_bytes() if request.out.exists() else None
        if earlier not in (None, content.encode()) and not request.force:
            raise ReidAugError(
                f"{request.out} exists with other keypoints; give another --out, or replace it with --force"
            )
        atomic_write(request.out, content)
    return _summary(request.out)


def _is_complete(request: PoseRequest, names: Sequence[str], done: str) -> bool:
    """Whether the CSV was made of exactly these images with these settings; refuses to replace any other."""
    if request.force or not request.out.exists():
        return False
    try:
        rows = read_annotations(request.out).names
    except (ReidAugError, OSError):
        rows = ()
    if list(rows) != list(names):
        raise ReidAugError(
            f"{request.out} exists and is not a keypoint file of these {len(names)} images; choose another --out, or "
            "replace it with --force"
        )
    record = _beside(request.out, "record")
    if not record.is_file() or record.read_bytes() != done.encode():
        raise ReidAugError(
            f"{request.out} exists and was not made of these images as they are now, with this model and threshold; "
            "choose another --out, or replace it with --force"
        )
    return True


def _beside(out: Path, ending: str) -> Path:
    return out.parent / f".{out.name}.{ending}"


def _resume(part: Path, record: dict[str, object], images: dict[str, Path], force: bool) -> dict[str, str]:
    """The rows that an interrupted run left, for images that have not changed; all others are dropped from the file."""
    lines = part.read_bytes().split(b"\n")[:-1] if part.exists() else []  # a last line without an end was cut off
    try:
        before = json.loads(lines[0]) if lines else None
    except ValueError:
        before = None
    if isinstance(before, dict) and before != record and not force:
        other = [f"{key} {before.get(key)}, now {record[key]}" for key in record if before.get(key) != record[key]]
        raise ReidAugError(
            f"an interrupted run left {len(lines) - 1} poses in {part} with {'; '.join(other)}; use the same "
            "settings, or start again with --force"
        )
    rows: dict[str, str] = {}
    kept = [json.dumps(record)]
    for line in lines[1:] if before == record else []:
        try:
            digest, row = line.decode().split(" ", 1)
            name = parse_row(row)[0]
        except ValueError:
            continue
        if name in images and name not in rows and digest == _digest(images[name]):
            rows[name] = row
            kept.append(line.decode())
    atomic_write(part, "".join(f"{line}\n" for line in kept))
    return rows


def _digest(path: Path) -> str:
    refuse_pipe(path)
    return fingerprint(path.read_bytes())


def _summary(out: Path, **more: int) -> dict[str, object]:
    keypoints = read_annotations(out).keypoints
    return {
        "out": str(out),
        "images": len(keypoints),
        **more,
        "without_joints": int(np.isnan(keypoints).all(axis=(1, 2)).sum()),
        "usable_poses": int(usable(keypoints).sum()),
    }
