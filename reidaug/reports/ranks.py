"""The first gallery images of a trained baseline for named, worst or best queries, from saved features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_out
from reidaug.datasets.dataset import Image, jpg_name
from reidaug.datasets.images import read_image
from reidaug.evaluation.features import SavedFeatures, load_features
from reidaug.evaluation.results import Result, current_results, read_results
from reidaug.reports.request import RanksRequest
from reidaug.reports.tiles import GREEN, GREY, RED, TileRow, frame, save_tiles
from reidaug.study.folder import Study, chosen_portions
from reidaug.study.portions import parse_portion

SHOWN = 10  # gallery images for each query
WORST = 10  # queries if the user names none
LISTED = 6  # results in an error message


@dataclass(frozen=True)
class RankedQuery:
    """One query and its first gallery images, without what its scores ignore."""

    image: Image
    average_precision: float  # plain, fraction; NaN if the gallery holds no right image
    average_precision_trapezoid: float
    matches: tuple[Image, ...]  # best first
    right: tuple[bool, ...]  # whether each match is the query's person

    def values(self) -> dict[str, object]:
        """For ``--json``."""
        matches = zip(self.matches, self.right, strict=True)
        return {
            "name": self.image.name,
            "ap": self.average_precision,
            "ap_trapezoid": self.average_precision_trapezoid,
            "matches": [{"name": match.name, "right": right} for match, right in matches],
        }


def draw_ranks(study: Study, request: RanksRequest, out: Path) -> tuple[Result, list[RankedQuery]]:
    """Writes the picture of some queries of one result.

    Args:
        study: where results and features are.
        request: which result and which queries.
        out: the PNG.

    Returns:
        The result, and what is drawn.

    Raises:
        ReidAugError: no result or several match, features that were not saved or do not fit, an unknown query.
    """
    check_out(out)
    result = choose_result(read_results(study.results_path), request, study)
    ranked = rank_queries(features_of(study, result), request, result.same_camera)
    rows = []
    for query in ranked:
        tiles = [frame(read_image(query.image.path), GREY)]
        for image, right in zip(query.matches, query.right, strict=True):
            tiles.append(frame(read_image(image.path), *((GREEN, "tick") if right else (RED, "cross"))))
        rows.append(TileRow(tiles, _heading(query, result)))
    title = f"{_title(result)}; green with a tick: the query's person, red with a cross: another; AP in %, trapezoid"
    save_tiles(out, rows, title=title, apart=True)
    return result, ranked


def choose_result(results: Sequence[Result], request: RanksRequest, study: Study) -> Result:
    """The one current result that the request describes.

    Raises:
        ReidAugError: none or several match; the message lists them.
    """
    if not results:
        raise ReidAugError(
            f"no results in {study.path}: run `reidaug evaluate` with --save-models, or name the study with --study"
        )
    portion: float | None = None
    if request.portion is not None:
        portion = 1.0 if request.portion in ("1", "1.0", "1.00") else parse_portion(request.portion)
    wanted = {"set": request.set_name, "portion": portion, "seed": request.seed, "key": request.key}
    given = {name: value for name, value in wanted.items() if value is not None}
    current = current_results(results) if request.key is None else list(results)
    fitting = [result for result in current if all(getattr(result, name) == value for name, value in given.items())]
    if len(fitting) == 1:
        return fitting[0]
    asked = " ".join(f"--{'name' if name == 'set' else name} {value}" for name, value in given.items())
    if not fitting:
        raise ReidAugError(f"no result fits {asked}; there are {_list(current)}")
    raise ReidAugError(
        f"{len(fitting)} results fit{' ' + asked if asked else ''}: {_list(fitting)}; choose one with --name, "
        "--portion, --seed or --key"
    )


def _list(results: Sequence[Result]) -> str:
    more = f" and {len(results) - LISTED} more" if len(results) > LISTED else ""
    return "; ".join(f"{_title(result)} (key {result.key})" for result in results[:LISTED]) + more


def _title(result: Result) -> str:
    setting = [result.recipe, result.arch, result.weights, result.length, result.asked_precision or ""]
    setting += ["own camera counts"] if result.same_camera else []
    return f"{result.set}, p = {result.portion:.2f}, seed {result.seed}, {' '.join(setting).strip()}"


def features_of(study: Study, result: Result) -> SavedFeatures:
    """The features of a result, with the data set whose query and gallery images they were computed from."""
    portions = chosen_portions(study, None)
    candidates = [result.portion] if result.portion in portions else portions  # any for the full set: it has no folder
    path = study.features_path(result.key)
    if not path.is_file():
        raise ReidAugError(
            f"the features of {_title(result)} were not saved: run `reidaug evaluate` with --save-models (and with the"
            " same --recipe, --arch, --weights, --epochs, --precision, --seeds)"
        )
    data_sets = list({data.root: data for data in map(study.data_of, candidates)}.values())
    same = (data for data in data_sets if data.fingerprint("query", "gallery") == result.test_fingerprint)
    return load_features(path, next(same, data_sets[0]))


def rank_queries(features: SavedFeatures, request: RanksRequest, same_camera: str | None = None) -> list[RankedQuery]:
    """Ranks the gallery for the requested queries: the named ones, then the worst, then the best, without repetition.

    `same_camera` is that of the result.

    Raises:
        ReidAugError: a query that is not in the data set.
    """
    from reid_baseline import best_matches, evaluate_ranking

    arguments = features.ranking_arguments(same_camera)
    ranking = evaluate_ranking(*arguments)
    chosen = choose_queries(features.query_images, ranking.average_precision_trapezoid, request)
    return [
        RankedQuery(
            image=features.query_images[index],
            average_precision=float(ranking.average_precision[index]),
            average_precision_trapezoid=float(ranking.average_precision_trapezoid[index]),
            matches=tuple(features.gallery_images[match] for match in matches.gallery),
            right=tuple(map(bool, matches.right)),
        )
        for index, matches in zip(chosen, best_matches(*arguments, queries=chosen, count=SHOWN), strict=True)
    ]


def choose_queries(images: Sequence[Image], scores: np.ndarray, request: RanksRequest) -> list[int]:
    """Indices of the queries to show; among equal scores the first name comes first.

    Args:
        images: the queries.
        scores: (Q,) their AP; NaN = no right gallery image, neither best nor worst.
        request: names and numbers of queries.

    Raises:
        ReidAugError: a query that is not in the data set.
    """
    indices = {image.name: index for index, image in enumerate(images)}
    queries = list(map(jpg_name, request.queries))
    for name in queries:
        if name not in indices:
            raise ReidAugError(f"no query {name!r} in the data set: expected a file name such as {images[0].name}")
    named, valid = [indices[name] for name in queries], np.flatnonzero(~np.isnan(scores))
    rising, falling = (valid[np.argsort(sign * scores[valid], kind="stable")].tolist() for sign in (1, -1))
    worst = request.worst or (0 if request.queries or request.best else WORST)
    return list(dict.fromkeys([*named, *rising[:worst], *falling[: request.best or 0]]))


def _heading(query: RankedQuery, result: Result) -> str:
    score = query.average_precision_trapezoid
    shown = "no right gallery image" if np.isnan(score) else f"AP {100 * score:.1f}"
    return f"{query.image.name}   {shown}   {result.set}, seed {result.seed}"
