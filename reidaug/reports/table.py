"""The mAP table, with everything that a number needs to be trusted; `formats` writes it as people want it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from reidaug.evaluation.results import TABLE_FIELDS, Result
from reidaug.reports.grids import Grid, comparison_grid, detail_grid, rerank_grid, summary_grid
from reidaug.reports.notes import notes
from reidaug.reports.statistics import Comparison, Summary, compare, summarise


@dataclass(frozen=True)
class Table:
    """Results that may be compared, and what is said of them."""

    results: list[Result]
    summaries: list[Summary]
    comparisons: list[Comparison]
    notes: list[str]

    def grids(self, details: bool = True) -> list[Grid]:
        """Means, differences, every baseline (if details are wanted), and re-ranked scores where there are any."""
        grids = [summary_grid(self.results)]
        if self.comparisons:
            grids.append(comparison_grid(self.comparisons))
        if details:
            grids.append(detail_grid(self.results))
        if reranked := [result for result in self.results if result.reranking]:
            grids.append(rerank_grid(reranked))
        return grids

    def of(self) -> dict[str, Any]:
        """What its results have in common."""
        return dict(zip(TABLE_FIELDS, self.results[0].table, strict=True))


def make_tables(results: Iterable[Result], queries: Path) -> list[Table]:
    """The tables of results: those stand in one table that have recipe, network, test images and the like in common.

    Args:
        results: in the order in which their tables come.
        queries: the folder of the scores by query.
    """
    groups = group_results(results)
    tables = []
    for group in groups:
        tested = (
            [f"test images {group[0].test_fingerprint}"] if len({g[0].test_fingerprint for g in groups}) > 1 else []
        )
        tables.append(Table(group, summarise(group), compare(group, queries), tested + notes(group)))
    return tables


def group_results(results: Iterable[Result]) -> list[list[Result]]:
    """Results that may be in one table."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(result.table, []).append(result)
    return list(groups.values())


def table_values(tables: Sequence[Table]) -> dict[str, list[dict[str, Any]]]:
    """The tables for programs: rows; means over seeds; differences with intervals and verdicts.

    Each mean and difference names the table that it is of.
    """
    return {
        "rows": [result.values() for table in tables for result in table.results],
        "summary": [{**table.of(), **asdict(each)} for table in tables for each in table.summaries],
        "comparisons": [{**table.of(), **asdict(each)} for table in tables for each in table.comparisons],
    }
