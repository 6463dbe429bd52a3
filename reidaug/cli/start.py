"""The first commands: see it work, and what this machine has."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import print_json, progress, say, stdout
from reidaug.cli.frame import command, show_table
from reidaug.cli.options import Json
from reidaug.core.errors import ReidAugError
from reidaug.core.options import Device, Option
from reidaug.core.progress import duration


@command
def demo(
    *,
    out: Annotated[Path, Option("Where the demo writes everything.")] = Path("reidaug-demo"),
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Run the whole job on rendered people with the shipped generator: nothing to download, 4 to 12 minutes on 2 cores.

    Renders a data set, keeps 40 % of it, generates the missing images, trains and scores a re-ID network on the kept,
    the completed and the full set, prints the table, and writes demo.png: condition, target pose, generated and real
    image. Run it again after an interruption and it goes on.
    """
    from reidaug.demo.run import run_demo

    result = run_demo(out, device=device, progress=progress, say=say)
    show_table(result.results, "json" if json else "rich", result.study)
    say(f"picture: {result.picture}   folder: {out}   all of it took {duration(result.seconds)}")
    say(f"what must be beaten too: reidaug evaluate --study {result.study.path} {result.again} --controls all")


@command
def doctor(*, json: Json = False) -> None:
    """Tell what is installed, which devices there are, what is missing and how to fix it."""
    from reidaug.cli.doctor import examine
    from reidaug.cli.render import doctor_table, doctor_values

    checks = examine()
    if json:
        print_json(doctor_values(checks))
    else:
        stdout().print(doctor_table(checks))
    if broken := [check.name for check in checks if not check.ok]:
        raise ReidAugError(f"{', '.join(broken)} must be fixed")
