"""Generated images beside the real ones that they stand in for: drawn at random, measured, the best and the worst."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.images import read_images
from reidaug.datasets.market1501 import market_set
from reidaug.reports.tiles import pose_image
from reidaug.study.folder import Study
from reidaug.study.plan import ManifestRow, read_manifest

MEASURED = 600  # images of all sets together
SHARE = 6  # one of so many is among the best by one measure, another among the worst

Features = Callable[[np.ndarray], np.ndarray]  # (N, H, W, 3) uint8 -> (N, D), rows of length 1


@dataclass(frozen=True, eq=False)
class Example:
    """A generated image."""

    name: str
    pid: int
    camid: int
    order: int  # in the random draw
    l1: float  # per cent: mean absolute difference from the real image
    identity: float | None  # cosine with the real image by a re-ID network
    tags: tuple[str, ...] = ()  # why it is shown: "random", "best by L1" and the like
    photos: tuple[np.ndarray, ...] = ()  # (H, W, 3) uint8: condition, target pose, generated, real


@dataclass(frozen=True)
class Mean:
    """Of one measure over the measured images of a set."""

    generated: float
    condition: float  # of the condition image in place of the generated one
    other: float | None = None  # of real images of two people


@dataclass(frozen=True, eq=False)
class Examples:
    """The generated images of one set: how many there are, how good they are, and some of them."""

    name: str  # of the set
    portion: float
    generated: int
    copied: int
    measured: int  # of the generated ones, drawn at random
    l1: Mean
    identity: Mean | None
    shown: list[Example]


def find_generated(study: Study) -> dict[tuple[float, str], list[ManifestRow]]:
    """The manifests of the complete sets that have generated images.

    Raises:
        ReidAugError: a manifest that cannot be read.
    """
    manifests = {
        (portion, name): read_manifest(study.set_root(portion, name) / "manifest.csv")
        for portion in study.portions()
        for name in study.sets(portion)
    }
    return {key: rows for key, rows in manifests.items() if any(row.action == "generate" for row in rows)}


def draw_examples(
    study: Study,
    portion: float,
    name: str,
    manifest: Sequence[ManifestRow],
    *,
    count: int,
    measured: int,
    features: Features | None,
    photos: bool,
    seed: int,
) -> Examples:
    """Measures some generated images of a set, and chooses those to show.

    Args:
        manifest: of the set; at least one image is generated.
        count: how many are shown.
        measured: how many are measured, at least those that are shown.
        features: of a re-ID network; None = no identity similarity.
        photos: whether the images themselves are given.
        seed: of numpy's RandomState.

    Raises:
        ReidAugError: the data set is gone or has changed, or an image cannot be read.
    """
    data = study.data_of(portion)
    annotations = study.unchanged_annotations(portion, data)
    rows = [row for row in manifest if row.action == "generate"]
    order = np.random.RandomState(seed).permutation(len(rows))[: max(measured, count)]
    drawn = [rows[index] for index in order]
    real = _read(data, [row.name for row in drawn])
    generated = _read(market_set(study.set_root(portion, name)), [row.name for row in drawn])
    conditions = _read(data, [row.condition for row in drawn])
    l1, l1_condition = (_difference(images, real) for images in (generated, conditions))
    identity, identity_mean = None, None
    if features is not None:
        real_features, condition_features = features(real), features(conditions)
        identity = (features(generated) * real_features).sum(axis=1)
        pids = np.array([row.pid for row in drawn])
        other = (real_features * np.roll(real_features, 1, axis=0)).sum(axis=1)[pids != np.roll(pids, 1)]
        identity_mean = Mean(
            float(identity.mean()),
            float((condition_features * real_features).sum(axis=1).mean()),
            float(other.mean()) if len(other) else None,
        )
    tags = choose(l1, identity, count)
    shown = []
    for index, why in sorted(tags.items()):
        row = drawn[index]
        example = Example(row.name, row.pid, row.camid, index, float(l1[index]), None, why)
        if identity is not None:
            example = replace(example, identity=float(identity[index]))
        if photos:
            pose = pose_image(annotations.select([row.name])[0], (real.shape[1], real.shape[2]))
            example = replace(example, photos=(conditions[index], pose, generated[index], real[index]))
        shown.append(example)
    copied = sum(row.action == "copy" for row in manifest)
    l1_mean = Mean(float(l1.mean()), float(l1_condition.mean()))
    return Examples(name, portion, len(rows), copied, len(drawn), l1_mean, identity_mean, shown)


def choose(l1: np.ndarray, identity: np.ndarray | None, count: int) -> dict[int, tuple[str, ...]]:
    """Which images are shown, and why: the best and the worst by each measure, and for the rest the first ones.

    Args:
        l1: (N,) lower is better; the images are in random order.
        identity: (N,) higher is better.
        count: how many are shown, if there are as many.
    """
    tags: dict[int, list[str]] = {}
    share = count // SHARE
    for measure, falling in (("L1", l1), ("identity", None if identity is None else -identity)):
        if falling is None:
            continue
        ranked = np.argsort(falling, kind="stable").tolist()
        for word, indices in (("best", ranked[:share]), ("worst", ranked[::-1][:share])):
            for index in indices:
                tags.setdefault(index, []).append(f"{word} by {measure}")
    left = count - len(tags)
    for index in range(len(l1)):  # also such as are among the best: else the random ones would all be mediocre
        if left > 0:
            left -= index not in tags
            tags.setdefault(index, []).append("random")
    return {index: tuple(why) for index, why in tags.items()}


def _read(data: Dataset, names: Sequence[str]) -> np.ndarray:
    """(N, H, W, 3) uint8 RGB training images."""
    images = {image.name: image for image in data.images("train")}
    if gone := next((name for name in names if name not in images), None):
        raise ReidAugError(f"{data.root}: the image {gone} of the manifest is gone; make the set again")
    return read_images([images[name].path for name in names])


def _difference(images: np.ndarray, real: np.ndarray) -> np.ndarray:
    """(N,) mean absolute differences in per cent of the range of a pixel."""
    return np.abs(images.astype(np.int16) - real).mean(axis=(1, 2, 3)) / 2.55
