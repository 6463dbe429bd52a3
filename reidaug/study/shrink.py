"""Remove training images: write the plan and the reduced set of a portion to a study folder."""

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import sync
from reidaug.core.locks import locked
from reidaug.core.records import Scalar
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.keypoints import FILES, Annotations, find_annotations, read_annotations_of, write_annotations
from reidaug.datasets.market1501 import check_output_path, market_set, split_folder, warn_of_cameras
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.plan import PlanRow, manifest_rows, plan_fingerprint, read_plan, write_manifest, write_plan
from reidaug.study.portions import portion_name
from reidaug.study.query_gallery import add_query_and_gallery
from reidaug.study.records import ShrinkRecord, write_record
from reidaug.study.request import ShrinkConfig
from reidaug.study.selection import make_plan


@dataclass(frozen=True)
class ShrinkReport:
    """The result of a shrink."""

    portion: float  # share of images kept
    keep: str  # per-identity or uniform
    source: str  # nearest or random
    seed: int  # of every draw
    images: int  # in the original training set
    kept: int  # exactly round(portion * images)
    missing: int  # images - kept
    generate: int  # missing images to generate
    copy: int  # missing images without a usable pose: copies of their condition image
    drop: int  # missing images of persons without a kept image (uniform only): in no set
    identities: int  # in the original training set
    vanished: int  # identities without a kept image
    unannotated: int  # images without a row in the keypoint file
    same_camera: float | None  # share of condition images from the camera of the missing image; None: none is missing
    pose_distance: float | None  # mean pixels per joint from condition to target pose; None: nothing to generate
    data: Path  # the data set
    root: Path  # the reduced set
    plan: Path  # the plan
    existed: bool = False  # made by an earlier run; nothing was done

    def values(self) -> dict[str, Scalar]:
        """As plain values."""
        return asdict(self) | {"data": str(self.data), "root": str(self.root), "plan": str(self.plan)}


def shrink(
    data: Dataset,
    study: Study,
    config: ShrinkConfig,
    *,
    copy: bool = False,
    force: bool = False,
    wait: bool = False,
    annotations_path: Path | None = None,
) -> ShrinkReport:
    """Write the plan and the reduced set of a portion, whole or not at all.

    The same shrink again does nothing and reports the same; where the data set has moved, it writes down the new place
    and mends the links to it.

    Args:
        copy: copy query and gallery instead of linking them.
        force: replace a portion that was shrunk with other settings, with all of its sets.
        wait: wait for another process that shrinks the same portion.
        annotations_path: the training keypoint file; None = the one in the data set or beside it.

    Raises:
        ReidAugError: no or a broken data set, keypoints that cannot belong to it, an impossible portion, a path that
            re-ID tools misread, other settings without `force`, or another process at work on the portion.
    """
    root = study.set_root(config.portion, PLAIN_SET)
    check_output_path(root)
    images = data.images("train")
    warn_of_cameras([*images, *data.images("query"), *data.images("gallery")])
    annotations = read_annotations_of(annotations_path or find_annotations(data.root, "train"), images)
    names = [image.name for image in images]
    if not annotations.names:
        raise ReidAugError(f"the keypoint file has no row for any training image of {data.root}: is it of another set?")
    plan = make_plan(images, annotations, config)
    report = _report(plan, annotations, config, data.root.absolute(), study)
    record = ShrinkRecord(
        **asdict(config),
        data=str(report.data),
        beside=_beside(study, report.data),
        images=data.split_fingerprint("train"),
        keypoints=annotations.fingerprint(names),
        copy=copy,
        plan=plan_fingerprint(plan),
    )
    with _locked(study, config.portion, wait):
        if not force and _is_made(study, config.portion, plan, record):
            report = replace(report, existed=True)
            _follow(study, config.portion, data)
        else:
            _write_portion(study, data, report, plan, annotations, record)
    return report


def _report(
    plan: Sequence[PlanRow], annotations: Annotations, config: ShrinkConfig, data: Path, study: Study
) -> ShrinkReport:
    actions = [row.action for row in plan]
    generated = [row for row in plan if row.action == "generate"]
    camera_of = {row.name: row.camid for row in plan}
    same_camera = [camera_of[row.condition] == row.camid for row in plan if row.condition]
    targets = annotations.select([row.name for row in generated])
    conditions = annotations.select([row.condition for row in generated])
    distances = np.linalg.norm(targets - conditions, axis=-1)
    pids, kept_pids = {row.pid for row in plan}, {row.pid for row in plan if row.kept}
    return ShrinkReport(
        **asdict(config),
        images=len(plan),
        kept=actions.count("keep"),
        missing=len(plan) - actions.count("keep"),
        generate=actions.count("generate"),
        copy=actions.count("copy"),
        drop=actions.count("drop"),
        identities=len(pids),
        vanished=len(pids - kept_pids),
        unannotated=sum(row.name not in annotations.index for row in plan),
        same_camera=float(np.mean(same_camera)) if same_camera else None,
        pose_distance=float(np.nanmean(distances)) if np.isfinite(distances).any() else None,
        data=data,
        root=study.set_root(config.portion, PLAIN_SET),
        plan=study.plan_path(config.portion),
    )


