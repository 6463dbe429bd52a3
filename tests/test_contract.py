"""What other programs rely on: names, options, files and bytes that no change of the code's structure may touch."""

import enum
import hashlib
import inspect
import json
import typing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import typer
from typer.testing import CliRunner

import pona
import reid_baseline
from pona.data import to_uint8
from reid_baseline import RECIPES
from reidaug.cli.app import app
from reidaug.datasets.market1501 import ROOT_NAME
from reidaug.evaluation.results import result_key
from reidaug.study.folder import Study
from reidaug.synthesis.painter import shipped_checkpoint
from tests.factories import write_checkpoint

OPTIONS = Path(__file__).with_name("contract_options.json")
PLAN = "7cccb3fce83e137d"  # SHA-256 of the files that the tests below write
MANIFEST = "459f2402f4600a62"
GENERATED = "faa45438a8b3048c"  # of the generated images

PONA = """Checkpoint GeneratorConfig PoNAError PoNAGenerator PoseImages fold_norms generate_images
    generator_from_author_weights load_checkpoint render_heatmaps save_checkpoint"""
REID_BASELINE = """ARCHS RECIPES BaselineNet Matches Ranking ReIDError Recipe StateError TrainProgress best_matches
    build_model check_matches estimate_seconds evaluate_ranking extract_features load_images load_model
    reranked_distances save_model train_baseline training_seconds"""


@pytest.mark.parametrize(("library", "names"), [(pona, PONA), (reid_baseline, REID_BASELINE)])
def test_public_names(library: Any, names: str) -> None:
    assert set(names.split()) <= set(library.__all__)
    assert all(hasattr(library, name) for name in library.__all__)


def test_public_signatures() -> None:
    generator = inspect.signature(pona.PoNAGenerator).parameters
    wanted = {
        **{"width": 64, "blocks": 3, "norm": "batch", "fusion": "head"},
        **{"self_attention": True, "cross_attention": True},
    }
    assert {name: parameter.default for name, parameter in list(generator.items())[:6]} == wanted
    forward = list(inspect.signature(pona.PoNAGenerator.forward).parameters)
    assert forward == ["self", "condition_image", "condition_heatmaps", "target_heatmaps"]
    heatmaps = inspect.signature(pona.render_heatmaps).parameters
    assert [(p.name, p.default) for p in heatmaps.values()][1:] == [("size", (128, 64)), ("sigma", 6.0)]
    ranking = list(inspect.signature(reid_baseline.evaluate_ranking).parameters)
    sides = [f"{side}_{what}" for what in ("features", "pids", "camids") for side in ("query", "gallery")]
    assert ranking[:6] == sides
    assert {"mean_ap", "mean_ap_trapezoid", "mean_inp", "cmc"} <= reid_baseline.Ranking.__annotations__.keys()


