"""Look a data set over and name everything that is wrong with it, before hours of work hang on it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets.images import in_threads, list_files, read_image
from reidaug.datasets.keypoints import Annotations, count_outside, find_annotations, parse_annotations
from reidaug.datasets.market1501 import (
    DISTRACTOR_PID,
    IMAGE_SIZE,
    JUNK_PID,
    SPLIT_FOLDERS,
    ImageRecord,
    find_root,
    parse_name,
    poisoned_part,
    split_folder,
)
from reidaug.datasets.pairs import usable

Size = tuple[int, int]  # (height, width) in pixels
MAX_PID, MAX_CAMID = 1501, 6  # what torchreid, fast-reid and TransReID assert
_SYSTEM_FILES = {"Thumbs.db", ".DS_Store", "desktop.ini"}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong or odd."""

    kind: str  # the same word for the same sort of problem, such as "unreadable-image"
    level: str  # error: would stop or falsify the work; note: good to know
    where: str  # the file below the root, with `:line` for a row
    message: str  # what is wrong


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


def inspect_dataset(root: Path, progress: Callable[[int, int], None] | None = None) -> Inspection:
    """Look over folders, names, every image and every keypoint row, and go on after a problem.

    Args:
        root: a Market-1501 root, or a folder that holds one.
        progress: told how many images have been read, of how many.

    Raises:
        ReidAugError: there is no Market-1501 root.
    """
    root = find_root(root)
    problems = list(_path_problems(root))
    records: dict[str, list[ImageRecord]] = {}
    for split in SPLIT_FOLDERS:
        records[split], found = _scan(root, split)
        problems += found
    problems += _person_problems(records)
    size, found = _images(root, records, progress)
    problems += found
    annotations: dict[str, Annotations | None] = {}
    for split, covered in (("train", ("train",)), ("test", ("gallery", "query"))):
        annotations[split], found = _read_rows(root, split)
        problems += found
        if (rows := annotations[split]) is not None:
            problems += _row_problems(root, split, rows, {name: records[name] for name in covered})
            problems += _joint_problems(root, split, rows, size)
    splits = tuple(
        _summary(split, records[split], annotations["train" if split == "train" else "test"]) for split in records
    )
    return Inspection(root, splits, tuple(problems))


def _path_problems(root: Path) -> Iterator[Problem]:
    part = poisoned_part(root)
    if part:
        message = f"torchreid and fast-reid read '{part}' in the path as person and camera of every image: rename it"
        yield Problem("poisoned-path", "error", str(root.absolute()), message)


def _scan(root: Path, split: str) -> tuple[list[ImageRecord], list[Problem]]:
    """The images of a split and what is wrong with its names."""
    folder = SPLIT_FOLDERS[split]
    try:
        files = list_files(split_folder(root, split))
    except ReidAugError:
        return [], [Problem("missing-folder", "error", folder, "there is no such folder")]
    records, problems = [], []
    for name in files:
        where = f"{folder}/{name}"
        if not name.endswith(".jpg"):
            known = name in _SYSTEM_FILES
            message = "a system's file, passed over" if known else "passed over: only files in lower-case .jpg are read"
            problems.append(Problem("stray-file", "note", where, message))
            continue
        try:
            records.append(parse_name(name))
        except ReidAugError:
            problems.append(Problem("bad-name", "error", where, "expected the form 0002_c1s1_000451_03.jpg"))
            continue
        if name.endswith(".jpg.jpg"):
            message = "ends twice in .jpg, as 18 test images of Market-1501 do: read like any other"
            problems.append(Problem("double-ending", "note", where, message))
        problems += [Problem("out-of-range", "note", where, message) for message in _range_messages(records[-1])]
    if not records:
        problems.append(Problem("empty-folder", "error", folder, "holds no image with a name that parses"))
    return records, problems


def _range_messages(record: ImageRecord) -> Iterator[str]:
    if record.pid > MAX_PID:
        yield f"person {record.pid}: torchreid and fast-reid accept 0 to {MAX_PID}"
    if not 1 <= record.camid <= MAX_CAMID:
        yield f"camera {record.camid}: torchreid and fast-reid accept 1 to {MAX_CAMID}"


