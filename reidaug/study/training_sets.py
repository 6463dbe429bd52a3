"""The training sets of a study: their images, and the origin of the synthetic ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from reidaug.core.errors import ReidAugError
from reidaug.core.fingerprint import stamp_files
from reidaug.core.progress import Say
from reidaug.core.records import Count, Scalar
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.market1501 import market_set
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.plan import ManifestRow, PlanRow, manifest_rows, plan_of, read_manifest
from reidaug.study.records import SYNTHESIS, read_synthesis_record

if TYPE_CHECKING:
    from torch import Tensor

FULL_SET = "full"  # the whole training set of the data set


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of the synthetic images of a set."""

    missing: Count  # images missing from the reduced set
    copied: Count = 0  # of these, copies of their condition image
    seen_missing: Count | None  # of these, those that the generator was trained on; None = its checkpoint does not say
    protocol: str | None  # of its training: paper, strict or unknown
    generator: dict[str, Scalar] = field(default_factory=dict)  # digest and training of the checkpoint


@dataclass(frozen=True)
class Transform:
    """A change of the decoded images of a set before training."""

    record: list[object]  # plain values that identify it, for the set's fingerprint
    apply: "Callable[[Tensor], None]"  # changes (N, 3, H, W) uint8 in place


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """A training set of the study, the full one, or a control."""

    name: str  # none, full, that of a generated set, or that of a control
    portion: float  # 1.0 for the full set
    fingerprint: str  # names and bytes of its training images
    images: tuple[Image, ...]
    synthetic: tuple[int, ...] = ()  # rows of `images` that are generated or copied
    reduced: str = ""  # fingerprint of the reduced set that it completes; empty for the full set
    transform: Transform | None = None
    steps_of: tuple[
        int, ...
    ] = ()  # person of each image of the set that gives the number of iterations; empty = itself
    rendered_first: bool = False  # networks start from one that was trained on rendered people
    stamp: str = ""  # of the files, taken before their fingerprint
    provenance: Provenance | None = None  # None = nothing was generated
    plan: tuple[PlanRow, ...] = ()  # of an augmented set, whose controls have its size; empty = that of the portion

    @property
    def pids(self) -> tuple[int, ...]:
        return tuple(image.pid for image in self.images)

    def title(self) -> str:
        """For people."""
        return f"{self.name}, p = {self.portion:.2f}"

    def current_stamp(self) -> str:
        """The stamp of the files as they are now."""
        return stamp_files(image.path for image in self.images)


def find_training_sets(study: Study, portions: Sequence[float], data: Dataset, say: Say) -> list[TrainingSet]:
    """Every complete set of some portions, and the full set last.

    Args:
        data: the data set that all portions must be of.
        say: told of incomplete sets.

    Raises:
        ReidAugError: a portion of another data set, or a set that does not match its manifest.
    """
    full = full_set(data)
    sets = []
    for portion in portions:
        study.check_unchanged(portion, data)
        plan = study.read_plan(portion, data.images("train"))
        complete = [_completed_set(study, portion, name, plan) for name in study.sets(portion)]
        reduced = next((item.fingerprint for item in complete if item.name == PLAIN_SET), "")
        sets += [replace(item, reduced=reduced) for item in complete]
        for name in study.unfinished_sets(portion):
            say(
                f"{name}, p = {portion:.2f}, is not complete and is left out: run `reidaug synthesize` again, "
                "unless another process is completing it"
            )
    return [*sets, full]


def full_set(data: Dataset) -> TrainingSet:
    """All training images of a data set."""
    return _training_set(FULL_SET, 1.0, data)


def _training_set(name: str, portion: float, data: Dataset) -> TrainingSet:
    images = tuple(data.images("train"))
    stamp = stamp_files(image.path for image in images)
    return TrainingSet(name, portion, data.fingerprint("train"), images, stamp=stamp)


def _completed_set(study: Study, portion: float, name: str, portion_plan: Sequence[PlanRow]) -> TrainingSet:
    root = study.set_root(portion, name)
    manifest = read_manifest(root / "manifest.csv")
    synthetic = {row.name for row in manifest if row.synthetic}
    training_set = _training_set(name, portion, market_set(root))
    names, listed = {image.name for image in training_set.images}, {row.name for row in manifest}
    if names != listed:
        raise ReidAugError(
            f"{root} has {len(names)} training images, its manifest lists {len(listed)}: "
            f"{len(names ^ listed)} differ; make the set again"
        )
    rows = tuple(row for row, image in enumerate(training_set.images) if image.name in synthetic)
    training_set = replace(training_set, synthetic=rows)
    path = root.parent / SYNTHESIS
    record = read_synthesis_record(path) if path.exists() else None
    if name == PLAIN_SET or (record is not None and not record.augmentation):
        _check_manifest(root / "manifest.csv", manifest, [row for row in portion_plan if row.kept or name != PLAIN_SET])
    if record is None:
        return training_set
    protocol = record.training.get("protocol")
    provenance = Provenance(
        missing=sum(row.condition != "" for row in portion_plan),
        copied=sum(row.action == "copy" for row in manifest),
        seen_missing=record.seen_missing,
        protocol=protocol if isinstance(protocol, str) else None,
        generator={"sha256": record.sha256, **record.training},
    )
    plan = plan_of(manifest) if record.augmentation else ()
    return replace(training_set, provenance=provenance, plan=tuple(plan))


def _check_manifest(path: Path, manifest: Sequence[ManifestRow], plan: Sequence[PlanRow]) -> None:
    """Raises ReidAugError if the manifest of a set does not follow the plan of its portion."""
    planned = {row.name: row for row in manifest_rows(plan)}
    rows = {row.name: row for row in manifest}
    for name in sorted(planned.keys() | rows.keys()):
        row, wanted = rows.get(name), planned.get(name)
        if row and wanted and row.action == "adopt" and wanted.synthetic:
            wanted = replace(wanted, condition="", action="adopt")
        if row != wanted:
            raise ReidAugError(
                f"{path} does not follow the plan of the portion, such as in {name}: restore it, or remove the folder "
                f"{path.parent.parent} and make the set again"
            )


def augmented_sets(study: Study, portion: float) -> list[str]:
    """The names of a portion's complete sets that `augment` made."""
    return [name for name, record in study.synthesis_records(portion).items() if record.augmentation]
