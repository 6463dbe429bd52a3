"""A data set as the program sees it: scanned and hashed once."""

from pathlib import Path

import pytest

from reidaug.core import fingerprint
from reidaug.core.errors import ReidAugError
from reidaug.datasets import dataset
from reidaug.datasets.dataset import Dataset, images_fingerprint
from reidaug.datasets.layouts import open_dataset
from tests.factories import image_named


def test_fingerprint_follows_names_and_bytes_alone(tiny_root: Path, tmp_path: Path) -> None:
    before = open_dataset(tiny_root)
    train, whole = before.split_fingerprint("train"), before.fingerprint("train", "query", "gallery")
    assert len({train, whole, before.fingerprint("train"), before.fingerprint("query", "gallery")}) == 4
    moved = open_dataset(tiny_root.rename(tmp_path / "moved"))
    assert moved.fingerprint("train", "query", "gallery") == whole
    first, second, *_ = moved.images("train")
    assert images_fingerprint(moved.images("train")[1:]) != train
    first.path.write_bytes(second.path.read_bytes())
    changed = open_dataset(moved.root)
    assert changed.split_fingerprint("train") != train and changed.fingerprint("query") == moved.fingerprint("query")


def test_it_is_scanned_and_hashed_once(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, calls = open_dataset(tiny_root), []
    real = dataset.images_fingerprint
    monkeypatch.setattr(dataset, "images_fingerprint", lambda images: calls.append(len(images)) or real(images))
    for _ in range(2):
        assert data.images("train") is data.images("train")
        assert data.fingerprint("train", "query") != data.split_fingerprint("train")
    assert calls == [36, 8]
    assert len(data.fingerprint("train")) == fingerprint.DIGITS


def test_junk_and_distractors_are_nobody() -> None:
    names = ["-1_c1s1_000000_00.jpg", "0000_c1s1_000000_00.jpg", "0001_c1s1_000000_00.jpg"]
    assert [image_named(name).shows_known_person for name in names] == [False, False, True]


def test_a_split_that_is_not_there(tiny_root: Path) -> None:
    data = open_dataset(tiny_root)
    (tiny_root / "query").rename(tiny_root / "elsewhere")
    assert data.has("train") and not data.has("query")
    with pytest.raises(ReidAugError, match=f"{tiny_root / 'query'}: no such folder"):
        data.images("query")
    assert Dataset(tiny_root, data.layout).look_at("query")[0] == []