def options_of_all_commands() -> dict[str, dict[str, Any]]:
    """What can be typed, for each command: flags or metavar, with type, default and the like."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {name: dict(sorted(map(_describe, command.params))) for name, command in sorted(commands.items())}


def _describe(option: Any) -> tuple[str, dict[str, Any]]:
    kind = option.type_descriptor.annotation
    kind = typing.get_args(kind)[0] if typing.get_origin(kind) is list else kind
    flags = " ".join([*option.opts, *option.secondary_opts]) if option.opts[0].startswith("-") else "argument"
    choices = typing.get_args(kind) or ([each.value for each in kind] if issubclass(kind, enum.Enum) else [])
    named = "choice" if choices else kind.__name__
    if flags == "--arch":  # its values are those that `reid_baseline` has: see the test below
        named, choices = "choice", ["resnet18", "resnet50"]
    default = option.default if isinstance(option.default, bool | int | float | str | None) else str(option.default)
    more = {name: getattr(option, name, None) for name in ("min", "max", "required", "multiple", "envvar")}
    return flags, {"type": named, "choices": sorted(choices), "default": default, **more}


def test_options() -> None:
    """Written by `python -c "from tests.test_contract import *; write_options()"`, when an option is added."""
    assert options_of_all_commands() == json.loads(OPTIONS.read_text())


def write_options() -> None:
    lines = [
        f" {json.dumps(command)}: {{\n"
        + ",\n".join(f"  {json.dumps(o)}: {json.dumps(v)}" for o, v in options.items())
        + "\n }"
        for command, options in options_of_all_commands().items()
    ]
    OPTIONS.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def test_an_unknown_arch_is_a_usage_error_that_names_the_known_ones(own_folder: Path) -> None:
    for command in ("evaluate", "sweep"):
        result = CliRunner().invoke(app, [command, "--arch", "nonsense"])
        assert result.exit_code == 2 and all(name in result.stderr for name in ("nonsense", "resnet50", "resnet18"))


def test_files_of_a_study(study: Study, small_quick: None, tmp_path: Path) -> None:
    runner, checkpoint = CliRunner(), write_checkpoint(tmp_path / "tiny.pt", seed=0)
    assert runner.invoke(app, ["synthesize", "--ckpt", str(checkpoint)]).exit_code == 0
    small = ["--recipe", "quick", "--arch", "resnet18", "--epochs", "1", "--device", "cpu", "--save-models"]
    keys = [row["key"] for row in json.loads(runner.invoke(app, ["evaluate", *small, "--json"]).stdout)["rows"]]
    found = {str(path.relative_to(study.path)) for path in study.path.rglob("*") if path.is_symlink() or path.is_file()}
    shown = {path for path in found if not any(part.startswith(".") for part in Path(path).parts)}
    files = ["market-annotation-test.csv", "market-annotation-train.csv", "manifest.csv"]
    files += ["query", "bounding_box_test"]  # links
    sets = {f"p0.40/{name}/{ROOT_NAME}/{file}" for name in ("none", "pona") for file in files}
    images = [image.name for image in study.data_of(0.4).images("train")]
    kept = [line.split(",")[0] for line in study.plan_path(0.4).read_text().splitlines() if line.endswith(",keep")]
    for name, members in (("none", kept), ("pona", images)):
        sets |= {f"p0.40/{name}/{ROOT_NAME}/bounding_box_train/{image}" for image in members}
    results = {f"{folder}/{key}.{end}" for key in keys for folder, end in KEPT.items()} | {"results.jsonl"}
    assert shown == sets | results | {"p0.40/plan.csv", "p0.40/shrink.json", "p0.40/pona/synthesis.json"}
    for name, digest in (("plan.csv", PLAN), (f"pona/{ROOT_NAME}/manifest.csv", MANIFEST)):
        assert hashlib.sha256((study.portion_dir(0.4) / name).read_bytes()).hexdigest()[:16] == digest


KEPT = {"queries": "csv", "models": "pt", "features": "npz"}


def test_result_keys() -> None:
    configuration = {"recipe": RECIPES["quick"].differences(), "arch": "resnet18", "weights": "none"}
    assert result_key("a" * 16, "b" * 16, configuration, 3) == "1010d567b9aa9c38"
    assert RECIPES["paper"].differences() == {"name": "paper"}


def test_the_shipped_generator_generates_the_same_bytes() -> None:
    """In float64, where processors round alike; `generate_images` in float32 differs by a grey level at most."""
    random = np.random.RandomState(0)
    images = torch.from_numpy(random.randint(0, 256, (2, 3, 128, 64)).astype(np.uint8))
    keypoints = random.uniform(0, (64, 128), (2, 2, 18, 2))
    keypoints[0, 0, 3] = keypoints[1, 1, 7] = np.nan
    generator = pona.load_checkpoint(shipped_checkpoint()).generator.double()
    condition, target = (torch.from_numpy(naive_heatmaps(points)) for points in keypoints)
    with torch.inference_mode():
        exact = to_uint8(generator(images.double() / 127.5 - 1, condition, target).double())
    assert hashlib.sha256(exact.numpy().tobytes()).hexdigest()[:16] == GENERATED
    points = torch.from_numpy(keypoints.astype(np.float32))
    usual = pona.generate_images(pona.fold_norms(generator.float()), images, points[0], points[1], precision="fp32")
    assert (usual.int() - exact.int()).abs().max() <= 1


def naive_heatmaps(keypoints: np.ndarray) -> np.ndarray:
    """(N, 18, 2) -> (N, 18, 128, 64), float64."""
    y, x = np.mgrid[:128, :64]
    squared = (x - keypoints[..., :1, None]) ** 2 + (y - keypoints[..., 1:, None]) ** 2
    return np.nan_to_num(np.exp(-squared / 72), nan=0.0)
