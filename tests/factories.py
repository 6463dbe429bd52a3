"""Makers that tests share: pictures, names, checkpoints, small training data, result rows."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor, nn

import pona
from pona import PoseImages, load_checkpoint
from pona.torch_file import read_torch
from pona.train import PRESETS, TrainConfig, TrainProgress, train
from reidaug.datasets.dataset import Dataset, Image
from reidaug.datasets.keypoints import Annotations, read_annotations, write_annotations
from reidaug.datasets.layouts import open_dataset, open_posed_images
from reidaug.datasets.market1501 import market_set, parse_name, split_folder
from reidaug.datasets.pairs import make_pairs
from reidaug.datasets.posed_images import PosedImages
from reidaug.evaluation.results import Result
from reidaug.study.training_sets import Provenance, TrainingSet

# A person that stands upright in 64 x 128 pixels, seen from the front: (x, y) of the 18 joints.
STANDING = np.array(
    [
        *[(32, 14), (32, 24), (24, 25), (20, 42), (18, 58), (40, 25), (44, 42), (46, 58), (27, 62)],
        *[(26, 88), (25, 112), (37, 62), (38, 88), (39, 112), (30, 12), (34, 12), (28, 13), (36, 13)],
    ]
)
TINY = replace(
    PRESETS["mini"],
    width=4,
    blocks=1,
    discriminator_width=4,
    batch_size=4,
    iterations=6,
    log_every=1,
    validate_every=2,
    pool_size=6,
    perceptual="none",
)
RECORD: dict[str, Any] = {"fingerprint": "abc", "names": ["a.jpg"], "portion": 0.4}
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


class SmallBackbone(nn.Module):
    """A backbone that is trained in no time, for tests of what surrounds a training."""

    width = 16

    def __init__(self, last_stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, self.width, 8, stride=8, bias=False)
        self.norm = nn.BatchNorm2d(self.width)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.convolution(images)).relu().mean(dim=(2, 3))


def write_picture(path: Path, random: np.random.RandomState, size: tuple[int, int] = (128, 64)) -> None:
    coarse = random.randint(0, 256, (8, 4, 3)).astype(np.uint8)
    PIL.Image.fromarray(coarse).resize((size[1], size[0]), PIL.Image.Resampling.BICUBIC).save(path, "JPEG", quality=90)


def names_of(pid: int, images: range) -> list[str]:
    return [f"{pid:04d}_c{1 + (i + pid) % 3}s1_{1000 * i + 7:06d}_0{i}.jpg" for i in images]


def write_checkpoint(path: Path, seed: int, training: dict[str, object] | None = None) -> Path:
    torch.manual_seed(seed)
    generator = pona.PoNAGenerator(width=8, blocks=1)
    pona.save_checkpoint(path, generator, generator.config, training or {"protocol": "paper"})
    return path


def generator_inputs(batch: int = 2, height: int = 32, width: int = 16) -> tuple[Tensor, Tensor, Tensor]:
    """A condition image and the heatmaps of condition and target."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(batch, 3, height, width, generator=generator) * 2 - 1
    heatmaps = torch.rand(2, batch, 18, height, width, generator=generator)
    return image, heatmaps[0], heatmaps[1]


def small_data(count: int = 6, height: int = 16, width: int = 8) -> PoseImages:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (count, 3, height, width), dtype=torch.uint8, generator=generator)
    keypoints = torch.randint(8, (count, 18, 2), generator=generator).float()
    keypoints[0, 4] = float("nan")
    pairs = torch.tensor([(i, j) for i in range(count) for j in range(count) if i != j])
    return PoseImages(images, keypoints, pairs)


def wake(network: nn.Module) -> nn.Module:
    """Random weights, gammas, betas, biases and running statistics, so that every part of the network speaks."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("gamma", "beta", "bias", "running_mean")):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.5)
            elif name.endswith("running_var"):
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
            elif tensor.ndim == 4:  # wide enough that nothing dies on the way
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * (2 / tensor[0].numel()) ** 0.5)
    return network.eval()


def torchvision_layout() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"features.0": (64, 3, 3, 3), "features.2": (64, 64, 3, 3), "features.5": (128, 64, 3, 3)}
    shapes["features.34"] = (8, 8, 3, 3)  # the last convolution of VGG-19, which no other VGG has; not in use
    state = {f"{name}.weight": torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    return state | {f"{name}.bias": torch.randn(shape[0], generator=generator) for name, shape in shapes.items()}


def train_tiny(out: Path, config: TrainConfig = TINY, **options: Any) -> Path:
    defaults: dict[str, Any] = {"data": small_data(), "trained_on": RECORD, "device": "cpu"}
    return train(config=config, out=out, **(defaults | options))


def interrupted(out: Path, config: TrainConfig = TINY) -> dict[str, Any]:
    """The state that a run leaves which is interrupted in its first step."""
    with pytest.raises(KeyboardInterrupt):
        train_tiny(out, config, progress=lambda _: signal.raise_signal(signal.SIGINT))
    return read_torch(out.with_name(out.name + ".last"))


def kill_at(iteration: int) -> Callable[[TrainProgress], None]:
    """A `progress` that ends a training with an OSError."""

    def kill(progress: TrainProgress) -> None:
        if progress.iteration == iteration:
            raise OSError("killed")

    return kill


def plain_environment(folder: Path) -> dict[str, str]:
    """This process's environment, without what a launcher may have left in it, and without cached weights."""
    removed = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "REIDAUG_STUDY", "REIDAUG_DATA")
    kept = {name: value for name, value in os.environ.items() if name not in removed}
    root = str(Path(__file__).parents[1])
    own = {"TORCH_HOME": str(folder / "no-weights"), "XDG_CACHE_HOME": str(folder / "cache")}
    return kept | own | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).generator.state_dict()


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


