"""`reidaug split`: query and gallery from one folder of people."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_out, lock_of, whole_folder
from reidaug.core.left_overs import LeftOver, remove_left_overs
from reidaug.core.links import link_or_copy_file
from reidaug.core.options import SameCamera
from reidaug.core.progress import Advance
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import SPLITS, Image
from reidaug.datasets.keypoints import (
    COVERED,
    FILES,
    Annotations,
    find_annotations,
    has_annotations,
    read_annotations,
    write_annotations,
)
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import check_output_path, find_root, read_people, split_folder, warn_of_cameras
from reidaug.datasets.request import SplitRequest


def write_split(request: SplitRequest, advance: Advance | None = None) -> dict[str, object]:
    """Writes a Market-1501 root, whole or not at all.

    Returns:
        Numbers of people and images, and whether there are keypoints.

    Raises:
        ReidAugError: no images, names that do not parse, nobody to test or to train on, or an output that exists.
    """
    out = request.out
    check_new_root(out)
    known, place = _people(request.data)
    warn_of_cameras(known)
    divided = divide(known, request.test_portion, request.seed, request.same_camera)
    images = dict(zip(SPLITS, divided, strict=True))
    rows = read_annotations(find_annotations(place, "train")) if has_annotations(place, "train") else None
    with whole_folder(out) as folder:
        _write(folder, images, rows, request.copy, advance)
    people = {
        "train_people": len({image.pid for image in images["train"]}),
        "test_people": len({image.pid for image in images["query"]}),
    }
    counts = {f"{split}_images": len(images[split]) for split in SPLITS}
    return {"data": str(out), **people, **counts, "keypoints": rows is not None, "seed": request.seed}


def check_new_root(out: Path) -> None:
    """Refuse a folder that cannot become a Market-1501 root.

    Raises:
        ReidAugError: it has content or cannot be written, or re-ID tools would misread its path.
    """
    check_output_path(out)
    check_out(out, folder=True)
    if out.exists() and any(out.iterdir()):
        remove_left_overs([LeftOver(lock_of(out), lock_of(out))])  # of a run that was killed when all was done
        raise ReidAugError(f"{out} is there already: give another folder, or remove it")


def _people(path: Path) -> tuple[list[Image], Path]:
    """The training images of a data set, or the images of a folder; and where their keypoints would be."""
    if root := find_root(path):
        return read_people(split_folder(root, "train")), root
    try:
        data = open_dataset(path)
    except ReidAugError:
        return read_people(path), path
    return data.images("train"), data.root


def divide(
    images: Sequence[Image], test_portion: float, seed: int, same_camera: SameCamera
) -> tuple[list[Image], list[Image], list[Image]]:
    """Divides images by person into training, query and gallery images.

    Test people are drawn among those that two cameras have seen (with "count": of whom there are two images), the
    others are trained on. Of each camera with several images of a test person one is drawn as a query; where no camera
    has several, one image is. All others are the gallery, so every query has a match. Junk and distractors are gallery.

    Args:
        images: in an order on which the draw depends.
        test_portion: the share of these people to test, 0 to 1; at least one is.
        seed: of the draw.
        same_camera: what the scoring does with images of a query's own camera.

    Raises:
        ReidAugError: nobody to test, or fewer than two people to train on.
    """
    known: dict[int, list[Image]] = defaultdict(list)
    gallery: list[Image] = []
    for image in images:
        (known[image.pid] if image.shows_known_person else gallery).append(image)
    enough = {
        pid: len(own if same_camera == "count" else {image.camid for image in own}) >= 2 for pid, own in known.items()
    }
    candidates = sorted(pid for pid in known if enough[pid])
    if not candidates:
        what = "two images" if same_camera == "count" else "images by two cameras"
        advice = "" if same_camera == "count" else ", or give --same-camera count where camera numbers mean nothing"
        raise ReidAugError(f"no person of {len(known)} has {what}, so nobody can be tested: add images{advice}")
    random = np.random.RandomState(seed)
    count = max(1, round(test_portion * len(candidates)))
    tested = set(random.permutation(candidates)[:count].tolist())
    if len(known) - count < 2:
        raise ReidAugError(
            f"{count} of {len(known)} people to test leave fewer than two people to train on: give a smaller "
            "--test-portion"
        )
    query: list[Image] = []
    for pid in sorted(tested):
        by_camera: dict[int, list[Image]] = defaultdict(list)
        for image in known[pid]:
            by_camera[image.camid].append(image)
        several = [own for _, own in sorted(by_camera.items()) if len(own) > 1] or [known[pid]]
        asked = [own[random.randint(len(own))] for own in several]
        query += asked
        gallery += [image for image in known[pid] if image not in asked]
    return [image for image in images if image.pid in known.keys() - tested], query, gallery


def _write(
    root: Path, images: Mapping[str, Sequence[Image]], rows: Annotations | None, copy: bool, advance: Advance | None
) -> None:
    files = []
    for split, own in images.items():
        split_folder(root, split).mkdir(parents=True)
        files += [(image.path, split_folder(root, split) / image.name) for image in own]

    def write(pair: tuple[Path, Path]) -> None:
        source, target = pair
        link_or_copy_file(target, source, copy)

    in_threads(write, files, advance)
    if rows is not None:
        for file, splits in COVERED.items():
            divided = rows.only(image.name for split in splits for image in images[split])
            write_annotations(root / FILES[file], divided.names, divided.keypoints)
