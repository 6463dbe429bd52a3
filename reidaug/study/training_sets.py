"""The training sets of a study: what is in them, and where their synthetic images come from."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from reidaug.core.errors import ReidAugError
from reidaug.core.files import stamp_files
from reidaug.datasets.market1501 import dataset_fingerprint, scan_split, split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import ManifestRow, read_manifest


@dataclass(frozen=True)
class TrainingSet:
    """A training set of the study, the full one, or a control."""

    name: str  # none, full, the name given to synthesize, or that of a control
    portion: float  # 1.0 for the full set
    fingerprint: str  # names and bytes of its training images
    files: tuple[Path, ...]  # its images
    pids: tuple[int, ...]  # their persons
    synthetic: tuple[int, ...] = ()  # rows of `files` that are generated or copied
    reduced: str = ""  # fingerprint of the reduced set that it completes; empty for the full set
    mirrored: tuple[int, ...] = ()  # rows of `files` that are mirrored left to right
    as_many_steps_as: tuple[int, ...] = ()  # persons of the set whose number of iterations it takes; empty = its own
    stamp: str = ""  # of the files, taken before their fingerprint
    provenance: dict[str, Any] = field(default_factory=dict)  # of synthetic images: see _provenance

    def title(self) -> str:
        """For people."""
        return f"{self.name}, p = {self.portion:.2f}"


def find_training_sets(
    study: Study, portions: Sequence[float], data: Path, say: Callable[[str], None]
) -> list[TrainingSet]:
    """Every complete set of some portions, and the full set at the end.

    Args:
        study: where they lie.
        portions: which portions.
        data: the data set that all of them must be of.
        say: told of sets that are not complete.

    Raises:
        ReidAugError: a portion of another data set, or a set that is not what its manifest says.
    """
    sets = []
    for portion in portions:
        if study.unchanged_data_of(portion) != data:
            raise ReidAugError(f"p = {portion:.2f} is of {study.data_of(portion)}, not of {data}: give --portion")
        found = [_completed_set(study, portion, name) for name in study.sets(portion)]
        reduced = next((each.fingerprint for each in found if each.name == "none"), "")
        sets += [replace(each, reduced=reduced) for each in found]
        for name in study.unfinished_sets(portion):
            say(
                f"{name}, p = {portion:.2f}, is not complete and is left out: run `reidaug synthesize` again, if no "
                "other process paints it"
            )
    return [*sets, _set_in_folder("full", 1.0, data)]


def _set_in_folder(name: str, portion: float, root: Path, **more: Any) -> TrainingSet:
    records, folder = scan_split(root, "train"), split_folder(root, "train")
    files, pids = tuple(folder / record.name for record in records), tuple(record.pid for record in records)
    stamp = stamp_files(files)
    return TrainingSet(name, portion, dataset_fingerprint(root, ("train",)), files, pids, stamp=stamp, **more)


def _completed_set(study: Study, portion: float, name: str) -> TrainingSet:
    root = study.set_root(portion, name)
    manifest = read_manifest(root / "manifest.csv")
    made = {row.name for row in manifest if row.synthetic}
    found = _set_in_folder(name, portion, root, provenance=_provenance(root.parent, manifest))
    found = replace(found, synthetic=tuple(i for i, path in enumerate(found.files) if path.name in made))
    names, listed = {path.name for path in found.files}, {row.name for row in manifest}
    if names != listed:
        raise ReidAugError(
            f"{root} holds {len(names)} training images, its manifest lists {len(listed)}: "
            f"{len(names ^ listed)} differ; make the set again"
        )
    return found


def _provenance(folder: Path, manifest: Sequence[ManifestRow]) -> dict[str, Any]:
    """missing, copied, seen_missing, protocol and generator of a synthesis; empty where there was none."""
    record = folder / "synthesis.json"
    if not record.exists():
        return {}
    content = json.loads(record.read_text())
    training = content.get("training", {})
    return {
        "missing": sum(row.synthetic for row in manifest),
        "copied": sum(row.action == "copy" for row in manifest),
        "seen_missing": content.get("seen_missing"),
        "protocol": training.get("protocol"),
        "generator": {"sha256": content.get("sha256"), **training},
    }
