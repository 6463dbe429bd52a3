"""Which images a picture shows: those that the user names, and others drawn at random from the test people."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import jpg_name
from reidaug.datasets.posed_images import PosedImages

People = dict[object, list[str]]


def choose_crossed(
    source: PosedImages, persons: Sequence[str], poses: Sequence[str], counts: tuple[int, int], seed: int
) -> tuple[list[str], list[str]]:
    """Names of condition images and of target images, for a picture of all persons in all poses.

    Args:
        source: the data set.
        persons: names of condition images; none = at most ``counts[0]`` are drawn, each of a different person.
        poses: names of images with the target poses; none = at most ``counts[1]`` are drawn, of different people first.
        counts: of persons and of poses.
        seed: of numpy's RandomState, whose stream is frozen.

    Raises:
        ReidAugError: a name that is unknown or has no usable pose, or nobody to draw.
    """
    persons, poses = (list(map(jpg_name, names)) for names in (persons, poses))
    check_poses(source, [*persons, *poses])
    people = _shuffle(people_of(source), seed)
    order = [name for names in zip_longest(*people) for name in names if name is not None]
    persons = list(persons) or [names[0] for names in people if names[0] not in poses][: counts[0]] or order[:1]
    poses = list(poses) or [name for name in order if name not in persons][: counts[1]] or order[:1]
    return persons, poses


def choose_pairs(
    source: PosedImages, persons: Sequence[str], poses: Sequence[str], count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Names of condition and target images, paired in order; drawn pairs show one person on both.

    Args:
        source: the data set.
        persons: names of condition images; none = drawn.
        poses: names of images with the target poses; none = drawn.
        count: the most pairs to draw if nothing is named, each of a different person.
        seed: of numpy's RandomState.

    Raises:
        ReidAugError: as `choose_crossed`, or unequal numbers of names.
    """
    persons, poses = (list(map(jpg_name, names)) for names in (persons, poses))
    check_poses(source, [*persons, *poses])
    if persons and poses:
        if len(persons) != len(poses):
            raise ReidAugError(
                f"{len(persons)} condition and {len(poses)} target images are named; expected one target for each"
            )
        return list(persons), list(poses)
    if persons or poses:
        others = _partners(source, [*persons, *poses], np.random.RandomState(seed))
        return (list(persons), others) if persons else (others, list(poses))
    people = _shuffle({who: names for who, names in people_of(source).items() if len(names) > 1}, seed)
    if not people:
        raise ReidAugError(f"nobody in {source.root} has two images with a usable pose: name condition and target")
    return [names[0] for names in people[:count]], [names[1] for names in people[:count]]


def people_of(source: PosedImages) -> People:
    """Names of the images with a usable pose of each person: of the test people, or of all if there are none.

    Raises:
        ReidAugError: there are none.
    """
    people = _by_person(source)
    if not people:
        raise ReidAugError(f"no image in {source.root} shows a person with both shoulders and both hips")
    try:
        test = {source.person(name) for pair in source.test_pairs() for name in pair}
    except ReidAugError:  # a data set without test people
        return people
    return {who: names for who, names in people.items() if who in test} or people


def check_poses(source: PosedImages, names: Sequence[str]) -> None:
    """Raises ReidAugError for a name that is unknown, or whose pose lacks a shoulder or a hip."""
    source.check(names)
    usable = set(source.usable())
    for name in names:
        if name not in usable:
            raise ReidAugError(f"{name} has no usable pose: expected an image with both shoulders and both hips seen")


def _by_person(source: PosedImages) -> People:
    people: People = {}
    for name in source.usable():
        people.setdefault(source.person(name), []).append(name)
    people.pop(None, None)
    return people


def _shuffle(people: People, seed: int) -> list[list[str]]:
    """The people in random order, and the images of each person in random order."""
    random = np.random.RandomState(seed)
    images = [list(names) for names in people.values()]
    for shuffled in [images, *images]:
        random.shuffle(shuffled)  # type: ignore[arg-type]
    return images


def _partners(source: PosedImages, names: Sequence[str], random: np.random.RandomState) -> list[str]:
    """For each image, another image of its person."""
    people = _by_person(source)
    partners = []
    for name in names:
        others = [other for other in people.get(source.person(name), []) if other != name]
        if not others:
            raise ReidAugError(f"no other image of the person of {name} has a usable pose: name condition and target")
        partners.append(others[random.randint(len(others))])
    return partners
