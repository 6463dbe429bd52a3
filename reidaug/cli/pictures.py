"""Commands that draw what a generator paints, and what goes on inside it."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from reidaug.cli.console import print_json
from reidaug.cli.frame import report, reports_errors
from reidaug.cli.options import (
    DEFAULT_STUDY,
    CheckpointOption,
    DataOption,
    DebugOption,
    DeviceOption,
    JsonOption,
    SeedOption,
    StudyOption,
)


@reports_errors
def grid(
    ckpt: Annotated[
        list[Path], typer.Option("--ckpt", help="A generator, or `shipped`; give it several times to compare several.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The PNG to write.")] = Path("grid.png"),
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    layout: Annotated[
        Literal["poses", "persons", "pairs"],
        typer.Option(
            "--layout",
            help="poses: one person in many poses. persons: many persons in one pose. pairs: condition and target of "
            "one person, beside the real image.",
        ),
    ] = "poses",
    person: Annotated[
        list[str] | None, typer.Option("--person", help="File name of a condition image; may be repeated.")
    ] = None,
    pose: Annotated[
        list[str] | None,
        typer.Option("--pose", help="File name of an image whose pose is the target; may be repeated."),
    ] = None,
    count: Annotated[
        int, typer.Option(min=1, max=100, help="At most so many poses, persons or pairs where none is named.")
    ] = 8,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what generators paint: one person in many poses, many persons in one pose, or pairs with the real image.

    People and poses that are not named are drawn among the test people, whom `reidaug train` never shows (where a data
    set has none, among all); only images with both shoulders and both hips are used. --json prints the names, so that a
    picture can be made again. --data may be a DeepFashion folder too.
    """
    from reidaug.reports.samples import GridRequest, draw_grid
    from reidaug.study.folder import Study, look_for_images
    from reidaug.synthesis.painter import checkpoint_file

    checkpoints = tuple(dict.fromkeys(map(checkpoint_file, ckpt)))
    request = GridRequest(checkpoints, layout, tuple(person or ()), tuple(pose or ()), count, seed, device)
    persons, poses = draw_grid(look_for_images(data, Study(study)), request, out)
    if json:
        print_json({"out": str(out), "layout": layout, "persons": persons, "poses": poses})
    else:
        report({"persons": ", ".join(persons), "poses": ", ".join(poses), "out": str(out)}, json)


@reports_errors
def attention(
    ckpt: CheckpointOption,
    out: Annotated[Path, typer.Option("--out", help="The PNG to write.")] = Path("attention.png"),
    data: DataOption = None,
    study: StudyOption = DEFAULT_STUDY,
    condition: Annotated[
        str | None, typer.Option("--condition", help="File name of the condition image. Without it: drawn.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="File name of an image whose pose is the target. Without it: drawn.")
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(
            "--point",
            help="X,Y in pixels of the target image; may be repeated. Without it: nose, a wrist, a hip and an ankle.",
        ),
    ] = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what goes on inside a generator: its features block by block, and where points of the target look.

    Features are the mean of |activations| over channels, each map from its least to its greatest. The map of a point is
    the softmax of its query, laid over the condition image, its greatest value at full strength; beside it stand gamma,
    the learnt weight of a block's attention (at 0 it does nothing), and by how much it changes the image code.

    From the second block on a map shows places of the image code that the blocks before have already moved, and these
    are not purely places of the condition image.
    """
    from reidaug.reports.attention import AttentionRequest, draw_attention
    from reidaug.study.folder import Study, look_for_images
    from reidaug.synthesis.painter import checkpoint_file

    request = AttentionRequest(checkpoint_file(ckpt), condition, target, tuple(point or ()), seed, device)
    found = draw_attention(look_for_images(data, Study(study)), request, out)
    if json:
        print_json({"out": str(out), **found})
    else:
        report({"condition": found["condition"], "target": found["target"], "out": str(out)}, json)
