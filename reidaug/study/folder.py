"""The study folder: the paths in it, and what exists.

STUDY/study.toml                                    the user's: options of the commands, see `reidaug.cli.settings`
STUDY/results.jsonl                                 one row per evaluation
STUDY/p0.40/plan.csv                                kept and missing images of portion 0.4
STUDY/p0.40/none/Market-1501-v15.09.15/             the kept images as a data set
STUDY/p0.40/generator/adapted.pt                    a generator trained further on the kept images
STUDY/p0.40/<name>/Market-1501-v15.09.15/           a training set with the missing images filled in
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.keypoints import Annotations, find_annotations, read_annotations_of
from reidaug.datasets.layouts import open_dataset, open_posed_images
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.datasets.posed_images import PosedImages
from reidaug.study.plan import PlanRow, plan_fingerprint, read_plan
from reidaug.study.portions import parse_portion, portion_name
from reidaug.study.records import SYNTHESIS, ShrinkRecord, SynthesisRecord, read_shrink_record, read_synthesis_record

PLAIN_SET = "none"  # the set of the kept images alone
_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Study:
    """The paths in a study folder; creates no folder."""

    path: Path  # the study folder; it need not exist
    data: Path | None = None  # where the data set of its portions is now; None = where it was

    @property
    def results_path(self) -> Path:
        """One JSON object per evaluation."""
        return self.path / "results.jsonl"

    @property
    def queries_path(self) -> Path:
        """The folder of each evaluation's scores by query."""
        return self.path / "queries"

    def features_path(self, key: str) -> Path:
        """The features of a baseline, by the key of its result; they exist if they were asked for."""
        return self.path / "features" / f"{key}.npz"

    def model_path(self, key: str) -> Path:
        """A trained baseline, by the key of its result; it exists if it was asked for."""
        return self.path / "models" / f"{key}.pt"

    @property
    def work_path(self) -> Path:
        """The folder with the states of unfinished trainings of baselines."""
        return self.path / ".work"

    def portion_dir(self, portion: float) -> Path:
        return self.path / portion_name(portion)

    def plan_path(self, portion: float) -> Path:
        return self.portion_dir(portion) / "plan.csv"

    def shrink_path(self, portion: float) -> Path:
        """The record of the shrink that made a portion: its settings and its report."""
        return self.portion_dir(portion) / "shrink.json"

    def adapted_path(self, portion: float) -> Path:
        """The generator that `reidaug adapt` trains on the kept images of a portion."""
        return self.portion_dir(portion) / "generator" / "adapted.pt"

    def set_root(self, portion: float, name: str) -> Path:
        """The Market-1501 root of a training set.

        Raises:
            ReidAugError: the name is not a plain folder name.
        """
        if not _SET_NAME.fullmatch(name):
            raise ReidAugError(f"set name {name!r} is not a plain folder name; use letters, digits, '.', '_' and '-'")
        return self.portion_dir(portion) / name / ROOT_NAME

    def portions(self) -> list[float]:
        """The portions that have been shrunk, ascending."""
        names = (folder.parent.name for folder in self.path.glob("p[0-9].[0-9][0-9]/plan.csv"))
        return sorted(float(name[1:]) for name in names)

    def sets(self, portion: float) -> list[str]:
        """The names of a portion's complete training sets (those with a manifest), "none" first."""
        manifests = self.portion_dir(portion).glob(f"*/{ROOT_NAME}/manifest.csv")
        names = {path.parent.parent.name for path in manifests}
        return sorted((name for name in names if _SET_NAME.fullmatch(name)), key=lambda name: (name != PLAIN_SET, name))

    def unfinished_sets(self, portion: float) -> list[str]:
        """The names of a portion's training sets that are started but not complete."""
        names = {folder.parent.name for folder in self.portion_dir(portion).glob(f"*/{ROOT_NAME}")}
        return sorted(name for name in names - set(self.sets(portion)) if _SET_NAME.fullmatch(name))

    def shrink_records(self) -> dict[float, ShrinkRecord]:
        """The record of each portion that has one which can be read."""
        records = {}
        for portion in self.portions():
            with suppress(ReidAugError):
                records[portion] = self.shrink_record(portion)
        return records

    def synthesis_records(self, portion: float) -> dict[str, SynthesisRecord]:
        """How the images of a portion's complete sets were generated, by name, of those that say so.

        Raises:
            ReidAugError: a record that cannot be read.
        """
        paths = {name: self.set_root(portion, name).parent / SYNTHESIS for name in self.sets(portion)}
        return {name: read_synthesis_record(path) for name, path in paths.items() if path.is_file()}

    def data_of(self, portion: float) -> Dataset:
        """The data set of a portion, at the place that is given, else where a portion of the same images has it.

        `check_unchanged` says whether its images are those of the portion.

        Raises:
            ReidAugError: the portion has not been shrunk, or the data set is gone.
        """
        record = self.shrink_record(portion)
        if self.data is not None:
            return open_dataset(self.data.absolute())
        same = [record, *(other for other in self.shrink_records().values() if other.images == record.images)]
        data = next((data for other in same if (data := self._find(other)) is not None), None)
        if data is None:
            raise ReidAugError(
                f"{record.data}, the data set of {self.path}, is gone: give --data FOLDER, or set REIDAUG_DATA, to say "
                "where it is now"
            )
        return data

    def _find(self, record: ShrinkRecord) -> Dataset | None:
        """The data set of a record where it was, or where it would have moved with the study; None = at neither place.

        Where there is something at both places, as in the copy of a whole project, the one with the right images near
        the study.
        """
        recorded = Path(record.data)
        beside = Path(os.path.normpath(self.path.resolve() / record.beside)) if record.beside else recorded
        places = [place for place in (beside, recorded) if place.exists()]
        if len(places) == 2 and not beside.samefile(recorded):
            with suppress(ReidAugError):  # it is no data set, or has other images
                data = open_dataset(beside)
                if data.split_fingerprint("train") == record.images:
                    return data
        return open_dataset(places[-1]) if places else None

    def shrink_record(self, portion: float) -> ShrinkRecord:
        """How a portion was made.

        Raises:
            ReidAugError: it has no record, a broken one, or that of another portion.
        """
        record = read_shrink_record(path := self.shrink_path(portion))
        if record.portion != portion:
            raise ReidAugError(
                f"{path}: portion is {record.portion}, expected {portion}: give the folder its name again, or run "
                "`reidaug shrink --force`"
            )
        return record

    def read_plan(self, portion: float, images: Iterable[Image]) -> list[PlanRow]:
        """The plan of a portion, checked to be the one that its shrink wrote, where that recorded it.

        Args:
            portion: of the study.
            images: all training images of its data set.

        Raises:
            ReidAugError: there is none, it is broken or was changed, or it is not of these images.
        """
        record, plan = self.shrink_record(portion), read_plan(path := self.plan_path(portion))
        now = plan_fingerprint(plan)
        if record.plan not in ("", now):
            wrong = f"was changed since `reidaug shrink` wrote it (fingerprint {now}, not {record.plan})"
        elif differ := {row.name for row in plan} ^ {image.name for image in images}:
            wrong = f"and the training images of the data set differ in {len(differ):,} names, such as {min(differ)}"
        else:
            return plan
        raise ReidAugError(
            f"{path} {wrong}: restore it, or run `reidaug shrink --force`, which replaces the portion and its sets"
        )

    def check_unchanged(self, portion: float, data: Dataset) -> None:
        """Raises ReidAugError if a portion was not made from the training images that a data set has now.

        The images are known by their names and bytes: the data set may have moved.
        """
        record = self.shrink_record(portion)
        now = data.split_fingerprint("train")
        if now != record.images:
            prints = f"(fingerprint {now}, not {record.images})"
            if Path(record.data) != data.root:
                raise ReidAugError(
                    f"p = {portion:.2f} is of {record.data}, and {data.root} has other training images {prints}: give "
                    "--portion, or with --data the folder that has these images now"
                )
            raise ReidAugError(
                f"the training images of {data.root} have changed since p = {portion:.2f} was made from them {prints}: "
                "restore them, or run `reidaug shrink --force`"
            )

    def unchanged_annotations(self, portion: float, data: Dataset) -> Annotations:
        """The keypoints of the training images of a portion, checked to be those that it was planned with.

        Raises:
            ReidAugError: as `check_unchanged`, or the keypoints have changed or cannot belong to the images.
        """
        self.check_unchanged(portion, data)
        images = data.images("train")
        annotations = read_annotations_of(find_annotations(data.root, "train"), images)
        recorded = self.shrink_record(portion).keypoints
        if recorded != annotations.fingerprint([image.name for image in images]):
            raise ReidAugError(
                f"the keypoints of the training images of {data.root} have changed since p = {portion:.2f} was planned "
                "with them: restore them, or run `reidaug shrink --force`"
            )
        return annotations


