"""`reidaug train`: what is trained on, what the checkpoint records of it, and what is refused."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import pona
from pona.train import PRESETS
from reidaug.cli.app import app
from reidaug.core.locks import locked
from reidaug.datasets.deepfashion import read_fashion_images
from reidaug.datasets.keypoints import find_annotations, read_annotations, write_annotations
from reidaug.datasets.market1501 import split_folder
from reidaug.study.folder import Study
from reidaug.study.plan import read_plan
from reidaug.synthesis.provenance import count_seen
from tests.cli.commands import runner
from tests.factories import (
    FASHION_KEYPOINTS,
    FASHION_NAMES,
    FASHION_PAIRS,
    TORCHRUN,
    images_in,
    plain_environment,
)
from tests.synthesis.commands import SMALL_TRAINING, train

pytestmark = pytest.mark.usefixtures("own_folder")
FASHION = ["--preset", "deepfashion", "--perceptual", "none"]


def test_paper_protocol_trains_on_all_and_says_so(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["protocol"] == "paper"
    assert "no VGG-19 weights" in result.stderr and "all training images" in result.stderr
    training = pona.load_checkpoint("pona.pt").training
    assert training["perceptual"] == "none" and training["iteration"] == 2
    folder = split_folder(tiny_root, "train")
    names = training["trained_on"]["names"]
    assert set(names) <= {path.name for path in folder.iterdir()}
    assert count_seen(images_in(folder, names), training) == len(names) > 0
    assert training["validation"]["l1_copy"] > 0  # measured on identities of the test split


def test_strict_protocol_sees_no_missing_image(tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.5", "--data", str(tiny_root)]).exit_code == 0
    result = train("--portion", "0.5", "--json")
    assert result.exit_code == 0, result.output
    training = pona.load_checkpoint("pona.pt").training
    assert (training["protocol"], training["trained_on"]["portion"]) == ("strict", 0.5)
    plan = read_plan(Study(Path("study")).plan_path(0.5))
    assert set(training["trained_on"]["names"]) <= {row.name for row in plan if row.kept}
    missing = [row.name for row in plan if not row.kept]
    assert count_seen(images_in(split_folder(tiny_root, "train"), missing), training) == 0


def test_process_killed_at_any_moment_goes_on_to_the_same_weights(tiny_root: Path) -> None:
    options = ["--iterations", "6", "--validate-every", "2", "--ema", "0.9", "--data", str(tiny_root)]
    process = subprocess.Popen(
        [sys.executable, "-m", "reidaug", "train", *SMALL_TRAINING, *options, "--out", "cut.pt"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and process.poll() is None and not Path("cut.pt").exists():
        time.sleep(0.02)
    process.kill()
    process.wait()
    assert Path("cut.pt.last").exists(), "it was to be killed midway"
    for out in ("cut.pt", "whole.pt"):
        result = train(*options, "--out", out)
        assert result.exit_code == 0, result.output
    cut, whole = (pona.load_checkpoint(name) for name in ("cut.pt", "whole.pt"))
    assert cut.training["iteration"] == whole.training["iteration"] == 6 and not Path("cut.pt.last").exists()
    ours, theirs = cut.generator.state_dict(), whole.generator.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_what_lies_beside_the_checkpoint(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root), "--validate-every", "1", "--json")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in Path("pona.pt.pictures").iterdir()) == ["0000001.png", "0000002.png"]
    with Image.open("pona.pt.pictures/0000002.png") as picture:
        assert picture.width > 8 * 128 and picture.height > 6 * 256  # two groups of four columns, six rows, doubled
    best = pona.load_checkpoint("pona.best.pt").training
    assert best["iteration"] == json.loads(result.stdout)["best"]["iteration"]
    assert "mask-SSIM" in result.stderr and "unseen people" in result.stderr


def test_every_option_reaches_the_checkpoint(tiny_root: Path) -> None:
    options = "--blocks 1 --fusion tail --no-self-attention --no-cross-attention --discriminator paper"
    options += " --adversarial lsgan --ema 0 --learning-rate 0.001 --seed 3 --perceptual none --color-jitter 0.2"
    result = train("--data", str(tiny_root), *options.split())
    assert result.exit_code == 0, result.output
    checkpoint = pona.load_checkpoint("pona.pt")
    network = checkpoint.config
    assert (network.blocks, network.fusion, network.width) == (1, "tail", 8)
    assert not network.self_attention and not network.cross_attention
    config = checkpoint.training["config"]
    wanted = {"discriminator_variant": "paper", "adversarial": "lsgan", "ema": 0.0, "learning_rate": 0.001, "seed": 3}
    wanted |= {"color_jitter": 0.2}
    assert {name: config[name] for name in wanted} == wanted
    assert checkpoint.training["weights"] == "last"


def test_tensorboard_is_asked_for_and_not_there(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    result = train("--data", str(tiny_root), "--tensorboard")
    assert result.exit_code == 1
    assert "pip install tensorboard" in result.stderr and not Path("pona.pt").exists()


def test_tensorboard_gets_losses_figures_and_pictures(tiny_root: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    result = train("--data", str(tiny_root), "--tensorboard")
    assert result.exit_code == 0, result.output
    events = EventAccumulator("pona.pt.tensorboard").Reload()
    assert {"loss/l1", "validation/l1", "validation/ssim_copy"} <= set(events.Tags()["scalars"])
    measured = pona.load_checkpoint("pona.pt").training["validation"]
    assert events.Scalars("validation/l1")[-1].value == pytest.approx(measured["l1"])
    assert events.Tags()["images"] == ["generated"]


def test_starting_from_a_leaky_generator_is_not_strict(tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.5", "--data", str(tiny_root)]).exit_code == 0
    assert train("--data", str(tiny_root)).exit_code == 0
    Path("pona.pt").rename("leaky.pt")
    result = train("--portion", "0.5", "--start-from", "leaky.pt", "--json")
    assert result.exit_code == 0, result.output
    training = pona.load_checkpoint("pona.pt").training
    assert training["protocol"] == "paper"
    plan = read_plan(Study(Path("study")).plan_path(0.5))
    missing = [row.name for row in plan if not row.kept]
    leaked = count_seen(images_in(split_folder(tiny_root, "train"), missing), pona.load_checkpoint("leaky.pt").training)
    assert leaked and count_seen(images_in(split_folder(tiny_root, "train"), missing), training) == leaked


def test_starting_from_the_shipped_generator_stays_strict_and_is_told(tiny_root: Path) -> None:
    assert runner.invoke(app, ["shrink", "--portion", "0.5", "--data", str(tiny_root)]).exit_code == 0
    result = train("--portion", "0.5", "--start-from", "shipped", "--width", "24", "--json")
    assert result.exit_code == 0, result.output
    training = pona.load_checkpoint("pona.pt").training
    assert training["protocol"] == "strict"  # rendered people are none of the missing images
    assert training["trained_on"]["start"]["file"] == "demo-pona.pt"
    assert runner.invoke(app, ["synthesize", "--ckpt", "pona.pt"]).exit_code == 0
    record = json.loads((Path("study") / "p0.50" / "pona" / "synthesis.json").read_text())
    assert record["training"]["started_from"] == "demo-pona.pt" and record["seen_missing"] == 0


def test_vgg_weights_are_looked_at_before_the_images(tiny_root: Path) -> None:
    Path("vgg.pth").write_bytes(b"not a torch file")
    for path in split_folder(tiny_root, "train").iterdir():
        path.write_bytes(b"not a JPEG")
    for name, message in (("vgg.pth", "is no file of plain tensors"), ("none.pth", "does not exist")):
        result = train("--data", str(tiny_root), "--vgg-weights", name)
        assert result.exit_code == 1 and f"{name} {message}" in " ".join(result.stderr.split())


def test_market_preset_refuses_to_train_without_vgg(tiny_root: Path) -> None:
    result = runner.invoke(app, ["train", "--out", "pona.pt", "--data", str(tiny_root), "--device", "cpu"])
    assert result.exit_code == 1 and "--vgg-weights" in result.stderr
    assert not Path("pona.pt").exists()


def test_perceptual_loss_asked_for_by_name_is_required(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root), "--perceptual", "vgg19")
    assert result.exit_code == 1 and "perceptual loss needs VGG-19 weights" in result.stderr
    assert not Path("pona.pt").exists()


def test_output_and_start_are_looked_at_before_the_images(tiny_root: Path) -> None:
    for path in split_folder(tiny_root, "train").iterdir():
        path.write_bytes(b"not a JPEG")
    Path("folder.pt").mkdir()
    Path("a.jpg").touch()
    for arguments, message in (
        (("--start-from", "shipped"), "another architecture: width 24 -> 8"),
        (("--start-from", "none.pt"), "none.pt does not exist"),
        (("--out", "folder.pt"), "folder.pt is a folder"),
        (("--out", "folder.pt/../a.jpg/pona.pt"), "a.jpg is a file, expected a folder for pona.pt"),
        (("--identity", "none.pt"), "--identity none.pt does not exist"),
        (("--vgg-weights", "none.pth"), "--vgg-weights none.pth does not exist"),
        (("--pairs", "none.csv"), "--pairs none.csv does not exist"),
        (("--out", "/proc/pona.pt"), "/proc/pona.pt cannot be written"),
    ):
        result = train("--data", str(tiny_root), *arguments)
        assert result.exit_code == 1 and message in " ".join(result.stderr.split()), result.stderr


def test_another_start_is_another_run(tiny_root: Path) -> None:
    assert train("--data", str(tiny_root)).exit_code == 0
    Path("first.pt").write_bytes(Path("pona.pt").read_bytes())
    result = train("--data", str(tiny_root), "--start-from", "first.pt")
    assert result.exit_code == 1 and "another run (another generator to start from)" in " ".join(result.stderr.split())


def test_moved_keypoints_are_another_run(tiny_root: Path) -> None:
    assert train("--data", str(tiny_root)).exit_code == 0
    path = find_annotations(tiny_root, "train")
    annotations = read_annotations(path)
    write_annotations(path, annotations.names, annotations.keypoints * 0.5)
    result = train("--data", str(tiny_root))
    assert result.exit_code == 1 and "another run (other keypoints)" in " ".join(result.stderr.split())


def test_two_trainings_of_one_file_are_refused(tiny_root: Path) -> None:
    with locked(Path(".pona.pt.lock"), "the other training"):
        result = train("--data", str(tiny_root))
    assert result.exit_code == 1 and "process" in result.stderr


def test_batch_of_one_is_refused_in_one_line(tiny_root: Path) -> None:
    result = train("--data", str(tiny_root), "--batch-size", "1")
    assert result.exit_code == 1 and "batch_size is 1" in result.stderr


def test_no_compiler_is_said_and_trains_without(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    result = train("--data", str(tiny_root), "--compile")
    assert result.exit_code == 0, result.output
    assert "no C++ compiler (no-such-compiler): training without --compile" in result.stderr


def test_compiling_leaves_the_names_of_the_weights(tiny_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[torch.nn.Module] = []
    compile = torch.nn.Module.compile

    def compile_nothing(module: torch.nn.Module) -> None:
        compiled.append(module)
        compile(module, backend="eager")  # a real back end takes a minute

    monkeypatch.setattr(torch.nn.Module, "compile", compile_nothing)
    monkeypatch.setattr("pona.compiler.why_not_compile", lambda device: None)
    result = train("--data", str(tiny_root), "--blocks", "1", "--compile")
    assert result.exit_code == 0, result.output
    assert len(compiled) == 3
    assert not any("_orig_mod" in name for name in pona.load_checkpoint("pona.pt").generator.state_dict())
    Path("pona.pt").rename("compiled.pt")
    assert train("--data", str(tiny_root), "--blocks", "1").exit_code == 0
    one, other = (pona.load_checkpoint(name).generator.state_dict() for name in ("compiled.pt", "pona.pt"))
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one)


def run_in_two_processes(folder: Path, launcher: list[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*launcher, "-m", "reidaug", "train", *SMALL_TRAINING, "--batch-size", "4", "--out", "two.pt", *arguments]
    return subprocess.run(
        command, cwd=folder, env=plain_environment(folder), capture_output=True, text=True, timeout=280
    )


def test_command_line_in_two_processes_speaks_once(tiny_root: Path, tmp_path: Path) -> None:
    done = run_in_two_processes(tmp_path, [sys.executable], "--data", str(tiny_root), "--devices", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["iteration"] == 2
    for line in ("no VGG-19 weights", "training on ", "iteration 2, unseen"):
        assert done.stderr.count(line) == 1, done.stderr
    assert pona.load_checkpoint(tmp_path / "two.pt").training["devices"] == 2
    assert not list(tmp_path.glob("two.pt.last"))


def test_torchrun_says_an_error_once_and_ends(tmp_path: Path) -> None:
    done = run_in_two_processes(tmp_path, TORCHRUN, "--data", "nowhere")
    assert done.returncode == 1
    assert done.stderr.count("\nerror: ") + done.stderr.startswith("error: ") == 1, done.stderr


@pytest.fixture
def small_fashion(monkeypatch: pytest.MonkeyPatch) -> None:
    # The preset's own discriminators of width 64 take half a minute for these two iterations.
    monkeypatch.setitem(PRESETS, "deepfashion", replace(PRESETS["deepfashion"], discriminator_width=8))


@pytest.mark.usefixtures("small_fashion")
def test_deepfashion_is_trained_on_as_its_files_say(fashion_root: Path) -> None:
    result = train(*FASHION, "--data", str(fashion_root), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["preset"] == "deepfashion"
    assert "6 images, 12 pairs, protocol paper (pairs of" in result.stderr
    checkpoint = pona.load_checkpoint("pona.pt")
    config = checkpoint.generator.config
    assert (config.norm, config.sigma, config.width) == ("instance", None, 8)
    record = checkpoint.training["trained_on"]
    assert record["names"] == FASHION_NAMES
    assert len(record["fingerprint"]) == len(record["pairs"]) == 16
    assert checkpoint.training["validation"]["l1_copy"] > 0
    keypoints = read_annotations(fashion_root / FASHION_KEYPOINTS).keypoints
    image = pona.generate_images(
        checkpoint.generator,
        torch.from_numpy(read_fashion_images([fashion_root / "train" / FASHION_NAMES[0]])).permute(0, 3, 1, 2),
        torch.from_numpy(keypoints[:1]),
        torch.from_numpy(keypoints[1:2]),
    )
    assert image.shape == (1, 3, 256, 176)


@pytest.mark.usefixtures("small_fashion")
def test_other_pairs_of_deepfashion_are_another_training(fashion_root: Path, tmp_path: Path) -> None:
    pairs = (fashion_root / FASHION_PAIRS).read_text().splitlines()
    (tmp_path / "few.csv").write_text("\n".join([*pairs[:5], ""]))
    assert train(*FASHION, "--data", str(fashion_root)).exit_code == 0
    result = train(*FASHION, "--data", str(fashion_root), "--pairs", "few.csv")
    assert "training on 3 images, 4 pairs" in result.stderr
    assert result.exit_code == 1 and "another run" in result.stderr


def test_a_market_folder_is_no_deepfashion(tiny_root: Path) -> None:
    result = train(*FASHION, "--data", str(tiny_root))
    assert result.exit_code == 1 and "expected the public DeepFashion layout" in result.stderr
    assert "needs --data FOLDER" in train(*FASHION).stderr


@pytest.mark.parametrize("arguments", [["--portion", "0.4"], ["--study", "other"]])
def test_a_study_is_not_of_deepfashion(fashion_root: Path, arguments: list[str]) -> None:
    result = train(*FASHION, "--data", str(fashion_root), *arguments)
    assert result.exit_code == 1 and "a study is of Market-1501" in result.stderr
