"""The training sets of a study: what is in them, and where their synthetic images come from."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reidaug.errors import ReidAugError
from reidaug.market1501 import dataset_fingerprint, scan_split
from reidaug.plan import read_manifest
from reidaug.study import Study


@dataclass(frozen=True)
class TrainingSet:
    """A training set of the study, or the full one."""

    name: str  # none, full, or the name given to synthesize
    portion: float  # 1.0 for the full set
    root: Path  # Market-1501 root
    fingerprint: str  # names and bytes of its training images
    synthetic: int  # generated and copied images in it
    provenance: dict[str, Any]  # missing, seen_missing, protocol, generator; empty where nothing is generated


def find_training_sets(
    study: Study, portions: Sequence[float], data: Path, say: Callable[[str], None]
) -> list[TrainingSet]:
    """Every complete set of some portions, and the full set.

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
        for name in study.sets(portion):
            sets.append(_training_set(study, portion, name))
        for name in study.unfinished_sets(portion):
            say(f"{name}, p = {portion:.2f}, is not complete and is left out: run `reidaug synthesize` again")
    sets.append(TrainingSet("full", 1.0, data, dataset_fingerprint(data, ("train",)), 0, {}))
    return sets


def _training_set(study: Study, portion: float, name: str) -> TrainingSet:
    root = study.set_root(portion, name)
    manifest = read_manifest(root / "manifest.csv")
    names = {record.name for record in scan_split(root, "train")}
    listed = {row.name for row in manifest}
    if names != listed:
        raise ReidAugError(
            f"{root} holds {len(names)} training images, its manifest lists {len(listed)}: "
            f"{len(names ^ listed)} differ; make the set again"
        )
    provenance = {}
    record = root.parent / "synthesis.json"
    if record.exists():
        content = json.loads(record.read_text())
        missing = sum(row.synthetic for row in manifest)
        training = content.get("training", {})
        provenance = {
            "missing": missing,
            "seen_missing": content.get("seen_missing"),
            "protocol": training.get("protocol"),
            "generator": {"sha256": content.get("sha256"), **training},
        }
    fingerprint = dataset_fingerprint(root, ("train",))
    return TrainingSet(name, portion, root, fingerprint, sum(row.synthetic for row in manifest), provenance)
