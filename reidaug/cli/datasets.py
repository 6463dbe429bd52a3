"""Commands for data sets: render one, check one, divide one, list its pairs, estimate its poses."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import progress, say
from reidaug.cli.frame import command, report, show
from reidaug.cli.options import Json
from reidaug.core.errors import ReidAugError
from reidaug.core.options import Argument, Option, Seed
from reidaug.datasets.request import ImportRequest, PoseRequest, Split, SplitRequest
from reidaug.demo.request import MannequinConfig
from reidaug.study.request import ExportRequest


@command
def mannequins(
    *, out: Annotated[Path, Argument("The new Market-1501 root.")], config: MannequinConfig, json: Json = False
) -> None:
    """Write the embedded data set: rendered people with exact keypoints, as a Market-1501 root with its keypoint CSVs.

    The same seed gives the same bytes; other seeds give other people.
    """
    from reidaug.demo.mannequins import write_mannequins

    with progress("rendering people") as advance:
        path = write_mannequins(out, config, advance)
    values = {name: getattr(config, name) for name in ("train_ids", "test_ids", "images", "seed")}
    report({"data": str(path), **values}, json)


@command
def inspect(*, data: Annotated[Path, Argument("The data set.")], json: Json = False) -> None:
    """Count the images, people and poses of a data set and list its problems, before hours of work depend on it.

    Names the layout that it sees (docs/layouts.md). Given a folder that is no data set, it names one that is near.

    Exit code 1 if there is a problem that would stop the work or make its results wrong.
    """
    say(f"reading {data}")
    from reidaug.cli.render import inspection_table, inspection_values
    from reidaug.datasets.inspection import inspect_dataset

    with progress("reading images") as advance:
        inspection = inspect_dataset(data, advance)
    show(inspection_table(inspection), inspection_values(inspection), json)
    if count := len(inspection.errors):
        problems, them = ("a problem", "it") if count == 1 else (f"{count:,} problems", "them")
        raise ReidAugError(f"{inspection.root} has {problems} that would stop or falsify the work: fix {them} first")


@command
def import_(*, request: ImportRequest, json: Json = False) -> None:
    """Write any data set as a Market-1501 root: other layouts, names, sizes and kinds of image files.

    Reads Market-1501, DukeMTMC-reID, MSMT17, CUHK03-NP, VIPeR, people in folders (PERSON/NAME.jpg, or
    train/PERSON/NAME.jpg with query/ and gallery/), a CSV with the columns path,pid,camid,split, and boxes in a COCO
    JSON (docs/layouts.md).

    Images are turned as their EXIF says, brought to RGB and to one size; those that fit keep their bytes. sources.csv
    in OUT names the file of each image, cameras.csv each camera that has another number now.
    """
    say(f"reading {request.source}")
    from reidaug.datasets.import_set import import_set

    with progress("writing images") as advance:
        values = import_set(request, advance, say)
    report(values, json)


@command
def export(*, request: ExportRequest, json: Json = False) -> None:
    """Lay a set out as another tool wants it, and print the line to type there; or save a network under plain names.

    Images: torchreid, fastreid and transreid get a Market-1501 root (or an MSMT17 one, where persons go
    beyond 1501 or cameras beyond 6), layumi (Person_reID_baseline_pytorch) the folder Market/ for its
    prepare.py, huggingface train/, query/ and gallery/ with metadata.csv. Run again, it replaces what it made, and
    nothing else.

    A kept network becomes a state dict of its backbone, for torchreid and torchvision.
    """
    say(f"reading {request.set}")
    if request.set.is_file() and request.set.suffix in (".pt", ".pth"):
        from reidaug.evaluation.kept_network import export_network

        values = export_network(request.set, request.out, request.tool)
    else:
        from reidaug.study.export import export_set

        values = export_set(request)
    report(values, json)


@command
def split(*, request: SplitRequest, json: Json = False) -> None:
    """Make query and gallery from one folder of people: a Market-1501 root whose test people are not trained on.

    Test people are drawn among those whom two cameras have seen. Of each camera with several images of one of them a
    query is drawn, the others are the gallery, so that every query has a match. A keypoint CSV beside the images is
    divided too.
    """
    from reidaug.datasets.split import write_split

    with progress("writing images") as advance:
        values = write_split(request, advance)
    report(values, json)


@command
def pairs(
    *,
    data: Annotated[Path, Argument("The Market-1501 root, or a folder with its keypoint CSVs.")],
    split: Annotated[Split, Option("Which keypoint file.")],
    out: Annotated[Path, Option("The CSV to write: columns from,to.", short="-o")],
    count: Annotated[int | None, Option("Number of pairs to draw. Without it: all.", min=1)] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Write the (condition, target) pairs that a generator is trained or tested on, as the public code does.

    These are all ordered pairs of images of one identity that show both shoulders and both hips. `--split test --count
    12000` gives the published test pairs of Market-1501, in their order.
    """
    from reidaug.datasets.pairs_file import pairs_file

    written, possible = pairs_file(data, split, out, count, seed)
    report({"pairs": written, "possible": possible, "out": str(out)}, json)


@command
def pose(*, request: PoseRequest, json: Json = False) -> None:
    """Estimate the 18 joints of the person in each image with MoveNet, and write the public keypoint CSV.

    The whole image is taken as the person's box. In a Market-1501 root the CSVs must be named
    market-annotation-train.csv and market-annotation-test.csv. Run again after an interruption, and it continues.

    Nothing is downloaded unless --model asks for a ViTPose, which needs `pip install 'reidaug[pose]'`. With --read, the
    poses of another estimator are converted to such a CSV instead.
    """
    say(f"reading {request.data}")
    from reidaug.datasets.annotate import annotate

    with progress("estimating poses", shown=request.read is None) as advance:
        values = annotate(request, advance, say)
    report(values, json)
