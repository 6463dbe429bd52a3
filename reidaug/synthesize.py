"""Paint the missing images of a plan with a trained generator and complete the training set."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reidaug.annotations import Annotations, find_annotations, write_annotations
from reidaug.controls import CONTROLS
from reidaug.errors import ReidAugError
from reidaug.files import atomic_write, link_or_copy_folder, locked, write_image
from reidaug.market1501 import (
    ANNOTATION_FILES,
    check_output_path,
    read_images,
    split_folder,
)
from reidaug.plan import PlanRow, manifest_rows, read_plan, write_manifest
from reidaug.provenance import count_seen
from reidaug.study import Study

JPEG_QUALITY = 95
RESERVED_NAMES = ("none", "full", *CONTROLS)


@dataclass(frozen=True)
class SynthesisOptions:
    """How a set is painted; none of it changes which images are painted."""

    name: str = "pona"  # folder of the set and its row in the table
    batch_size: int = 32  # images per forward pass
    copy: bool = False  # copy query and gallery instead of linking them
    force: bool = False  # replace a set that another generator made
    device: str = "auto"  # auto, cpu, cuda, cuda:N
    precision: str = "auto"  # auto, fp32, bf16


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


def shard_from_environment(environment: Mapping[str, str]) -> tuple[int, int]:
    """This process's rank and the number of processes, from torchrun or SLURM.

    Returns:
        (rank, world): torchrun's RANK and WORLD_SIZE, else the place in a SLURM array of jobs and among the tasks that
        srun has started; what a job only asked for (SLURM_NTASKS) does no work.
    """
    try:
        if "WORLD_SIZE" in environment:
            rank, world = int(environment.get("RANK", "0")), int(environment["WORLD_SIZE"])
        else:
            first = int(environment.get("SLURM_ARRAY_TASK_MIN", "0"))
            job = int(environment.get("SLURM_ARRAY_TASK_ID", first)) - first
            jobs = int(environment.get("SLURM_ARRAY_TASK_COUNT", "1"))
            task, tasks = int(environment.get("SLURM_PROCID", "0")), int(environment.get("SLURM_STEP_NUM_TASKS", "1"))
            rank, world = job * tasks + task, jobs * tasks
    except ValueError as error:
        raise ReidAugError(f"RANK, WORLD_SIZE or the SLURM variables are not numbers ({error})") from None
    if not 0 <= rank < world:
        raise ReidAugError(f"rank {rank} of {world} processes is impossible: check RANK/WORLD_SIZE or the SLURM array")
    return rank, world


def synthesize(
    study: Study,
    portion: float,
    checkpoint_path: Path,
    options: SynthesisOptions,
    advance: Callable[[int, int], None],
    shard: tuple[int, int] | None = None,
) -> SynthesisReport:
    """Completes the training set of one portion; goes on where an earlier run stopped.

    `shard` is (rank, world): which share of the images to paint; None = what torchrun or SLURM say.

    Raises:
        ReidAugError: no plan, a set of another generator under this name, broken input images, images or keypoints
            other than the plan's, or a held lock.
        PoNAError: the checkpoint cannot be used.
    """
    import pona

    check_name(options.name)
    check_output_path(study.set_root(portion, options.name))
    plan = [row for row in read_plan(study.plan_path(portion)) if row.action != "drop"]
    data = study.data_of(portion)
    annotations = study.unchanged_annotations_of(portion)
    checkpoint = pona.load_checkpoint(checkpoint_path)
    shard = shard or shard_from_environment(os.environ)
    root = study.set_root(portion, options.name)
    what = f"synthesis of {options.name} at p = {portion:.2f}"
    with locked(root.parent / ".lock-claim", what, wait=True):  # before the share's own lock: see _claim
        record = _claim(root, checkpoint_path, options, what)
    with locked(root.parent / f".lock-{shard[0]}-of-{shard[1]}", what):
        seen = count_seen(
            split_folder(data, "train"), [r.name for r in plan if r.action != "keep"], checkpoint.training
        )
        folder = root / "bounding_box_train"
        folder.mkdir(parents=True, exist_ok=True)
        share = [row for group in _by_action(plan) for row in group[shard[0] :: shard[1]]]
        there = {entry.name for entry in os.scandir(folder)}
        todo = [row for row in share if row.name not in there]
        painted = _fill(
            todo,
            data,
            folder,
            annotations,
            checkpoint,
            options,
            lambda done: advance(len(share) - len(todo) + done, len(share)),
        )
        complete = _finish(
            root,
            data,
            annotations,
            plan,
            options,
            {**record, "seen_missing": seen, "training": _origin(checkpoint.training)},
        )
    counts = {action: sum(row.action == action for row in plan) for action in ("keep", "generate", "copy")}
    return SynthesisReport(
        options.name, portion, root, counts["keep"], counts["generate"], counts["copy"], painted, seen, shard, complete
    )


def check_name(name: str) -> None:
    """Raises ReidAugError for a name that no set may have."""
    if name in RESERVED_NAMES or not name.replace("-", "").replace("_", "").isalnum():
        raise ReidAugError(f"--name {name!r}: give letters, digits, - and _, and none of {', '.join(RESERVED_NAMES)}")


def _claim(root: Path, checkpoint_path: Path, options: SynthesisOptions, what: str) -> dict[str, Any]:
    """Records which generator the set is of; images of two generators never mix under one name.

    Of several processes that begin together the first claims and the others find its record. A set is replaced only
    while no share of it is being painted.
    """
    digest = hashlib.sha256(checkpoint_path.read_bytes()).hexdigest()
    record = {
        "checkpoint": checkpoint_path.name,
        "sha256": digest,
        "precision": options.precision,
        "jpeg": JPEG_QUALITY,
    }
    path = root.parent / "synthesis.json"
    if path.exists():
        earlier = json.loads(path.read_text())
        other = [name for name, value in record.items() if name != "checkpoint" and earlier.get(name) != value]
        if not other:
            return record
        if not options.force:
            theirs, ours = (f"{made.get('checkpoint')} ({str(made.get('sha256'))[:12]})" for made in (earlier, record))
            if "sha256" not in other:
                theirs, ours = (", ".join(f"{name} {made.get(name)}" for name in other) for made in (earlier, record))
            raise ReidAugError(
                f"{root.parent} was painted with {theirs}, not with {ours}: give another --name, or --force"
            )
        with ExitStack() as shares:
            for lock in root.parent.glob(".lock-*-of-*"):
                shares.enter_context(locked(lock, what))
            if root.exists():
                shutil.rmtree(root)
    elif root.exists() and any(root.iterdir()):
        raise ReidAugError(f"{root} is not empty and no record says what made it: move it away or give another --name")
    atomic_write(path, json.dumps(record, indent=1))
    return record


def _by_action(plan: Sequence[PlanRow]) -> list[list[PlanRow]]:
    return [[row for row in plan if row.action == action] for action in ("keep", "copy", "generate")]


def _origin(training: Mapping[str, Any]) -> dict[str, Any]:
    """What the table says about the generator."""
    names = ("preset", "iteration", "iterations", "batch_size", "protocol", "perceptual", "selected_on")
    start = (training.get("trained_on") or {}).get("start") or {}
    return {**{name: training.get(name) for name in names}, "started_from": start.get("file")}


def _fill(
    rows: Sequence[PlanRow],
    data: Path,
    folder: Path,
    annotations: Annotations,
    checkpoint: Any,
    options: SynthesisOptions,
    advance: Callable[[int], None],
) -> int:
    """Writes the files of ``rows`` (kept and copied ones first); returns how many were painted."""
    source = split_folder(data, "train")
    to_paint = [row for row in rows if row.action == "generate"]
    done = 0
    for row in rows:
        if row.action != "generate":
            atomic_write(folder / row.name, (source / (row.condition or row.name)).read_bytes())
            done += 1
            advance(done)
    if to_paint:
        for count in _paint(to_paint, source, folder, annotations, checkpoint, options):
            done += count
            advance(done)
    return len(to_paint)


def _paint(
    rows: Sequence[PlanRow],
    source: Path,
    folder: Path,
    annotations: Annotations,
    checkpoint: Any,
    options: SynthesisOptions,
) -> Iterator[int]:
    """Paints batch by batch."""
    import torch

    import pona
    from reid_baseline.device import pick_device

    device = pick_device(options.device)
    generator = pona.fold_norms(checkpoint.generator)
    rows = sorted(rows, key=lambda row: row.condition)  # a condition image is encoded once for the poses of a batch

    def write(row: PlanRow, image: np.ndarray) -> None:
        write_image(folder / row.name, Image.fromarray(image), "JPEG", quality=JPEG_QUALITY)

    with ThreadPoolExecutor(2) as writers:
        for start in range(0, len(rows), options.batch_size):
            batch = rows[start : start + options.batch_size]
            conditions, of = np.unique([row.condition for row in batch], return_inverse=True)
            images = pona.generate_images(
                generator,
                torch.from_numpy(read_images([source / name for name in conditions])).permute(0, 3, 1, 2),
                torch.from_numpy(annotations.select(conditions.tolist())),
                torch.from_numpy(annotations.select([row.name for row in batch])),
                of=torch.from_numpy(of),
                device=device,
                precision=options.precision,
            )
            list(writers.map(write, batch, images.permute(0, 2, 3, 1).numpy()))
            yield len(batch)


def _finish(
    root: Path,
    data: Path,
    annotations: Annotations,
    plan: Sequence[PlanRow],
    options: SynthesisOptions,
    record: dict[str, Any],
) -> bool:
    """Adds query, gallery, keypoint files and manifest once every image is there; true if the set is complete."""
    there = {entry.name for entry in os.scandir(root / "bounding_box_train")}
    if not there.issuperset(row.name for row in plan):
        return False
    with locked(root.parent / ".lock-finish", f"the manifest of {root.parent}", wait=True):
        for split in ("query", "gallery"):
            if not split_folder(root, split).exists():
                link_or_copy_folder(split_folder(data, split), split_folder(root, split), options.copy)
        _write_train_annotations(root / ANNOTATION_FILES["train"], annotations, plan)
        with suppress(ReidAugError):  # only generators' test pairs need it
            atomic_write(root / ANNOTATION_FILES["test"], find_annotations(data, "test").read_bytes())
        atomic_write(root.parent / "synthesis.json", json.dumps(record, indent=1))
        write_manifest(root / "manifest.csv", manifest_rows(plan))
    return True


def _write_train_annotations(path: Path, original: Annotations, plan: Sequence[PlanRow]) -> None:
    """The original keypoints in their order; a copied image has those of the image that it is a copy of."""
    shown = {row.name: row.condition if row.action == "copy" else row.name for row in plan}
    names = [name for name in original.names if name in shown]
    write_annotations(path, names, original.select([shown[name] for name in names]))
