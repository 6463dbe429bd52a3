"""Commands about the generator: train one, measure one."""

from typing import Annotated

from reidaug.cli.console import print_json, progress, say, stdout
from reidaug.cli.frame import command, report
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, DataRoot, Option, StudyFolder
from reidaug.scoring.request import ScoreRequest
from reidaug.synthesis.request import WATCH, ProfileRequest, TrainRequest


@command
def train(
    *,
    request: TrainRequest,
    tensorboard: Annotated[bool, Option("Write TensorBoard's files to OUT.tensorboard/ too.", panel=WATCH)] = False,
    json: Json = False,
) -> None:
    """Train a PoNA generator; run again after an interruption and it goes on.

    Protocol `paper` trains on all training images, also those that a study takes away. With --portion (protocol
    `strict`) it sees the kept images of that portion only. The checkpoint records what it saw, and tables say so.

    With --out pona.pt: pona.pt is the newest generator and can be used at any time, pona.best.pt the one with the
    lowest L1 on people of the test split, whom it never sees. pona.pt.jsonl is the log; pona.pt.pictures/ shows what it
    generates of these people; pona.pt.last is what an interrupted training goes on from.

    With --preset deepfashion, --data is the public DeepFashion folder: train/, fasion-resize-annotation-train.csv and
    fasion-resize-pairs-train.csv, and for validation the same of test.

    Several GPUs: --devices N, or on one or more machines `torchrun --nproc-per-node N -m reidaug train ...`, or srun
    with as many tasks, each of which sees all GPUs of its machine. The batch stays as large as on one and is shared;
    each process holds all images in memory.
    """
    from reidaug.reports.monitor import Monitor
    from reidaug.synthesis.train import is_first_process, train_generator

    first = is_first_process()
    with progress("training the generator", shown=first) as advance:
        watch = Monitor(request.out, say, advance, tensorboard) if first else None
        summary = train_generator(request, say=say, watch=watch)
    if summary is not None:
        report(summary, json)


@command
def score(
    *, request: ScoreRequest, data: DataRoot = None, study: StudyFolder = DEFAULT_STUDY, json: Json = False
) -> None:
    """Measure how near generated images come to the true ones, beside what costs nothing.

    SSIM, mask-SSIM, IS, mask-IS, PSNR, PCKh, LPIPS, FID, L1 and identity similarity; docs/measuring.md tells what to
    know before they are held against the figures of papers. The same for the condition image itself (copy), the mean
    training image and the true image (real).

    What needs a network that is not here says which file goes where, and the rest is printed. IS, FID and LPIPS need
    `pip install 'reidaug[metrics]'`.
    """
    from reidaug.scoring.report import score_table, score_values, write_details
    from reidaug.scoring.score import score
    from reidaug.study.folder import Study, look_for_images

    source = look_for_images(data, Study(study))
    with progress("measuring pairs") as advance:
        found = score(source, request, advance)
    if json:
        print_json(score_values(found))
    else:
        stdout().print(score_table(found))
    for path in write_details(source, found, request.out) if request.out is not None else []:
        say(f"written: {path}")


@command
def profile(*, request: ProfileRequest, json: Json = False) -> None:
    """Measure what a generator costs, as in the paper's Table II: parameters, multiply-adds, speed and memory.

    fp32 eager is the network as it was trained, fast what `reidaug synthesize` does: BN folded into the convolutions,
    channels last, bf16 where the device is faster with it; and fast for several poses of one person, who is encoded
    once. Preparing data is not in the times, as in the paper.
    """
    from reidaug.cli.render import profile_table, profile_values
    from reidaug.synthesis.profile import profile_generator

    with progress("measuring") as advance:
        found = profile_generator(request, advance)
    if json:
        print_json(profile_values(found))
    else:
        stdout().print(profile_table(found))
