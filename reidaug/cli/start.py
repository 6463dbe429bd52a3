"""The first commands: a demo, and a check of this machine."""

from pathlib import Path
from typing import Annotated

from rich.console import Group

from reidaug.cli.console import progress, say
from reidaug.cli.frame import command, report, show, show_table
from reidaug.cli.options import Json
from reidaug.core.errors import ReidAugError
from reidaug.core.options import DEFAULT_STUDY, OUTPUT, Device, Option, StudyFolder
from reidaug.core.progress import duration


@command
def demo(
    *,
    out: Annotated[Path, Option("Where the demo writes everything.", short="-o", metavar="FOLDER")] = Path(
        "reidaug-demo"
    ),
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Run the whole job on rendered people with the shipped generator: no downloads, 3 to 7 minutes on 2 cores.

    Renders a data set, keeps 40 % of it, generates the missing images, trains and scores a re-ID network on the kept,
    the completed and the full set, prints the table, and writes demo.png: condition, target pose, generated and real
    image. Run it again after an interruption, and it continues.
    """
    say(f"the demo begins: everything goes to {out}")
    from reidaug.demo.run import run_demo

    result = run_demo(out, device=device, progress=progress, say=say)
    show_table(result.results, "json" if json else "rich", result.study)
    say(f"picture: {result.picture}   folder: {out}   total time: {duration(result.seconds)}")
    say(
        "the generator has seen 800 other people in these places, and no row here has: a network that has seen them too"
    )
    say("does better with the kept images alone (docs/results.md). To compare with it and with other controls:")
    say(f"    reidaug evaluate --study {result.study.path} {result.again} --controls all")


@command
def doctor(
    *,
    study: StudyFolder = DEFAULT_STUDY,
    clean: Annotated[
        bool, Option("Remove what killed runs left in the study, except where a process is at work.", panel=OUTPUT)
    ] = False,
    json: Json = False,
) -> None:
    """Show what is installed, which devices there are, what is missing and how to fix it; and what killed runs left.

    A run that was killed leaves what it had half written in the study. The same command, typed again, removes it and
    goes on; --clean removes it without that. Unfinished trainings stay.
    """
    say("looking at this machine")
    from reidaug.cli.doctor import examine, look_at_left_overs
    from reidaug.cli.render import doctor_table, doctor_values, left_overs_table, left_overs_values

    checks, found = examine(), look_at_left_overs(study, clean)
    shown = Group(doctor_table(checks), left_overs_table(found, study))
    show(shown, {**doctor_values(checks), "left_overs": left_overs_values(found)}, json)
    if broken := [check.name for check in checks if not check.ok]:
        raise ReidAugError(f"{', '.join(broken)} must be fixed")


@command
def fetch(
    *,
    names: Annotated[
        tuple[str, ...],
        Option(
            "Which, as `reidaug doctor` names them; may be repeated. Without it: all.",
            flag="--name",
            short="-n",
            metavar="NAME",
        ),
    ] = (),
    json: Json = False,
) -> None:
    """Fetch the published weights that some commands need, as `reidaug doctor` lists them: about 1 GB in all.

    They go where torchvision, torch-fidelity and transformers look for them, by torch's and Hugging Face's downloaders,
    which check the digests. What is there and whole is left alone.
    """
    say("looking for weights")
    from reidaug.cli.weights import fetch_files

    files = [{"name": file.name, "state": there.state, "place": there.place} for file, there in fetch_files(names, say)]
    report({file["name"]: f"{file['state']}, {file['place']}" for file in files}, json, {"files": files})
