"""One decoded look at every image: all faulty ones are named, and what was looked at is not looked at again."""

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reidaug.core.errors import ReidAugError
from reidaug.datasets import readable
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.readable import check_readable


@pytest.fixture
def looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that are decoded; nothing is remembered at first."""
    paths: list[Path] = []
    read = readable.read_image

    def seen(path: Path) -> np.ndarray:
        paths.append(path)
        return read(path)

    monkeypatch.setattr(readable, "read_image", seen)
    monkeypatch.setattr(readable, "cache_folder", lambda: tmp_path / "cache")
    return paths


def bomb() -> bytes:
    picture = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(picture, "PNG")
    return picture.getvalue()


FAULTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[: len(content) // 2],
    "random": lambda content: np.random.RandomState(0).bytes(2000),
    "text": lambda content: b"<html>404</html>",
    "bomb": lambda content: bomb(),
}


@pytest.mark.parametrize("split", ["train", "query", "gallery"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_image_of_any_split_is_named(tiny_root: Path, fault: str, split: str) -> None:
    path = sorted(split_folder(tiny_root, split).glob("*.jpg"))[4]
    path.write_bytes(FAULTS[fault](path.read_bytes()))
    named = rf"^an image of .* cannot be read: {re.escape(str(path))} \(.+\): replace or remove"
    for _ in range(2):
        with pytest.raises(ReidAugError, match=named) as caught:
            check_readable(open_dataset(tiny_root))
        assert "\n" not in str(caught.value)
    check_readable(open_dataset(tiny_root), [other for other in ("train", "query", "gallery") if other != split])


def test_the_first_faulty_images_are_named_and_all_are_counted(tiny_root: Path) -> None:
    paths = sorted(split_folder(tiny_root, "train").iterdir())
    for path in paths[2:9]:
        path.write_bytes(b"")
    paths[3].unlink()
    data = open_dataset(tiny_root)
    assert data.has("train")
    paths[5].unlink()  # by another program, now
    with pytest.raises(ReidAugError, match=r"6 images of .* and 3 more: replace") as caught:
        check_readable(data)
    assert [path.name in str(caught.value) for path in paths[2:9]] == [True, False, True, True, False, False, False]


def test_images_are_looked_at_once_wherever_they_are_and_again_where_one_has_changed(
    tiny_root: Path, tmp_path: Path, looked_at: list[Path]
) -> None:
    told: list[tuple[int, int]] = []
    check_readable(open_dataset(tiny_root), advance=lambda done, total, note="": told.append((done, total)))
    total = sum(len(open_dataset(tiny_root).images(split)) for split in ("train", "query", "gallery"))
    assert len(looked_at) == total and told[-1] == (total, total)
    copied = Path(shutil.copytree(tiny_root, tmp_path / "copied"))
    check_readable(open_dataset(tiny_root))
    check_readable(open_dataset(copied))
    assert len(looked_at) == total
    path = sorted(split_folder(copied, "query").iterdir())[0]
    path.write_bytes(bytes(path.stat().st_size))
    shutil.copystat(tiny_root / "query" / path.name, path)  # neither size nor time tells
    with pytest.raises(ReidAugError, match=path.name):
        check_readable(open_dataset(copied))
    assert {other.parent.name for other in looked_at[total:]} == {"query"}


def test_a_cache_that_cannot_be_written_is_no_error(
    tiny_root: Path, tmp_path: Path, looked_at: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setattr(readable, "cache_folder", lambda: tmp_path / "file" / "cache")
    for times in (1, 2):
        check_readable(open_dataset(tiny_root), ("query",))
        assert len(looked_at) == times * len(open_dataset(tiny_root).images("query"))