def make_result(name: str = "none", portion: float = 0.4, trapezoid: float = 0.5, seed: int = 0, **more: Any) -> Result:
    """A result of a set; `missing`, `seen_missing` and the like become its provenance."""
    origin = {field: more.pop(field) for field in ("missing", "copied", "seen_missing", "protocol") if field in more}
    generator = more.pop("generator", {})
    values = {
        **{"key": f"{name}{portion}{seed}", "set": name, "portion": portion, "recipe": "paper", "arch": "resnet50"},
        **{"weights": "imagenet", "epochs": 60, "trained_epochs": 60, "care": {}, "seed": seed},
        **{"images": 100, "identities": 10, "synthetic": 0, "training_fingerprint": "a", "test_fingerprint": "t"},
        **{"configuration": {}, "mean_ap": min(1.0, trapezoid + 0.008), "mean_ap_trapezoid": trapezoid},
        **{"mean_inp": 0.2, "rank1": 0.8, "rank5": 0.9, "rank10": 0.95, "queries": 10, "queries_without_match": 0},
        **{"versions": {"torch": "2"}, "device": "cpu", "precision": "fp32", "processor": "a CPU", "threads": 2},
        **{"time": "now", "command": "reidaug evaluate", "seconds": 1.0},
    }
    if origin:
        whole = {"missing": 0, "copied": 0, "seen_missing": None, "protocol": None, **origin}
        values["provenance"] = Provenance(**whole, generator=generator)
    return Result(**{**values, **more})


def seeds_of(name: str, portion: float, *values: float) -> list[Result]:
    """Results of a set with the seeds 0, 1, ..."""
    return [make_result(name, portion, value, seed) for seed, value in enumerate(values)]


# Table VI of the paper (Li et al., TIP 2020): none and PoNA at p = 0.2 and 0.4, and the full set.
TABLE_VI = [
    make_result("pona", 0.2, 0.588, synthetic=80, seen_missing=80, missing=80, protocol="paper"),
    make_result("none", 0.2, 0.423),
    make_result("none", 0.4, 0.589),
    make_result("pona", 0.4, 0.638, synthetic=60, seen_missing=0, missing=60, protocol="strict"),
    make_result("full", 1.0, 0.718),
]


def training_set(name: str = "none", portion: float = 0.4, images: int = 4, **more: Any) -> TrainingSet:
    """A training set of persons with two images each; there are no files."""
    shown = tuple(image_named(f"{1 + i // 2:04d}_c1s1_{i:06d}_00.jpg") for i in range(images))
    return TrainingSet(**{"name": name, "portion": portion, "fingerprint": f"{images}", "images": shown, **more})


def image_named(name: str, folder: Path = Path()) -> Image:
    """The image of a Market-1501 name; there need be no file."""
    return Image(folder / name, *parse_name(name), name)


def all_pairs(annotations: Annotations) -> np.ndarray:
    """The pairs of images with Market-1501 names."""
    return make_pairs(annotations, {name: parse_name(name)[0] for name in annotations.names})


def posed_images_of(path: Path) -> PosedImages:
    """The images with keypoints of the data set at a path."""
    return open_posed_images(open_dataset(path))


def images_in(folder: Path, names: Iterable[str] | None = None) -> list[Image]:
    """Images of a folder under whatever names; all that end in .jpg where none are named."""
    wanted = sorted(path.name for path in folder.glob("*.jpg")) if names is None else names
    return [Image(folder / name, 1, 1, name) for name in wanted]


def double_keypoints(path: Path) -> None:
    """Makes a keypoint file one of images of twice the size."""
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, 2 * annotations.keypoints)


def swap_keypoints(path: Path) -> None:
    """Turns x and y of a keypoint file round."""
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints[..., ::-1])


SPOIL = [double_keypoints, swap_keypoints]  # what `count_outside` must find in a file of 128 x 64 pixels


def copied_set(folder: Path, **splits: list[str]) -> Dataset:
    """A Market-1501 root with empty files of some names."""
    for split, names in splits.items():
        split_folder(folder, split).mkdir(parents=True)
        for name in names:
            (split_folder(folder, split) / name).touch()
    return market_set(folder)


def save_pose_model(folder: Path, experts: int = 1, labels: int = 17, seed: int = 0) -> Path:
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


FASHION_PEOPLE = ("fashionWOMENBlouses_Shirtsid0000311501_", "fashionMENPantsid0000161101_")
FASHION_VIEWS = ("1front.jpg", "2side.jpg", "7additional.jpg")
FASHION_KEYPOINTS, FASHION_PAIRS = "fasion-resize-annotation-train.csv", "fasion-resize-pairs-train.csv"
FASHION_NAMES = [person + view for person in FASHION_PEOPLE for view in FASHION_VIEWS]


def write_fashion(root: Path) -> Path:
    """DeepFashion: two people in three views, for training and (in other pictures) for the test, some not cropped."""
    random = np.random.RandomState(0)
    pairs = [
        (person + a, person + b) for person in FASHION_PEOPLE for a in FASHION_VIEWS for b in FASHION_VIEWS if a != b
    ]
    for split in ("train", "test"):
        (root / split).mkdir(parents=True)
        for row, name in enumerate(FASHION_NAMES):
            write_picture(root / split / name, random, (256, 256 if row % 2 else 176))
        keypoints = (2 * STANDING + (24, 0) + random.randint(-6, 7, (len(FASHION_NAMES), 18, 2))).astype(np.float32)
        write_annotations(root / f"fasion-resize-annotation-{split}.csv", FASHION_NAMES, keypoints)
        rows = "".join(f"{a},{b}\n" for a, b in pairs)
        (root / f"fasion-resize-pairs-{split}.csv").write_text("from,to\n" + rows)
    return root
