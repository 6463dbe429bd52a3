"""Commands for generators: train, score and profile one."""

import os
from typing import Annotated

from reidaug.cli.console import progress, say
from reidaug.cli.frame import command, report, show
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, DataRoot, Option, StudyFolder
from reidaug.core.shares import is_first
from reidaug.scoring.request import ScoreRequest
from reidaug.synthesis.request import WATCH, ProfileRequest, TrainRequest


@command
def train(
    *,
    request: TrainRequest,
    tensorboard: Annotated[bool, Option("Also write TensorBoard files to OUT.tensorboard/.", panel=WATCH)] = False,
    json: Json = False,
) -> None:
    """Train a generator; run again after an interruption, and it continues.

    Protocol `paper` trains on all training images, including those that a study removes. With --portion (protocol
    `strict`) it sees only the kept images of that portion. The checkpoint records what it saw, and tables report it.

    With --out pona.pt: pona.pt is the newest generator and can be used at any time, pona.best.pt the one with the
    lowest L1 on people of the test split, who are not trained on. pona.pt.jsonl is the log; pona.pt.pictures/ shows
    generated images of these people; an interrupted training continues from pona.pt.last.

    With --preset deepfashion, --data is the public DeepFashion folder: train/, fasion-resize-annotation-train.csv and
    fasion-resize-pairs-train.csv, and for validation the same with test.

    Several GPUs: --devices N, or on one or more machines `torchrun --nproc-per-node N -m reidaug train ...`, or srun
    with one task per GPU, where each task sees all GPUs of its machine. The batch size stays the same and is divided
    among the GPUs; each process holds all images in memory.
    """
    if is_first(os.environ):
        say("loading torch")
    from reidaug.reports.monitor import Monitor, training_lines
    from reidaug.synthesis.train import check_files, is_first_process, train_generator

    check_files(request)
    first = is_first_process()
    with progress("training the generator", shown=first) as advance:
        watch = Monitor(request.out, say, advance, tensorboard) if first else None
        summary = train_generator(request, say=say, watch=watch)
    if summary is not None:
        report(training_lines(summary), json, summary)


@command
def score(
    *, request: ScoreRequest, data: DataRoot = None, study: StudyFolder = DEFAULT_STUDY, json: Json = False
) -> None:
    """Measure how close generated images are to the real ones, next to trivial baselines.

    SSIM, mask-SSIM, IS, mask-IS, PSNR, PCKh, LPIPS, FID, L1 and identity similarity; read docs/measuring.md before
    comparing them with the figures of papers. The baselines are the condition image itself (copy), the mean training
    image and the real image (real).

    For a metric whose network is missing, the command says which file goes where, and prints the others. IS, FID and
    LPIPS need `pip install 'reidaug[metrics]'`.
    """
    say("loading the generators and the data set")
    from reidaug.scoring.report import score_table, score_values, write_details
    from reidaug.scoring.score import score
    from reidaug.study.folder import Study, look_for_images

    source = look_for_images(data, Study(study))
    with progress("measuring pairs") as advance:
        scores = score(source, request, advance)
    show(score_table(scores), score_values(scores), json)
    for path in write_details(source, scores, request.out) if request.out is not None else []:
        say(f"written: {path}")


@command
def profile(*, request: ProfileRequest, json: Json = False) -> None:
    """Measure what generators cost, as in the paper's Table II: parameters, multiply-adds, speed and memory.

    Of a trained one (--ckpt), or of a method as it is built (--generator).

    "fp32 eager" is the network as it was trained; "fast" is what `reidaug synthesize` does: BN folded into the
    convolutions, channels last, bf16 where the device is faster with it; "fast, one person" is the same for several
    poses of one person, who is encoded once.

    Times start from images and keypoints on the device: they include rendering the heatmaps, but not reading images.
    """
    say("loading torch")
    from reidaug.cli.render import profile_tables, profile_values
    from reidaug.synthesis.profile import profile_generators

    with progress("measuring") as advance:
        measured = profile_generators(request, advance)
    show(profile_tables(measured), profile_values(measured), json)
