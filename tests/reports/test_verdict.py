"""The verdict in a sentence: what it says for each way in which comparisons can end."""

from pathlib import Path

import pytest

from reidaug.evaluation.query_scores import write_query_scores
from reidaug.evaluation.results import Result
from reidaug.reports.table import make_tables
from reidaug.reports.verdict import Verdict, judge
from tests.factories import TABLE_VI, image_named, make_result, seeds_of


def verdict_on(results: list[Result], queries: Path, people: int = 30) -> Verdict:
    """The verdict on results whose AP is the same for every query."""
    images = [image_named(f"{pid:04d}_c1s1_000001_00.jpg") for pid in range(1, people + 1)]
    for result in results:
        scores = [result.mean_ap_trapezoid] * len(images)
        write_query_scores(queries / f"{result.key}.csv", images, scores, scores)
    (table,) = make_tables(results, queries)
    return judge(table)


NONE, FULL = seeds_of("none", 0.2, 0.30, 0.31), seeds_of("full", 1.0, 0.70, 0.71)
HIGHER, SAME, LOWER = (seeds_of("pona", 0.2, low, low + 0.01) for low in (0.50, 0.301, 0.10))


@pytest.mark.parametrize(
    ("pona", "control", "sentence"),
    [
        (HIGHER, [], "At p = 0.20, pona raises mAP."),
        (LOWER, [], "At p = 0.20, pona lowers mAP."),
        (SAME, [], "At p = 0.20, pona makes no clear difference."),
        (HIGHER, seeds_of("duplicate", 0.2, 0.31, 0.32), "At p = 0.20, pona raises mAP."),
        (
            HIGHER,
            seeds_of("duplicate", 0.2, 0.50, 0.51),
            "At p = 0.20, pona is clearly above the kept images alone, but not clearly different from the best "
            "control, duplicate.",
        ),
        (
            SAME,
            seeds_of("duplicate", 0.2, 0.60, 0.61),
            "At p = 0.20, pona is not clearly different from the kept images alone, but clearly below the best "
            "control, duplicate.",
        ),
    ],
)
def test_what_the_comparisons_say(pona: list[Result], control: list[Result], sentence: str, tmp_path: Path) -> None:
    verdict = verdict_on([*NONE, *pona, *control, *FULL], tmp_path)
    assert verdict.sentence == sentence
    assert len(verdict.figures) == 1 and verdict.figures[0].startswith("pona, p = 0.20: mAP ")
    assert bool(verdict.caveats) == (not control)


def test_the_figures_of_the_sentence(tmp_path: Path) -> None:
    verdict = verdict_on([*NONE, *HIGHER, *seeds_of("duplicate", 0.2, 0.31, 0.32)], tmp_path)
    assert verdict.figures == (
        "pona, p = 0.20: mAP 50.5 %, +20.0 points against the kept images alone (30.5 %; higher), +19.0 points against "
        "the best control, duplicate (31.5 %; higher).",
    )


def test_portions_that_agree_share_a_clause_and_the_best_set_speaks(tmp_path: Path) -> None:
    more = [*seeds_of("none", 0.4, 0.40, 0.41), *seeds_of("pona", 0.4, 0.60, 0.61)]
    worse = seeds_of("patn", 0.2, 0.10, 0.11)
    verdict = verdict_on([*NONE, *HIGHER, *worse, *more], tmp_path)
    assert verdict.sentence == "At p = 0.20 and 0.40, pona raises mAP."
    assert [figures.split(":")[0] for figures in verdict.figures] == [
        "pona, p = 0.20", "patn, p = 0.20", "pona, p = 0.40",
    ]  # fmt: skip
    differing = verdict_on([*NONE, *SAME, *more], tmp_path)
    assert differing.sentence == "At p = 0.20, pona makes no clear difference; at p = 0.40, pona raises mAP."


def test_one_seed_or_few_people_are_no_claim(tmp_path: Path) -> None:
    one = verdict_on([NONE[0], HIGHER[0]], tmp_path)
    assert one.sentence == (
        "At p = 0.20, pona is 20.0 points of mAP above the kept images alone, which is no claim yet (one seed)."
    )
    few = verdict_on([*NONE, *LOWER], tmp_path, people=3)
    assert "20.0 points of mAP below" in few.sentence and "fewer than 20 query identities" in few.sentence


def test_a_generator_that_has_seen_what_it_generates_is_named(tmp_path: Path) -> None:
    verdict = verdict_on(TABLE_VI, tmp_path)
    assert any("pona was trained on 80 of the 80 images that are missing at p = 0.20" in c for c in verdict.caveats)
    assert not any("missing at p = 0.40" in caveat for caveat in verdict.caveats)


def test_nothing_to_compare(tmp_path: Path) -> None:
    for results in ([make_result("full", 1.0)], [*NONE, *FULL], [*NONE, *seeds_of("duplicate", 0.2, 0.31, 0.32)]):
        verdict = verdict_on(results, tmp_path)
        assert "No set with generated images is compared" in verdict.sentence and not verdict.figures
