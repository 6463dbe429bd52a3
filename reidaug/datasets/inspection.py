"""Check a data set and name everything that is wrong with it, before hours of work depend on it."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.progress import Advance
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import DISTRACTOR_PID, JUNK_PID, SPLITS, Image, Problem, jpg_name, where
from reidaug.datasets.images import opened, read_image, turn_of
from reidaug.datasets.keypoints import (
    COVERED,
    Annotations,
    count_outside,
    find_annotations,
    has_annotations,
    parse_annotations,
)
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import IMAGE_SIZE, LAST_CAMID, poisoned_part
from reidaug.datasets.pairs import make_pairs, usable

Size = tuple[int, int]  # (height, width) in pixels
MAX_PID, MAX_CAMID = 1501, 6  # what torchreid, fast-reid and TransReID assert


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split; only images with a name that parses count."""

    split: str  # train, query or gallery
    images: int  # junk and distractors included
    identities: int  # without junk and distractors
    junk: int  # images with person -1
    distractors: int  # images with person 0
    images_of_camera: dict[int, int]  # by camera number
    annotated: int  # images with a valid row in the keypoint file
    poses: int  # images with both shoulders and both hips seen


@dataclass(frozen=True)
class Inspection:
    """What a data set contains, and everything that is wrong with it."""

    root: Path  # the Market-1501 root
    splits: tuple[SplitSummary, ...]  # train, query, gallery
    problems: tuple[Problem, ...]  # in the order found
    layout: str = "Market-1501"  # the kind of data set

    @property
    def errors(self) -> list[Problem]:
        """The problems that would stop or falsify the work."""
        return [problem for problem in self.problems if problem.level == "error"]


def inspect_dataset(path: Path, advance: Advance | None = None) -> Inspection:
    """Check folders, names, every image and every keypoint row, and continue after a problem.

    Raises:
        ReidAugError: there is no data set, or it is not a re-identification data set.
    """
    data = open_dataset(path)
    problems = list(_path_problems(data.root))
    images: dict[str, list[Image]] = {}
    refused: set[str] = set()  # names of files that are there, but not used
    for split in SPLITS:
        images[split], name_problems = data.look_at(split)
        refused |= {jpg_name(Path(problem.where).name) for problem in name_problems}
        problems += [*name_problems, *_range_problems(data.root, images[split])]
    problems += _person_problems(data.root, images)
    size, image_problems = _image_problems(data.root, images, advance)
    problems += image_problems
    summaries: dict[str, SplitSummary] = {}
    for file, covered in COVERED.items():
        members = {split: images[split] for split in covered}
        annotations, keypoint_problems = _keypoint_problems(data.root, file, members, size, refused)
        problems += keypoint_problems
        summaries |= {split: _summary(split, images[split], annotations) for split in covered}
    return Inspection(data.root, tuple(summaries[split] for split in SPLITS), tuple(problems), layout=data.layout.name)


def _path_problems(root: Path) -> Iterator[Problem]:
    if part := poisoned_part(root):
        message = f"torchreid and fast-reid read '{part}' in the path as person and camera of every image: rename it"
        yield Problem("poisoned-path", "error", str(root.absolute()), message)


def _range_problems(root: Path, images: Sequence[Image]) -> Iterator[Problem]:
    for image in images:
        if image.pid > MAX_PID:
            message = f"person {image.pid}: torchreid and fast-reid accept 0 to {MAX_PID}"
            yield Problem("out-of-range", "note", where(root, image), message)
        if not 1 <= image.camid <= MAX_CAMID:
            message = f"camera {image.camid}: torchreid and fast-reid accept 1 to {MAX_CAMID}"
            if image.camid > LAST_CAMID:
                message = (
                    f"camera {image.camid}: torchreid, fast-reid and TransReID read its first digit alone, as camera "
                )
                message += f"{str(image.camid)[0]}, without a word; `reidaug import` gives it another number"
            yield Problem("out-of-range", "note", where(root, image), message)


def _person_problems(root: Path, images: Mapping[str, Sequence[Image]]) -> Iterator[Problem]:
    """Persons in both training and test, too few of them, queries without a match."""
    persons = {split: {image.pid for image in images[split] if image.shows_known_person} for split in SPLITS}
    for pid in sorted(persons["train"] & (persons["query"] | persons["gallery"])):
        message = f"person {pid} is in training and in test: scores would be too good"
        yield Problem("identity-overlap", "error", _folder(root, images["train"]), message)
    if len(persons["train"]) == 1:
        message = f"all images show person {persons['train'].pop()}: the baseline learns to tell at least two apart"
        yield Problem("one-person", "error", _folder(root, images["train"]), message)
    cameras_of = defaultdict(set)
    for image in images["gallery"]:
        cameras_of[image.pid].add(image.camid)
    matched = [bool(cameras_of[image.pid] - {image.camid}) for image in images["query"]]
    if images["gallery"] and images["query"] and not any(matched):
        cameras = {image.camid for split in ("query", "gallery") for image in images[split]}
        of = f"all images are of camera {cameras.pop()}" if len(cameras) == 1 else "see the notes on each"
        message = f"no query has a gallery image of its person from another camera ({of}): mAP is undefined"
        yield Problem("no-map", "error", _folder(root, images["query"]), message)
    gallery_names = {image.name for image in images["gallery"]}
    for image, has_match in zip(images["query"], matched, strict=True):
        if not has_match:
            message = f"no gallery image of person {image.pid} from another camera: this query does not count "
            message += "(`reidaug evaluate --same-camera count` scores without cameras)"
            yield Problem("no-match", "note", where(root, image), message)
        if image.name in gallery_names:
            yield Problem("in-query-and-gallery", "note", where(root, image), "is in the gallery too")


