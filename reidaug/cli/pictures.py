"""Commands that draw what a generator generates, and its features and attention."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import say
from reidaug.cli.frame import command, report
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, DataRoot, Option, StudyFolder
from reidaug.reports.request import AttentionRequest, GridRequest


@command
def grid(
    *,
    request: GridRequest,
    out: Annotated[Path, Option("The PNG to write.", short="-o")] = Path("grid.png"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    json: Json = False,
) -> None:
    """Draw generated images: one person in many poses, many persons in one pose, or pairs with the real image.

    People and poses that are not named are drawn at random from the test people, whom `reidaug train` does not use
    (from all people if there are none); only images that show both shoulders and both hips are used. --json prints the
    names, so that the picture can be drawn again. --data may also be a DeepFashion folder.
    """
    say("loading the generators and the data set")
    from reidaug.reports.samples import draw_grid
    from reidaug.study.folder import Study, look_for_images

    persons, poses = draw_grid(look_for_images(data, Study(study)), request, out)
    json_values = {"out": str(out), "layout": request.layout, "persons": persons, "poses": poses}
    report({"persons": ", ".join(persons), "poses": ", ".join(poses), "out": str(out)}, json, json_values)


@command
def attention(
    *,
    request: AttentionRequest,
    out: Annotated[Path, Option("The PNG to write.", short="-o")] = Path("attention.png"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    json: Json = False,
) -> None:
    """Draw the features of a generator block by block, and the attention of points of the target image.

    Features are the mean of |activations| over channels, each map scaled from its minimum to its maximum. The attention
    map of a point is the softmax of its query, drawn over the condition image and scaled to its maximum. The heading of
    a block gives gamma, the learnt weight of its attention (0: no effect), and how much attention changes the image
    code.

    From the second block on, a map shows positions of an image code that earlier blocks have already moved, so they
    are not exactly positions of the condition image.
    """
    say("loading the generator and the data set")
    from reidaug.reports.attention import draw_attention
    from reidaug.study.folder import Study, look_for_images

    values = {"out": str(out), **draw_attention(look_for_images(data, Study(study)), request, out)}
    report({name: values[name] for name in ("condition", "target", "out")}, json, values)
