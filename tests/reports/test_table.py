"""The mAP table: which results share one, what it says of their setting, and the page that quotes it."""

from pathlib import Path

import pytest

from reidaug.reports.grids import comparison_grid, detail_grid, image_counts, rerank_grid, row_order, summary_grid
from reidaug.reports.table import make_tables, table_values
from tests.cli.commands import values_of
from tests.factories import TABLE_VI, make_result


def test_re_ranked_scores_have_a_table_of_their_own() -> None:
    more = {"rerank_mean_ap": 0.8, "rerank_mean_ap_trapezoid": 0.79, "rerank_rank1": 0.9, "reranking": {"k1": 20}}
    rows = [make_result("none", 0.4, 0.5), make_result("full", 1.0, 0.7, **more)]
    (table,), (plain,) = make_tables(rows, Path()), make_tables(TABLE_VI, Path())
    assert table.grids()[-1] == rerank_grid(rows[1:]) and table.grids(details=False)[1:] == [rerank_grid(rows[1:])]
    assert plain.grids() == [summary_grid(TABLE_VI), comparison_grid(plain.comparisons), detail_grid(TABLE_VI)]


def test_rows_for_programs_count_real_and_generated_images() -> None:
    rows = table_values(make_tables(TABLE_VI, Path()))["rows"]
    names = ("images", "real", "generated", "copies")
    counts = {(row["set"], row["portion"]): tuple(row[name] for name in names) for row in rows}
    assert counts["pona", 0.2] == (100, 20, 80, 0) and counts["none", 0.2] == (100, 100, 0, 0)


def test_tables_of_several_test_sets_name_theirs() -> None:
    rows = [*TABLE_VI, make_result("none", 0.2, 0.3, test_fingerprint="other")]
    assert [table.notes[0] for table in make_tables(rows, Path())] == ["test images t", "test images other"]
    assert not any("test images" in note for table in make_tables(TABLE_VI, Path()) for note in table.notes)


def test_rows_are_in_one_order_whatever_the_order_of_the_results() -> None:
    rows = [*TABLE_VI, make_result("flip", 0.2, 0.43), make_result("none", 0.2, 0.42, seed=1)]
    (table,) = make_tables(rows[::-1], Path())
    order = [("none", 0.2, 0), ("none", 0.2, 1), ("flip", 0.2, 0), ("pona", 0.2, 0), ("none", 0.4, 0), ("pona", 0.4, 0)]
    assert [(row.set, row.portion, row.seed) for row in table.results] == [*order, ("full", 1.0, 0)]
    sets = dict.fromkeys((*(row[:2] for row in order), ("full", 1.0)))
    assert [(row.name, row.portion) for row in table.summaries] == list(sets)
    assert [row.name for row in table.comparisons] == ["flip", "pona", "pona", "pona"]
    assert table == make_tables(rows, Path())[0]


def test_different_recipes_never_share_a_table() -> None:
    rows = [*TABLE_VI, make_result("full", 1.0, 0.3, recipe="quick", weights="none")]
    assert [table.results for table in make_tables(rows, Path())] == [sorted(TABLE_VI, key=row_order), rows[-1:]]


def test_values_for_programs_hold_means_and_gaps(tmp_path: Path) -> None:
    more = (("pona", 0.2, 0.6), ("none", 0.2, 0.4), ("full", 1.0, 0.7))
    rows = [*TABLE_VI, *(make_result(*row, seed=1) for row in more)]
    values = table_values(make_tables(rows, tmp_path))
    assert values["rows"] == [row.values() | image_counts(row) for row in sorted(rows, key=row_order)]
    summaries = {(summary["name"], summary["portion"]): summary for summary in values["summary"]}
    pona = summaries["pona", 0.2]
    assert (pona["recipe"], pona["seeds"]) == ("paper", 2) and pona["mean"] == pytest.approx(59.4)
    assert pona["deviation"] == pytest.approx(1.2 / 2**0.5)
    assert pona["gap_recovered"] == pytest.approx((59.4 - 41.15) / (70.9 - 41.15))
    assert pona["gap_recovered_deviation"] > 0
    assert summaries["pona", 0.4]["gap_recovered_deviation"] is None
    assert summaries["none", 0.4]["gap_recovered"] is None
    assert {(pair["name"], pair["reference"]) for pair in values["comparisons"]} == {("pona", "none")}


def test_results_that_are_kept_print_what_the_page_quotes() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "results.md").read_text()
    (kept,) = docs.glob("results-*")
    assert f"table --study docs/{kept.name}`" in page
    values = values_of("table", "--study", str(kept))
    assert len(values["rows"]) == 94 and values["comparisons"]
    for row in values["summary"]:
        assert f"| {row['mean']:.1f} ± {row['deviation']:.1f} |" in page
    for row in values["comparisons"]:
        low, high = row["interval"]
        quoted = f"| {row['gain']:+.1f} | ± {row['spread']:.1f} | {low:+.1f} to {high:+.1f} | {row['verdict']} |"
        assert quoted in page