def _is_made(study: Study, portion: float, plan: Sequence[PlanRow], record: ShrinkRecord) -> bool:
    """Whether the portion exists, made from the same data with the same settings; refuses any other."""
    if not study.portion_dir(portion).exists():
        return False
    try:
        made = study.shrink_record(portion)
        earlier, wanted = made.settings(), record.settings()
        shown = earlier | {"images": f"of {made.data}, not of these (fingerprint {record.images}, not {made.images})"}
        other = [f"{name} {shown[name]}" for name, value in wanted.items() if earlier[name] != value]
        complete = PLAIN_SET in study.sets(portion) and read_plan(study.plan_path(portion)) == plan
        names = [image.name for image in market_set(study.set_root(portion, PLAIN_SET)).images("train")]
        complete = complete and names == [row.name for row in plan if row.kept]
    except (OSError, ReidAugError):
        other, complete = [], False
    if other:
        raise ReidAugError(
            f"{study.portion_dir(portion)} was made with {', '.join(other)}; "
            "give the same settings, another --study, or `reidaug shrink --force`, which replaces it and its sets"
        )
    if not complete:
        raise ReidAugError(f"{study.portion_dir(portion)} is incomplete or changed: run `reidaug shrink --force`")
    return True


def follow(study: Study, portion: float, data: Dataset) -> None:
    """Where study or data set have moved, writes down where it is now, and fixes links that lead nowhere.

    Args:
        study: the study.
        portion: one of its portions.
        data: a data set with the training images of the portion.
    """
    record = study.shrink_record(portion)
    if record != _moved(record, study, data):
        with _locked(study, portion, wait=True):
            _follow(study, portion, data)


def _follow(study: Study, portion: float, data: Dataset) -> None:
    record = study.shrink_record(portion)
    if record != (now := _moved(record, study, data)):
        write_record(study.shrink_path(portion), now)
    for name in study.sets(portion):
        add_query_and_gallery(study.set_root(portion, name), data, copy=False)


def _moved(record: ShrinkRecord, study: Study, data: Dataset) -> ShrinkRecord:
    root = data.root.absolute()
    return replace(record, data=str(root), beside=_beside(study, root))


def _locked(study: Study, portion: float, wait: bool) -> AbstractContextManager[None]:
    return locked(study.path / f".{portion_name(portion)}.lock", f"portion {portion:.2f}", wait)


def _beside(study: Study, data: Path) -> str:
    """The path of a data set from the study folder; empty where there is none, as between two drives of Windows."""
    try:
        return Path(os.path.relpath(data.resolve(), study.path.resolve())).as_posix()
    except ValueError:
        return ""


def _write_portion(
    study: Study,
    data: Dataset,
    report: ShrinkReport,
    plan: Sequence[PlanRow],
    annotations: Annotations,
    record: ShrinkRecord,
) -> None:
    """Build the portion's folder under another name, then rename it in one step."""
    final = study.portion_dir(report.portion)
    partial, stale = study.path / f".{final.name}.partial", study.path / f".{final.name}.stale"
    for left_over in (partial, stale):
        shutil.rmtree(left_over, ignore_errors=True)
    try:
        root = partial / report.root.relative_to(final)
        _write_set(root, data, [row for row in plan if row.kept], annotations, record.copy)
        write_plan(partial / "plan.csv", plan)
        write_record(
            partial / "shrink.json", replace(record, made=time.strftime("%F %T"), report=_without_paths(report))
        )
        sync()  # once for all files: the folder is renamed when its content is on the disk
        with ExitStack() as locks:
            for lock in final.glob("*/.lock*"):
                locks.enter_context(locked(lock, f"the set {lock.parent.name} of portion {report.portion:.2f}"))
            if final.exists():
                os.rename(final, stale)
            os.rename(partial, final)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(stale, ignore_errors=True)


def _without_paths(report: ShrinkReport) -> dict[str, Scalar]:
    """A report as the study keeps it: paths would be wrong once it is moved."""
    return {name: value for name, value in report.values().items() if name not in ("data", "root", "plan")}


def _write_set(root: Path, data: Dataset, kept: Sequence[PlanRow], annotations: Annotations, copy: bool) -> None:
    """A Market-1501 root with the kept images, byte for byte."""
    paths = {image.name: image.path for image in data.images("train")}
    target = split_folder(root, "train")
    target.mkdir(parents=True)
    for row in kept:
        shutil.copyfile(paths[row.name], target / row.name)
    add_query_and_gallery(root, data, copy)
    rows = annotations.only(row.name for row in kept)
    write_annotations(root / FILES["train"], rows.names, rows.keypoints)
    with suppress(ReidAugError):  # optional: only the test pairs of generators need it
        shutil.copyfile(find_annotations(data.root, "test"), root / FILES["test"])
    write_manifest(root / "manifest.csv", manifest_rows(kept))


def shrink_summary(report: ShrinkReport) -> str:
    """What `shrink` did, in a few lines."""
    kept = f"p = {report.portion:.2f}: {report.kept:,} of {report.images:,} training images kept"
    vanished = f", {report.vanished} of them gone" if report.vanished else ", all of them kept"
    lines = [
        f"{kept} ({report.identities:,} identities{vanished}); {report.generate:,} to generate, {report.copy:,} to "
        "copy for lack of a pose" + (f", {report.drop:,} of vanished identities left out" if report.drop else "")
    ]
    if report.pose_distance is not None and report.same_camera is not None:
        lines.append(
            f"condition images ({report.source}): {report.pose_distance:.1f} pixels per joint from the target pose, "
            f"{100 * report.same_camera:.0f} % from the same camera"
        )
    if not report.generate + report.copy:
        lines.append("nothing to generate: of the people who have an image left, none is missing")
    elif not report.generate:
        lines.append("nothing to generate: no missing image shows both shoulders and both hips in the keypoint file")
    if report.unannotated:
        lines.append(f"{report.unannotated:,} training images have no keypoint row")
    done = "exists already" if report.existed else "written"
    return "\n".join([*lines, f"plan {done}: {report.plan}", f"reduced set: {report.root}"])
