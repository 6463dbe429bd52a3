"""Commands that show results and train nothing."""

from pathlib import Path
from typing import Annotated

import typer

from reidaug.cli.console import print_json
from reidaug.cli.frame import report, reports_errors, results_of, show_table
from reidaug.cli.options import (
    DEFAULT_STUDY,
    BestOption,
    DebugOption,
    JsonOption,
    QueryOption,
    RankKeyOption,
    RankPortionOption,
    RankSeedOption,
    RankSetOption,
    StudyOption,
    TableFormat,
    WorstOption,
)


@reports_errors
def table(
    study: StudyOption = DEFAULT_STUDY,
    format: Annotated[TableFormat, typer.Option(help="How to write it.")] = "rich",
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Print the mAP table again, from the results of the study."""
    from reidaug.study.folder import Study

    show_table(results_of(study), "json" if json else format, Study(study))


@reports_errors
def plot(
    study: StudyOption = DEFAULT_STUDY,
    out: Annotated[Path, typer.Option(help="The picture; written as PNG and as SVG.")] = Path("map.png"),
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw mAP over the kept portion, from the results of the study; bands are one deviation over seeds."""
    from reidaug.reports.plot import plot_results

    files = plot_results(results_of(study), out)
    report({"files": [str(path) for path in files]}, json)


@reports_errors
def ranks(
    out: Annotated[Path, typer.Option("--out", help="The PNG to write.")] = Path("ranks.png"),
    study: StudyOption = DEFAULT_STUDY,
    set_name: RankSetOption = None,
    of_portion: RankPortionOption = None,  # not `portion` and `seed`, which study.toml may set for other commands
    of_seed: RankSeedOption = None,
    key: RankKeyOption = None,
    query: QueryOption = None,
    worst: WorstOption = None,
    best: BestOption = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Draw what a trained baseline finds: a query in each row, and its first ten gallery images.

    A green frame is the query's person, a red one another; junk and images of the person by the query's own camera are
    left out, as in the score. It takes the features that `reidaug evaluate --save-models` keeps, and trains nothing.
    """
    from reidaug.reports.ranks import RanksRequest, draw_ranks
    from reidaug.study.folder import Study

    request = RanksRequest(set_name, of_portion, of_seed, key, tuple(query or ()), worst, best)
    row, ranked = draw_ranks(Study(study), request, out)
    if json:
        names = ("set", "portion", "seed", "key")
        print_json({"out": str(out), **{name: row[name] for name in names}, "queries": [q.values() for q in ranked]})
    else:
        report({"queries": len(ranked), "out": str(out)}, json)
