"""Which gallery images a trained baseline puts first for chosen, worst or best queries; from saved features."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reidaug.core.errors import ReidAugError
from reidaug.core.files import check_out
from reidaug.datasets.images import read_image
from reidaug.datasets.market1501 import ImageRecord, dataset_fingerprint, split_folder
from reidaug.evaluation.features import SavedFeatures, load_features
from reidaug.evaluation.results import current_results, epochs_of, read_results
from reidaug.reports.tiles import RankedRow, save_ranks
from reidaug.study.folder import Study, chosen_portions, parse_portion

SHOWN = 10  # gallery images for each query
WORST = 10  # queries where the user names none
NAMED = 6  # results that an error lists


@dataclass(frozen=True)
class RanksRequest:
    """What the user asked for; None = any result, and the worst queries."""

    set_name: str | None = None
    portion: str | None = None
    seed: int | None = None
    key: str | None = None
    queries: tuple[str, ...] = ()  # file names
    worst: int | None = None
    best: int | None = None


@dataclass(frozen=True)
class RankedQuery:
    """One query and its first gallery images, junk and the person's own camera left out."""

    image: ImageRecord
    average_precision: float  # plain, fraction; NaN where the gallery holds no right image
    average_precision_trapezoid: float
    matches: tuple[ImageRecord, ...]  # best first
    right: tuple[bool, ...]  # whether each is the query's person

    def values(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "name": self.image.name,
            "ap": self.average_precision,
            "ap_trapezoid": self.average_precision_trapezoid,
            "matches": [
                {"name": each.name, "right": right} for each, right in zip(self.matches, self.right, strict=True)
            ],
        }


def draw_ranks(study: Study, request: RanksRequest, out: Path) -> tuple[dict[str, Any], list[RankedQuery]]:
    """Writes the picture of some queries of one result.

    Args:
        study: where results and features lie.
        request: which result and which queries.
        out: the PNG.

    Returns:
        The result's row, and what is drawn.

    Raises:
        ReidAugError: no result fits or several do, features that were not saved or do not fit, an unknown query.
    """
    check_out(out)
    row = choose_result(read_results(study.results_path), request, study)
    data, features = _features_of(study, row)
    ranked = rank_queries(features, request)
    folders = {split: split_folder(data, split) for split in ("query", "gallery")}
    rows = [
        RankedRow(
            heading=_heading(each, row),
            query=read_image(folders["query"] / each.image.name),
            matches=tuple(read_image(folders["gallery"] / match.name) for match in each.matches),
            right=each.right,
        )
        for each in ranked
    ]
    title = f"{_title(row)}; green: the query's person, red: another; AP in %, trapezoid"
    save_ranks(out, title, rows)
    return row, ranked


def choose_result(rows: Sequence[dict[str, Any]], request: RanksRequest, study: Study) -> dict[str, Any]:
    """The one current result that fits.

    Raises:
        ReidAugError: none does, or several do; the message names those that there are.
    """
    if not rows:
        raise ReidAugError(
            f"no results in {study.path}: run `reidaug evaluate` with --save-models, or name the study with --study"
        )
    wanted = {"set": request.set_name, "portion": _portion(request.portion), "seed": request.seed, "key": request.key}
    given = {name: value for name, value in wanted.items() if value is not None}
    current = current_results(list(rows)) if request.key is None else list(rows)
    fitting = [row for row in current if all(row[name] == value for name, value in given.items())]
    if len(fitting) == 1:
        return fitting[0]
    asked = " ".join(f"--{name} {value}" for name, value in given.items())
    if not fitting:
        raise ReidAugError(f"no result fits {asked}; there are {_list(current)}")
    raise ReidAugError(
        f"{len(fitting)} results fit{' ' + asked if asked else ''}: {_list(fitting)}; choose one with --set, --portion,"
        " --seed or --key"
    )


def _portion(text: str | None) -> float | None:
    if text is None:
        return None
    return 1.0 if text in ("1", "1.0", "1.00") else parse_portion(text)


def _list(rows: Sequence[dict[str, Any]]) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return "; ".join(f"{_title(row)} (key {row['key']})" for row in rows[:NAMED]) + more


def _title(row: dict[str, Any]) -> str:
    setting = [row["recipe"], row["arch"], row["weights"], epochs_of(row)]
    setting += [row["asked_precision"]] if "asked_precision" in row else []
    return f"{row['set']}, p = {row['portion']:.2f}, seed {row['seed']}, {' '.join(setting)}"


def _features_of(study: Study, row: dict[str, Any]) -> tuple[Path, SavedFeatures]:
    """The data set of a result, whose query and gallery images are still the same, and its features."""
    portions = chosen_portions(study, None)
    own = [row["portion"]] if row["portion"] in portions else portions  # the full set has no folder of its own
    if not study.features_path(row["key"]).is_file():
        raise ReidAugError(
            f"the features of {_title(row)} were not saved: run `reidaug evaluate` with --save-models (and with the"
            " same --recipe, --arch, --weights, --epochs, --precision, --seeds)"
        )
    roots = list(dict.fromkeys(study.data_of(portion) for portion in own))
    prints = {root: dataset_fingerprint(root, ("query", "gallery")) for root in roots}
    data = next((root for root in roots if prints[root] == row["test_fingerprint"]), roots[0])
    return data, load_features(study.features_path(row["key"]), prints[data])


def rank_queries(features: SavedFeatures, request: RanksRequest) -> list[RankedQuery]:
    """Finds what stands first for the queries asked for: the named ones, then the worst, then the best; each once.

    Raises:
        ReidAugError: a query that is not in the data set.
    """
    from reid_baseline import best_matches, evaluate_ranking

    arguments = features.ranking_arguments()
    ranking = evaluate_ranking(*arguments)
    chosen = choose_queries(features.query_images, ranking.average_precision_trapezoid, request)
    found = best_matches(*arguments, queries=chosen, count=SHOWN)
    return [
        RankedQuery(
            image=features.query_images[place],
            average_precision=float(ranking.average_precision[place]),
            average_precision_trapezoid=float(ranking.average_precision_trapezoid[place]),
            matches=tuple(features.gallery_images[match] for match in matches.gallery),
            right=tuple(bool(right) for right in matches.right),
        )
        for place, matches in zip(chosen, found, strict=True)
    ]


def choose_queries(images: Sequence[ImageRecord], scores: np.ndarray, request: RanksRequest) -> list[int]:
    """Places of the queries to show; of equal scores the first name comes first.

    Args:
        images: the queries.
        scores: (Q,) their AP; NaN = no right gallery image, neither best nor worst.
        request: names and numbers of queries.
    """
    places = {image.name: place for place, image in enumerate(images)}
    for name in request.queries:
        if name not in places:
            raise ReidAugError(f"no query {name!r} in the data set: expected a file name such as {images[0].name}")
    named = [places[name] for name in request.queries]
    counted = [place for place in np.argsort(scores, kind="stable").tolist() if not np.isnan(scores[place])]
    falling = [place for place in np.argsort(-scores, kind="stable").tolist() if not np.isnan(scores[place])]
    worst = request.worst or (0 if request.queries or request.best else WORST)
    return list(dict.fromkeys([*named, *counted[:worst], *falling[: request.best or 0]]))


def _heading(query: RankedQuery, row: dict[str, Any]) -> str:
    score = query.average_precision_trapezoid
    shown = "no right gallery image" if np.isnan(score) else f"AP {100 * score:.1f}"
    return f"{query.image.name}   {shown}   {row['set']}, seed {row['seed']}"
