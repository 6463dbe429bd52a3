"""The whole pipeline on rendered people with the shipped generator."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.device import is_slow
from reidaug.core.progress import Progress, Say
from reidaug.datasets.images import read_image
from reidaug.datasets.keypoints import find_annotations, read_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import ROOT_NAME, check_output_path, split_folder
from reidaug.demo.mannequins import write_mannequins
from reidaug.demo.request import MannequinConfig
from reidaug.evaluation.evaluate import evaluate_study
from reidaug.evaluation.request import EvaluationRequest
from reidaug.evaluation.results import Result
from reidaug.reports.tiles import pose_image, save_comparison
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink, shrink_summary
from reidaug.synthesis.painter import shipped_checkpoint
from reidaug.synthesis.request import SynthesisOptions
from reidaug.synthesis.synthesize import synthesize

PORTION = 0.4
PEOPLE = MannequinConfig(
    train_ids=60, test_ids=40, images=12, seed=0
)  # the shipped generator was trained on others: seed 1
ARCH = "resnet18"  # of the baseline: three trainings must take only some minutes on 2 cores
FEWER_EPOCHS = 10  # where a training takes several times longer
ROWS_IN_PICTURE = 10


@dataclass(frozen=True)
class DemoResult:
    """The results of the demo, and where they are."""

    results: list[Result]
    study: Study
    picture: Path
    seconds: float  # of this run
    again: str  # its options for `reidaug evaluate`


def run_demo(out: Path, *, device: str, progress: Progress, say: Say) -> DemoResult:
    """Renders, shrinks, synthesizes, evaluates and draws; what exists already is kept.

    Args:
        out: the folder for the data set, the study and the picture.
        device: auto, cpu, cuda, cuda:N or mps.
        progress: makes a progress display for a piece of work.
        say: shows one line.
    """
    start = time.monotonic()
    check_output_path(out)
    out.mkdir(parents=True, exist_ok=True)
    data, study = out / ROOT_NAME, Study(out / "study")
    if not data.exists():
        with progress("rendering people") as advance:
            write_mannequins(data, PEOPLE, advance)
    people = open_dataset(data.absolute())  # of an earlier run, or put there by the user
    known, others = (len({image.pid for image in people.images(split)}) for split in ("train", "query"))
    say(f"{known:,} people to train on, {others:,} others to test on: {data}")
    say(shrink_summary(shrink(people, study, ShrinkConfig(PORTION))))
    with progress("generating the missing images") as advance:
        report = synthesize(
            study, PORTION, shipped_checkpoint(), SynthesisOptions(device=device), advance, shard=(0, 1)
        )
    say(report.sentence())
    picture = out / "demo.png"
    draw_comparison(study, PORTION, "pona", picture)
    epochs = FEWER_EPOCHS if is_slow(device) else None
    if epochs:
        say(f"this processor has no bfloat16 instructions: {epochs} epochs, half of the recipe's own")
    request = EvaluationRequest(recipe="quick", arch=ARCH, epochs=epochs, device=device)
    results = evaluate_study(study, request, progress=progress, say=say)
    again = f"--recipe quick --arch {ARCH}" + (f" --epochs {epochs}" if epochs else "")
    return DemoResult(results, study, picture, time.monotonic() - start, again)


def draw_comparison(study: Study, portion: float, name: str, path: Path) -> None:
    """Writes a PNG of generated images of different people: condition, target pose, generated, real."""
    first_of: dict[int, PlanRow] = {}
    data = study.data_of(portion)
    for row in study.read_plan(portion, data.images("train")):
        if row.action == "generate":
            first_of.setdefault(row.pid, row)
    people = list(first_of.values())
    chosen = [people[i] for i in np.linspace(0, len(people) - 1, min(ROWS_IN_PICTURE, len(people))).astype(int)]
    keypoints = read_annotations(find_annotations(data.root, "train")).select([row.name for row in chosen])
    real = {image.name: image.path for image in data.images("train")}
    generated = split_folder(study.set_root(portion, name), "train")
    rows = []
    for row, joints in zip(chosen, keypoints, strict=True):
        target = read_image(real[row.name])
        pose = pose_image(joints, (target.shape[0], target.shape[1]))
        rows.append([read_image(real[row.condition]), pose, read_image(generated / row.name), target])
    save_comparison(path, rows)
