"""The grids of the mAP table: the paper's layout, spreads, gaps, both AP conventions."""

from reidaug.reports.grids import comparison_grid, detail_grid, rerank_grid, seen_text, set_order, summary_grid
from reidaug.reports.notes import notes
from reidaug.reports.statistics import Comparison
from tests.factories import TABLE_VI, make_result, seeds_of


def test_summary_has_the_papers_layout_and_gap() -> None:
    grid = summary_grid(TABLE_VI)
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


def test_a_gap_with_its_deviation() -> None:
    rows = [*seeds_of("none", 0.4, 0.38, 0.46), *seeds_of("pona", 0.4, 0.5, 0.58), *seeds_of("full", 1.0, 0.7, 0.72)]
    # (32 + 0.586² x 32 + 0.414² x 2)^0.5 / 29
    assert summary_grid(rows).lines[-1][:2] == ["gap recovered by pona", "41 ± 23 %"]


def test_gap_of_one_seed_says_so_where_other_cells_have_several() -> None:
    rows = [*seeds_of("none", 0.4, 0.4, 0.44), make_result("pona", 0.4, 0.6), *seeds_of("full", 1.0, 0.7, 0.74)]
    assert summary_grid(rows).lines[-1][:2] == ["gap recovered by pona", "60 % (n = 1)"]


def test_a_row_of_no_gap_is_left_out_and_a_note_says_why() -> None:
    rows = [make_result("none", 0.4, 0.5), make_result("pona", 0.4, 0.6), make_result("full", 1.0, 0.5)]
    assert [line[0] for line in summary_grid(rows).lines] == ["none", "pona"]
    assert (
        "no gap recovered by pona: full is not above none at these portions, or by less than it can be told"
        in notes(rows)
    )
    rows += [make_result("none", 0.2, 0.3), make_result("pona", 0.2, 0.4)]
    assert summary_grid(rows).lines[-1] == ["gap recovered by pona", "50 %", "-", ""]
    assert not any("no gap" in note for note in notes(rows))
    assert "no gap recovered by pona: none is not in this table" in notes(rows[1:3])


def test_detail_prints_both_conventions() -> None:
    grid = detail_grid(TABLE_VI)
    first, second = (dict(zip(grid.header, line, strict=True)) for line in grid.lines[:2])
    assert (first["set"], first["p"], first["mAP trapezoid"], first["mAP plain"]) == ("none", "0.20", "42.3", "43.1")
    assert [line[0] for line in grid.lines] == ["none", "pona", "none", "pona", "full"]
    assert second["seen"] == "80 of 80"


def test_a_baseline_has_its_real_and_generated_images_and_copies() -> None:
    results = [
        make_result("none", 0.4, images=40),
        make_result("pona", 0.4, images=1000, synthetic=960, missing=960, copied=4),
        make_result("duplicate for more", 0.4, images=90, synthetic=50),
        make_result("more", 0.4, images=90, synthetic=50, missing=60),
        make_result("full", 1.0, images=100),
    ]
    grid = detail_grid(results)
    assert grid.header[3:6] == ["real", "generated", "copies"]
    counts = {line[0]: line[3:6] for line in grid.lines}
    assert counts == {
        "none": ["40", "0", "0"],
        "pona": ["40", "956", "4"],
        "duplicate for more": ["40", "0", "50"],
        "more": ["40", "50", "0"],
        "full": ["100", "0", "0"],
    }


def test_re_ranked_scores_stand_beside_those_without() -> None:
    more = {"rerank_mean_ap": 0.8, "rerank_mean_ap_trapezoid": 0.79, "rerank_rank1": 0.9, "reranking": {"k1": 20}}
    grid = rerank_grid([make_result("full", 1.0, 0.7, **more)])
    assert "k1 = 20, k2 = 6, lambda = 0.3" in grid.title
    assert grid.header[3:] == ["mAP without", "mAP trapezoid", "mAP plain", "rank-1"]
    assert grid.lines == [["full", "1.00", "0", "70.0", "79.0", "80.0", "90.0"]]


def test_a_difference_has_its_sign_and_a_dash_for_what_is_unknown() -> None:
    known = Comparison("pona", 0.4, "none", 5.04, 1.25, (-0.5, 10.0), "within both")
    unknown = Comparison("flip", 0.4, "none", -2.0, None, None, "one seed")
    grid = comparison_grid([known, unknown])
    assert grid.lines == [
        ["pona", "0.40", "none", "+5.0", "± 1.2", "-0.5 to +10.0", "within both"],
        ["flip", "0.40", "none", "-2.0", "-", "-", "one seed"],
    ]


def test_controls_stand_between_none_and_the_generated_sets() -> None:
    names = ["full", "b", "none-matched", "a (weight 0.5)", "none", "flip (weight 0.5)"]
    wanted = ["none", "flip (weight 0.5)", "none-matched", "a (weight 0.5)", "b", "full"]
    assert sorted(names, key=set_order) == wanted


def test_what_the_generator_of_a_set_saw() -> None:
    generated = {"synthetic": 80, "missing": 80}
    cases = (
        ("none", {}, "-"),
        ("flip", {"synthetic": 80}, "-"),
        ("pona", {"synthetic": 80}, "unknown"),
        ("pona", generated, "unknown"),
        ("pona", {**generated, "seen_missing": 3}, "3 of 80"),
    )
    for name, more, text in cases:
        assert seen_text(make_result(name, 0.2, 0.5, **more)) == text
