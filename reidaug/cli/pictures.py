"""Commands that draw what a generator makes, and what goes on inside it."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import print_json
from reidaug.cli.frame import command, report
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, DataRoot, Option, StudyFolder
from reidaug.reports.request import AttentionRequest, GridRequest


@command
def grid(
    *,
    request: GridRequest,
    out: Annotated[Path, Option("The PNG to write.")] = Path("grid.png"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    json: Json = False,
) -> None:
    """Draw what generators make: one person in many poses, many persons in one pose, or pairs with the real image.

    People and poses that are not named are drawn among the test people, whom `reidaug train` never shows (where a data
    set has none, among all); only images with both shoulders and both hips are used. --json prints the names, so that a
    picture can be made again. --data may be a DeepFashion folder too.
    """
    from reidaug.reports.samples import draw_grid
    from reidaug.study.folder import Study, look_for_images

    persons, poses = draw_grid(look_for_images(data, Study(study)), request, out)
    if json:
        print_json({"out": str(out), "layout": request.layout, "persons": persons, "poses": poses})
    else:
        report({"persons": ", ".join(persons), "poses": ", ".join(poses), "out": str(out)}, json)


@command
def attention(
    *,
    request: AttentionRequest,
    out: Annotated[Path, Option("The PNG to write.")] = Path("attention.png"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    json: Json = False,
) -> None:
    """Draw what goes on inside a generator: its features block by block, and where points of the target look.

    Features are the mean of |activations| over channels, each map from its least to its greatest. The map of a point is
    the softmax of its query, laid over the condition image, its greatest value at full strength; beside it stand gamma,
    the learnt weight of a block's attention (at 0 it does nothing), and by how much it changes the image code.

    From the second block on a map shows places of the image code that the blocks before have already moved, and these
    are not purely places of the condition image.
    """
    from reidaug.reports.attention import draw_attention
    from reidaug.study.folder import Study, look_for_images

    found = draw_attention(look_for_images(data, Study(study)), request, out)
    if json:
        print_json({"out": str(out), **found})
    else:
        report({"condition": found["condition"], "target": found["target"], "out": str(out)}, json)
