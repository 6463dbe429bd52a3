"""A tiny Market-1501 root for every test that needs files: random pictures, plausible poses."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tests run side by side, and their networks are tiny

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reid_baseline
from reid_baseline import BACKBONES, RECIPES, build_model
from reidaug.datasets import readable
from reidaug.datasets.keypoints import FILES, write_annotations
from reidaug.datasets.layouts import open_dataset
from reidaug.datasets.market1501 import ROOT_NAME, SPLIT_FOLDERS
from reidaug.study.folder import Study
from reidaug.study.request import ShrinkConfig
from reidaug.study.shrink import shrink
from tests.factories import STANDING, SmallBackbone, names_of, write_fashion, write_picture

TRAIN_IDS, TEST_IDS, IMAGES = range(1, 7), range(101, 105), 6

# What stays unseen in some training images, by place in the sorted list: the plan must cope with each.
HIDDEN = {1: slice(None), 8: [2], 13: [8, 11], 20: slice(None), 27: [5], 30: [11]}


@pytest.fixture(scope="session")
def tiny_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root that `tiny_root` copies; not to be changed."""
    root = tmp_path_factory.mktemp("tiny") / ROOT_NAME
    train = [name for pid in TRAIN_IDS for name in names_of(pid, range(IMAGES))]
    query = [name for pid in TEST_IDS for name in names_of(pid, range(2))]
    gallery = [name for pid in TEST_IDS for name in names_of(pid, range(2, IMAGES))]
    gallery += [f"-1_c1s1_00{i}000_01.jpg" for i in range(3)] + [f"0000_c2s1_00{i}000_01.jpg" for i in range(3)]
    gallery += ["0000_c3s1_009000_01.jpg.jpg"]
    random = np.random.RandomState(0)
    for split, names in (("train", train), ("query", query), ("gallery", gallery)):
        folder = root / SPLIT_FOLDERS[split]
        folder.mkdir(parents=True)
        for name in names:
            write_picture(folder / name, random)
    (root / SPLIT_FOLDERS["gallery"] / "Thumbs.db").write_bytes(b"no image")
    for split, names in (("train", train), ("test", gallery + query)):
        keypoints = (STANDING + random.randint(-6, 7, (len(names), 18, 2))).clip(0, (63, 127)).astype(np.float32)
        keypoints[random.random_sample((len(names), 18)) < 0.02] = np.nan
        for row, joints in HIDDEN.items():
            keypoints[row, joints] = np.nan
        write_annotations(root / FILES[split], names, keypoints)
    return root


@pytest.fixture(autouse=True, scope="session")
def own_marks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What was looked at in tests is not remembered in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(readable, "cache_folder", lambda: tmp_path_factory.getbasetemp() / "cache")
        yield


@pytest.fixture
def tiny_root(tiny_template: Path, tmp_path: Path) -> Path:
    """A whole Market-1501 root of one's own: 6 training persons x 6 images, 3 cameras, 4 other persons for the test."""
    return Path(shutil.copytree(tiny_template, tmp_path / "data" / ROOT_NAME))


@pytest.fixture
def fashion_root(tmp_path: Path) -> Path:
    """A small DeepFashion of one's own, see `write_fashion`."""
    return write_fashion(tmp_path / "fashion_data")


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: no study, data set or weights lie about, and none are named in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "no-weights"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("REIDAUG_STUDY", "REIDAUG_DATA", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def study(own_folder: Path, tiny_root: Path) -> Study:
    """The study of the working folder: p = 0.4 of `tiny_root`."""
    study = Study(own_folder / "study")
    shrink(open_dataset(tiny_root), study, ShrinkConfig(0.4))
    return study


@pytest.fixture
def small_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recipe quick sees 32 x 16 pixels: a processor without bfloat16 instructions is through with it as well."""
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], size=(32, 16)))


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """resnet18 is a network that is trained in no time, also in recipe quick; not so in other processes."""
    monkeypatch.setitem(BACKBONES, "resnet18", replace(BACKBONES["resnet18"], build=SmallBackbone))


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Small batches, and what `train_baseline` is called with: it gives the same untrained network every time."""
    monkeypatch.setitem(RECIPES, "quick", replace(RECIPES["quick"], batch_size=6))
    calls = []
    model = build_model("resnet18", 12).eval()

    def watched(images: Any, labels: Any, recipe: Any, **options: Any) -> Any:
        calls.append({"images": images.clone(), "recipe": recipe, **options})
        return model

    monkeypatch.setattr(reid_baseline, "train_baseline", watched)
    monkeypatch.setattr(reid_baseline, "training_seconds", lambda path: 0.0)
    return calls


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with the published Market-1501 keypoint files; skips where the environment names none."""
    folder = os.environ.get("REIDAUG_TEST_MARKET1501")
    if not folder:
        pytest.skip("REIDAUG_TEST_MARKET1501 names no folder with the published keypoint files")
    return Path(folder)
