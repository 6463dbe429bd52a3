"""Commands about data sets: render one, look into one, list its pairs, estimate its poses."""

from pathlib import Path
from typing import Annotated

import typer

from reidaug.cli.console import print_json, progress, say, stdout
from reidaug.cli.frame import report, reports_errors
from reidaug.cli.options import DebugOption, DeviceOption, JsonOption, SeedOption, Split
from reidaug.core.errors import ReidAugError


@reports_errors
def mannequins(
    out: Annotated[Path, typer.Argument(help="The new Market-1501 root.")],
    train_ids: Annotated[int, typer.Option(min=2, help="Identities for training.")] = 100,
    test_ids: Annotated[int, typer.Option(min=2, help="Other identities for query and gallery.")] = 50,
    images: Annotated[int, typer.Option(min=4, help="Images of each identity.")] = 12,
    cameras: Annotated[int, typer.Option(min=2, max=6, help="Cameras.")] = 6,
    seed: SeedOption = 0,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the embedded data set: rendered people with exact keypoints, as a Market-1501 root with its keypoint CSVs.

    The same seed gives the same bytes; other seeds give other people.
    """
    from reidaug.demo.mannequins import MannequinConfig, write_mannequins

    config = MannequinConfig(train_ids=train_ids, test_ids=test_ids, images=images, cameras=cameras, seed=seed)
    with progress("rendering people") as advance:
        path = write_mannequins(out, config, advance)
    report({"data": str(path), "train_ids": train_ids, "test_ids": test_ids, "images": images, "seed": seed}, json)


@reports_errors
def inspect(
    data: Annotated[Path, typer.Argument(help="The Market-1501 root.")],
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Count what a data set holds and name every problem in it, before hours of work hang on it.

    Exit code 1 if there is a problem that would stop or falsify the work.
    """
    from reidaug.cli.render import inspection_table, inspection_values
    from reidaug.datasets.inspection import inspect_dataset

    with progress("reading images") as advance:
        inspection = inspect_dataset(data, advance)
    if json:
        print_json(inspection_values(inspection))
    else:
        stdout().print(inspection_table(inspection))
    if count := len(inspection.errors):
        problems, them = ("a problem", "it") if count == 1 else (f"{count:,} problems", "them")
        raise ReidAugError(f"{inspection.root} has {problems} that would stop or falsify the work: mend {them} first")


@reports_errors
def pairs(
    data: Annotated[Path, typer.Argument(help="The Market-1501 root, or a folder with its keypoint CSVs.")],
    split: Annotated[Split, typer.Option(help="Which keypoint file.")],
    out: Annotated[Path, typer.Option(help="The CSV to write: columns from,to.")],
    count: Annotated[int | None, typer.Option(min=1, help="Draw so many pairs. Without it: all.")] = None,
    seed: SeedOption = 0,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write the (condition, target) pairs that a generator is trained or tested on, as the public code counts them.

    All ordered pairs of one identity among images with both shoulders and both hips. `--split test --count 12000`
    gives the published test pairs of Market-1501, in their order.
    """
    from reidaug.datasets.pairs import pairs_file

    written, possible = pairs_file(data, split, out, count, seed)
    report({"pairs": written, "possible": possible, "out": str(out)}, json)


@reports_errors
def pose(
    data: Annotated[Path, typer.Argument(help="A folder of .jpg and .png images, or a Market-1501 root.")],
    out: Annotated[Path, typer.Option(help="The keypoint CSV to write.")],
    split: Annotated[
        Split | None, typer.Option(help="Of a Market-1501 root: train (the default), or test: gallery and query.")
    ] = None,
    read: Annotated[
        Path | None,
        typer.Option(help="Estimate nothing: take over a keypoint CSV, COCO's JSON or a folder that OpenPose wrote."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A ViTPose model: a folder, or its name at huggingface.co.")
    ] = "usyd-community/vitpose-base-simple",
    threshold: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Confidence below which a joint counts as missing.")
    ] = 0.3,
    batch_size: Annotated[int, typer.Option(min=1, help="Images at a time.")] = 32,
    force: Annotated[
        bool, typer.Option("--force", help="Replace the CSV, and what an interrupted run with other settings left.")
    ] = False,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Estimate the 18 joints of the person in each image with ViTPose, and write the public keypoint CSV.

    The whole image is the person's box. A Market-1501 root reads them as market-annotation-train.csv and
    market-annotation-test.csv. Needs `pip install 'reidaug[pose]'`; run again after an interruption and it goes on.

    With --read, another estimator's poses are written as such a CSV instead, and nothing needs to be installed.
    """
    from reidaug.datasets.annotate import PoseRequest, convert_annotations, estimate_annotations
    from reidaug.datasets.vitpose import PoseEstimator

    request = PoseRequest(data, out, split, threshold, force)
    if read is not None:
        report(convert_annotations(request, read, say), json)
        return

    def load() -> PoseEstimator:
        fetched = "" if Path(model).exists() else " (from huggingface.co, unless it was fetched before)"
        say(f"loading the pose model {model}{fetched}")
        return PoseEstimator.load(model, device)

    with progress("estimating poses") as advance:
        values = estimate_annotations(request, load, advance, model, batch_size)
    if not values["estimated"]:
        say(f"{out} has a row for each image already: nothing was done; --force estimates them anew")
    report(values, json)
