"""The command line: all commands, in the order of `reidaug --help`."""

from functools import partial
from typing import Annotated, Any

import typer

from reidaug import __version__
from reidaug.cli.datasets import export, import_, inspect, mannequins, pairs, pose, split
from reidaug.cli.generator import profile, score, train
from reidaug.cli.pictures import attention, grid
from reidaug.cli.report import report
from reidaug.cli.results import plot, ranks, table
from reidaug.cli.start import demo, doctor, fetch
from reidaug.cli.study import adapt, adopt, augment, evaluate, pretrain, shrink, sweep, synthesize
from reidaug.core.machine import keep_freed_memory, spin_less_beside_other_work

PANELS = {
    "Start": (demo, doctor, fetch),
    "The main job": (augment, shrink, adapt, synthesize, adopt, evaluate, sweep, pretrain),
    "Results": (table, plot, ranks, report),
    "Generator": (train, score, grid, attention, profile),
    "Data": (inspect, import_, export, split, mannequins, pairs, pose),
}

app = typer.Typer(
    name="reidaug",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help=(
        "Give a person re-identification training set the images that it lacks, and measure what they are worth.\n\n"
        "The main job is three commands; each continues where an earlier run stopped:\n\n"
        "    reidaug shrink --portion 0.4        # keep 40 %, plan the missing images\n\n"
        "    reidaug synthesize --ckpt pona.pt   # generate the missing images\n\n"
        "    reidaug evaluate                    # train and score a re-ID network\n\n"
        "`reidaug demo` runs all of it on rendered people, with nothing to download.\n\n"
        "`reidaug augment` takes nothing away: it adds generated images to all that a data set has."
    ),
)


def newest(command: Any, name: str) -> str:
    """The name that an option of a command has now."""
    earlier: dict[str, str] = command.earlier
    return earlier.get(name, name)


def show_version(wanted: bool) -> None:
    if wanted:
        print(f"reidaug {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    keep_freed_memory()
    spin_less_beside_other_work()


for panel, commands in PANELS.items():
    for command in commands:
        settings = {"token_normalize_func": partial(newest, command)}
        name = command.__name__.strip("_")  # `import_` is `import`
        app.command(name, rich_help_panel=panel, context_settings=settings)(command)
