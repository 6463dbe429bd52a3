"""Choose new poses for the people of a data set, and the image that each is generated from; touches no file.

Poses are compared in a form that knows neither place nor size: centred between the hips and divided by the length of
the torso. Clusters of them (k-means) are kinds of poses: the sign of the width of the shoulders alone tells front from
back. A person lacks the kinds of which there is no image.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Image
from reidaug.datasets.keypoints import Annotations
from reidaug.datasets.market1501 import frame_of, name_at
from reidaug.datasets.pairs import TORSO, usable
from reidaug.study.plan import PlanRow
from reidaug.study.request import AugmentConfig

FARTHEST = 4.0  # torsos from the hips; a joint beyond is an error of the pose estimator, often of a flat torso


def plan_new_images(
    images: Sequence[Image], annotations: Annotations, config: AugmentConfig, everything: Iterable[Image]
) -> list[PlanRow]:
    """Choose the images to generate.

    One by one, a person gets a pose of the kind of which the person has the fewest images, real and new, and of several
    such kinds of the one that is farthest from all of these. A rare kind counts as if the person had one image more of
    it, as pose estimators err in rare ways. The camera is the one in which the person has the fewest images: the pose
    is drawn among the typical ones of the kind, if possible of other people in that camera, and the condition image is
    one of that camera, of those that are used least the nearest in pose. No pose is taken twice for a person.

    Args:
        images: the training images; their order is the order of people and, with the seed, decides every draw.
        annotations: keypoints; images without a row count as without a pose.
        config: how many, and the seed.
        everything: all images of the data set: the frame numbers of a camera go on after the last of theirs.

    Returns:
        A row for each new image, those of a person together. A person without a usable pose, or whose poses are all
        taken, gets fewer than asked for.

    Raises:
        ReidAugError: nothing to generate.
    """
    keypoints = annotations.select([image.name for image in images])
    posed = [images[row] for row in np.flatnonzero(usable(keypoints)).tolist()]
    in_camera: dict[int, Counter[int]] = {}  # real images of each person
    for image in images:
        in_camera.setdefault(image.pid, Counter())[image.camid] += 1
    wanted = {pid: config.new_images(cameras.total()) for pid, cameras in in_camera.items()}
    if not any(wanted.values()):
        raise ReidAugError(f"nothing to generate: each of the {len(wanted):,} people has enough images; ask for more")
    pids, camids = np.array([(image.pid, image.camid) for image in posed]).reshape(-1, 2).T
    if len(np.unique(pids)) < 2:
        raise ReidAugError(
            "nothing to generate: poses come from other people, and fewer than two have an image with both shoulders "
            "and both hips in the keypoint file"
        )
    kinds = find_kinds(normalise(keypoints[usable(keypoints)]), config.seed)
    frame: Counter[int] = Counter()
    for image in everything:
        frame[image.camid] = max(frame[image.camid], frame_of(image.name))
    rows = []
    for pid in dict.fromkeys(pids.tolist()):
        random = np.random.RandomState([config.seed, pid % 2**32])
        for condition, pose in _choose(kinds, pids == pid, camids, in_camera[pid], wanted[pid], random):
            source, target = posed[condition], posed[pose]
            frame[source.camid] += 1
            name = name_at(source.name, frame[source.camid])
            rows.append(PlanRow(name, pid, source.camid, False, source.name, "generate", target.name))
    if not rows:
        raise ReidAugError("nothing to generate: nobody who lacks images has one with both shoulders and both hips")
    return rows


def normalise(keypoints: np.ndarray) -> np.ndarray:
    """Poses without place and size.

    Args:
        keypoints: (N, 18, 2) pixels, NaN = missing; all usable.

    Returns:
        (N, 36): x and y of each joint from the middle of the hips, in lengths of the torso, up to `FARTHEST`; a missing
        joint is where that joint is on average.
    """
    from sklearn.impute import SimpleImputer

    right_shoulder, left_shoulder, right_hip, left_hip = (keypoints[:, joint] for joint in TORSO)
    hips, shoulders = (right_hip + left_hip) / 2, (right_shoulder + left_shoulder) / 2
    torso = np.maximum(np.linalg.norm(shoulders - hips, axis=1), 1.0)
    centred = (keypoints - hips[:, None]) / torso[:, None, None]
    flat = np.clip(centred.reshape(len(keypoints), -1), -FARTHEST, FARTHEST)
    filled: np.ndarray = SimpleImputer(keep_empty_features=True).fit_transform(flat)
    return filled


@dataclass(frozen=True, eq=False)
class Kinds:
    """Clusters of poses."""

    poses: np.ndarray  # (N, 36) normalised
    kind: np.ndarray  # (N,) the cluster of each
    centres: np.ndarray  # (K, 36)
    typical: np.ndarray  # (N,) bool: in the half of its cluster that is nearer to the centre
    rare: np.ndarray  # (K,) bool: clusters of less than half the mean size


def find_kinds(poses: np.ndarray, seed: int) -> Kinds:
    """Clusters of (N, 36) normalised poses: about as many as a cluster has poses."""
    from sklearn.cluster import KMeans

    count = min(max(2, round(len(poses) ** 0.5)), len(np.unique(poses, axis=0)))
    means = KMeans(count, n_init=3, random_state=seed).fit(poses)
    kind, distance = means.labels_, np.linalg.norm(poses - means.cluster_centers_[means.labels_], axis=1)
    middle = np.array([np.median(distance[kind == k]) if (kind == k).any() else 0.0 for k in range(count)])
    rare = np.bincount(kind, minlength=count) < len(poses) / count / 2
    return Kinds(poses, kind, means.cluster_centers_, distance <= middle[kind], rare)


def _choose(
    kinds: Kinds,
    own: np.ndarray,
    camids: np.ndarray,
    in_camera: Counter[int],
    count: int,
    random: np.random.RandomState,
) -> list[tuple[int, int]]:
    """(condition, pose) for up to `count` new images of the person of the poses `own`; they add to `in_camera`."""
    images = np.bincount(kinds.kind[own], minlength=len(kinds.centres)) + kinds.rare
    nearest = _distances(kinds.centres, kinds.poses[own]).min(axis=1)  # of each kind to the poses that there are
    cameras = np.unique(camids[own]).tolist()
    used: Counter[int] = Counter()
    free = ~own
    chosen: list[tuple[int, int]] = []
    while len(chosen) < count and free.any():
        possible = np.bincount(kinds.kind[free], minlength=len(kinds.centres)) > 0
        kind = int(np.lexsort((-nearest, images, ~possible))[0])
        camera = min(cameras, key=lambda camid: in_camera[camid])
        candidates = free & (kinds.kind == kind)
        for preferred in (kinds.typical, camids == camera):
            if (candidates & preferred).any():
                candidates &= preferred
        pose = int(random.choice(np.flatnonzero(candidates)))
        sources = np.flatnonzero(own & (camids == camera))
        distance = _distances(kinds.poses[sources], kinds.poses[pose : pose + 1])[:, 0]
        uses = np.array([used[source] for source in sources.tolist()])
        condition = int(sources[np.lexsort((distance, uses))[0]])
        chosen.append((condition, pose))
        free[pose] = False
        used[condition] += 1
        in_camera[camera] += 1
        images[kind] += 1
        nearest = np.minimum(nearest, _distances(kinds.centres, kinds.poses[pose : pose + 1])[:, 0])
    return chosen


def _distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(M, 36) and (K, 36) -> (M, K), rounded so that equal ones are equal numbers."""
    return np.round(np.linalg.norm(first[:, None] - second[None], axis=-1), 6)