def _person_problems(records: dict[str, list[ImageRecord]]) -> Iterator[Problem]:
    """Junk and distractors out of place, persons in both training and test, queries without a match."""
    for split in ("train", "query"):
        for record in records[split]:
            if record.pid in (JUNK_PID, DISTRACTOR_PID):
                what = "junk (person -1)" if record.pid == JUNK_PID else "a distractor (person 0)"
                where = f"{SPLIT_FOLDERS[split]}/{record.name}"
                yield Problem("out-of-place", "error", where, f"{what} belongs in {SPLIT_FOLDERS['gallery']}")
    persons = {split: {r.pid for r in records[split]} - {JUNK_PID, DISTRACTOR_PID} for split in records}
    for pid in sorted(persons["train"] & (persons["query"] | persons["gallery"])):
        message = f"person {pid} stands in training and in test: scores would be too good"
        yield Problem("identity-overlap", "error", SPLIT_FOLDERS["train"], message)
    cameras_of = defaultdict(set)
    for record in records["gallery"]:
        cameras_of[record.pid].add(record.camid)
    gallery_names = {record.name for record in records["gallery"]}
    for record in records["query"]:
        where = f"{SPLIT_FOLDERS['query']}/{record.name}"
        if not cameras_of[record.pid] - {record.camid}:
            message = f"no gallery image of person {record.pid} from another camera: this query does not count"
            yield Problem("no-match", "note", where, message)
        if record.name in gallery_names:
            yield Problem("in-query-and-gallery", "note", where, "stands in the gallery too")


def _images(
    root: Path, records: dict[str, list[ImageRecord]], progress: Callable[[int, int], None] | None
) -> tuple[Size, list[Problem]]:
    """Every image decoded: the (height, width) that most of them have, and what is wrong."""
    names = [f"{SPLIT_FOLDERS[split]}/{record.name}" for split in records for record in records[split]]

    def look(name: str) -> Size | str:
        try:
            height, width = read_image(root / name).shape[:2]
        except ReidAugError as error:
            return str(error)
        return height, width

    found = in_threads(look, names, progress)
    sizes = Counter(size for size in found if not isinstance(size, str))
    usual = sizes.most_common(1)[0][0] if sizes else IMAGE_SIZE
    problems = []
    for name, size in zip(names, found, strict=True):
        if isinstance(size, str):
            problems.append(Problem("unreadable-image", "error", name, size))
        elif size != usual:
            message = f"{_pixels(size)}, expected {_pixels(usual)} as most others have: bring all to one size"
            problems.append(Problem("wrong-size", "error", name, message))
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


def _read_rows(root: Path, split: str) -> tuple[Annotations | None, list[Problem]]:
    try:
        path = find_annotations(root, split)
        annotations, broken = parse_annotations(path)
    except ReidAugError as error:
        level = "error" if split == "train" else "note"  # only the test pairs of generators need the other
        return None, [
            Problem("no-keypoints", level, SPLIT_FOLDERS["train" if split == "train" else "gallery"], str(error))
        ]
    return annotations, [Problem("broken-row", "error", f"{path.name}:{row.line}", row.message) for row in broken]


def _row_problems(
    root: Path, split: str, annotations: Annotations, records: dict[str, list[ImageRecord]]
) -> Iterator[Problem]:
    """Images without a row and rows without an image."""
    file_name = find_annotations(root, split).name
    for name, images in records.items():
        lacking = [record.name for record in images if record.name not in annotations.index]
        if name == "query" and len(lacking) == len(images):
            continue  # the published file leaves the query split out
        level = "error" if name == "train" else "note"
        for image in lacking:
            where = f"{SPLIT_FOLDERS[name]}/{image}"
            yield Problem("no-row", level, where, f"has no good row in {file_name}: counts as without a pose")
    there = {record.name for images in records.values() for record in images}
    for image in annotations.names:
        if image not in there:
            yield Problem("no-image", "note", file_name, f"{image} has a row but there is no such image")


def _summary(split: str, records: Sequence[ImageRecord], annotations: Annotations | None) -> SplitSummary:
    pids = Counter(record.pid for record in records)
    names = [record.name for record in records]
    return SplitSummary(
        split=split,
        images=len(records),
        identities=len(pids.keys() - {JUNK_PID, DISTRACTOR_PID}),
        junk=pids[JUNK_PID],
        distractors=pids[DISTRACTOR_PID],
        images_of_camera=dict(sorted(Counter(record.camid for record in records).items())),
        annotated=sum(name in annotations.index for name in names) if annotations is not None else 0,
        poses=int(usable(annotations.select(names)).sum()) if annotations is not None else 0,
    )
