"""Choose the training images to keep, and a condition image for each missing one; touches no file."""

from collections.abc import Sequence

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.datasets.keypoints import Annotations
from reidaug.datasets.pairs import usable
from reidaug.study.plan import PlanRow
from reidaug.study.request import ShrinkConfig


def make_plan(images: Sequence[Image], annotations: Annotations, config: ShrinkConfig) -> list[PlanRow]:
    """Choose the images to keep, and the kept image that each missing one is made from.

    With one seed the kept images of a smaller portion are among those of a larger one. The condition image is the
    usable kept image of the person with the smallest mean distance over the joints seen in both; of equally near ones,
    one of the same camera, then the first (with source "random": any usable one). If no kept image of the person is
    usable, those of the same camera come first. A missing image is generated if its own pose is usable, and is a copy
    of its condition image otherwise.

    Args:
        images: the training images; their order is the order of the plan, and the draw depends on it.
        annotations: keypoints; images without a row count as without a pose.

    Raises:
        ReidAugError: a portion that keeps all images, or too few for every identity.
    """
    pids = np.array([image.pid for image in images])
    camids = np.array([image.camid for image in images])
    keypoints = annotations.select([image.name for image in images])
    kept = _draw_kept(pids, config)
    condition = _choose_conditions(pids, camids, keypoints, kept, config)
    can_generate = usable(keypoints)
    rows = []
    for i, image in enumerate(images):
        action = "keep" if kept[i] else "drop" if condition[i] < 0 else "generate" if can_generate[i] else "copy"
        source = images[condition[i]].name if condition[i] >= 0 else ""
        rows.append(PlanRow(image.name, image.pid, image.camid, bool(kept[i]), source, action))
    return rows


def pose_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean distance between poses over the joints seen in both.

    Args:
        first, second: (M, 18, 2) and (K, 18, 2) pixels, NaN = missing.

    Returns:
        (M, K) pixels, rounded to 1e-6 so that equal means are equal numbers; infinite where no joint is seen in both.
    """
    joint_distances = np.linalg.norm(first[:, None].astype(np.float64) - second[None], axis=-1)
    both = np.isfinite(joint_distances)
    total = np.where(both, joint_distances, 0).sum(axis=-1)
    count = both.sum(axis=-1)
    return np.round(np.where(count > 0, total / np.maximum(count, 1), np.inf), 6)


def _draw_kept(pids: np.ndarray, config: ShrinkConfig) -> np.ndarray:
    """(N,) bool: the kept images, a prefix of one random order; per-identity, it starts with one of each identity."""
    count, identities = round(config.portion * len(pids)), len(np.unique(pids))
    least = identities if config.keep == "per-identity" else 1
    if not least <= count < len(pids):
        what = f"one of each of the {identities} identities" if least > 1 else "a single one"
        wrong = f"too few to keep {what}" if count < least else "so nothing would be missing"
        possible = [p / 100 for p in range(1, 100) if least <= round(p / 100 * len(pids)) < len(pids)]
        advice = f"give {possible[0]:.2f} to {possible[-1]:.2f}" if possible else f"no portion below 1 keeps {what}"
        if least > 1 and not possible:
            advice += " and takes an image away (--keep uniform takes all images of some people away)"
        raise ReidAugError(f"portion {config.portion:.2f} keeps {count} of {len(pids)} images, {wrong}: {advice}")
    order = np.random.RandomState(config.seed).permutation(len(pids))  # the stream of RandomState is frozen
    if config.keep == "per-identity":
        is_first = np.zeros(len(pids), dtype=bool)
        is_first[np.unique(pids[order], return_index=True)[1]] = True
        order = np.concatenate([order[is_first], order[~is_first]])
    kept = np.zeros(len(pids), dtype=bool)
    kept[order[:count]] = True
    return kept


def _choose_conditions(
    pids: np.ndarray, camids: np.ndarray, keypoints: np.ndarray, kept: np.ndarray, config: ShrinkConfig
) -> np.ndarray:
    """(N,) the row of each missing image's condition image; -1 for kept images and persons without a kept image."""
    condition = np.full(len(pids), -1)
    chance = np.random.RandomState([config.seed, 1]).random_sample(len(pids))
    can_pose = usable(keypoints)
    order = np.argsort(pids, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(pids[order])) + 1):
        missing, candidates = rows[~kept[rows]], rows[kept[rows]]
        if not len(missing) or not len(candidates):
            continue
        has_pose = can_pose[candidates].any()
        if has_pose:
            candidates = candidates[can_pose[candidates]]
        other_camera = camids[missing][:, None] != camids[candidates][None]
        if config.source == "nearest":
            rank = pose_distances(keypoints[missing], keypoints[candidates])
        else:
            # The first candidate of each missing image is drawn; the others follow in turn.
            start = (chance[missing] * len(candidates)).astype(int)
            rank = (np.arange(len(candidates))[None] - start[:, None]) % len(candidates)
        keys = (other_camera, rank) if has_pose else (rank, other_camera)
        condition[missing] = candidates[np.lexsort(keys, axis=-1)[:, 0]]  # the last key leads; stable: first by order
    return condition
