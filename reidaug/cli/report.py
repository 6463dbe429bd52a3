"""The command that writes the report of a study."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import say
from reidaug.cli.frame import command
from reidaug.cli.frame import report as print_values
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, Argument, DataRoot, Option, StudyFolder
from reidaug.reports.request import ReportRequest


@command
def report(
    *,
    folder: Annotated[Path | None, Argument("The study folder, in place of --study.")] = None,
    out: Annotated[Path, Option("The HTML file to write.", short="-o")] = Path("report.html"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    request: ReportRequest,
    json: Json = False,
) -> None:
    """Write the report of a study: one HTML file that opens anywhere, without a server or a network.

    It holds the verdict in a sentence, the table, generated images beside the real ones, ranked lists of two sets, mAP
    over the kept portion, the training of the generator, and the settings behind all of it. What the study lacks is
    said, with the command that makes it.
    """
    say(f"reading {folder or study}")
    from reidaug.reports.html import write_report
    from reidaug.study.folder import Study

    written = write_report(Study(folder or study, data), request, out)
    missing = [{"section": section, **vars(lack)} for section, lacks in written.missing.items() for lack in lacks]
    values = {
        "out": str(out),
        "bytes": out.stat().st_size,
        "images": sum(len(examples.shown) for examples in written.examples),
        "queries": len(written.lists.queries) if written.lists else 0,
    }
    print_values({**values, **({"missing": len(missing)} if missing else {})}, json, {**values, "missing": missing})
