"""Saved features: what is written is read and scored again; what is foreign, broken or outdated is one line."""

import io
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from reid_baseline import evaluate_ranking, reranked_distances
from reidaug.core.errors import ReidAugError
from reidaug.datasets.dataset import Dataset
from reidaug.datasets.market1501 import market_set
from reidaug.evaluation.features import SavedFeatures, load_features, make_features, save_features
from reidaug.evaluation.results import read_results
from reidaug.study.folder import Study
from tests.evaluation.commands import RERANKED, evaluate, rows_of
from tests.factories import copied_set

NAMES = {
    "query": ["0001_c1s1_000000_00.jpg", "0002_c1s1_000000_00.jpg"],
    "gallery": ["-1_c1s1_000000_00.jpg", "0001_c2s1_000000_00.jpg", "0002_c3s1_000000_00.jpg"],
}


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    return copied_set(tmp_path / "data", **NAMES)


def example(data: Dataset) -> SavedFeatures:
    draw = torch.Generator().manual_seed(0)
    query, gallery = (torch.nn.functional.normalize(torch.randn(n, 8, generator=draw)) for n in (2, 3))
    return make_features(query, gallery, data, data.fingerprint("query", "gallery"))


def test_what_is_written_comes_back(data: Dataset, tmp_path: Path) -> None:
    features, path = example(data), tmp_path / "new" / "key.npz"
    save_features(path, features)
    read = load_features(path, data)
    assert read.query.dtype == np.float16 and read.query.shape == (2, 8)
    np.testing.assert_array_equal(read.query, features.query)
    np.testing.assert_array_equal(read.gallery, features.gallery)
    assert read.query_images == tuple(data.images("query")) and read.gallery_images == tuple(data.images("gallery"))
    _, _, *ids = read.ranking_arguments()
    assert [array.tolist() for array in ids] == [[1, 2], [-1, 1, 2], [1, 1], [1, 2, 3]]
    assert evaluate_ranking(*read.ranking_arguments()).queries == 2


def naive_ap(similarity: np.ndarray, query: str, gallery: list[str], own: set[str]) -> list[float] | None:
    """Plain AP, trapezoid AP, INP and first rank of a query, by walking down the sorted gallery.

    `own` are the gallery's names of the query image itself.
    """
    hits, precisions, before, last = 0, [], 1.0, 0
    halves, rank, first = [], 0, 0
    for _, name in sorted(zip(-similarity, gallery, strict=True), key=lambda pair: pair[0]):
        if name.startswith("-1") or name in own:
            continue
        rank += 1
        right = name.split("_")[0] == query.split("_")[0]
        hits += right
        if right:
            precisions.append(hits / rank)
            halves.append((before + hits / rank) / 2)
            first, last = first or rank, rank
        before = hits / rank
    return [float(np.mean(precisions)), float(np.mean(halves)), hits / last, first] if hits else None


