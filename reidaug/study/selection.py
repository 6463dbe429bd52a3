"""Which training images stay, and which kept image of the person each missing one is made from. Touches no file."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.keypoints import Annotations
from reidaug.datasets.market1501 import JUNK_PID, ImageRecord
from reidaug.datasets.pairs import usable
from reidaug.study.folder import portion_name
from reidaug.study.plan import PlanRow


@dataclass(frozen=True)
class ShrinkConfig:
    """What is kept, and how condition images are chosen."""

    portion: float  # share of training images to keep, 0.01-0.99 in steps of 0.01
    keep: str = "per-identity"  # per-identity: at least one image of everyone; uniform: a plain draw, as in the paper
    source: str = "nearest"  # nearest: the kept image of the person that is nearest in pose; random: any
    seed: int = 0  # of every draw, 0 to 2**32 - 1

    def __post_init__(self) -> None:
        portion_name(self.portion)
        if self.keep not in ("per-identity", "uniform"):
            raise ReidAugError(f"keep is {self.keep!r}, expected per-identity or uniform")
        if self.source not in ("nearest", "random"):
            raise ReidAugError(f"source is {self.source!r}, expected nearest or random")
        if not 0 <= self.seed < 2**32:
            raise ReidAugError(f"seed is {self.seed}, expected 0 to {2**32 - 1}")


def make_plan(records: Sequence[ImageRecord], annotations: Annotations, config: ShrinkConfig) -> list[PlanRow]:
    """Decide which images stay and which kept image each missing one is made from.

    For one seed the kept images of a smaller portion are among those of a larger one. A missing image takes the usable
    kept image of its person with the smallest mean distance over the joints seen in both, of its own camera among
    equally near ones, the first by order among those (or, with source "random", any of the usable ones). Where no kept
    image of the person is usable, one of the same camera comes first. A missing image is generated if its own pose is
    usable, and a copy of its condition image otherwise.

    Args:
        records: the training images; their order is the order of the plan, and the draw depends on it.
        annotations: keypoints; images without a row count as without a pose.
        config: portion, ways and seed.

    Returns:
        A row per record.

    Raises:
        ReidAugError: junk among the records, or a portion too small to keep every identity, or any image.
    """
    junk = [record.name for record in records if record.pid == JUNK_PID]
    if junk:
        raise ReidAugError(f"{len(junk)} training image(s) are junk (person -1), the first is {junk[0]}: remove them")
    pids = np.array([record.pid for record in records])
    camids = np.array([record.camid for record in records])
    keypoints = annotations.select([record.name for record in records])
    kept = _draw_kept(pids, config)
    condition = _choose_conditions(pids, camids, keypoints, kept, config)
    can_generate = usable(keypoints)
    rows = []
    for i, record in enumerate(records):
        action = "keep" if kept[i] else "drop" if condition[i] < 0 else "generate" if can_generate[i] else "copy"
        source = records[condition[i]].name if condition[i] >= 0 else ""
        rows.append(PlanRow(record.name, record.pid, record.camid, bool(kept[i]), source, action))
    return rows


def pose_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean distance between poses over the joints seen in both.

    Args:
        first: (M, 18, 2) pixels, NaN = missing.
        second: (K, 18, 2) pixels, NaN = missing.

    Returns:
        (M, K) pixels, rounded to 1e-6 so that equal means are equal numbers; infinite where no joint is seen in both.
    """
    joint_distances = np.linalg.norm(first[:, None].astype(np.float64) - second[None], axis=-1)
    both = np.isfinite(joint_distances)
    total = np.where(both, joint_distances, 0).sum(axis=-1)
    count = both.sum(axis=-1)
    return np.round(np.where(count > 0, total / np.maximum(count, 1), np.inf), 6)


def _draw_kept(pids: np.ndarray, config: ShrinkConfig) -> np.ndarray:
    """(N,) bool: which images stay: a prefix of one random order, led by one image of each identity if need be."""
    count, identities = round(config.portion * len(pids)), len(np.unique(pids))
    least = identities if config.keep == "per-identity" else 1
    if count < least:
        enough = next((p / 100 for p in range(1, 100) if round(p / 100 * len(pids)) >= least), None)
        advice = f"the smallest possible portion is {enough:.2f}" if enough else "no portion below 1 is large enough"
        what = f"one of each of the {identities} identities" if least > 1 else "a single one"
        raise ReidAugError(
            f"portion {config.portion:.2f} keeps {count} of {len(pids)} images, too few to keep {what}; {advice}"
        )
    order = np.random.RandomState(config.seed).permutation(len(pids))  # RandomState: its stream is frozen for good
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
    """(N,) the row of each missing image's condition image; -1 for kept images and where the person has vanished."""
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
            # Which of the candidates comes first is drawn for each missing image; the others follow in turn.
            start = (chance[missing] * len(candidates)).astype(int)
            rank = (np.arange(len(candidates))[None] - start[:, None]) % len(candidates)
        keys = (other_camera, rank) if has_pose else (rank, other_camera)
        condition[missing] = candidates[np.lexsort(keys, axis=-1)[:, 0]]  # the last key leads; stable: first by order
    return condition
