"""Look a data set over and name everything that is wrong with it, before hours of work hang on it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.threads import in_threads
from reidaug.datasets.dataset import DISTRACTOR_PID, JUNK_PID, SPLITS, Image, Problem
from reidaug.datasets.images import read_image
from reidaug.datasets.keypoints import Annotations, count_outside, find_annotations, parse_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import IMAGE_SIZE, poisoned_part
from reidaug.datasets.pairs import usable

Size = tuple[int, int]  # (height, width) in pixels
MAX_PID, MAX_CAMID = 1501, 6  # what torchreid, fast-reid and TransReID assert
FILE_OF = {"train": "train", "query": "test", "gallery": "test"}  # which keypoint file covers a split


@dataclass(frozen=True)
class SplitSummary:
    """Counts of one split; only images with a name that parses count."""

    split: str  # train, query or gallery
    images: int  # junk and distractors included
    identities: int  # without junk and distractors
    junk: int  # images with person -1
    distractors: int  # images with person 0
    images_of_camera: dict[int, int]  # by camera number
    annotated: int  # images with a good row in the keypoint file
    poses: int  # images with both shoulders and both hips seen


@dataclass(frozen=True)
class Inspection:
    """What there is in a data set, and everything that is wrong with it."""

    root: Path  # the Market-1501 root
    splits: tuple[SplitSummary, ...]  # train, query, gallery
    problems: tuple[Problem, ...]  # in the order found

    @property
    def errors(self) -> list[Problem]:
        """The problems that would stop or falsify the work."""
        return [problem for problem in self.problems if problem.level == "error"]


def inspect_dataset(path: Path, advance: Callable[[int, int], None] | None = None) -> Inspection:
    """Look over folders, names, every image and every keypoint row, and go on after a problem.

    Args:
        path: the data set.
        advance: told how many images have been read, of how many.

    Raises:
        ReidAugError: there is no data set, or it is none of re-identification.
    """
    data = open_dataset(path)
    problems = list(_path_problems(data.root))
    images: dict[str, list[Image]] = {}
    for split in SPLITS:
        images[split], found = data.look_at(split)
        problems += found
        problems += _range_problems(data.root, images[split])
    problems += _person_problems(data.root, images)
    size, found = _image_problems(data.root, images, advance)
    problems += found
    annotations: dict[str, Annotations | None] = {}
    for file, covered in (("train", ("train",)), ("test", ("gallery", "query"))):
        annotations[file], found = _read_rows(data.root, file, images[covered[0]])
        problems += found
        if (rows := annotations[file]) is not None:
            problems += _row_problems(data.root, file, rows, {split: images[split] for split in covered})
            problems += _joint_problems(data.root, file, rows, size)
    splits = tuple(_summary(split, images[split], annotations[FILE_OF[split]]) for split in SPLITS)
    return Inspection(data.root, splits, tuple(problems))


def _path_problems(root: Path) -> Iterator[Problem]:
    part = poisoned_part(root)
    if part:
        message = f"torchreid and fast-reid read '{part}' in the path as person and camera of every image: rename it"
        yield Problem("poisoned-path", "error", str(root.absolute()), message)


def _range_problems(root: Path, images: Sequence[Image]) -> Iterator[Problem]:
    for image in images:
        if image.pid > MAX_PID:
            message = f"person {image.pid}: torchreid and fast-reid accept 0 to {MAX_PID}"
            yield Problem("out-of-range", "note", _where(root, image), message)
        if not 1 <= image.camid <= MAX_CAMID:
            message = f"camera {image.camid}: torchreid and fast-reid accept 1 to {MAX_CAMID}"
            yield Problem("out-of-range", "note", _where(root, image), message)


def _person_problems(root: Path, images: Mapping[str, Sequence[Image]]) -> Iterator[Problem]:
    """Junk and distractors out of place, persons in both training and test, queries without a match."""
    for split in ("train", "query"):
        for image in images[split]:
            if not image.shows_known_person:
                what = "junk (person -1)" if image.pid == JUNK_PID else "a distractor (person 0)"
                yield Problem("out-of-place", "error", _where(root, image), f"{what} belongs in the gallery")
    persons = {split: {image.pid for image in images[split] if image.shows_known_person} for split in SPLITS}
    for pid in sorted(persons["train"] & (persons["query"] | persons["gallery"])):
        message = f"person {pid} is in training and in test: scores would be too good"
        yield Problem("identity-overlap", "error", _folder(root, images["train"]), message)
    cameras_of = defaultdict(set)
    for image in images["gallery"]:
        cameras_of[image.pid].add(image.camid)
    gallery_names = {image.name for image in images["gallery"]}
    for image in images["query"]:
        if not cameras_of[image.pid] - {image.camid}:
            message = f"no gallery image of person {image.pid} from another camera: this query does not count"
            yield Problem("no-match", "note", _where(root, image), message)
        if image.name in gallery_names:
            yield Problem("in-query-and-gallery", "note", _where(root, image), "is in the gallery too")


def _where(root: Path, image: Image) -> str:
    return str(image.path.relative_to(root)) if image.path.is_relative_to(root) else str(image.path)


def _folder(root: Path, images: Sequence[Image]) -> str:
    return str(Path(_where(root, images[0])).parent) if images else str(root)


def _image_problems(
    root: Path, images: Mapping[str, Sequence[Image]], advance: Callable[[int, int], None] | None
) -> tuple[Size, list[Problem]]:
    """Every image decoded: the (height, width) that most of them have, and what is wrong."""
    everything = [image for split in SPLITS for image in images[split]]

    def size_of(image: Image) -> Size | str:
        try:
            height, width = read_image(image.path).shape[:2]
        except ReidAugError as error:
            return str(error)
        return height, width

    sizes = in_threads(size_of, everything, advance)
    counts = Counter(size for size in sizes if not isinstance(size, str))
    usual = counts.most_common(1)[0][0] if counts else IMAGE_SIZE
    problems = []
    for image, size in zip(everything, sizes, strict=True):
        if isinstance(size, str):
            problems.append(Problem("unreadable-image", "error", _where(root, image), size))
        elif size != usual:
            message = f"{_pixels(size)}, expected {_pixels(usual)} as most others have: bring all to one size"
            problems.append(Problem("wrong-size", "error", _where(root, image), message))
    if usual[0] % 4 or usual[1] % 4:
        message = f"images have {_pixels(usual)}: generators need sides that 4 divides, bring all to such a size"
        problems.append(Problem("odd-size", "error", str(root), message))
    if usual != IMAGE_SIZE:
        message = f"images have {_pixels(usual)}, Market-1501's {_pixels(IMAGE_SIZE)}: train a generator on this size"
        problems.append(Problem("other-size", "note", str(root), message))
    return usual, problems


def _pixels(size: Size) -> str:
    return f"{size[0]} x {size[1]} pixels (height x width)"


def _joint_problems(root: Path, split: str, annotations: Annotations, size: Size) -> Iterator[Problem]:
    """Joints that cannot be right in images of one size."""
    path = find_annotations(root, split)
    try:
        count_outside(annotations, path, (0, size[1]), size[0])
    except ReidAugError as error:
        yield Problem("joint-outside", "error", path.name, str(error))


def _read_rows(root: Path, file: str, images: Sequence[Image]) -> tuple[Annotations | None, list[Problem]]:
    try:
        path = find_annotations(root, file)
        annotations, broken = parse_annotations(path)
    except ReidAugError as error:
        level = "error" if file == "train" else "note"  # only the test pairs of generators need the other
        return None, [Problem("no-keypoints", level, _folder(root, images), str(error))]
    return annotations, [Problem("broken-row", "error", f"{path.name}:{row.line}", row.message) for row in broken]


def _row_problems(
    root: Path, file: str, annotations: Annotations, images: Mapping[str, Sequence[Image]]
) -> Iterator[Problem]:
    """Images without a row and rows without an image."""
    file_name = find_annotations(root, file).name
    for split, members in images.items():
        without = [image for image in members if image.name not in annotations.index]
        if split == "query" and len(without) == len(members):
            continue  # the published file leaves the query split out
        level = "error" if split == "train" else "note"
        for image in without:
            message = f"has no good row in {file_name}: counts as without a pose"
            yield Problem("no-row", level, _where(root, image), message)
    names = {image.name for members in images.values() for image in members}
    for name in annotations.names:
        if name not in names:
            yield Problem("no-image", "note", file_name, f"{name} has a row but there is no such image")


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
