"""Builds the body and the clothes of one identity as one cloud of surfels."""

from dataclasses import dataclass

import numpy as np

from reidaug.demo.mannequins.body import BONES, BodyShape, keypoint_anchors
from reidaug.demo.mannequins.head import build_head
from reidaug.demo.mannequins.limbs import arms, feet, legs
from reidaug.demo.mannequins.luggage import build_luggage
from reidaug.demo.mannequins.surface import Patch
from reidaug.demo.mannequins.tailor import Tailor
from reidaug.demo.mannequins.torso import lower, outer, top
from reidaug.demo.mannequins.wardrobe import Outfit

Array = np.ndarray


@dataclass(frozen=True)
class Pull:
    """A run of surfels that a bone moves, alone or together with other bones."""

    bone: int  # index into BONES
    surfels: slice
    weights: Array  # float32, one per surfel of the run


@dataclass(frozen=True)
class Figure:
    """One identity, ready for posing: surfels and keypoints at rest."""

    shape: BodyShape
    outfit: Outfit
    points: Array  # (3, N) float32 metres
    normals: Array  # (3, N) float32
    colours: Array  # (N, 3) float32 albedo
    pulls: tuple[Pull, ...]  # which bone moves which surfels
    anchor_bones: Array  # (18,) bone of each keypoint
    anchors: Array  # (18, 3) rest position of each keypoint


def _pulls(patches: list[Patch]) -> tuple[Pull, ...]:
    pulls, start = [], 0
    for patch in patches:
        for bone in np.flatnonzero(patch.weights.any(axis=0)):
            weights = patch.weights[:, bone]
            moved = np.flatnonzero(weights)
            run = slice(int(moved[0]), int(moved[-1]) + 1)
            surfels = slice(start + run.start, start + run.stop)
            pulls.append(Pull(int(bone), surfels, np.ascontiguousarray(weights[run], dtype=np.float32)))
        start += len(patch.points)
    return tuple(pulls)


def build_figure(shape: BodyShape, outfit: Outfit, seed: int) -> Figure:
    """Builds a person; `seed` sets the position of the folds in the clothes."""
    tailor = Tailor(shape, outfit, seed)
    head, face = build_head(shape, outfit, tailor.rest["head"])
    patches = top(tailor) + outer(tailor) + lower(tailor) + legs(tailor) + feet(tailor) + arms(tailor) + head
    patches += build_luggage(shape, outfit, tailor.rest, tailor.lift)
    points = np.concatenate([patch.points for patch in patches]).T
    anchors = keypoint_anchors(shape, face)
    return Figure(
        shape=shape,
        outfit=outfit,
        points=np.ascontiguousarray(points, dtype=np.float32),
        normals=np.ascontiguousarray(np.concatenate([patch.normals for patch in patches]).T, dtype=np.float32),
        colours=np.concatenate([patch.colours for patch in patches]).astype(np.float32),
        pulls=_pulls(patches),
        anchor_bones=np.array([BONES.index(bone) for bone, _ in anchors]),
        anchors=np.stack([position for _, position in anchors]),
    )
