"""`reidaug export`: a set laid out as another tool wants it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.core.files import atomic_write, check_out, list_files, whole_folder
from reidaug.core.fingerprint import refuse_pipe
from reidaug.datasets.dataset import SPLITS, Dataset
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import check_output_path
from reidaug.study.exports import EXPORTS
from reidaug.study.exports.layout import ImageSet
from reidaug.study.plan import ManifestRow, read_manifest
from reidaug.study.records import SYNTHESIS
from reidaug.study.request import ExportRequest

MARK = ".reidaug-export.json"  # in a folder that this command made, and may replace


def export_set(request: ExportRequest) -> dict[str, object]:
    """Lays a data set or a set of a study out for a tool, whole or not at all; replaces its own earlier export.

    Returns:
        The folder, numbers of images, and the line to type in the tool's folder.

    Raises:
        ReidAugError: no such set, one that is not complete, numbers that the tool refuses or misreads, or something in
            the way that this command did not make.
    """
    data = open_dataset(request.set)
    if request.tool not in EXPORTS:
        raise ReidAugError(f"--for {request.tool} is for a network; for images give {', '.join(EXPORTS)}")
    export = EXPORTS[request.tool]
    manifest = _manifest(data)
    images = ImageSet({split: data.images(split) for split in SPLITS}, manifest, request.copy or export.copies)
    out = request.out.absolute()
    folder = out / export.folder(images)
    check_output_path(folder)
    place, source = Path(os.path.realpath(folder.parent), folder.name), Path(os.path.realpath(data.root))
    if place.is_relative_to(source) or source.is_relative_to(place):
        raise ReidAugError(f"{folder} and the set {data.root} lie in each other: give another folder")
    check_out(out, folder=True)
    out.mkdir(parents=True, exist_ok=True)
    with _replaced(folder, request.tool) as new:
        export.lay_out(images, new)
        fingerprint, holds = data.split_fingerprint("train"), list_files(new)
        mark = {"for": request.tool, "set": str(data.root), "fingerprint": fingerprint, "holds": holds}
        atomic_write(new / MARK, json.dumps(mark) + "\n")
    synthetic = sum(row.synthetic for row in manifest.values())
    counts = {f"{split}_images": len(images.images[split]) for split in SPLITS}
    return {"out": str(folder), **counts, "synthetic": synthetic, "type": export.command(images, out)}


def _manifest(data: Dataset) -> dict[str, ManifestRow]:
    """The manifest of a set of a study, by name; empty for another data set.

    Raises:
        ReidAugError: the set is not complete, or its manifest is of other images.
    """
    if not (data.root / "manifest.csv").is_file():
        if (data.root.parent / SYNTHESIS).is_file():
            raise ReidAugError(f"{data.root} is not complete: run `reidaug synthesize` again first")
        return {}
    manifest = {row.name: row for row in read_manifest(data.root / "manifest.csv")}
    if names := manifest.keys() ^ {image.name for image in data.images("train")}:
        raise ReidAugError(f"{data.root}: its manifest and its images differ in {len(names)}: make the set again")
    return manifest


@contextmanager
def _replaced(folder: Path, tool: str) -> Iterator[Path]:
    """A new folder that takes the place of an earlier export for the same tool.

    Raises:
        ReidAugError: what is in its place is something else.
    """
    there = folder.is_symlink() or (folder.exists() and not (folder.is_dir() and not any(folder.iterdir())))
    if there and (what := _something_else(folder, tool)):
        raise ReidAugError(f"{folder} is {what}: remove it, or give another folder")
    with whole_folder(folder, replace=there) as new:
        yield new


def _something_else(folder: Path, tool: str) -> str:
    """What is at a path, if it is no export for the tool."""
    if folder.is_symlink():
        return f"a link to {folder.readlink()}, and `reidaug export` did not make it"
    try:
        refuse_pipe(folder / MARK)
        mark = json.loads((folder / MARK).read_text(encoding="utf-8"))
        made_for, others = mark["for"], set(list_files(folder)) - {MARK, *mark["holds"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError, ReidAugError):
        return "there, and `reidaug export` did not make it"
    if made_for != tool:
        return f"an export for {made_for}"
    return f"an export, but {min(others)} in it is not of it" if others and not EXPORTS[tool].copies else ""