def resolve_data(data: Path | None, study: Study) -> Dataset:
    """The data set to work on: the given one, else that of the study's portions, else the one in the working folder.

    Args:
        data: given by the command line, the environment or `study.toml`; None = not given.
        study: it need not exist.

    Raises:
        ReidAugError: there is none, the portions have several, or the path is not a data set.
    """
    if data is None:
        records = study.shrink_records()
        if len({record.images for record in records.values()}) > 1:
            of = ", ".join(f"p = {portion:.2f} of {record.data}" for portion, record in records.items())
            raise ReidAugError(f"the portions of {study.path} are of several data sets ({of}): give one with --data")
        if records:
            return study.data_of(next(iter(records)))
        data = Path(ROOT_NAME)
        if not data.exists():
            raise ReidAugError(f"no data set: give --data FOLDER, set REIDAUG_DATA, or put it at ./{ROOT_NAME}")
    return open_dataset(data.absolute())


def chosen_portions(study: Study, portion: str | None) -> list[float]:
    """The portions to work on: the given one, else all of the study.

    Raises:
        ReidAugError: the study has none, or not this one.
    """
    portions = study.portions()
    if not portions:
        raise ReidAugError(f"no study at {study.path}: run `reidaug shrink --portion 0.4` first, or give --study")
    if portion is None:
        return portions
    wanted = parse_portion(portion)
    if wanted not in portions:
        existing = ", ".join(f"{portion:.2f}" for portion in portions)
        raise ReidAugError(f"{study.path} has no portion {wanted:.2f}, only {existing}: run `reidaug shrink` first")
    return [wanted]


def look_for_images(data: Path | None, study: Study) -> PosedImages:
    """The images with keypoints of the data set to work on.

    Raises:
        ReidAugError: as `resolve_data` and `open_posed_images`.
    """
    return open_posed_images(resolve_data(data, study))
