"""Training in two processes: the arithmetic of one, exact resume, one voice, and nobody left waiting."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pona import PoNAError, load_checkpoint
from pona.launch import launch
from pona.train import train
from tests.factories import RECORD, TINY, equal, weights
from tests.pona.two_processes import DATA, PLAIN, one_step

ROOT = Path(__file__).parents[2]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def environment(folder: Path) -> dict[str, str]:
    """This process's, without what a launcher may have left in it."""
    gone = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "REIDAUG_STUDY", "REIDAUG_DATA")
    kept = {name: value for name, value in os.environ.items() if name not in gone}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TORCH_HOME": str(folder / "no-weights")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have left what they found."""
    path = tmp_path_factory.mktemp("two")
    command = [*TORCHRUN, "-m", "tests.pona.two_processes", str(path)]
    done = subprocess.run(command, cwd=ROOT, env=environment(path), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.fixture(scope="module")
def found(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in (0, 1)]


def test_gradients_are_those_of_one_process_on_the_whole_batch(folder: Path) -> None:
    alone = one_step(launch(PLAIN, "cpu"), PLAIN)
    shared = torch.load(folder / "gradients.pt")
    assert shared.keys() == alone.keys()
    for name, gradient in alone.items():
        error = (shared[name] - gradient).abs().max().item()
        assert error <= 1e-3 * gradient.abs().max().item() + 1e-7, name


def test_no_process_leaves_its_connections_to_the_end_of_python(folder: Path) -> None:
    """Threads of gloo that outlive them now and then end the process with SIGABRT, after all of its work."""
    assert [json.loads((folder / f"connected{rank}.json").read_text()) for rank in (0, 1)] == [False, False]


def test_all_processes_hold_the_same_weights_and_their_own_pools(found: list[dict[str, Any]]) -> None:
    for each in found:
        assert each["whole"] == "done" and each["count"] == 2
        assert each["weights"] and each["average"] and each["discriminators"] and each["own dropout"]


def test_killed_and_resumed_gives_the_weights_of_one_never_killed(folder: Path, found: list[dict[str, Any]]) -> None:
    assert found[0]["cut"] == "OSError: killed" and found[1]["cut"].startswith("StoppedElsewhere: the first process")
    assert [each["resumed"] for each in found] == ["done", "done"]
    assert equal(weights(folder / "whole.pt"), weights(folder / "cut.pt"))
    assert load_checkpoint(folder / "cut.pt").training["devices"] == 2
    logged = [json.loads(line)["iteration"] for line in (folder / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


def test_interrupt_of_any_process_stops_and_saves_all(folder: Path, found: list[dict[str, Any]]) -> None:
    first, second = found
    assert first["interrupted"].startswith("KeyboardInterrupt") and second["interrupted"].startswith("StoppedElsewhere")
    assert load_checkpoint(folder / "interrupted.pt").training["iteration"] in (3, 4)
    with pytest.raises(PoNAError, match=r"devices 2 -> 1"):
        train(DATA, TINY, folder / "interrupted.pt", trained_on=RECORD, device="cpu")


def test_an_error_of_one_is_the_end_of_all_and_the_first_says_it(found: list[dict[str, Any]]) -> None:
    first, second = found
    assert first["no folder"].startswith("PoNAError: cannot write") and second["no folder"].startswith("Stopped")
    assert first["other input"].startswith("PoNAError: process 1: integer division")
    assert second["other input"].startswith("Stopped")


def test_one_clock_ends_the_run(found: list[dict[str, Any]]) -> None:
    assert [each["timed"] for each in found] == ["done", "done"]
    assert found[0]["iterations"] == found[1]["iterations"] >= 1


def test_unused_weights_and_two_forwards_with_bn(found: list[dict[str, Any]]) -> None:
    assert [each["no cross-attention, BN"] for each in found] == ["done", "done"]


def command(out: str, *arguments: str) -> list[str]:
    size = ["--preset", "mini", "--width", "8", "--iterations", "2", "--batch-size", "4", "--device", "cpu"]
    return ["-m", "reidaug", "train", *size, "--out", out, *arguments]


def test_command_line_in_two_processes_speaks_once(tiny_root: Path, tmp_path: Path) -> None:
    arguments = command("two.pt", "--data", str(tiny_root), "--devices", "2", "--json")
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["iteration"] == 2
    for line in ("no VGG-19 weights", "training on ", "iteration 2, unseen"):
        assert done.stderr.count(line) == 1, done.stderr
    assert load_checkpoint(tmp_path / "two.pt").training["devices"] == 2
    assert not list(tmp_path.glob("two.pt.last"))


def test_torchrun_says_an_error_once_and_ends(tmp_path: Path) -> None:
    arguments = command("two.pt", "--data", "nowhere")
    done = subprocess.run(
        [*TORCHRUN, *arguments], cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 1
    assert done.stderr.count("\nerror: ") + done.stderr.startswith("error: ") == 1, done.stderr