def _folder(root: Path, images: Sequence[Image]) -> str:
    return str(Path(where(root, images[0])).parent) if images else str(root)


def _image_problems(
    root: Path, images: Mapping[str, Sequence[Image]], advance: Advance | None
) -> tuple[Size, list[Problem]]:
    """Decodes every image: the (height, width) that most of them have, and the problems."""
    all_images = [image for split in SPLITS for image in images[split]]

    def size_of(image: Image) -> Size | str:
        try:
            height, width = read_image(image.path).shape[:2]
        except ReidAugError as error:
            return str(error)
        return height, width

    sizes = in_threads(size_of, all_images, advance)
    turned: list[Image] = []
    counts = Counter(size for size in sizes if not isinstance(size, str))
    usual = counts.most_common(1)[0][0] if counts else IMAGE_SIZE
    problems = []
    for image, size in zip(all_images, sizes, strict=True):
        if isinstance(size, str):
            problems.append(Problem("unreadable-image", "error", where(root, image), size))
            continue
        with opened(image.path) as file:
            if turn_of(file) is not None:
                turned.append(image)
        if size != usual:
            message = (
                f"{_pixels(size)}, expected {_pixels(usual)} like most others: `reidaug import` brings all to one size"
            )
            problems.append(Problem("wrong-size", "error", where(root, image), message))
    if turned:
        message = f"{len(turned):,} of {len(all_images):,} images are stored turned, as their EXIF says, and re-ID "
        message += "tools read them so: `reidaug import` brings them upright"
        problems.append(Problem("turned-image", "note", where(root, turned[0]), message))
    if usual[0] % 4 or usual[1] % 4:
        message = f"images have {_pixels(usual)}: generators need sides divisible by 4 (`reidaug import --size`)"
        problems.append(Problem("odd-size", "error", str(root), message))
    if usual != IMAGE_SIZE:
        message = f"images have {_pixels(usual)}, Market-1501's {_pixels(IMAGE_SIZE)}: train a generator on this size"
        problems.append(Problem("other-size", "note", str(root), message))
    return usual, problems


def _pixels(size: Size) -> str:
    return f"{size[0]} x {size[1]} pixels (height x width)"


def _keypoint_problems(
    root: Path, file: str, images: Mapping[str, Sequence[Image]], size: Size, refused: set[str]
) -> tuple[Annotations | None, list[Problem]]:
    """A keypoint file: broken rows, images without a row, rows without an image, joints outside images of the size."""
    try:
        path = find_annotations(root, file)
        annotations, broken = parse_annotations(path)
        annotations = annotations.in_jpg(path)
    except ReidAugError as error:
        # Only the test pairs of generators need the other file; but a broken one is refused.
        level = "error" if file == "train" or has_annotations(root, file) else "note"
        return None, [Problem("no-keypoints", level, _folder(root, images[COVERED[file][0]]), str(error))]
    problems = [Problem("broken-row", "error", f"{path.name}:{row.line}", row.message) for row in broken]
    if not annotations.names:
        problems.append(Problem("no-keypoints", "error", path.name, "has a header but no valid row"))
    for split, members in images.items():
        without = [image for image in members if image.name not in annotations.index]
        if split == "query" and len(without) == len(members):
            continue  # the published file has no rows for the query split
        level = "error" if split == "train" else "note"
        message = f"has no valid row in {path.name}: counts as without a pose"
        problems += [Problem("no-row", level, where(root, image), message) for image in without]
    names = {image.name for members in images.values() for image in members}
    for name in annotations.names:
        if name not in names and name not in refused:
            problems.append(Problem("no-image", "note", path.name, f"{name} has a row, but there is no such image"))
    used = annotations.only(names)
    problems += _pose_problems(path.name, file, used, images[COVERED[file][0]])
    try:
        count_outside(used, path, size)
    except ReidAugError as error:
        problems.append(Problem("joint-outside", "error", path.name, str(error)))
    return annotations, problems


def _pose_problems(path: str, file: str, used: Annotations, images: Sequence[Image]) -> Iterator[Problem]:
    """No pair to train on or to measure, and joints that may be missing ones.

    Args:
        path: name of the keypoint file, for people.
        file: train or test.
        used: its rows of images that are there.
        images: of the training, or of the gallery, of which the pairs are.
    """
    pids = {image.name: image.pid for image in images}
    posed = used.only(pids)
    if pids and not len(make_pairs(posed, pids)):
        shown = "two images with" if usable(posed.keypoints).any() else "an image with"
        lack = f"nobody has {shown} both shoulders and both hips"
        if file == "train":
            yield Problem("no-pairs", "error", path, f"{lack}: no generator can be trained on them")
        else:
            yield Problem("no-pairs", "note", path, f"{lack} in the gallery: no validation, no test pairs for `score`")
    if zeros := int((used.keypoints == 0).all(axis=2).sum()):
        message = f"{zeros:,} joints lie at x = 0, y = 0: if that means missing, it must be -1, or they count as seen"
        yield Problem("zero-joints", "note", path, message)


def _summary(split: str, images: Sequence[Image], annotations: Annotations | None) -> SplitSummary:
    pids = Counter(image.pid for image in images)
    names = [image.name for image in images]
    return SplitSummary(
        split=split,
        images=len(images),
        identities=len(pids.keys() - {JUNK_PID, DISTRACTOR_PID}),
        junk=pids[JUNK_PID],
        distractors=pids[DISTRACTOR_PID],
        images_of_camera=dict(sorted(Counter(image.camid for image in images).items())),
        annotated=sum(name in annotations.index for name in names) if annotations is not None else 0,
        poses=int(usable(annotations.select(names)).sum()) if annotations is not None else 0,
    )
