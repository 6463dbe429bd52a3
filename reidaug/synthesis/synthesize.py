"""Paint the missing images of a plan with a trained generator and complete the training set."""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from reidaug.core.errors import ReidAugError
from reidaug.core.files import locked
from reidaug.core.fingerprint import file_digest
from reidaug.core.shares import shard_from_environment
from reidaug.datasets.market1501 import check_output_path
from reidaug.study.controls import CONTROLS
from reidaug.study.folder import PLAIN_SET, Study
from reidaug.study.plan import read_plan
from reidaug.study.records import SynthesisRecord, read_synthesis_record, write_record
from reidaug.study.training_sets import FULL_SET
from reidaug.synthesis.completed_set import JPEG_QUALITY, CompletedSet
from reidaug.synthesis.painter import Painter
from reidaug.synthesis.request import SynthesisOptions


@dataclass(frozen=True)
class SynthesisReport:
    """What a run of `synthesize` found and did."""

    name: str
    portion: float
    root: Path  # the completed Market-1501 root
    kept: int  # images kept byte for byte, in the whole set
    generated: int  # painted images, in the whole set
    copied: int  # missing images without a usable pose: copies of their condition image
    painted_now: int  # painted by this run
    seen_missing: int | None  # missing images that the generator was trained on; None = its checkpoint does not say
    shard: tuple[int, int]  # this process and how many there are
    complete: bool  # every image of the set is there

    def values(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "root": str(self.root)}

    def sentence(self) -> str:
        """For people."""
        seen = "an unknown number" if self.seen_missing is None else f"{self.seen_missing:,}"
        text = (
            f"p = {self.portion:.2f}  {self.name}: {self.kept:,} kept, {self.generated:,} painted "
            f"({self.painted_now:,} by this run), {self.copied:,} copied for want of a pose; "
            f"the generator was trained on {seen} of the {self.generated + self.copied:,} missing images"
        )
        if self.complete:
            return f"{text}\n  {self.root}"
        return f"{text}\n  this is share {self.shard[0] + 1} of {self.shard[1]}: the set is complete when all are done"


def synthesize(
    study: Study,
    portion: float,
    checkpoint_path: Path,
    options: SynthesisOptions,
    advance: Callable[[int, int], None],
    shard: tuple[int, int] | None = None,
    wait: bool = False,
) -> SynthesisReport:
    """Completes the training set of one portion; goes on where an earlier run stopped.

    `shard` is (rank, world): which share of the images to paint; None = what torchrun or SLURM say. `wait` for a
    process that paints that share, instead of being refused.

    Raises:
        ReidAugError: no plan, a set of another generator under this name, broken input images or ones of a size that
            the generator was not trained on, images or keypoints other than the plan's, or a held lock.
        PoNAError: the checkpoint cannot be used.
    """
    check_name(options.name)
    root = study.set_root(portion, options.name)
    check_output_path(root)
    plan = [row for row in read_plan(study.plan_path(portion)) if row.action != "drop"]
    data = study.data_of(portion)
    completed = CompletedSet(root, data, plan, study.unchanged_annotations(portion, data), options)
    painter = Painter(checkpoint_path, options.device, options.precision)
    painter.check_size(completed.size())
    shard = shard or shard_from_environment(os.environ)
    what = f"synthesis of {options.name} at p = {portion:.2f}"
    with locked(root.parent / ".lock-claim", what, wait=True):  # before the share's own lock: see _claim
        record = _claim(root, checkpoint_path, options, what)
    with locked(root.parent / f".lock-{shard[0]}-of-{shard[1]}", what, wait=wait):
        for other in root.parent.glob(".lock-*-of-*"):
            if not other.name.endswith(f"-of-{shard[1]}"):  # shares cut otherwise hold images of this one
                with locked(other, what, wait=wait, shared=True):
                    pass
        seen = painter.count_seen([completed.original[row.name] for row in plan if row.action != "keep"])
        completed.folder.mkdir(parents=True, exist_ok=True)
        share = completed.share(*shard)
        todo = completed.missing(share)
        earlier = len(share) - len(todo)
        painted = completed.fill(todo, painter, lambda done: advance(earlier + done, len(share)))
        complete = completed.finish(replace(record, seen_missing=seen, training=_origin(painter.training)))
    counts = {action: sum(row.action == action for row in plan) for action in ("keep", "generate", "copy")}
    return SynthesisReport(
        options.name, portion, root, counts["keep"], counts["generate"], counts["copy"], painted, seen, shard, complete
    )


def check_name(name: str, advice: str = "") -> None:
    """Raises ReidAugError for a name that no set may have; the advice goes on with what it may be."""
    reserved = (PLAIN_SET, FULL_SET, *CONTROLS)
    if name in reserved or not name.replace("-", "").replace("_", "").isalnum():
        advice = advice or f"--name {name!r}: give"
        raise ReidAugError(f"{advice} letters, digits, - and _, and none of {', '.join(reserved)}")


def generator_record(checkpoint_path: Path, precision: str) -> SynthesisRecord:
    """What the images of a set depend on besides their plan."""
    return SynthesisRecord(checkpoint_path.name, file_digest(checkpoint_path).hex(), precision, JPEG_QUALITY)


def find_conflict(folder: Path, record: SynthesisRecord) -> str:
    """In words, how a set that exists was made otherwise than by the record; empty where it was not."""
    path = folder / "synthesis.json"
    conflict = read_synthesis_record(path).conflict(record) if path.exists() else ""
    return f"{folder} was {conflict}" if conflict else ""


def _claim(root: Path, checkpoint_path: Path, options: SynthesisOptions, what: str) -> SynthesisRecord:
    """Records which generator the set is of; images of two generators never mix under one name.

    Of several processes that begin together the first claims and the others find its record. A set is replaced only
    while no share of it is being filled.
    """
    record = generator_record(checkpoint_path, options.precision)
    path = root.parent / "synthesis.json"
    if path.exists():
        conflict = find_conflict(root.parent, record)
        if not conflict:
            return record
        if not options.force:
            raise ReidAugError(f"{conflict}: give another --name, or `reidaug synthesize --force`")
        with ExitStack() as shares:
            for lock in root.parent.glob(".lock-*-of-*"):
                shares.enter_context(locked(lock, what))
            if root.exists():
                gone = root.with_name(f".{root.name}.gone")  # a set that is half removed would look like one half made
                shutil.rmtree(gone, ignore_errors=True)
                root.rename(gone)
                shutil.rmtree(gone)
    elif root.exists() and any(root.iterdir()):
        raise ReidAugError(f"{root} is not empty and no record says what made it: move it away or give another --name")
    write_record(path, record)
    return record


def _origin(training: Mapping[str, Any]) -> dict[str, Any]:
    """What the table says about the generator."""
    names = ("preset", "iteration", "iterations", "batch_size", "protocol", "perceptual", "selected_on")
    start = (training.get("trained_on") or {}).get("start") or {}
    return {**{name: training.get(name) for name in names}, "started_from": start.get("file")}
