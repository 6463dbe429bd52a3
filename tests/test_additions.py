"""What a stranger adds with one file and one line in a table: a toy of each kind does the main job.

A data set of other files: tests/datasets/test_layouts.py. A metric of `score`: tests/scoring/test_score.py.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

import reid_baseline
from pona.generators import GENERATORS
from pona.generators.generator import Generator
from pona.train_config import TrainConfig
from reid_baseline import BACKBONES, Backbone
from reidaug.cli.app import app
from reidaug.datasets.images import read_image
from reidaug.datasets.market1501 import split_folder
from reidaug.study.controls import CONTROLS
from reidaug.study.controls.control import Control, fill
from reidaug.study.folder import Study
from reidaug.study.plan import PlanRow, read_plan
from reidaug.study.training_sets import TrainingSet, Transform

SMALL = ["--recipe", "quick", "--epochs", "1", "--device", "cpu"]
runner = CliRunner()
pytestmark = pytest.mark.usefixtures("study", "small_quick", "small_network")


def run(*arguments: str) -> str:
    result = runner.invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


MINI = TrainConfig("mini", "TintedCopy", perceptual="none", batch_size=4, iterations=5)


@dataclass(frozen=True)
class TintConfig:
    strength: float = 0.5


class TintedCopy(Generator[TintConfig]):
    """A generator: a copy of the condition image with a learnt tint."""

    method = "tinted copy"
    config_class = TintConfig
    size_multiple = 1
    presets = MappingProxyType({"mini": MINI})

    def __init__(self, config: TintConfig) -> None:
        super().__init__()
        self.config, self.tint = config, nn.Conv2d(3, 3, 1)

    @classmethod
    def from_config(cls, config: TintConfig) -> Self:
        return cls(config)

    def prepare(
        self, condition_images: Tensor, condition_keypoints: Tensor, target_keypoints: Tensor
    ) -> tuple[Tensor, ...]:
        return (condition_images,)

    def forward(self, condition_image: Tensor) -> Tensor:
        return (condition_image + self.config.strength * self.tint(condition_image)).clamp(-1, 1)


def test_a_generator(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENERATORS, "tinted", TintedCopy)
    data = str(study.data_of(0.4).root)
    run("train", "--generator", "tinted", "--preset", "mini", "--data", data, "--out", "tint.pt", "--device", "cpu")
    run("synthesize", "--ckpt", "tint.pt", "--name", "tint", "--device", "cpu", "--batch-size", "5")
    plan = {row.name: row for row in read_plan(study.plan_path(0.4))}
    folder = split_folder(study.set_root(0.4, "tint"), "train")
    name = next(row.name for row in plan.values() if row.action == "generate")
    condition = split_folder(study.data_of(0.4).root, "train") / plan[name].condition
    generated, source = (read_image(path).astype(float) for path in (folder / name, condition))
    assert np.corrcoef(generated.ravel(), source.ravel())[0, 1] > 0.9 and np.abs(generated - source).mean() > 1
    rows = json.loads(run("evaluate", *SMALL, "--arch", "resnet18", "--json"))["rows"]
    assert {row["set"]: row["synthetic"] for row in rows} == {"none": 0, "tint": 22, "full": 0}
    score = json.loads(
        run("score", "--ckpt", "tint.pt", "--data", str(study.data_of(0.4).root), "--count", "3", "--json")
    )
    assert [row["set"] for row in score["rows"]] == ["tint.pt", "copy", "mean", "real"]
    run("grid", "--ckpt", "tint.pt", "--ckpt", "shipped", "--data", str(study.data_of(0.4).root), "--count", "2")
    result = runner.invoke(app, ["attention", "--ckpt", "tint.pt", "--data", str(study.data_of(0.4).root)])
    assert result.exit_code == 1 and "TintedCopy" in result.stderr.splitlines()[-1]


class TinyNetwork(nn.Module):
    """A backbone: four colours of each image, pooled."""

    width = 4

    def __init__(self, last_stride: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, self.width, 3, stride=last_stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(self.width)

    def forward(self, images: Tensor) -> Tensor:
        return self.norm(self.convolution(images)).mean(dim=(2, 3))


def test_a_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "tiny", Backbone(TinyNetwork))
    rows = json.loads(run("evaluate", *SMALL, "--arch", "tiny", "--json"))["rows"]
    assert {row["set"]: row["arch"] for row in rows} == {"none": "tiny", "full": "tiny"}
    assert "recipe quick, tiny, weights none" in run("table", "--format", "markdown")
    result = runner.invoke(app, ["evaluate", *SMALL, "--arch", "tiny", "--weights", "imagenet"])
    assert result.exit_code == 1 and "tiny" in result.stderr.splitlines()[-1]


def make_grey(plan: Sequence[PlanRow], reduced: TrainingSet, full: TrainingSet) -> TrainingSet:
    """A control: each missing image is its condition image without colours."""

    def grey(rows: Sequence[int]) -> Transform:
        def apply(images: Tensor) -> None:
            images[list(rows)] = images[list(rows)].float().mean(dim=1, keepdim=True).to(torch.uint8)

        return Transform(["grey", *rows], apply)

    return fill(plan, reduced, full, lambda row: row.condition, grey)


def test_a_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        CONTROLS, "grey", Control("each missing image is its condition image without colours", make_grey)
    )
    seen: list[Tensor] = []
    train = reid_baseline.train_baseline
    monkeypatch.setattr(
        reid_baseline, "train_baseline", lambda images, *a, **k: seen.append(images) or train(images, *a, **k)
    )
    rows = json.loads(run("evaluate", *SMALL, "--arch", "resnet18", "--controls", "grey,flip", "--json"))["rows"]
    assert {row["set"]: row["synthetic"] for row in rows} == {"none": 0, "grey": 22, "flip": 22, "full": 0}
    assert len({row["key"] for row in rows}) == 4  # an experiment of its own
    grey = seen[[row["set"] for row in rows].index("grey")]
    assert sum(bool((image[0] == image[1]).all() and (image[1] == image[2]).all()) for image in grey) == 22
    table = run("table", "--format", "markdown")
    assert "| grey | 0.40 | none |" in table and "grey: each missing image is its condition image without" in table
    result = runner.invoke(app, ["synthesize", "--ckpt", "shipped", "--name", "grey"])
    assert result.exit_code == 1 and "grey" in result.stderr  # the name is taken


ADD_A_FORMAT = """
from reidaug.reports.formats import FORMATS
def write(tables):
    return "\\n".join(f"{result.set}: {result.mean_ap:.3f}" for table in tables for result in table.results)
FORMATS["lines"] = write
from reidaug.__main__ import main
main()
"""


def test_a_format_of_the_table(study: Study) -> None:
    rows = json.loads(run("evaluate", *SMALL, "--arch", "resnet18", "--json"))["rows"]
    command = [sys.executable, "-c", ADD_A_FORMAT, "table", "--study", str(study.path), "--format", "lines"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed == "".join(f"{row['set']}: {row['mean_ap']:.3f}\n" for row in rows)
