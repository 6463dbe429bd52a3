"""evaluate --rerank and --save-models: what is saved is used, and nothing is trained without need."""

import json
import shutil

import pytest
from typer.testing import CliRunner, Result

from reid_baseline import evaluate_ranking, reranked_distances
from reidaug.cli.app import app
from reidaug.evaluation.features import load_features
from reidaug.evaluation.results import read_results
from reidaug.study.folder import Study

SMALL = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu"]
FIELDS = ("rerank_mean_ap", "rerank_mean_ap_trapezoid", "rerank_rank1")
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def evaluate(*arguments: str) -> Result:
    result = runner.invoke(app, ["evaluate", *SMALL, "--json", *arguments])
    assert result.exit_code == 0, result.output
    return result


def rows_of(result: Result) -> list[dict]:
    return json.loads(result.stdout)["rows"]


def test_kept_features_are_scored_again_without_training_and_to_the_same_number(study: Study) -> None:
    plain = rows_of(evaluate("--save-models"))
    assert not any(field in row for row in plain for field in FIELDS)
    result = evaluate("--rerank")
    assert "2 results got re-ranked scores" in result.stderr and "nothing to train" in result.stderr
    rows = rows_of(result)
    for row, before in zip(rows, plain, strict=True):
        assert {name: row[name] for name in before} == before  # what was there is unchanged
        features = load_features(study.features_path(row["key"]), study.data_of(0.4))
        ranking = evaluate_ranking(*features.ranking_arguments(), distances=reranked_distances)
        assert [row[name] for name in FIELDS] == [ranking.mean_ap, ranking.mean_ap_trapezoid, ranking.rank(1)]
        assert row["reranking"] == {"k1": 20, "k2": 6, "weight": 0.3}
        close = evaluate_ranking(*features.ranking_arguments())
        assert close.mean_ap == pytest.approx(row["mean_ap"], abs=0.02)  # half precision turns few places
    study.results_path.unlink()
    at_once = rows_of(evaluate("--rerank"))
    assert [row[name] for row in at_once for name in FIELDS] == [row[name] for row in rows for name in FIELDS]


def test_without_features_it_is_trained_again_and_said(study: Study) -> None:
    first = rows_of(evaluate())
    result = evaluate("--rerank")
    assert "2 results are trained again: their networks or features are needed and were not kept" in result.stderr
    assert "2 of 2 baselines" in result.stderr
    rows = rows_of(result)
    assert [row["mean_ap"] for row in rows] == [row["mean_ap"] for row in first]
    assert all(field in row for row in rows for field in FIELDS)
    assert not (study.path / "features").exists()
    assert "nothing to train" in evaluate("--rerank").stderr
    kept = rows_of(evaluate("--save-models"))  # trained once more, for the features
    assert [row[name] for row in kept for name in FIELDS] == [row[name] for row in rows for name in FIELDS]
    assert len(list((study.path / "features").iterdir())) == 2


def test_equal_sets_share_features_and_re_ranked_scores(study: Study) -> None:
    none = study.set_root(0.4, "none").parent
    shutil.copytree(none, none.with_name("twin"), symlinks=True)
    evaluate("--save-models")
    rows = rows_of(evaluate("--rerank"))
    assert [row["set"] for row in rows] == ["none", "twin", "full"]
    assert rows[0]["rerank_mean_ap"] == rows[1]["rerank_mean_ap"]
    assert len(read_results(study.results_path)) == 3


def test_the_table_shows_both(study: Study) -> None:
    evaluate("--save-models", "--rerank")
    table = runner.invoke(app, ["table", "--format", "markdown"]).stdout
    assert "with k-reciprocal re-ranking" in table and "k1 = 20, k2 = 6, lambda = 0.3" in table


def test_broken_features_are_named(study: Study) -> None:
    row = rows_of(evaluate("--save-models"))[0]
    study.features_path(row["key"]).write_bytes(b"broken")
    result = runner.invoke(app, ["evaluate", *SMALL, "--rerank"])
    assert result.exit_code == 1
    assert "holds no features of reidaug: remove it" in result.stderr.splitlines()[-1]