def test_images_of_the_own_camera_count_if_asked_for_but_not_the_query_image_itself(tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    gallery = [f"{pid:04d}_c{camera}s1_{i:06d}_00.jpg" for pid in range(5) for camera in (1, 2) for i in range(4)]
    gallery += ["-1_c1s1_000000_00.jpg", "0001_c1s1_000099_00.jpg"]
    query = ["0001_c1s1_000000_00.jpg", "0002_c1s1_000050_00.jpg", "0003_c2s1_000050_00.jpg", "0009_c1s1_0_00.jpg"]
    data = copied_set(tmp_path / "data", query=query, gallery=gallery)
    for split in ("query", "gallery"):
        for image in data.images(split):
            image.path.write_bytes(random.bytes(50))
    first, renamed = query[0], gallery[-1]  # in the gallery under its own name, and under another
    paths = {split: {image.name: image.path for image in data.images(split)} for split in ("query", "gallery")}
    paths["gallery"][renamed].write_bytes(paths["query"][first].read_bytes())
    names = [sorted(query), sorted(gallery)]
    vectors = [torch.nn.functional.normalize(torch.from_numpy(random.randn(len(side), 8))) for side in names]
    features = make_features(*vectors, data, data.fingerprint("query", "gallery"))
    ranking = evaluate_ranking(*features.ranking_arguments("count"))
    similarity = features.query.astype(np.float64) @ features.gallery.astype(np.float64).T
    expected = [
        naive_ap(scores, name, names[1], {first, renamed} if name == first else set())
        for scores, name in zip(similarity, names[0], strict=True)
    ]
    for row, values in enumerate(expected):
        got = (ranking.average_precision[row], ranking.average_precision_trapezoid[row])
        assert np.isnan(got).all() if values is None else got == pytest.approx(values[:2], abs=1e-6)
    scores = np.array(expected[:3])
    assert [ranking.mean_ap, ranking.mean_ap_trapezoid, ranking.mean_inp] == pytest.approx(scores[:, :3].mean(axis=0))
    assert ranking.rank(1) == pytest.approx((scores[:, 3] == 1).mean())
    assert (ranking.queries, ranking.queries_without_match) == (3, 1)
    assert ranking.mean_ap != evaluate_ranking(*features.ranking_arguments()).mean_ap


def test_equal_features_are_equal_bytes_and_leave_nothing_beside(data: Dataset, tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_features(tmp_path / "kept" / name, example(data))
    assert (tmp_path / "kept/one").read_bytes() == (tmp_path / "kept/other").read_bytes()
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["one", "other"]


@pytest.mark.parametrize("change", ["bytes", "names"])
def test_features_of_changed_images(data: Dataset, tmp_path: Path, change: str) -> None:
    save_features(tmp_path / "key.npz", example(data))
    image = data.images("gallery")[1].path
    if change == "bytes":
        image.write_bytes(b"other")
    else:
        image.rename(image.with_name("0003_c2s1_000000_00.jpg"))
    with pytest.raises(ReidAugError, match=r"other query and gallery images.*changed since"):
        load_features(tmp_path / "key.npz", market_set(data.root))


def test_absent_features(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(ReidAugError, match="--save-models"):
        load_features(tmp_path / "key.npz", data)


@pytest.mark.parametrize("what", ["text", "pickle", "cut", "object", "npy", "foreign", "names", "empty"])
def test_a_file_that_holds_no_features(what: str, data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "key.npz"
    save_features(path, example(data))
    with np.load(path) as content:
        arrays = dict(content)
    if what == "text":
        path.write_text("no features")
    elif what == "pickle":
        path.write_bytes(pickle.dumps(arrays))
    elif what == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    elif what == "object":
        np.savez(path, **(arrays | {"query": np.array([{}, {}], dtype=object)}))
    elif what == "npy":
        with path.open("wb") as file:
            np.save(file, arrays["query"])
    elif what == "foreign":
        np.savez(path, query=arrays["query"])
    elif what == "names":
        np.savez(path, **(arrays | {"gallery_names": arrays["gallery_names"][:2]}))
    else:
        path.write_bytes(b"")
    with pytest.raises(ReidAugError, match="holds no features of reidaug") as error:
        load_features(path, data)
    assert "\n" not in str(error.value)


def zipped(arrays: dict[str, np.ndarray], compression: int = zipfile.ZIP_STORED, **raw: bytes) -> bytes:
    """A file as `save_features` writes it; `raw` are whole members."""
    members = raw
    for name in arrays.keys() - raw.keys():
        content = io.BytesIO()
        np.save(content, arrays[name])
        members[name] = content.getvalue()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name in arrays:
            archive.writestr(f"{name}.npy", members[name])
    return file.getvalue()


def header(shape: str, kind: str = "'<f2'", content: bytes = bytes(32)) -> bytes:
    """A file of numpy that says what it likes of itself."""
    text = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


def test_a_hostile_archive_is_refused_before_memory_is_taken_for_it(data: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "key.npz"
    save_features(path, example(data))
    good = path.read_bytes()
    with np.load(path) as content:
        arrays = dict(content)
    entry = good.index(b"PK\x01\x02")  # of the first member in the list at the end
    wrong = ((10, 99), (8, 1), (6, 99))  # compression, encrypted, version of the archive
    changed = [bytes([*good[: entry + at], value, *good[entry + at + 1 :]]) for at, value in wrong]
    shapes = (
        "(10**9, 8)",
        "(1000000000, 2048)",
        "(2, 10000000000000000000000)",
        "(-1, -16)",
        "(2,)",
        "(2, 0)",
        "('a',)",
    )
    sizes = [zipped(arrays, query=header(shape)) for shape in shapes]
    kinds = [header("()", kind) for kind in ("'|V2147483647'", "'|O'", "'<f4'", "[('a', '<f2')]", "3")]
    kinds.append(header("()", "'<U1'", b"\xff\xff\xff\x7f"))  # no Unicode
    texts = [zipped(arrays, **{name: kind}) for name in ("fingerprint", "format") for kind in kinds]
    bomb = zipped(arrays, zipfile.ZIP_DEFLATED, query=header("(10000000, 8)", content=bytes(160_000_000)))
    for broken in (*changed, *sizes, *texts, bomb, zipped(arrays, query=b"junk"), zipped(arrays, query=b"")):
        path.write_bytes(broken)
        with pytest.raises(ReidAugError, match=r"key\.npz holds no features of reidaug \(.*\): remove it and run"):
            load_features(path, data)
    path.write_bytes(zipped(arrays))
    assert load_features(path, data).query.flags.writeable


def test_features_that_are_not_finite(data: Dataset, tmp_path: Path) -> None:
    features, path = example(data), tmp_path / "key.npz"
    save_features(path, features)
    features.gallery[1, 2] = np.nan
    with pytest.raises(ReidAugError, match="1 of 3 gallery features are not finite"):
        save_features(tmp_path / "other.npz", features)
    assert not (tmp_path / "other.npz").exists()
    with np.load(path) as content:
        arrays = dict(content)
    np.savez(path, **(arrays | {"gallery": features.gallery}))
    with pytest.raises(ReidAugError, match="1 of 3 gallery features are not finite"):
        load_features(path, data)


@pytest.mark.usefixtures("small_quick", "small_network")
def test_kept_features_are_scored_again_without_training_and_to_the_same_number(study: Study) -> None:
    plain = rows_of(evaluate("--save-models"))
    assert not any(field in row for row in plain for field in RERANKED)
    result = evaluate("--rerank")
    assert "2 results got re-ranked scores" in result.stderr and "nothing to train" in result.stderr
    rows = rows_of(result)
    for row, before in zip(rows, plain, strict=True):
        assert {name: row[name] for name in before} == before  # what was there is unchanged
        features = load_features(study.features_path(row["key"]), study.data_of(0.4))
        ranking = evaluate_ranking(*features.ranking_arguments(), distances=reranked_distances)
        assert [row[name] for name in RERANKED] == [ranking.mean_ap, ranking.mean_ap_trapezoid, ranking.rank(1)]
        assert row["reranking"] == {"k1": 20, "k2": 6, "weight": 0.3}
        close = evaluate_ranking(*features.ranking_arguments())
        assert close.mean_ap == pytest.approx(row["mean_ap"], abs=0.02)  # half precision turns few places
    study.results_path.unlink()
    at_once = rows_of(evaluate("--rerank"))
    assert [row[name] for row in at_once for name in RERANKED] == [row[name] for row in rows for name in RERANKED]


@pytest.mark.usefixtures("small_quick", "small_network")
def test_equal_sets_share_features_and_re_ranked_scores(study: Study) -> None:
    none = study.set_root(0.4, "none").parent
    shutil.copytree(none, none.with_name("twin"), symlinks=True)
    evaluate("--save-models")
    rows = rows_of(evaluate("--rerank"))
    assert [row["set"] for row in rows] == ["none", "twin", "full"]
    assert rows[0]["rerank_mean_ap"] == rows[1]["rerank_mean_ap"]
    assert len(read_results(study.results_path)) == 3


@pytest.mark.usefixtures("small_quick", "small_network")
def test_broken_features_are_named(study: Study) -> None:
    row = rows_of(evaluate("--save-models"))[0]
    study.features_path(row["key"]).write_bytes(b"broken")
    result = evaluate("--rerank")
    assert result.exit_code == 1
    assert "holds no features of reidaug (BadZipFile" in result.stderr.splitlines()[-1]
