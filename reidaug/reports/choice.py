"""Which images a picture shows: those that the user names, and for the others a draw among test people."""

from collections.abc import Sequence
from itertools import zip_longest

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.datasets.posed_images import PosedImages

People = dict[object, list[str]]


def choose_crossed(
    source: PosedImages, persons: Sequence[str], poses: Sequence[str], counts: tuple[int, int], seed: int
) -> tuple[list[str], list[str]]:
    """Names of condition images and of target images, each of whom is to take each pose.

    Args:
        source: the data set.
        persons: names of condition images; none = as many persons are drawn as there are, at most ``counts[0]``.
        poses: names of images whose pose is wanted; none = at most ``counts[1]``, of different people first.
        counts: of persons and of poses.
        seed: of numpy's RandomState, whose stream is frozen.

    Raises:
        ReidAugError: a name that is not known or has no usable pose, or nobody to draw.
    """
    check_poses(source, [*persons, *poses])
    people = _shuffle(people_of(source), seed)
    order = [name for names in zip_longest(*people) for name in names if name is not None]
    persons = list(persons) or [names[0] for names in people if names[0] not in poses][: counts[0]] or order[:1]
    poses = list(poses) or [name for name in order if name not in persons][: counts[1]] or order[:1]
    return persons, poses


def choose_pairs(
    source: PosedImages, persons: Sequence[str], poses: Sequence[str], count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Names of condition and target images that go together; what is drawn shows the same person on both.

    Args:
        source: the data set.
        persons: names of condition images; none = drawn.
        poses: names of images whose pose is wanted; none = drawn.
        count: at most so many pairs where nothing is named, each of another person.
        seed: of numpy's RandomState.

    Raises:
        ReidAugError: as `choose_crossed`, or names that do not go together.
    """
    check_poses(source, [*persons, *poses])
    if persons and poses:
        if len(persons) != len(poses):
            raise ReidAugError(
                f"{len(persons)} condition and {len(poses)} target images are named; expected as many, in one order"
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
    """Names of the images with a usable pose of each person: of test people where there are some, else of all.

    Raises:
        ReidAugError: there are none.
    """
    people = _by_person(source)
    if not people:
        raise ReidAugError(f"no image in {source.root} shows a person with both shoulders and both hips")
    try:
        test = {source.person(name) for pair in source.test_pairs() for name in pair}
    except ReidAugError:  # a data set without test people will do
        return people
    return {who: names for who, names in people.items() if who in test} or people


def check_poses(source: PosedImages, names: Sequence[str]) -> None:
    """Raises ReidAugError for a name that is not known, or whose pose lacks a shoulder or a hip."""
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
    """The people in a random order, and so the images of each."""
    random = np.random.RandomState(seed)
    images = [list(people[who]) for who in people]
    for each in [images, *images]:
        random.shuffle(each)  # type: ignore[arg-type]
    return images


def _partners(source: PosedImages, names: Sequence[str], random: np.random.RandomState) -> list[str]:
    """For each image another one of its person."""
    people = _by_person(source)
    partners = []
    for name in names:
        others = [other for other in people.get(source.person(name), []) if other != name]
        if not others:
            raise ReidAugError(f"no other image of the person of {name} has a usable pose: name condition and target")
        partners.append(others[random.randint(len(others))])
    return partners
