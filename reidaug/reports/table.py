"""The mAP table: results with their means, comparisons and notes; `formats` writes it."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from reidaug.evaluation.results import TABLE_FIELDS, Result
from reidaug.reports.grids import Grid, comparison_grid, detail_grid, image_counts, rerank_grid, row_order, summary_grid
from reidaug.reports.notes import notes
from reidaug.reports.statistics import Comparison, Summary, compare, summarise


@dataclass(frozen=True)
class Table:
    """Results that may be compared, with what follows from them."""

    results: list[Result]
    summaries: list[Summary]
    comparisons: list[Comparison]
    notes: list[str]

    def grids(self, details: bool = True) -> list[Grid]:
        """Means, differences, every baseline (if `details`), and re-ranked scores if there are any."""
        grids = [summary_grid(self.results)]
        if self.comparisons:
            grids.append(comparison_grid(self.comparisons))
        if details:
            grids.append(detail_grid(self.results))
        if reranked := [result for result in self.results if result.reranking]:
            grids.append(rerank_grid(reranked))
        return grids

    def with_setting(self, rows: Iterable[Summary | Comparison]) -> list[dict[str, object]]:
        """Rows as plain values, each with the setting that the results of the table have in common."""
        setting = dict(zip(TABLE_FIELDS, self.results[0].table, strict=True))
        return [{**setting, **asdict(row)} for row in rows]


def make_tables(results: Iterable[Result], queries: Path) -> list[Table]:
    """The tables of results, in the order of their first results.

    Args:
        results: one table is made for each group of `group_results`.
        queries: the folder of the scores by query.
    """
    groups = [sorted(group, key=row_order) for group in group_results(results)]
    several = len({group[0].test_fingerprint for group in groups}) > 1
    tables = []
    for group in groups:
        test_images = [f"test images {group[0].test_fingerprint}"] if several else []
        tables.append(Table(group, summarise(group), compare(group, queries), test_images + notes(group)))
    return tables


def group_results(results: Iterable[Result]) -> list[list[Result]]:
    """Results by table: recipe, network, weights, epochs, precision and test images are equal in a table."""
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(result.table, []).append(result)
    return list(groups.values())


def table_values(tables: Sequence[Table]) -> dict[str, list[dict[str, object]]]:
    """The tables for programs: rows; means over seeds; differences with intervals and verdicts."""
    return {
        "rows": [result.values() | image_counts(result) for table in tables for result in table.results],
        "summary": [row for table in tables for row in table.with_setting(table.summaries)],
        "comparisons": [row for table in tables for row in table.with_setting(table.comparisons)],
    }
