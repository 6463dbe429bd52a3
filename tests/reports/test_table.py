"""The mAP table: the paper's layout, both AP conventions, and what a reader must know."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from reidaug.evaluation.results import Result, current_results
from reidaug.reports.formats import FORMATS
from reidaug.reports.grids import detail_grid, rerank_grid, summary_grid
from reidaug.reports.notes import notes
from reidaug.reports.table import make_tables, table_values
from tests.cli.commands import values_of
from tests.factories import make_result


def seeds_of(name: str, portion: float, *values: float) -> list[Result]:
    """Results with the seeds 0, 1, ..."""
    return [make_result(name, portion, value, seed) for seed, value in enumerate(values)]


def written(results: list[Result], format: str) -> str:
    return str(FORMATS[format](make_tables(results, Path())))


# Table VI of the paper (Li et al., TIP 2020): none and PoNA at p = 0.2 and 0.4, and the full set.
PAPER = [
    make_result("pona", 0.2, 0.588, synthetic=80, seen_missing=80, missing=80, protocol="paper"),
    make_result("none", 0.2, 0.423),
    make_result("none", 0.4, 0.589),
    make_result("pona", 0.4, 0.638, synthetic=60, seen_missing=0, missing=60, protocol="strict"),
    make_result("full", 1.0, 0.718),
]


def test_summary_has_the_papers_layout_and_gap() -> None:
    grid = summary_grid(PAPER)
    assert grid.header == ["augmentation", "p = 0.20", "p = 0.40", "p = 1.00"]
    assert grid.lines == [
        ["none", "42.3", "58.9", "71.8"],
        ["pona", "58.8", "63.8", "71.8"],
        ["gap recovered by pona", "56 %", "38 %", ""],  # (58.8 - 42.3) / (71.8 - 42.3), as PoNA's 56 %
    ]
    assert all(word in grid.title for word in ("trapezoid", "paper", "1 seed"))


def test_seeds_give_mean_and_spread_and_cells_of_fewer_say_so() -> None:
    none = seeds_of("none", 0.2, 0.40, 0.42, 0.44)
    grid = summary_grid([*none, make_result("none", 0.4, 0.5), *seeds_of("full", 1.0, 0.7, 0.72)])
    assert grid.lines[0] == ["none", "42.0 ± 2.0", "50.0 (n = 1)", "71.0 ± 1.4 (n = 2)"]
    assert grid.title.endswith("over 3 seeds, or over n")
    assert summary_grid(none).title.endswith("over 3 seeds")


def test_gap_s_deviation_is_propagated_from_those_of_its_three_means() -> None:
    values = {"none": (0.40, 0.44, 0.42), "pona": (0.50, 0.58), "full": (0.70, 0.72)}
    rows = [row for name in values for row in seeds_of(name, 1.0 if name == "full" else 0.4, *values[name])]
    lines = summary_grid(rows).lines
    random = np.random.RandomState(0)
    draws = (np.mean(seeds) + np.std(seeds, ddof=1) * random.randn(100_000) for seeds in values.values())
    none, pona, full = draws
    gap, spread = (float(part) for part in lines[-1][1].removesuffix(" %").split(" ± "))
    assert gap == pytest.approx(100 * (0.54 - 0.42) / (0.71 - 0.42), abs=0.5)
    assert spread == pytest.approx(100 * ((pona - none) / (full - none)).std(), abs=1.0)


def test_people_without_an_image_and_copies_among_the_generated_are_named() -> None:
    rows = [make_result("none", 0.2, 0.4, identities=686), make_result("none", 0.4, 0.5, identities=751)]
    rows.append(make_result("full", 1.0, 0.7, identities=751))
    rows.append(make_result("pona", 0.2, 0.5, synthetic=80, copied=3, missing=80, seen_missing=0, identities=686))
    text = "\n".join(notes(rows))
    assert "p = 0.20: 65 of 751 people have no image left and are in no set but full" in text
    assert "pona, p = 0.20: 3 of 80 synthetic images are copies, for lack of a pose" in text
    assert "p = 0.40: " not in text and "people" not in "\n".join(notes(PAPER))


def test_a_gap_that_may_be_chance_is_named() -> None:
    def said(full: tuple[float, ...]) -> str:
        return "\n".join(notes([*seeds_of("none", 0.4, 0.4, 0.44), *seeds_of("full", 1.0, *full)]))

    # Welch: sqrt(2) x 2.0 points, t(0.975; 2 degrees of freedom) = 4.303
    assert "p = 0.40: full is not above none by more than the spread of seeds (± 12.2)" in said((0.50, 0.54))
    assert all("not above none" not in said(full) for full in ((0.60, 0.64), (0.50,)))


def test_gap_of_one_seed_says_so_where_other_cells_have_several() -> None:
    rows = [*seeds_of("none", 0.4, 0.4, 0.44), make_result("pona", 0.4, 0.6), *seeds_of("full", 1.0, 0.7, 0.74)]
    assert summary_grid(rows).lines[-1][:2] == ["gap recovered by pona", "60 % (n = 1)"]


def test_gap_is_not_given_where_full_is_not_above_none() -> None:
    grid = summary_grid([make_result("none", 0.4, 0.5), make_result("pona", 0.4, 0.6), make_result("full", 1.0, 0.5)])
    assert grid.lines[-1] == ["gap recovered by pona", "-", ""]


def test_detail_prints_both_conventions() -> None:
    grid = detail_grid(PAPER)
    first, second = (dict(zip(grid.header, line, strict=True)) for line in grid.lines[:2])
    assert (first["set"], first["p"], first["mAP trapezoid"], first["mAP plain"]) == ("none", "0.20", "42.3", "43.1")
    assert [line[0] for line in grid.lines] == ["none", "pona", "none", "pona", "full"]
    assert second["seen"] == "80 of 80"


def test_notes_say_what_the_generator_saw_and_that_one_seed_is_no_result() -> None:
    text = "\n".join(notes(PAPER))
    assert "trained on 80 of them: its training saw what it generates (protocol paper)" in text
    assert "trained on none of them (protocol strict)" in text
    assert "one seed" in text
    assert "one seed" not in "\n".join(notes(seeds_of("none", 0.4, 0.5, 0.5)))


def test_unknown_origin_and_unequal_iterations_are_said() -> None:
    rows = [make_result("pona", 0.2, 0.5, synthetic=80), make_result("none", 0.2, 0.4)]
    text = "\n".join(notes(rows))
    assert "does not say what it was trained on" in text and "not equal iterations" in text
    grid = detail_grid(rows)
    assert grid.lines[1][grid.header.index("seen")] == "unknown"


def test_a_set_made_again_replaces_its_old_row() -> None:
    old, new = make_result("none", 0.4, 0.2), make_result("none", 0.4, 0.4, key="another")
    other = make_result("none", 0.4, 0.3, seed=1)
    assert current_results([old, new, other]) == [new, other]


def test_old_images_leave_with_all_their_seeds() -> None:
    old = [make_result("none", 0.4, 0.2, seed, training_fingerprint="a", reduced_fingerprint="a") for seed in (0, 1)]
    old += [make_result("pona", 0.4, 0.3, seed, training_fingerprint="b", reduced_fingerprint="a") for seed in (0, 1)]
    new = [make_result("none", 0.4, 0.4, training_fingerprint="c", reduced_fingerprint="c")]
    elsewhere = [make_result("none", 0.2, 0.1, training_fingerprint="d", reduced_fingerprint="d")]
    elsewhere.append(make_result("full", 1.0, 0.7))
    assert current_results([*elsewhere, *old, *new]) == [*elsewhere, *new]
    assert current_results([*elsewhere, *new, *old]) == [*elsewhere, *old]


def test_latex_holds_the_verdicts_and_no_line_for_each_baseline() -> None:
    text = written(PAPER, "latex")
    assert text.count(r"\begin{table}") == 2 and "one seed: no claim" in text and "rank-1" not in text


def test_tables_of_several_test_sets_name_theirs() -> None:
    rows = [*PAPER, make_result("none", 0.2, 0.3, test_fingerprint="other")]
    assert "test images other" in written(rows, "markdown")
    assert "test images" not in written(PAPER, "markdown")


def test_machines_that_differ_are_named() -> None:
    rows = [make_result("none", 0.4, 0.5, seed, device="cpu", processor="A", threads=seed + 1) for seed in (0, 1)]
    text = "\n".join(notes(rows))
    assert "computed in several ways (A fp32, 1 threads; A fp32, 2 threads)" in text
    assert "seeds vary the training of the baseline only" in text
    assert "several ways" not in "\n".join(notes(rows[:1]))


def test_versions_that_differ_are_named() -> None:
    rows = [make_result("none", 0.4, 0.5, seed, versions={"torch": f"2.{seed}", "reidaug": "1"}) for seed in (0, 1)]
    assert "by several versions (reidaug 1, torch 2.0; reidaug 1, torch 2.1)" in "\n".join(notes(rows))
    assert "several versions" not in "\n".join(notes(rows[:1]))


def test_different_recipes_never_share_a_table() -> None:
    rows = [*PAPER, make_result("full", 1.0, 0.3, recipe="quick", weights="none")]
    text = written(rows, "markdown")
    assert text.count("**mAP in %") == 2


def test_csv_reads_back() -> None:
    text = written(PAPER, "csv")
    read = list(csv.DictReader(io.StringIO(text)))
    assert [float(line["mean_ap_trapezoid"]) for line in read] == [r.mean_ap_trapezoid for r in PAPER]
    treated = make_result("pona", 0.2, 0.5, care={"synthetic_weight": 0.5}, versions={"torch": "2", "reidaug": "1"})
    line = next(csv.DictReader(io.StringIO(written([treated], "csv"))))
    assert json.loads(line["care"]) == {"synthetic_weight": 0.5} and line["versions"] == "reidaug 1, torch 2"


def test_values_for_programs_hold_means_and_gaps(tmp_path: Path) -> None:
    more = (("pona", 0.2, 0.6), ("none", 0.2, 0.4), ("full", 1.0, 0.7))
    rows = [*PAPER, *(make_result(*row, seed=1) for row in more)]
    values = table_values(make_tables(rows, tmp_path))
    assert values["rows"] == [row.values() for row in rows]
    summaries = {(summary["name"], summary["portion"]): summary for summary in values["summary"]}
    pona = summaries["pona", 0.2]
    assert (pona["recipe"], pona["seeds"]) == ("paper", 2) and pona["mean"] == pytest.approx(59.4)
    assert pona["deviation"] == pytest.approx(1.2 / 2**0.5)
    assert pona["gap_recovered"] == pytest.approx((59.4 - 41.15) / (70.9 - 41.15))
    assert pona["gap_recovered_deviation"] > 0
    assert summaries["pona", 0.4]["gap_recovered_deviation"] is None
    assert summaries["none", 0.4]["gap_recovered"] is None
    assert {(pair["name"], pair["reference"]) for pair in values["comparisons"]} == {("pona", "none")}


def test_latex_escapes_and_closes() -> None:
    rows = [make_result("my_gan", 0.4, 0.5), make_result("none", 0.4, 0.4), make_result("full", 1.0, 0.7)]
    text = written(rows, "latex")
    assert r"my\_gan & 50.0 & 70.0 \\" in text and r"\end{table}" in text
    assert "%" not in text.replace(r"\%", "")
    assert "plain:" not in text  # only for the details in the other formats
    text = written([make_result("none", 0.4, 0.4, weights="a&b#_$.pth")], "latex")
    assert r"weights a\&b\#\_\$.pth" in text


@pytest.mark.parametrize("width", [60, 160])
def test_rich_prints_every_number(width: int) -> None:
    console = Console(width=width, record=True, soft_wrap=True)
    console.print(FORMATS["rich"](make_tables(PAPER, Path())))
    assert "58.8" in console.export_text()


def test_re_ranked_scores_have_a_table_of_their_own() -> None:
    more = {"rerank_mean_ap": 0.8, "rerank_mean_ap_trapezoid": 0.79, "rerank_rank1": 0.9, "reranking": {"k1": 20}}
    rows = [make_result("none", 0.4, 0.5), make_result("full", 1.0, 0.7, **more)]
    assert "re-ranking" not in written(PAPER, "markdown")
    text = written(rows, "markdown")
    grid = rerank_grid(rows[1:])
    assert grid.title in text and "k1 = 20, k2 = 6, lambda = 0.3" in grid.title
    assert grid.header[3:] == ["mAP without", "mAP trapezoid", "mAP plain", "rank-1"]
    assert grid.lines == [["full", "1.00", "0", "70.0", "79.0", "80.0", "90.0"]]
    assert f"| {' | '.join(grid.lines[0])} |" in text and text.count("| none | 0.40 | 0 |") == 1
    lines = csv.DictReader(io.StringIO(written(rows, "csv")))
    assert [line["rerank_mean_ap"] for line in lines] == ["", "0.8"]


def test_results_that_are_kept_print_what_the_page_quotes() -> None:
    docs = Path(__file__).parents[2] / "docs"
    page = (docs / "results.md").read_text()
    (kept,) = docs.glob("results-*")
    assert f"table --study docs/{kept.name}`" in page
    values = values_of("table", "--study", str(kept))
    assert len(values["rows"]) == 33 and values["comparisons"]
    for row in values["summary"]:
        assert f"| {row['mean']:.1f} ± {row['deviation']:.1f} |" in page
    for row in values["comparisons"]:
        low, high = row["interval"]
        quoted = f"| {row['gain']:+.1f} | ± {row['spread']:.1f} | {low:+.1f} to {high:+.1f} | {row['verdict']} |"
        assert quoted in page
