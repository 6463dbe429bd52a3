"""`reidaug adopt`: the images of another program as a set of the study."""

from dataclasses import replace
from pathlib import Path

import PIL.Image

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_out, list_files, write_image
from reidaug.core.fingerprint import digests_fingerprint, file_digests
from reidaug.core.locks import locked
from reidaug.core.progress import Advance, Say
from reidaug.core.threads import in_threads
from reidaug.datasets import market1501
from reidaug.datasets.dataset import is_image_file, jpg_name
from reidaug.datasets.images import opened, read_image
from reidaug.datasets.readable import refuse_faulty
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow
from reidaug.study.records import SynthesisRecord
from reidaug.synthesis.completed_set import JPEG_QUALITY, CompletedSet
from reidaug.synthesis.request import AdoptRequest, SynthesisOptions
from reidaug.synthesis.synthesize import check_name, claim


def adopt(study: Study, portion: float, request: AdoptRequest, advance: Advance, say: Say) -> dict[str, object]:
    """Completes the training set of one portion with images that are there; continues where an earlier run stopped.

    JPEG files keep their bytes, others become JPEG.

    Returns:
        The set, and numbers of kept, adopted and copied images.

    Raises:
        ReidAugError: missing images without a file, files that the plan does not know, an image of another size or one
            that is the missing image itself, or a set of this name with other images.
    """
    check_name(request.name)
    root = study.set_root(portion, request.name)
    market1501.check_output_path(root)
    check_out(root, folder=True)
    data = study.data_of(portion)
    plan = [row for row in study.read_plan(portion, data.images("train")) if row.action != "drop"]
    files = _files(request.folder)
    given = _given(plan, files, request.folder, study.plan_path(portion))
    if extra := len(files) - len(given):
        say(f"{extra:,} images of {request.folder} have names of kept images and are passed over")
    rows = [replace(row, condition="", action="adopt") if row.name in given else row for row in plan]
    options = SynthesisOptions(name=request.name, copy=request.copy, force=request.force)
    completed = CompletedSet(root, root.parent, data, rows, study.unchanged_annotations(portion, data), options)
    refuse_faulty(list(given.values()), request.folder, advance)
    digests = file_digests(given)
    _check(given, digests, completed)
    origin = digests_fingerprint(digests)
    record = SynthesisRecord(str(request.folder), origin, "", JPEG_QUALITY, training={"adopted": True})
    what = f"the set {request.name} at p = {portion:.2f}"
    with locked(root.parent / ".lock-claim", what, wait=True):
        claim(root.parent, root, record, request.force, what, "give another --name")
    with locked(root.parent / ".lock-0-of-1", what):
        completed.folder.mkdir(parents=True, exist_ok=True)
        todo = completed.missing(rows)
        for done, row in enumerate(todo):
            advance(len(rows) - len(todo) + done, len(rows))
            target = completed.folder / row.name
            if row.action == "adopt":
                _write(given[row.name], target)
            else:
                atomic_write(target, completed.original[row.condition or row.name].path.read_bytes())
        advance(len(rows), len(rows))
        completed.finish(record)
    counts = {action: sum(row.action == action for row in rows) for action in ("keep", "adopt", "copy")}
    return {
        "set": str(root),
        "kept": counts["keep"],
        "adopted": counts["adopt"],
        "copied": counts["copy"],
        "written_now": len(todo),
    }


def _files(folder: Path) -> dict[str, Path]:
    """The image files of a folder, or of the training images of a root, by name in .jpg."""
    root = market1501.find_root(folder)
    place = folder if root is None else market1501.split_folder(root, "train")
    files: dict[str, Path] = {}
    for file in filter(is_image_file, list_files(place)):
        if files.setdefault(jpg_name(file), place / file) != place / file:
            raise ReidAugError(f"{place} has {file} and {files[jpg_name(file)].name}: remove one")
    if not files:
        raise ReidAugError(f"no image in {place}; expected one for each missing image of the plan, under its name")
    return files


def _given(plan: list[PlanRow], files: dict[str, Path], folder: Path, path: Path) -> dict[str, Path]:
    """The files of missing images, by name."""
    by_name = {row.name: row for row in plan}
    if unknown := sorted(files.keys() - by_name.keys()):
        raise ReidAugError(
            f"{len(unknown):,} images of {folder} are not in {path}, such as {files[unknown[0]].name}: expected names "
            "of missing images, such as " + next((row.name for row in plan if not row.kept), "none")
        )
    needed = [row for row in plan if row.action == "generate"]
    if lacking := [row for row in needed if row.name not in files]:
        row = lacking[0]
        raise ReidAugError(
            f"{folder} lacks {len(lacking):,} of {len(needed):,} missing images, such as {row.name} (person {row.pid}, "
            f"camera {row.camid}): the column kept of {path} is 0 where one is missing"
        )
    return {name: file for name, file in files.items() if not by_name[name].kept}


def _check(given: dict[str, Path], digests: dict[str, bytes], completed: CompletedSet) -> None:
    """Sizes, and that no image is the one that it stands for."""
    size, originals = completed.size(), completed.data.digests("train")

    def check(name: str) -> None:
        height, width = read_image(given[name]).shape[:2]
        if (height, width) != size:
            raise ReidAugError(
                f"{given[name]} is {height} x {width} pixels (height x width), and the kept images are {size[0]} x "
                f"{size[1]}: bring all to that size"
            )
        if digests[name] == originals[name]:
            raise ReidAugError(f"{given[name]} is the missing image itself, byte for byte: nothing was generated")

    in_threads(check, sorted(given))


def _write(source: Path, target: Path) -> None:
    with opened(source) as image:
        is_jpeg = image.format == "JPEG"
    if is_jpeg:
        atomic_write(target, source.read_bytes())
    else:
        write_image(target, PIL.Image.fromarray(read_image(source)), "JPEG", quality=JPEG_QUALITY)
