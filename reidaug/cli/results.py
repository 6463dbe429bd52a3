"""Commands that show results, without training."""

from pathlib import Path
from typing import Annotated

from reidaug.cli.console import say
from reidaug.cli.frame import command, report, results_of, show_table
from reidaug.cli.options import Json
from reidaug.core.options import DEFAULT_STUDY, DataRoot, Option, StudyFolder
from reidaug.reports.formats import FORMATS
from reidaug.reports.request import RanksRequest


@command
def table(
    *,
    study: StudyFolder = DEFAULT_STUDY,
    format: Annotated[str, Option("Format of the table.", choices=FORMATS)] = "rich",
    json: Json = False,
) -> None:
    """Print the mAP table again, from the results of the study."""
    from reidaug.study.folder import Study

    show_table(results_of(study), "json" if json else format, Study(study))


@command
def plot(
    *,
    study: StudyFolder = DEFAULT_STUDY,
    out: Annotated[Path, Option("The picture; written as PNG and as SVG.", short="-o")] = Path("map.png"),
    json: Json = False,
) -> None:
    """Draw mAP over the kept portion, from the results of the study; bars are one standard deviation over seeds."""
    say("loading matplotlib")
    from reidaug.reports.plot import plot_results

    files = plot_results(results_of(study), out)
    report({"files": [str(path) for path in files]}, json)


@command
def ranks(
    *,
    out: Annotated[Path, Option("The PNG to write.", short="-o")] = Path("ranks.png"),
    data: DataRoot = None,
    study: StudyFolder = DEFAULT_STUDY,
    request: RanksRequest,
    json: Json = False,
) -> None:
    """Draw what a trained baseline retrieves: a query in each row, and its first ten gallery images.

    A green frame with a tick is the query's person, a red one with a cross another person; junk images and those of the
    person by the query's camera are left out, as in the scores. Needs the features that `reidaug evaluate
    --save-models` writes.
    """
    say("reading the features")
    from reidaug.reports.ranks import draw_ranks
    from reidaug.study.folder import Study

    result, ranked = draw_ranks(Study(study, data), request, out)
    values = {name: getattr(result, name) for name in ("set", "portion", "seed", "key")}
    json_values = {"out": str(out), **values, "queries": [query.values() for query in ranked]}
    report({"queries": len(ranked), "out": str(out)}, json, json_values)
