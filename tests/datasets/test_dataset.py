"""A data set as the program sees it: scanned and hashed once."""

from pathlib import Path

import pytest

from reidaug.core import fingerprint
from reidaug.core.errors import ReidAugError
from reidaug.datasets import dataset
from reidaug.datasets.dataset import Dataset, images_fingerprint
from reidaug.datasets.inspection import inspect_dataset
from reidaug.datasets.layouts import open_dataset
from reidaug.study.folder import Study
from tests.cli.commands import error_of
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
    real = dataset.file_digests
    monkeypatch.setattr(dataset, "file_digests", lambda files: calls.append(len(files)) or real(files))
    for _ in range(2):
        assert data.images("train") is data.images("train")
        assert data.fingerprint("train", "query") != data.split_fingerprint("train")
    assert calls == [36, 8]
    assert len(data.fingerprint("train")) == fingerprint.DIGITS


def test_junk_and_distractors_are_nobody() -> None:
    names = ["-1_c1s1_000000_00.jpg", "0000_c1s1_000000_00.jpg", "0001_c1s1_000000_00.jpg"]
    assert [image_named(name).shows_known_person for name in names] == [False, False, True]


@pytest.mark.parametrize("person", ["0000", "-1", "-001"])
@pytest.mark.parametrize("split", ["train", "query"])
def test_nobody_is_refused_but_in_the_gallery_by_every_command(
    study: Study, tiny_root: Path, person: str, split: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in MSMT17, whose persons are numbered from 0."""
    monkeypatch.setenv("REIDAUG_DATA", str(tiny_root))
    image = open_dataset(tiny_root).images(split)[0]
    image.path.rename(image.path.with_name(f"{person}_c1s1_000451_03.jpg"))
    what = "a distractor (person 0)" if person == "0000" else "junk (person -1)"
    expected = f"{person}_c1s1_000451_03.jpg: {what} belongs in the gallery: number people from 1"
    small = ["--recipe", "quick", "--epochs", "1", "--device", "cpu", "--seeds", "1"]
    commands = [["shrink", "--portion", "0.5"], ["evaluate", *small], ["sweep", "--portions", "0.5", *small]]
    commands += [["grid", "--ckpt", "shipped"], ["score", "--ckpt", "shipped"]]
    file = "train" if split == "train" else "test"
    commands.append(["pose", str(tiny_root), "--split", file, "--read", f"{tiny_root}/x.csv", "--out", "x.csv"])
    if split == "train":
        commands += [
            ["train", "--preset", "mini", "--out", "x.pt"],
            ["pairs", str(tiny_root), "--split", "train", "--out", "x.csv"],
        ]
        commands += [["synthesize", "--ckpt", "shipped"]]
    for command in commands:
        assert expected in error_of(*command), command
    problems = [problem for problem in inspect_dataset(tiny_root).errors if problem.kind == "out-of-place"]
    assert len(problems) == 1 and problems[0].message in expected + ", or remove it"


def test_a_split_that_is_not_there(tiny_root: Path) -> None:
    data = open_dataset(tiny_root)
    (tiny_root / "query").rename(tiny_root / "elsewhere")
    assert data.has("train") and not data.has("query")
    with pytest.raises(ReidAugError, match=f"{tiny_root / 'query'}: no such folder"):
        data.images("query")
    assert Dataset(tiny_root, data.layout).look_at("query")[0] == []
