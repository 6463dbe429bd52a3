"""reidaug ranks: which queries, in which order, in which frame; error messages."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reid_baseline import best_matches, evaluate_ranking
from reidaug.cli.app import app
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.evaluation.features import SavedFeatures, make_features, save_features
from reidaug.evaluation.results import append_result
from reidaug.reports.tiles import FRAME, GAP, GREEN, GREY, HEADING, MARK, RED, TILE
from reidaug.study.folder import Study
from tests.cli import commands
from tests.cli.commands import picture_of, runner, values_of
from tests.factories import make_result

ranks, error_of = partial(values_of, "ranks"), partial(commands.error_of, "ranks")
pytestmark = pytest.mark.usefixtures("study")
WIDTH, HEIGHT = TILE[1] + 2 * FRAME, TILE[0] + 2 * FRAME


def add_result(study: Study, data: Path, name: str, portion: float, seed: int = 0, saved: bool = True) -> SavedFeatures:
    """A result with features in which persons are loose clusters."""
    opened = open_dataset(data)
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((200, 12))
    sides = [
        centres[[max(image.pid, 0) for image in side]] + 1.5 * rng.standard_normal((len(side), 12))
        for side in (opened.images("query"), opened.images("gallery"))
    ]
    query, gallery = (torch.from_numpy(side / np.linalg.norm(side, axis=1, keepdims=True)) for side in sides)
    fingerprint = opened.fingerprint("query", "gallery")
    features = make_features(query, gallery, opened, fingerprint)
    key = f"{name}-{seed}"
    if saved:
        save_features(study.features_path(key), features)
    more = {"recipe": "quick", "arch": "resnet18", "weights": "none", "epochs": 1, "test_fingerprint": fingerprint}
    append_result(study.results_path, make_result(name, portion, seed=seed, key=key, **more))
    return features


def test_order_and_scores_are_those_of_the_evaluation(study: Study, tiny_root: Path) -> None:
    features = add_result(study, tiny_root, "none", 0.4)
    arguments = features.ranking_arguments()
    ranking = evaluate_ranking(*arguments)
    report = ranks("--worst", "100")
    names = [image.name for image in features.query_images]
    scores = [query["ap_trapezoid"] for query in report["queries"]]
    assert sorted(query["name"] for query in report["queries"]) == sorted(names) and scores == sorted(scores)
    for query in report["queries"]:
        index = names.index(query["name"])
        assert query["ap"] == ranking.average_precision[index]
        assert query["ap_trapezoid"] == ranking.average_precision_trapezoid[index]
        (matches,) = best_matches(*arguments, queries=[index])
        assert [match["name"] for match in query["matches"]] == [
            features.gallery_images[i].name for i in matches.gallery
        ]
        pid, camera = query["name"][:4], query["name"][5:7]
        assert len(query["matches"]) == 10
        for match in query["matches"]:
            assert match["right"] == match["name"].startswith(pid)
            assert not match["name"].startswith(("-1", f"{pid}_{camera}"))


def test_positions_of_frames_and_images(study: Study, tiny_root: Path) -> None:
    add_result(study, tiny_root, "none", 0.4)
    report, picture = picture_of("ranks", "--worst", "3", "--out", "picture.png")
    assert report["out"] == "picture.png" and (report["set"], report["portion"], report["seed"]) == ("none", 0.4, 0)
    assert len({match["right"] for query in report["queries"] for match in query["matches"]}) == 2
    marks: dict[tuple[int, ...], set[bytes]] = {}
    for number, query in enumerate(report["queries"]):
        top = HEADING + number * (HEADING + HEIGHT + GAP) + HEADING
        tiles = [("query", query["name"], GREY)]
        tiles += [("gallery", match["name"], GREEN if match["right"] else RED) for match in query["matches"]]
        for column, (split, name, colour) in enumerate(tiles):
            left = GAP + column * (WIDTH + GAP) + (2 * GAP if column else 0)
            corners = picture[[top, top, top + HEIGHT - 1], [left, left + WIDTH - 1, left + FRAME - 1]]
            assert (corners == colour).all(), (number, column)
            assert (picture[top - 1, left] == 255).all() and (picture[top, left - 1] == 255).all()
            inside = picture[top + FRAME : top + HEIGHT - FRAME, left + FRAME : left + WIDTH - FRAME]
            with Image.open(split_folder(tiny_root, split) / name) as image:
                whole = np.asarray(image.convert("RGB"))
            square = MARK + 1 - FRAME if column else 0
            np.testing.assert_array_equal(inside[square:], whole[square:])
            np.testing.assert_array_equal(inside[:, square:], whole[:, square:])
            if column:
                mark = picture[top : top + MARK + 1, left : left + MARK + 1]
                assert {tuple(pixel) for pixel in mark.reshape(-1, 3).tolist()} == {colour, (255, 255, 255)}
                marks.setdefault(colour, set()).add((mark == 255).all(axis=2).tobytes())
        heading = picture[top - HEADING + 1 : top - 1, : 40 * GAP]
        assert (heading < 128).any()  # some text
    (tick,), (cross,) = marks[GREEN], marks[RED]  # told apart without colours
    assert tick != cross


def test_named_queries_come_first_and_each_once(study: Study, tiny_root: Path) -> None:
    features = add_result(study, tiny_root, "none", 0.4)
    order = [query["name"] for query in ranks("--worst", "100")["queries"]]
    assert [query["name"] for query in ranks()["queries"]] == order[:10]
    assert [query["name"] for query in ranks("--best", "2")["queries"]] == order[-1:-3:-1]
    named = [features.query_images[3].name, order[0]]
    asked = ["--query", named[0], "--query", named[1]]
    assert [query["name"] for query in ranks(*asked)["queries"]] == named
    both = [query["name"] for query in ranks(*asked, "--worst", "2", "--best", "1")["queries"]]
    assert both == list(dict.fromkeys([*named, *order[:2], order[-1]]))


def test_a_query_without_right_image_is_neither_best_nor_worst(study: Study, tiny_root: Path) -> None:
    for path in split_folder(tiny_root, "gallery").glob("0101_*"):
        path.unlink()
    features = add_result(study, tiny_root, "none", 0.4)
    alone = next(image.name for image in features.query_images if image.pid == 101)
    assert not any(query["name"].startswith("0101") for query in ranks("--worst", "50", "--best", "50")["queries"])
    (query,) = ranks("--query", alone)["queries"]
    assert query["ap"] is None and not any(match["right"] for match in query["matches"])


def test_several_results_are_named_and_singled_out(study: Study, tiny_root: Path) -> None:
    for name, portion, seed in (("none", 0.4, 0), ("none", 0.4, 1), ("full", 1.0, 0)):
        add_result(study, tiny_root, name, portion, seed)
    message = error_of()
    assert "3 results fit" in message and "full, p = 1.00, seed 0, quick resnet18 none 1 epoch (key full-0)" in message
    assert "2 results fit --name none" in error_of("--name", "none")
    assert ranks("--name", "none", "--portion", "0.4", "--seed", "1")["key"] == "none-1"
    assert ranks("--portion", "1")["key"] == ranks("--key", "full-0")["key"] == "full-0"
    assert "no result fits --name pona; there are none, p = 0.40, seed 0" in error_of("--name", "pona")
    (study.path / "study.toml").write_text("seed = 7\nportion = 0.4\n")  # of random draws; to work on
    assert ranks("--name", "full")["seed"] == 0
    (study.path / "study.toml").write_text("seed = 7\n[ranks]\nseed = 1\n")
    assert ranks("--name", "none")["key"] == "none-1"


def test_what_cannot_be_drawn_is_one_clear_line(study: Study, tiny_root: Path) -> None:
    assert "no results in study: run `reidaug evaluate` with --save-models" in error_of()
    add_result(study, tiny_root, "full", 1.0, saved=False)
    assert "were not saved: run `reidaug evaluate` with --save-models" in error_of()
    add_result(study, tiny_root, "none", 0.4)
    unknown = error_of("--name", "none", "--query", "nobody.jpg")
    assert "no query 'nobody.jpg' in the data set: expected a file name such as 0101_c" in unknown
    assert "results.jsonl is a file" in error_of("--name", "none", "--out", "study/results.jsonl/ranks.png")
    assert "portion" in error_of("--portion", "abc")
    image = next(split_folder(tiny_root, "query").glob("*.jpg"))
    image.write_bytes(next(split_folder(tiny_root, "train").glob("*.jpg")).read_bytes())
    assert "changed since" in error_of("--name", "none")
    assert not Path("ranks.png").exists()


def test_at_most_a_hundred_rows(study: Study) -> None:
    assert runner.invoke(app, ["ranks", "--worst", "101"]).exit_code == 2
