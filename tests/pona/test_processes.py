"""Training in two processes: the arithmetic of one, exact resume, one voice, and nobody left waiting."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from pona import PoNAError, load_checkpoint
from pona.launch import launch
from pona.train import train
from tests.factories import RECORD, TINY, TORCHRUN, equal, plain_environment, weights
from tests.pona.two_processes import DATA, PLAIN, one_step


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have written their results."""
    path = tmp_path_factory.mktemp("two")
    command = [*TORCHRUN, "-m", "tests.pona.two_processes", str(path)]
    done = subprocess.run(command, env=plain_environment(path), capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return path


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"results{rank}.json").read_text()) for rank in (0, 1)]


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


def test_all_processes_hold_the_same_weights_and_their_own_pools(results: list[dict[str, Any]]) -> None:
    for result in results:
        assert result["whole"] == "done" and result["count"] == 2
        assert result["weights"] and result["average"] and result["discriminators"] and result["own dropout"]


def test_killed_and_resumed_gives_the_weights_of_one_never_killed(folder: Path, results: list[dict[str, Any]]) -> None:
    assert results[0]["cut"] == "OSError: killed" and results[1]["cut"].startswith(
        "StoppedElsewhere: the first process"
    )
    assert [result["resumed"] for result in results] == ["done", "done"]
    assert equal(weights(folder / "whole.pt"), weights(folder / "cut.pt"))
    assert load_checkpoint(folder / "cut.pt").training["devices"] == 2
    logged = [json.loads(line)["iteration"] for line in (folder / "cut.pt.jsonl").read_text().splitlines()]
    assert logged == [1, 2, 3, 4, 5, 6]


def test_interrupt_of_any_process_stops_and_saves_all(folder: Path, results: list[dict[str, Any]]) -> None:
    first, second = results
    assert first["interrupted"].startswith("KeyboardInterrupt") and second["interrupted"].startswith("StoppedElsewhere")
    assert load_checkpoint(folder / "interrupted.pt").training["iteration"] in (3, 4)
    with pytest.raises(PoNAError, match=r"devices 2 -> 1"):
        train(DATA, TINY, folder / "interrupted.pt", trained_on=RECORD, device="cpu")


def test_an_error_of_one_is_the_end_of_all_and_the_first_says_it(results: list[dict[str, Any]]) -> None:
    first, second = results
    assert first["no folder"].startswith("PoNAError: cannot write") and second["no folder"].startswith("Stopped")
    assert first["other input"].startswith("PoNAError: process 1: integer division")
    assert second["other input"].startswith("Stopped")


def test_one_clock_ends_the_run(results: list[dict[str, Any]]) -> None:
    assert [result["timed"] for result in results] == ["done", "done"]
    assert results[0]["iterations"] == results[1]["iterations"] >= 1


def test_unused_weights_and_two_forwards_with_bn(results: list[dict[str, Any]]) -> None:
    assert [result["no cross-attention, BN"] for result in results] == ["done", "done"]
