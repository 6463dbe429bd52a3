"""Writes mannequins as a Market-1501 folder with keypoint files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import whole_folder
from reidaug.datasets.dataset import DISTRACTOR_PID, JUNK_PID
from reidaug.datasets.keypoints import FILES, write_annotations
from reidaug.datasets.market1501 import SPLIT_FOLDERS
from reidaug.datasets.split import check_new_root
from reidaug.demo.mannequins.shots import IDENTITY, STRANGER, Shot, Studio, take_shot
from reidaug.demo.request import MannequinConfig

# Training identities are 1 to 1000, then 1502 and on: a smaller set is a subset of a larger one.
FIRST_TEST_PID, LAST_TEST_PID = 1001, 1501  # torchreid and fast-reid accept no larger one than 1501
LAST_PID = 9999  # of four digits
LAST_CAMERA = 6
STRANGER_IMAGES = 6  # images of one distractor person


@dataclass(frozen=True)
class _Order:
    """One image to take."""

    split: str
    name: str
    kind: int
    number: int
    index: int
    camid: int
    passage: int
    partial: bool = False


def _check(config: MannequinConfig) -> None:
    limits = {
        "train_ids": (1, LAST_PID - (LAST_TEST_PID - FIRST_TEST_PID + 1)),
        "test_ids": (1, LAST_TEST_PID - FIRST_TEST_PID + 1),
        "images": (4, 10_000),
        "cameras": (2, LAST_CAMERA),
        "seed": (0, 2**32 - 1),
        "distractors": (0, 1_000_000),
        "junk": (0, 1_000_000),
    }
    for name, (low, high) in limits.items():
        value = getattr(config, name)
        if value is not None and not low <= value <= high:
            raise ReidAugError(f"{name} is {value}, expected {low} to {high}")


def visits(seed: int, pid: int, images: int, cameras: int) -> list[int]:
    """Returns the camera of each image of an identity.

    Two or more cameras see a person, each of them twice before any a third time; the list for fewer images is the
    beginning of the list for more.
    """
    rng = np.random.default_rng([seed, 21, pid])
    order = [int(camid) for camid in rng.permutation(LAST_CAMERA) + 1 if camid <= cameras]
    order = order[: int(rng.integers(min(3, cameras), cameras + 1))]
    sequence = [order[0], order[1], order[0], order[1]]
    for camid in order[2:]:
        sequence += [camid, camid]
    while len(sequence) < images:
        sequence += order
    return sequence[:images]


def _name(pid: int, camid: int, passage: int, index: int) -> str:
    prefix = "-1" if pid == JUNK_PID else f"{pid:04d}"
    return f"{prefix}_c{camid}s{passage + 1}_{25 * index + 1:06d}_{index % 4:02d}.jpg"


def _identity_orders(config: MannequinConfig, pid: int) -> list[_Order]:
    """The images of one identity; of a test identity, the first of each camera that has a second one is a query."""
    cameras = visits(config.seed, pid, config.images, config.cameras)
    orders = []
    for index, camid in enumerate(cameras):
        before = cameras[:index].count(camid)
        split = "gallery" if FIRST_TEST_PID <= pid <= LAST_TEST_PID else "train"
        if split == "gallery" and before == 0 and cameras.count(camid) > 1:
            split = "query"
        orders.append(_Order(split, _name(pid, camid, before // 3, index), IDENTITY, pid, index, camid, before // 3))
    return orders


def _extra_orders(config: MannequinConfig) -> list[_Order]:
    """Distractors (strangers, every third one a partial box) and junk (bad boxes of the test identities)."""
    tenth = round(config.test_ids * config.images / 10)
    orders = []
    for index in range(tenth if config.distractors is None else config.distractors):
        camid = int(np.random.default_rng([config.seed, 22, index]).integers(config.cameras)) + 1
        name = _name(DISTRACTOR_PID, camid, 0, index)
        orders.append(_Order("gallery", name, STRANGER, index // STRANGER_IMAGES, index, camid, 0, index % 3 == 2))
    for index in range(tenth if config.junk is None else config.junk):
        pid = FIRST_TEST_PID + index % config.test_ids
        camid = int(np.random.default_rng([config.seed, 23, index]).integers(config.cameras)) + 1
        orders.append(_Order("gallery", _name(JUNK_PID, camid, 0, index), IDENTITY, pid, index, camid, 0, True))
    return orders


def _orders(config: MannequinConfig) -> list[_Order]:
    train = [*range(1, FIRST_TEST_PID), *range(LAST_TEST_PID + 1, LAST_PID + 1)][: config.train_ids]
    pids = [*train, *range(FIRST_TEST_PID, FIRST_TEST_PID + config.test_ids)]
    orders = [order for pid in pids for order in _identity_orders(config, pid)] + _extra_orders(config)
    return sorted(orders, key=lambda order: (order.kind, order.number))  # each person is built once


def write_mannequins(out: Path, config: MannequinConfig, progress: Callable[[int, int], None] | None = None) -> Path:
    """Renders a data set in Market-1501 layout.

    The look of an identity depends only on (seed, pid), an image only on (seed, pid, index, cameras), so the images of
    a smaller set are among those of a larger one. The six cameras are in the same places for every seed.

    Args:
        out: the root to write; must not exist or be empty.
        config: what to render.
        progress: called with (images done, images in all).

    Returns:
        `out`, with bounding_box_train, query, bounding_box_test, market-annotation-train.csv (training images) and
        market-annotation-test.csv (gallery and query).

    Raises:
        ReidAugError: a value is out of range, `out` is not empty, cannot be written, or another process renders there,
            or a name in its path would mislead readers.
    """
    _check(config)
    out = Path(out)
    check_new_root(out)
    try:
        with whole_folder(out) as folder:
            _fill(folder, config, progress)
    except OSError as error:
        raise ReidAugError(f"cannot write {out}: {error.strerror}; nothing was kept") from error
    return out


def _fill(folder: Path, config: MannequinConfig, progress: Callable[[int, int], None] | None) -> None:
    studio = Studio(config.seed, config.varied)
    orders = _orders(config)
    for name in SPLIT_FOLDERS.values():
        (folder / name).mkdir()
    keypoints: dict[str, dict[str, np.ndarray]] = {split: {} for split in SPLIT_FOLDERS}
    for done, order in enumerate(orders, start=1):
        shot: Shot = take_shot(studio, order.kind, order.number, order.index, order.camid, order.passage, order.partial)
        (folder / SPLIT_FOLDERS[order.split] / order.name).write_bytes(shot.jpeg)
        keypoints[order.split][order.name] = shot.keypoints
        if progress is not None:
            progress(done, len(orders))
    for annotation, splits in (("train", ("train",)), ("test", ("gallery", "query"))):
        rows = [(name, keypoints[split][name]) for split in splits for name in sorted(keypoints[split])]
        write_annotations(folder / FILES[annotation], [name for name, _ in rows], np.stack([row for _, row in rows]))
