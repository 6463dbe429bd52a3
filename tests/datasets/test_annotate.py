"""Pose estimation: pixels come back through crop and heatmaps, a run goes on after a kill, broken input is named."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from reidaug.cli.app import app
from reidaug.core.errors import ReidAugError
from reidaug.core.files import locked
from reidaug.datasets.annotate import find_images
from reidaug.datasets.keypoints import read_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.datasets.pose_files import from_coco
from reidaug.datasets.vitpose import PoseEstimator

pytest.importorskip("transformers")
runner = CliRunner()


def save_model(folder: Path, experts: int = 1, labels: int = 17, seed: int = 0) -> Path:
    """A ViTPose with random weights that answers something other than noise around 0."""
    import torch
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor

    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_ratio": 2, "part_features": 4}
    backbone = VitPoseBackboneConfig(out_indices=[1], num_experts=experts, **sizes)
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=labels))
    model.save_pretrained(folder)
    VitPoseImageProcessor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("vitpose"))


@pytest.fixture(scope="module")
def estimator(model: Path) -> PoseEstimator:
    return PoseEstimator.load(model, "cpu")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch, estimator: PoseEstimator) -> Iterator[list[int]]:
    """Loads the tiny model from memory and notes how many images each call is given."""
    counts: list[int] = []
    original = PoseEstimator.__call__

    def counted(self: PoseEstimator, images: Any, *settings: Any) -> np.ndarray:
        counts.append(len(images))
        return original(self, images, *settings)

    monkeypatch.setattr(PoseEstimator, "__call__", counted)
    monkeypatch.setattr(PoseEstimator, "load", lambda *_: estimator)
    yield counts


def run(*arguments: object) -> dict[str, Any]:
    result = runner.invoke(app, ["pose", *map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def error_of(*arguments: object) -> str:
    result = runner.invoke(app, ["pose", *map(str, arguments)])
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert result.exit_code == 1 and len(errors) == 1, result.output
    assert errors[0] == result.stderr.splitlines()[-1] and "Traceback" not in result.output
    return errors[0]


class BrightnessNetwork:
    """In the place of the network: every heatmap is the brightness of what the network is shown."""

    config = SimpleNamespace(backbone_config=SimpleNamespace(num_experts=1))

    def __call__(self, pixel_values: Any) -> SimpleNamespace:
        import torch

        grey = pixel_values.mean(dim=1, keepdim=True)
        grey = (grey - grey.amin()) / (grey.amax() - grey.amin())
        # Corner pixels lie on corner cells, as in the training of ViTPose (UDP, Huang et al., CVPR 2020).
        cells = torch.nn.functional.interpolate(grey, (64, 48), mode="bilinear", align_corners=True)
        return SimpleNamespace(heatmaps=cells.repeat(1, 17, 1, 1))


@pytest.mark.parametrize("size", [(128, 64), (256, 176), (100, 100)])
def test_a_bright_spot_is_found_where_it_is(size: tuple[int, int], estimator: PoseEstimator) -> None:
    """Independent of every formula: the spot goes through box, crop, normalisation and back."""
    height, width = size
    positions = [(0.5, 0.5), (0.1, 0.2), (0.9, 0.85), (0.3, 0.95), (0.75, 0.06)]
    spots = np.array([[round(x * width), round(y * height)] for x, y in positions])
    ys, xs = np.mgrid[:height, :width]
    sigma = 0.03 * max(size)
    images = np.stack([np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)) for x, y in spots])
    images = np.repeat((images * 255).astype(np.uint8)[..., None], 3, axis=3)
    joints = PoseEstimator(BrightnessNetwork(), estimator.processor, "cpu")(images)
    assert joints.shape == (5, 18, 2) and joints.dtype == np.float32
    assert np.abs(joints - spots[:, None]).max() < 0.6


def test_mapping_by_hand() -> None:
    coco = np.arange(17, dtype=np.float32)[:, None] * [1, 10]
    joints = from_coco(coco)
    assert joints[:, 0].tolist() == [0, 5.5, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    np.testing.assert_array_equal(joints[:, 1], joints[:, 0] * 10)
    for shoulder, joint in ((5, 5), (6, 2)):
        hidden = coco.copy()
        hidden[shoulder] = np.nan
        assert np.flatnonzero(np.isnan(from_coco(hidden)).all(axis=1)).tolist() == sorted([1, joint])


def test_threshold_and_border(estimator: PoseEstimator) -> None:
    images = np.random.RandomState(0).randint(0, 256, (6, 128, 64, 3)).astype(np.uint8)
    every, none = estimator(images, threshold=-1e9), estimator(images, threshold=1e9)
    assert np.isnan(none).all()
    shown = every[np.isfinite(every)].reshape(-1, 2)
    assert len(shown) and (shown >= 0).all() and (shown <= (63, 127)).all()
    assert estimator(images[:0]).shape == (0, 18, 2)


def test_batch_size_changes_nothing(estimator: PoseEstimator) -> None:
    random = np.random.RandomState(1)
    images = [random.randint(0, 256, (*size, 3)).astype(np.uint8) for size in [(128, 64), (90, 70), (64, 128)] * 3]
    together = estimator(images, -1e9)
    for batch_size in (1, 4):
        np.testing.assert_allclose(estimator(images, -1e9, batch_size), together, atol=0.02)


def test_mixture_of_experts(tmp_path: Path) -> None:
    images = np.random.RandomState(0).randint(0, 256, (2, 128, 64, 3)).astype(np.uint8)
    assert PoseEstimator.load(save_model(tmp_path, experts=3), "cpu")(images).shape == (2, 18, 2)


def test_weights_that_are_not_finite(estimator: PoseEstimator) -> None:
    class Broken(BrightnessNetwork):
        def __call__(self, pixel_values: Any) -> SimpleNamespace:
            return SimpleNamespace(heatmaps=super().__call__(pixel_values).heatmaps * float("nan"))

    with pytest.raises(ReidAugError, match="not finite"):
        PoseEstimator(Broken(), estimator.processor, "cpu")(np.zeros((1, 128, 64, 3), np.uint8))


def test_folder_becomes_a_csv_as_a_library_call_gives_it(
    tmp_path: Path, tiny_root: Path, model: Path, estimator: PoseEstimator
) -> None:
    folder, out = split_folder(tiny_root, "train"), tmp_path / "new" / "a.csv"
    Image.new("RGB", (100, 40)).save(folder / "other.png")
    values = run(folder, "--out", out, "--model", model, "--threshold", 0, "--device", "cpu")
    assert values["images"] == values["estimated"] == 37
    annotations = read_annotations(out)
    assert list(annotations.names) == sorted(path.name for path in folder.iterdir())
    images = [np.asarray(Image.open(folder / name)) for name in annotations.names]
    np.testing.assert_array_equal(annotations.keypoints, estimator(images, 0.0))
    assert sorted(path.name for path in out.parent.iterdir()) == [".a.csv.lock", ".a.csv.record", "a.csv"]


def test_splits_of_a_root(tiny_root: Path) -> None:
    train, test = (list(find_images(tiny_root.parent, split)) for split in (None, "test"))
    assert len(train) == 36 and train == sorted(train)
    assert len(test) == 31 and test == sorted(test) and test[0].startswith("-1_")


@pytest.mark.parametrize("damage", [b"", b"0002_c1s1_000451_03.jpg: [1, 2", b"rubbish\n\xff\n"])
def test_a_killed_run_goes_on(
    tmp_path: Path, tiny_root: Path, seen: list[int], monkeypatch: pytest.MonkeyPatch, damage: bytes
) -> None:
    whole, out, part = tmp_path / "whole.csv", tmp_path / "a.csv", tmp_path / ".a.csv.part"
    arguments = ["--batch-size", 8, "--threshold", 0]
    run(tiny_root, "--out", whole, *arguments)
    counted = PoseEstimator.__call__

    def killed(self: PoseEstimator, images: Any, *settings: Any) -> np.ndarray:
        if len(part.read_bytes().splitlines()) > 16:
            raise KeyboardInterrupt
        return counted(self, images, *settings)

    with monkeypatch.context() as patch:
        patch.setattr(PoseEstimator, "__call__", killed)
        assert runner.invoke(app, ["pose", str(tiny_root), "--out", str(out), *map(str, arguments)]).exit_code == 130
    assert not out.exists()
    with open(part, "ab") as file:
        file.write(damage)
    seen.clear()
    assert run(tiny_root, "--out", out, *arguments)["estimated"] == 36 - 16 == sum(seen)
    assert out.read_bytes() == whole.read_bytes() and not part.exists()


def test_complete_file_is_left_alone_and_another_is_refused(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    out = tmp_path / "a.csv"
    run(tiny_root, "--out", out)
    seen.clear()
    result = runner.invoke(app, ["pose", str(tiny_root), "--out", str(out)])
    assert result.exit_code == 0 and "nothing was done" in result.stderr and not seen
    assert run(tiny_root, "--out", out, "--force")["estimated"] == 36
    changed = sorted(split_folder(tiny_root, "train").iterdir())[0]
    Image.new("RGB", (64, 128)).save(changed, "JPEG")  # as when another generator writes under the same names
    assert "was not made of these images as they are now" in error_of(tiny_root, "--out", out)
    out.write_text("mine")
    assert "--force" in error_of(tiny_root, "--out", out) and out.read_text() == "mine"
    assert "is a folder" in error_of(tiny_root, "--out", tmp_path, "--force")


def test_a_broken_image_is_named_and_the_rest_is_kept(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    victim = sorted(split_folder(tiny_root, "train").iterdir())[20]
    content, out = victim.read_bytes(), tmp_path / "a.csv"
    victim.write_bytes(content[:200])
    message = error_of(tiny_root, "--out", out, "--batch-size", 8)
    assert str(victim) in message and "replace or remove it" in message
    assert "threshold 0.3, now 0.5" in error_of(tiny_root, "--out", out, "--threshold", 0.5)
    first = sorted(split_folder(tiny_root, "train").iterdir())[0]
    first.write_bytes(content)
    victim.unlink()  # what is done is kept: 16 poses, less the image that has changed
    assert run(tiny_root, "--out", out, "--batch-size", 8)["estimated"] == 35 - 15
    whole = tmp_path / "whole.csv"
    run(tiny_root, "--out", whole, "--batch-size", 8)
    assert out.read_bytes() == whole.read_bytes()


def test_force_starts_again_with_other_settings(tmp_path: Path, tiny_root: Path, seen: list[int]) -> None:
    out = tmp_path / "a.csv"
    (tmp_path / ".a.csv.part").write_text('{"threshold": 0.7}\n')
    assert "threshold 0.7, now 0.3" in error_of(tiny_root, "--out", out)
    assert run(tiny_root, "--out", out, "--force")["estimated"] == 36 and not (tmp_path / ".a.csv.part").exists()


def test_two_runs_at_once(tmp_path: Path, tiny_root: Path) -> None:
    with locked(tmp_path / ".a.csv.lock", "a.csv"):
        assert f"process {os.getpid()}" in error_of(tiny_root, "--out", tmp_path / "a.csv")


def test_broken_data(tmp_path: Path, tiny_root: Path) -> None:
    empty, out = tmp_path / "empty", tmp_path / "a.csv"
    empty.mkdir()
    assert "nowhere" in error_of("nowhere", "--out", out)
    assert "no .jpg or .png image" in error_of(empty, "--out", out)
    assert "omit --split" in error_of(split_folder(tiny_root, "train"), "--out", out, "--split", "test")
    Image.new("RGB", (4, 4)).save(empty / "a:b.png")
    assert "rename it" in error_of(empty, "--out", out)


def test_broken_models(tmp_path: Path, tiny_root: Path, model: Path) -> None:
    def message(folder: object) -> str:
        return error_of(tiny_root, "--out", tmp_path / "a.csv", "--device", "cpu", "--model", folder)

    folder = tmp_path / "model"
    shutil.copytree(model, folder)
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    assert "cannot be loaded" in message(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "pytorch_model.bin is a pickle" in message(folder)
    assert "no config.json" in message(tmp_path)
    assert "no pose model" in message(tmp_path / "nowhere")
    assert "joints, expected the 17" in message(save_model(tmp_path / "body", labels=21))
    for key, value in (("use_simple_decoder", False), ("backbone_config", {"hidden_size": 24})):
        config = json.loads((model / "config.json").read_text())
        config[key] = config[key] | value if isinstance(value, dict) else value
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "model.safetensors").write_bytes(weights)
        assert "is not a ViTPose model" in message(folder)
    assert not (tmp_path / "a.csv").exists()


def test_no_network(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def refuse(*_: object, **__: object) -> None:
        raise OSError("We couldn't connect to 'https://huggingface.co'\nmore")

    monkeypatch.setattr(transformers.VitPoseForPoseEstimation, "from_pretrained", refuse)
    message = error_of(tiny_root, "--out", tmp_path / "a.csv", "--device", "cpu")
    assert "usyd-community/vitpose-base-simple cannot be loaded" in message and "model.safetensors" in message


def test_without_transformers(tmp_path: Path, tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    assert "pip install 'reidaug[pose]'" in error_of(tiny_root, "--out", tmp_path / "a.csv")


def test_accuracy_on_rendered_people(tmp_path: Path) -> None:
    """With real weights, named by REIDAUG_TEST_VITPOSE: at least half of the joints within half a head (PCKh)."""
    weights = os.environ.get("REIDAUG_TEST_VITPOSE")
    if not weights:
        pytest.skip("REIDAUG_TEST_VITPOSE names no folder with a ViTPose model")
    from reidaug.demo.mannequins import MannequinConfig, write_mannequins

    root = write_mannequins(tmp_path / "people", MannequinConfig(train_ids=8, test_ids=2, images=8), lambda *_: None)
    truth = read_annotations(root / "market-annotation-train.csv")
    run(root, "--out", tmp_path / "a.csv", "--model", weights)
    estimated = read_annotations(tmp_path / "a.csv").select(truth.names)
    head = truth.keypoints[:, [0, 1, 14, 15, 16, 17]]
    measured = np.isfinite(head).all(axis=2).sum(axis=1) >= 2
    span = (np.nanmax(head[measured], axis=1) - np.nanmin(head[measured], axis=1))[:, None]
    right = (np.abs(estimated - truth.keypoints)[measured] < 0.5 * span).all(axis=2)
    assert right.sum() / np.isfinite(truth.keypoints[measured]).all(axis=2).sum() > 0.5
